"""How figures are taken: the yardstick D, time and processor time, percentiles, memory, and facts of the machine.

Takes figures; it must not judge or print them.
"""

import json
import os
import platform
import resource
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
from benchmarks.standard_event import standard_event
from fastavro import schemaless_reader
from modeltrail_schemas.codec import HEADER_BYTES, encode
from modeltrail_schemas.versions import current_version

YARDSTICK_EVENTS = 500
YARDSTICK_SLICES = 40
TESTS = Path(__file__).parents[1]
SHOWN_VERSIONS = ("fastavro", "kafka-python", "psycopg", "sqlalchemy")
WORKER_TIMEOUT_S = 3_600


@dataclass
class Span:
    """What a stretch of work took: seconds of the clock, and of this process's processor time."""

    wall_s: float = 0.0
    cpu_s: float = 0.0


@contextmanager
def timed() -> Iterator[Span]:
    """Give a span that is filled on leaving."""
    span = Span()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield span
    finally:
        span.wall_s, span.cpu_s = time.perf_counter() - wall, time.process_time() - cpu


def best_rate(work: Callable[[], object], operations: int, *, slices: int) -> float:
    """Return operations per second of processor time in the best of ``slices`` calls of ``work``.

    The best, because whatever else the machine does only ever takes time away.
    """
    least_s = float("inf")
    for _ in range(slices):
        with timed() as span:
            work()
        least_s = min(least_s, span.cpu_s)
    return operations / least_s


def yardstick() -> float:
    """Return D: how many standard events fastavro decodes whole in a second, values of ours not yet made."""
    messages = [encode(standard_event(number)) for number in range(YARDSTICK_EVENTS)]
    schema = current_version().parsed

    def decode_all() -> None:
        for message in messages:
            buffer = BytesIO(message)
            buffer.seek(HEADER_BYTES)
            schemaless_reader(buffer, schema, None)

    return best_rate(decode_all, len(messages), slices=YARDSTICK_SLICES)


def percentile(values: Sequence[float], of_hundred: float) -> float:
    """Return the value that ``of_hundred`` percent of ``values`` do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * of_hundred // 100).__int__() - 1))]


def median(values: Sequence[float]) -> float:
    """Return the middle value."""
    return statistics.median(values)


def run_worker(module: str, *arguments: str, **environ: str) -> dict[str, Any]:
    """Run ``benchmarks.<module>`` in a process of its own and return what its last line, JSON, says."""
    return finish_worker(start_worker(module, *arguments, **environ))


def start_worker(
    module: str, *arguments: str, stdin: int = subprocess.DEVNULL, **environ: str
) -> "subprocess.Popen[str]":
    """Start ``benchmarks.<module>`` in a process of its own, without the test runner's memory and garbage."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MODELTRAIL_")}
    return subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments],
        env={**inherited, "PYTHONPATH": str(TESTS), **environ},
        stdout=subprocess.PIPE,
        stdin=stdin,
        text=True,
    )


def finish_worker(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """Return what the last line of the worker says, once it has ended well."""
    try:
        output, _ = process.communicate(timeout=WORKER_TIMEOUT_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, f"{process.args} ended with {process.returncode}"
    answer: dict[str, Any] = json.loads(output.splitlines()[-1])
    return answer


def resident_bytes() -> int:
    """Return how much memory this process holds now."""
    return int(psutil.Process().memory_info().rss)


def peak_resident_bytes() -> int:
    """Return the most memory this process ever held (Linux counts it in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def machine_facts() -> dict[str, Any]:
    """Return what the figures depend on besides the code."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "load_at_start": [round(load, 2) for load in os.getloadavg()],
        "versions": {name: version(name) for name in SHOWN_VERSIONS},
        "commit": _commit(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=TESTS, capture_output=True, text=True)
    return done.stdout.strip()
