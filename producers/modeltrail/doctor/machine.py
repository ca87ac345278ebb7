"""What the doctor sees of this machine: versions, configuration, home, spool, clock."""

import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from modeltrail_schemas.counting import counted

from modeltrail.config import Config
from modeltrail.doctor.findings import Finding, Level
from modeltrail.log.filesystem import network_filesystem
from modeltrail.secret import without_password
from modeltrail.sending.place import SendingPlace
from modeltrail.spool.layout import spool_root
from modeltrail.spool.status import damaged_files, spool_status

MIN_FREE_BYTES = 1024**3
MAX_WAITING_AGE_S = 3_600
BUILT_AFTER_S = 1_735_689_600  # 2025-01-01: no honest clock is before this program
_PACKAGES = ("modeltrail", "fastavro", "kafka-python", "crc32c")


def examine_versions(_: Config) -> Iterator[Finding]:
    """Yield the versions of what an SDK is made of, and what of it is missing."""
    found = [f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            yield Finding(Level.ERROR, "versions", f"{package} is not installed", "pip install modeltrail")
    yield Finding(Level.OK, "versions", ", ".join(found) + f" ({sys.platform})")


def examine_configuration(config: Config) -> Iterator[Finding]:
    """Yield each setting, without secrets."""
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


def examine_home(config: Config) -> Iterator[Finding]:
    """Yield whether the home can be written, and for how long."""
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
            Level.WARNING, "home", f"{megabytes(free_bytes)} are free at {existing}", "free space on that disk"
        )
    made = "" if existing == config.home else " (the first run makes it)"
    yield Finding(Level.OK, "home", f"{config.home} can be written{made}")


def examine_spool(config: Config) -> Iterator[Finding]:
    """Yield what waits to be sent, and what cannot be."""
    root = spool_root(config.home)
    waiting = [status for status in spool_status(root) if not status.is_empty]
    place = SendingPlace.of(config.home, config.log)
    is_served = place.is_served()
    if is_served and (fault := place.state().fault):
        yield Finding(Level.WARNING, "spool", f"the sender cannot reach the log: {fault}")
    for status in waiting:
        notes, events = counted(status.waiting_notes, "note"), counted(status.waiting_events, "event")
        left = f"{notes} and {events} ({megabytes(status.waiting_bytes)})"
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


def examine_clock(_: Config) -> Iterator[Finding]:
    """Yield what this machine takes the time to be."""
    now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    if time.time() < BUILT_AFTER_S:
        yield Finding(Level.ERROR, "clock", f"this machine's clock says {now}", "set the clock, better: run NTP")
    else:
        yield Finding(Level.OK, "clock", now)


def megabytes(size_bytes: int) -> str:
    """Return a size for a person."""
    return f"{size_bytes / 1e6:,.1f} MB"
