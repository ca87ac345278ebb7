"""The roles and how they run: each in a thread, all until one is told to stop or one cannot go on."""

import logging
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from modeltrail.config import Config
from modeltrail.errors import LogUnavailableError
from modeltrail.log.opening import open_log
from modeltrail.log.protocol import Log
from modeltrail_schemas.versions import schema_texts

from modeltrail_server import audit
from modeltrail_server.audit.checkpoint import Checkpoint
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.projector import Projector

GROUP = "modeltrail-projector"
OPEN_RETRY_S = 2.0
STOP_CHECK_S = 0.5

_logger = logging.getLogger(__name__)


class Role(StrEnum):
    """What a server does."""

    PROJECTOR = "projector"
    AUDITOR = "auditor"


def serve(config: Config, roles: Sequence[Role], stop: threading.Event) -> None:
    """Run ``roles`` until ``stop``. What is down is waited for; raises the first error that needs a person."""
    failures: queue.SimpleQueue[BaseException] = queue.SimpleQueue()

    def run(role: Role) -> None:
        try:
            _ROLES[role](config, stop)
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            failures.put(error)
            stop.set()

    threads = [threading.Thread(target=run, args=(role,), name=f"modeltrail-{role}") for role in roles]
    for thread in threads:
        thread.start()
    _logger.info("serving", extra={"roles": [str(role) for role in roles], "log": config.log})
    while any(thread.is_alive() for thread in threads):
        for thread in threads:
            thread.join(STOP_CHECK_S)
    _logger.info("stopped")
    if not failures.empty():
        raise failures.get()


def _project(config: Config, stop: threading.Event) -> None:
    log = _opened_log(config, stop)
    if log is None:
        return
    engine = open_engine(config.database)
    try:
        with log, Projector(log, engine, group=GROUP) as projector:
            projector.run(stop)
    finally:
        engine.dispose()


def _audit(config: Config, stop: threading.Event) -> None:
    log = _opened_log(config, stop)
    if log is None:
        return
    with log:
        if not (config.audit / audit.layout.KEY).exists():
            status = audit.init(config.audit, "modeltrail", log.identity, partitions=log.partitions())
            _logger.info("audit log started", extra={"verifier_key": status.verifier_key})
        audit.follow(config.audit, log, schemas=schema_texts(), stop=stop, on_publish=_signed)


def _signed(partition: int, head: Checkpoint) -> None:
    _logger.info("signed", extra={"partition": partition, "size": head.size})


def _opened_log(config: Config, stop: threading.Event) -> Log | None:
    """Return the log, waiting for its brokers; None when told to stop meanwhile."""
    while not stop.is_set():
        try:
            return open_log(config.log, options=config.log_options)
        except LogUnavailableError as error:
            _logger.warning("waiting for the log", extra={"reason": str(error)})
            stop.wait(OPEN_RETRY_S)
    return None


_ROLES: Mapping[Role, Callable[[Config, threading.Event], None]] = {Role.PROJECTOR: _project, Role.AUDITOR: _audit}
