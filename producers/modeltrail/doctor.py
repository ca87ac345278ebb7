"""The doctor: looks at everything a training job needs of this machine, and says what to do. It mends nothing."""

import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from modeltrail.config import Config
from modeltrail.errors import LogNotFoundError, ModeltrailError
from modeltrail.log.filesystem import network_filesystem
from modeltrail.log.opening import KafkaAddress, open_log, parse_address
from modeltrail.log.protocol import Log
from modeltrail.secret import without_password
from modeltrail.sending.place import SendingPlace
from modeltrail.spool.layout import spool_root
from modeltrail.spool.status import damaged_files, spool_status

MIN_FREE_BYTES = 1024**3
MAX_WAITING_AGE_S = 3_600
MAX_CLOCK_AHEAD_MS = 60_000
BUILT_AFTER_S = 1_735_689_600  # 2025-01-01: no honest clock is before this program
LAST_RECORD_WAIT_MS = 2_000
_PACKAGES = ("modeltrail", "fastavro", "kafka-python", "crc32c")


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what it is, what was found, and what to do (empty when nothing)."""

    level: Level
    about: str
    what: str
    remedy: str = ""


def examine(config: Config) -> list[Finding]:
    """Return what was found, in a fixed order. Raises nothing: what fails is a finding."""
    findings: list[Finding] = []
    for look in (_versions, _configuration, _home, _spool, _clock, _log):
        try:
            findings += look(config)
        except (OSError, ModeltrailError) as error:
            remedy = error.remedy if isinstance(error, ModeltrailError) else ""
            findings.append(Finding(Level.ERROR, look.__name__.strip("_"), str(error), remedy))
    return findings


def worst(findings: list[Finding]) -> Level:
    """Return the level of the worst finding."""
    return max((finding.level for finding in findings), key=list(Level).index, default=Level.OK)


def _versions(_: Config) -> Iterator[Finding]:
    found = [f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            yield Finding(Level.ERROR, "versions", f"{package} is not installed", "pip install modeltrail")
    yield Finding(Level.OK, "versions", ", ".join(found) + f" ({sys.platform})")


def _configuration(config: Config) -> Iterator[Finding]:
    settings = {
        "home": str(config.home),
        "log": config.log,
        "database": config.database,
        "audit": str(config.audit),
        "max_spool_bytes": str(config.max_spool_bytes),
    }
    for name, value in settings.items():
        yield Finding(Level.OK, "configuration", f"{name} = {without_password(value)}")
    if config.log_options:
        names = ", ".join(sorted(config.log_options))
        yield Finding(Level.OK, "configuration", f"log options set (their values are not shown): {names}")


def _home(config: Config) -> Iterator[Finding]:
    existing = next(folder for folder in (config.home, *config.home.parents) if folder.exists())
    if kind := network_filesystem(config.home):
        yield Finding(
            Level.ERROR,
            "home",
            f"{config.home} is on a network file system ({kind}): nothing is recorded there",
            "set MODELTRAIL_HOME to a folder on a local disk; MODELTRAIL_LOG to Kafka if machines share a log",
        )
        return
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        yield Finding(
            Level.ERROR,
            "home",
            f"{existing} cannot be written: {error.strerror}",
            "set MODELTRAIL_HOME to a folder that this user can write",
        )
        return
    free_bytes = shutil.disk_usage(existing).free
    if free_bytes < MIN_FREE_BYTES:
        yield Finding(
            Level.WARNING, "home", f"{_megabytes(free_bytes)} are free at {existing}", "free space on that disk"
        )
    made = "" if existing == config.home else " (the first run makes it)"
    yield Finding(Level.OK, "home", f"{config.home} can be written{made}")


def _spool(config: Config) -> Iterator[Finding]:
    root = spool_root(config.home)
    waiting = [status for status in spool_status(root) if not status.is_empty]
    place = SendingPlace.of(config.home, config.log)
    is_served = place.is_served()
    if is_served and (fault := place.state().fault):
        yield Finding(Level.WARNING, "spool", f"the sender cannot reach the log: {fault}")
    for status in waiting:
        left = f"{status.waiting_notes} notes and {status.waiting_events} events ({_megabytes(status.waiting_bytes)})"
        whose = f"process {status.owner.process_id}" + ("" if status.is_alive else ", which is gone")
        is_old = status.age_s() > MAX_WAITING_AGE_S
        if status.owner.log and status.owner.log != config.log:
            remedy = f"MODELTRAIL_LOG={status.owner.log} modeltrail spool flush"
        else:
            remedy = "its sender is at them" if is_served else "modeltrail spool flush"
        level = Level.WARNING if is_old or not is_served else Level.OK
        yield Finding(level, "spool", f"{left} of {whose} wait to be sent", remedy)
    if not waiting:
        yield Finding(Level.OK, "spool", "nothing waits to be sent")
    for path in damaged_files(root):
        yield Finding(
            Level.WARNING, "spool", f"damaged notes were set aside in {path}", "look after that disk; remove the file"
        )


def _clock(_: Config) -> Iterator[Finding]:
    now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    if time.time() < BUILT_AFTER_S:
        yield Finding(Level.ERROR, "clock", f"this machine's clock says {now}", "set the clock, better: run NTP")
    else:
        yield Finding(Level.OK, "clock", now)


def _log(config: Config) -> Iterator[Finding]:
    address = parse_address(config.log)
    try:
        log = open_log(config.log, options=config.log_options, create=False)
    except LogNotFoundError as error:
        if isinstance(address, Path):
            yield Finding(Level.OK, "log", f"there is no log at {address} yet: the first run makes it")
        else:
            yield Finding(Level.ERROR, "log", str(error), error.remedy or "modeltrail topic create")
        return
    with log:
        end = log.end()
        shape = f"{log.partitions()} partition(s), end {end.format()}"
        yield Finding(Level.OK, "log", f"{log.identity.name} answers, {shape}")
        yield from _clock_against(log)
    if isinstance(address, KafkaAddress):
        yield from _topic(address, config)


def _clock_against(log: Log) -> Iterator[Finding]:
    """Compare with the time at which the log took its last record: that cannot be in the future."""
    end = log.end()
    reader = log.reader()
    try:
        for partition, offset in enumerate(end.offsets):
            reader.seek(partition, max(0, offset - 1))
        for records in reader.poll(max_records=1, wait_ms=LAST_RECORD_WAIT_MS).values():
            ahead_ms = records[-1].timestamp_ms - time.time() * 1000
            if ahead_ms > MAX_CLOCK_AHEAD_MS:
                yield Finding(
                    Level.WARNING,
                    "clock",
                    f"the log's last record is {ahead_ms / 1000:.0f} s in this machine's future",
                    "set the clocks, better: run NTP on both",
                )
    finally:
        reader.close()


def _topic(address: KafkaAddress, config: Config) -> Iterator[Finding]:
    from modeltrail.log.topic import check

    problems = check(address.bootstrap, address.topic, options=config.log_options)
    for problem in problems:
        yield Finding(Level(problem.severity), "topic", problem.what, problem.remedy)
    if not problems:
        yield Finding(Level.OK, "topic", f"{address.topic} is fit to be a log")


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB"
