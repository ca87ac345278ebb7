"""What every test shares: the real services, and hypothesis without a clock."""

import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, Phase, settings

pytest_plugins = ["services.fixtures"]

# A shell starts what runs in its background with SIGINT ignored, and the programs that tests interrupt inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A deadline is a timed assertion, and machines differ; how long examples take to make is another.
settings.register_profile("modeltrail", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# For tests/mutants: that a test fails is enough, the smallest example is of no interest.
settings.register_profile("mutants", deadline=None, phases=(Phase.explicit, Phase.generate))
settings.load_profile("modeltrail")


@pytest.fixture(autouse=True)
def no_sender_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """End the senders of homes in the test's own folder: each would stay for its bound."""
    folder: Path | None = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    if folder is not None and (found := senders_of(folder)):
        for process in found:
            with suppress(psutil.NoSuchProcess):  # it ended by itself since it was found
                process.kill()
        while any(_is_running(process) for process in found):
            time.sleep(0.005)


def _is_running(process: psutil.Process) -> bool:
    """Return whether a process runs; one that was killed may wait for a while until it is reaped, by whoever does."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def senders_of(folder: Path) -> list[psutil.Process]:
    """Return the processes that send for homes below ``folder``."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if command[2:4] == ["-m", "modeltrail.sending"] and Path(command[4]).is_relative_to(folder):
            found.append(process)
    return found
