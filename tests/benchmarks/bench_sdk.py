"""What recording costs the training job: each call in the caller's thread, the import, and the memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.measuring import median, run_worker
from benchmarks.reporting import Limit, Report, Row
from benchmarks.sizes import Sizes
from services.fixtures import TopicFactory
from services.server_process import free_ports

PACES_US = {"in a loop": 0, "every ms": 1_000}
MAX_MEDIAN_US, MAX_P999_US = 15, 200
MAX_IMPORT_MS, MAX_IMPORT_MB = 100, 30
# Every public name, so that what is loaded when first used counts too.
IMPORT = """\
import json, time
def resident_kb():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))
before, started = resident_kb(), time.perf_counter()
import modeltrail
imported = time.perf_counter() - started
for name in modeltrail.__all__:
    getattr(modeltrail, name)
print(json.dumps([imported * 1e3, (time.perf_counter() - started) * 1e3, (resident_kb() - before) * 1024 / 1e6]))
"""


def add_calls(report: Report, sizes: Sizes, home: Path, log: str, broker: str) -> None:
    for pace, pace_us in PACES_US.items():
        environ = {"MODELTRAIL_HOME": str(home / str(pace_us)), "MODELTRAIL_LOG": log}
        took = run_worker("worker_calling", str(sizes.calls), str(pace_us), **environ)
        limit = Limit("write(2) of 300 bytes", took["write"])
        targets = {
            "median": (f"≤ {MAX_MEDIAN_US} µs", MAX_MEDIAN_US),
            "p99": ("", None),
            "p99.9": ("≤ 200 µs", MAX_P999_US),
        }
        for which, (target, most) in targets.items():
            reached = None if most is None else took[which] <= most
            what = f"call {pace}, {broker}, {which}"
            report.add(Row("SDK", what, took[which], "µs", limit, target, reached, f"max {took['max']:.0f} µs"))


def test_calls_with_the_embedded_log(report: Report, sizes: Sizes, tmp_path: Path) -> None:
    add_calls(report, sizes, tmp_path, str(tmp_path / "log.db"), "embedded log")


def test_calls_with_a_dead_broker(report: Report, sizes: Sizes, tmp_path: Path) -> None:
    add_calls(report, sizes, tmp_path, f"kafka://127.0.0.1:{free_ports(1)[0]}/nobody", "dead broker")


@pytest.mark.service
def test_calls_with_a_broker(
    report: Report, sizes: Sizes, tmp_path: Path, new_topic: TopicFactory, kafka_bootstrap: str
) -> None:
    add_calls(report, sizes, tmp_path, f"kafka://{kafka_bootstrap}/{new_topic()}", "live broker")


def test_import(report: Report, sizes: Sizes) -> None:
    found = []
    for _ in range(sizes.imports):
        done = subprocess.run(
            [sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True, env=os.environ
        )
        found.append(json.loads(done.stdout))
    first, whole, memory = (median(values) for values in zip(*found, strict=True))
    report.add(Row("SDK", "import modeltrail", first, "ms", None, "≤ 100 ms", first <= MAX_IMPORT_MS))
    report.add(Row("SDK", "import, every public name", whole, "ms", None, "≤ 100 ms", whole <= MAX_IMPORT_MS))
    report.add(Row("SDK", "memory that it adds", memory, "MB", None, "≤ 30 MB", memory <= MAX_IMPORT_MB))
