"""What the processes of the fault tests do: the product's own code, with points at which they break themselves."""

import logging
import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modeltrail.config import Config
from modeltrail.errors import ModeltrailError
from modeltrail.log import kafka_reader
from modeltrail.log.opening import open_log
from modeltrail_schemas import versions
from modeltrail_schemas.versions import SchemaVersion
from modeltrail_server import audit
from modeltrail_server.projection import engine as databases
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.projector import BatchStats, Projector, catch_up
from modeltrail_server.projection.rebuilding import rebuild

Report = Callable[..., None]
# The least that a broker allows by default.
SESSION_TIMEOUT_MS = 6_000
QUICK = audit.Pace(max_records=40, wait_ms=5, publish_interval_ms=1)


class Reporting:
    """An observer that reports batches and retries."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def batch_written(self, stats: BatchStats) -> None:
        self._report("batch", stats.partition, stats.first_offset, stats.next_offset, stats.new_events)

    def retrying(self, error: ModeltrailError, delay_s: float) -> None:
        self._report("retry", type(error).__name__, str(error))


class PointedProjector(Projector):
    """Says at which point of a batch it is: read, written (before the commit), committed."""

    def _project(self, partition: int, records: Any) -> int:
        self._reach("read")
        count = super()._project(partition, records)
        self._reach("committed")
        return count

    def _write(self, connection: Any, batch: Any, expected: int | None) -> Any:
        written = super()._write(connection, batch, expected)
        self._reach("written")
        return written

    def _reach(self, point: str) -> None:
        raise NotImplementedError


class BreakingProjector(PointedProjector):
    """Sends itself ``signal_number`` once, in its ``nth`` batch, at ``point``."""

    def __init__(self, *arguments: Any, point: str, nth: int, signal_number: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._point, self._nth, self._signal_number = point, nth, signal_number

    def _project(self, partition: int, records: Any) -> int:
        self._nth -= 1
        return super()._project(partition, records)

    def _reach(self, point: str) -> None:
        if point == self._point and not self._nth:
            self._nth -= 1
            os.kill(os.getpid(), self._signal_number)


def project(
    report: Report,
    address: str,
    database: str,
    *,
    group: str | None = None,
    batch_records: int = 10,
    point: str = "",
    nth: int = 0,
    signal_number: int = signal.SIGKILL,
    idle_in_transaction_s: int = databases.IDLE_IN_TRANSACTION_S,
    newer_schema: str = "",
) -> None:
    """Follow a log until SIGTERM; with ``point``, break there; with ``newer_schema``, know that one too."""
    if newer_schema:
        _know(newer_schema)
    kafka_reader.SESSION_TIMEOUT_MS = SESSION_TIMEOUT_MS
    databases.IDLE_IN_TRANSACTION_S = idle_in_transaction_s
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with (
        open_log(address) as log,
        BreakingProjector(
            log,
            open_engine(database),
            group=group,
            observer=Reporting(report),
            max_batch_records=batch_records,
            point=point,
            nth=nth,
            signal_number=signal_number,
        ) as projector,
    ):
        report("ready")
        try:
            projector.run(stop)
        except ModeltrailError as error:
            report("refused", type(error).__name__, str(error), error.remedy)
            raise SystemExit(3) from None


def _know(newer_schema: str) -> None:
    newer = SchemaVersion(versions.CURRENT_VERSION + 1, newer_schema)
    known = {version.fingerprint: version for version in (*versions.all_versions(), newer)}
    versions._by_fingerprint = lambda: known  # type: ignore[assignment]


def project_once(report: Report, address: str, database: str, *, at: float) -> None:
    """Do what an embedded command does first: catch up, everyone at the same moment."""
    time.sleep(max(0.0, at - time.time()))
    with open_log(address) as log:
        progress = catch_up(log, open_engine(database), observer=Reporting(report))
    report("done", progress.position.format())


def rebuild_model(report: Report, address: str, database: str) -> None:
    """Rebuild once."""
    with open_log(address) as log:
        report("ready")
        digest = rebuild(log, open_engine(database), observer=Reporting(report))
        report("done", digest and digest.hex)


def audit_log(
    report: Report,
    address: str,
    folder: str,
    *,
    once: bool = False,
    share: bool = False,
    max_file_bytes: int | None = None,
) -> None:
    """Audit a log until SIGTERM or to its end; with ``max_file_bytes`` the kernel refuses to let a file grow more."""
    kafka_reader.SESSION_TIMEOUT_MS = SESSION_TIMEOUT_MS
    _report_partitions(report)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    if max_file_bytes is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, max_file_bytes))
    report("ready")
    try:
        with open_log(address) as log:
            audit.follow(
                Path(folder),
                log,
                once=once,
                share=share,
                stop=stop,
                compress=True,
                pace=QUICK,
                on_publish=lambda partition, head: report("signed", partition, head.size),
            )
    except ModeltrailError as error:
        report("refused", type(error).__name__, str(error), error.remedy)
        raise SystemExit(3) from None
    report("done")


def _report_partitions(report: Report) -> None:
    """Report which partitions an auditor that shares them takes ("auditing"), leaves ("left") and waits for."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if hasattr(record, "partition"):
                report(record.getMessage().split()[0], record.partition)

    logger = logging.getLogger("modeltrail_server.audit.following")
    logger.addHandler(Handler())
    logger.setLevel(logging.INFO)


def flush(report: Report, home: str, address: str) -> None:
    """Do what ``modeltrail spool flush`` does."""
    from modeltrail.sending.flushing import flush_spools

    report("ready")
    done = flush_spools(Config(Path(home), address, "", Path(home) / "audit"), timeout_ms=60_000)
    report("done", done.events, done.is_complete)


def train(report: Report, home: str, address: str, run_id: str, *, max_file_bytes: int | None = None) -> None:
    """Record metrics without end; report the last step of which the call had returned."""
    from modeltrail.emitter import emitter_for

    emitter = emitter_for(Config(Path(home), address, "", Path(home) / "audit"))
    emitter.emit({"kind": "run", "type": "START", "run_id": run_id, "job": "faults/train"})
    step = 0
    while True:
        metric = {"name": "loss", "value": 1 / (step + 1), "step": step}
        emitter.emit({"kind": "run", "type": "RUNNING", "run_id": run_id, "metrics": [metric]})
        report("step", step)
        step += 1
        if step % 20 == 0:
            time.sleep(0.005)
