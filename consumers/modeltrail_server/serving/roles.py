"""The roles and how they run: each in a thread, all until one is told to stop or one cannot go on."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from modeltrail.config import Config
from modeltrail.errors import LogUnavailableError
from modeltrail.log.opening import open_log
from modeltrail.log.protocol import Log
from modeltrail_schemas.versions import schema_texts

from modeltrail_server import audit
from modeltrail_server.api.tokens import Tokens, require_for
from modeltrail_server.audit.checkpoint import Checkpoint
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.projector import LoggingObserver, Observer, Projector
from modeltrail_server.search.following import follow as follow_index
from modeltrail_server.serving.health import API, AUDITOR, INDEXER, PROJECTOR, reasons_not_ready
from modeltrail_server.serving.watching import Watch

GROUP = "modeltrail-projector"
OPEN_RETRY_S = 2.0
ROOM_RETRY_S = 5.0
STOP_CHECK_S = 0.5

_logger = logging.getLogger(__name__)


class Role(StrEnum):
    """What a server does."""

    PROJECTOR = PROJECTOR
    INDEXER = INDEXER
    AUDITOR = AUDITOR
    API = API


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where HTTP is spoken: the ``api`` role's address, and a port for health and metrics alone (None: none).

    ``tokens`` are of those who may send events; they may be left out where nobody but this machine reaches ``host``.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    health_port: int | None = None
    tokens: Tokens | None = None


def serve(config: Config, roles: Sequence[Role], stop: threading.Event, addresses: Addresses | None = None) -> None:
    """Run ``roles`` until ``stop``. What is down is waited for; raises the first error that needs a person."""
    failures: queue.SimpleQueue[BaseException] = queue.SimpleQueue()
    server = _Server(config, roles, addresses or Addresses(), stop)

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            failures.put(error)
            stop.set()

    threads = [threading.Thread(target=run, args=(work,), name=f"modeltrail-{name}") for name, work in server.works()]
    for thread in threads:
        thread.start()
    _logger.info("serving", extra={"roles": [str(role) for role in roles], "log": config.log})
    while any(thread.is_alive() for thread in threads):
        for thread in threads:
            thread.join(STOP_CHECK_S)
    _logger.info("stopped")
    if not failures.empty():
        raise failures.get()


class _Server:
    """The roles of one process, and what they share: the watch and the metrics, where HTTP is spoken."""

    def __init__(self, config: Config, roles: Sequence[Role], addresses: Addresses, stop: threading.Event) -> None:
        self._config, self._roles, self._addresses, self._stop = config, roles, addresses, stop
        self._watch: Watch | None = None
        self._observer: Observer = LoggingObserver()

    def works(self) -> list[tuple[str, Callable[[], None]]]:
        """Return what to run, each in a thread of its own, by name.

        Raises ConfigurationError on a port in use, and where tokens are missing.
        """
        works: list[tuple[str, Callable[[], None]]] = []
        if Role.API in self._roles or self._addresses.health_port is not None:
            works += self._http_works()
        own = {Role.PROJECTOR: self._project, Role.INDEXER: self._index, Role.AUDITOR: self._audit}
        return works + [(role, own[role]) for role in self._roles if role in own]

    def _http_works(self) -> list[tuple[str, Callable[[], None]]]:
        # FastAPI takes a second to import, Prometheus' client a tenth: only who speaks HTTP pays.
        from modeltrail_server.api.appending import Appender
        from modeltrail_server.api.application import Vitals, make_application
        from modeltrail_server.api.finding import EventFinder
        from modeltrail_server.api.lineage import Intake
        from modeltrail_server.api.server import listen, run_application
        from modeltrail_server.serving.metrics import Metrics

        watch = self._watch = Watch(self._config)
        self._observer = metrics = Metrics(watch)
        vitals = Vitals(self._reasons_not_ready, metrics.expose)
        run = partial(run_application, stop=self._stop, on_refused=metrics.connection_refused)
        works: list[tuple[str, Callable[[], None]]] = [("watch", lambda: watch.run(self._stop))]
        if (health_port := self._addresses.health_port) is not None:
            health = listen(self._addresses.host, health_port)
            works.append(("health", lambda: run(make_application(vitals), health)))
        if Role.API in self._roles:
            require_for(self._addresses.host, self._addresses.tokens)
            listener = listen(self._addresses.host, self._addresses.port)

            def serve_api() -> None:
                appender = Appender(self._config.log, self._config.log_options)
                events = EventFinder(self._config, appender.end)
                intake = Intake(appender, events, self._addresses.tokens)
                try:
                    run(make_application(vitals, intake), listener)
                finally:
                    appender.close()
                    events.close()

            works.append(("api", serve_api))
        return works

    def _reasons_not_ready(self) -> dict[str, str]:
        assert self._watch is not None
        return reasons_not_ready(
            self._watch.latest,
            roles=self._roles,
            projected=self._watch.projected_since,
            indexed=self._watch.indexed_since,
            audited=self._watch.audited_since,
            now_s=time.monotonic(),
        )

    def _project(self) -> None:
        log = _opened_log(self._config, self._stop)
        if log is None:
            return
        engine = open_engine(self._config.database)
        try:
            with log, Projector(log, engine, group=GROUP, observer=self._observer) as projector:
                projector.run(self._stop)
        finally:
            engine.dispose()

    def _index(self) -> None:
        log = _opened_log(self._config, self._stop)
        if log is None:
            return
        engine = open_engine(self._config.database)
        try:
            with log:
                follow_index(log, engine, self._stop)
        finally:
            engine.dispose()

    def _audit(self) -> None:
        config = self._config
        log = _opened_log(config, self._stop)
        if log is None:
            return
        follow = partial(audit.follow, share=True, schemas=schema_texts(), stop=self._stop, on_publish=_signed)
        with log:
            while not self._stop.is_set():
                try:
                    _begin_audit(config.audit)
                    follow(config.audit, log)
                except audit.AuditWriteError as error:
                    if not error.is_full:
                        raise
                    _logger.warning("waiting for room on the disk", extra={"reason": str(error)})
                    self._stop.wait(ROOM_RETRY_S)


def _begin_audit(folder: Path) -> None:
    """Make the key where there is none, unless another auditor of the folder does so at the same moment."""
    key = folder / audit.layout.KEY
    if key.exists():
        return
    try:
        status = audit.init(folder, "modeltrail")
    except audit.KeyFileError:
        if not key.exists():
            raise
    else:
        _logger.info("audit log started", extra={"verifier_key": status.verifier_key})


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
