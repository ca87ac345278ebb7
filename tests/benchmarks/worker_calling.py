"""A training job in a process of its own: CALLS PACE_US. Times each `log_metrics` in the caller's thread.

The configuration is the environment's (MODELTRAIL_HOME, MODELTRAIL_LOG). PACE_US is the time from one call to the
next, 0 for as fast as it goes.
"""

import json
import os
import sys
import time
from pathlib import Path

import modeltrail
from benchmarks.measuring import percentile


def call(count: int, pace_us: int) -> dict[str, float]:
    took_us = []
    run = modeltrail.start_run(job="bench/calls", capture=False)
    for step in range(count // 10):
        run.log_metrics({"loss": 1.0 / (step + 1)}, step=step)
    next_s = time.perf_counter()
    for step in range(count):
        if pace_us:
            next_s += pace_us / 1e6
            while (left := next_s - time.perf_counter()) > 0:
                time.sleep(left)
        started = time.perf_counter_ns()
        run.log_metrics({"loss": 1.0 / (step + 1)}, step=step)
        took_us.append((time.perf_counter_ns() - started) / 1e3)
    started = time.perf_counter()
    run.end()
    end_ms = (time.perf_counter() - started) * 1e3
    return {
        "median": percentile(took_us, 50),
        "p99": percentile(took_us, 99),
        "p99.9": percentile(took_us, 99.9),
        "max": max(took_us),
        "end_ms": end_ms,
        "write": bare_write_us(count),
    }


def bare_write_us(count: int) -> float:
    """Return the median of appending as many bytes to a file with one write(2)."""
    path, took_us, note = Path(os.environ["MODELTRAIL_HOME"]) / "bare", [], b"x" * 300
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for _ in range(count):
        started = time.perf_counter_ns()
        os.write(descriptor, note)
        took_us.append((time.perf_counter_ns() - started) / 1e3)
    os.close(descriptor)
    path.unlink()
    return percentile(took_us, 50)


if __name__ == "__main__":
    print(json.dumps(call(int(sys.argv[1]), int(sys.argv[2]))))
