"""What a benchmark run leaves behind, as somebody's script would read it."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from benchmarks.reporting import Limit, Report, Row
from benchmarks.sizes import FULL, QUICK, sizes_of

ROW_KEYS = {"group", "what", "figure", "unit", "limit", "target", "reached", "note", "in_d", "ratio"}


def run_benchmark(root: Path, result: Path, *which: str, **sizes: str) -> tuple[str, dict[str, Any]]:
    """Run some of the benchmarks with the small sizes; return what they printed, and the result."""
    command = [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider", "-q"]
    environ = {"BENCH_QUICK": "1", "BENCH_RESULT": str(result), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [*command, "--override-ini=python_files=bench_*.py", *which],
        cwd=root,
        env=environ | {"MODELTRAIL_TEST_SERVICES": "local"} | sizes,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout, json.loads(result.read_text("utf-8"))


def test_a_rate_is_told_in_yardsticks_and_beside_its_limit_and_a_time_beside_its_limit_only(tmp_path: Path) -> None:
    report = Report(8_000.0, {"cores": 2}, {"runs": 3})
    report.add(Row("projection", "a → b", 12_000, "events/s", Limit("COPY", 48_000), "≥ 1.5 D", True))
    report.add(Row("queries", "show", 4, "ms", Limit("one lookup", 2)))
    report.write(tmp_path / "made" / "result.json")
    document = json.loads((tmp_path / "made" / "result.json").read_text("utf-8"))
    assert (document["format"], document["decodes_per_s"], document["machine"]) == (1, 8_000.0, {"cores": 2})
    rate, time = document["rows"]
    assert set(rate) == set(time) == ROW_KEYS
    assert (rate["in_d"], rate["ratio"], rate["limit"]["what"], rate["reached"]) == (1.5, 0.25, "COPY", True)
    assert (time["in_d"], time["ratio"], time["reached"]) == (None, 2.0, None)


def test_every_row_is_a_line_of_the_table() -> None:
    report = Report(8_000.0, {"cores": 2}, {})
    report.add(Row("audit", "append", 50_000, "records/s", Limit("hashing", 500_000), "≥ 6 D", True, "a note"))
    assert "D = 8,000" in report.render()
    line = report.render().splitlines()[-1]
    for cell in ("audit: append", "50,000 records/s", "6.25 D", "0.1 × hashing", "≥ 6 D: reached", "a note"):
        assert cell in line


def test_sizes_come_from_the_environment() -> None:
    assert sizes_of({}) == FULL
    assert sizes_of({"BENCH_QUICK": "1"}) == QUICK
    assert sizes_of({"BENCH_RUNS": "1000000"}).runs == 1_000_000


@pytest.mark.slow
def test_a_run_ends_well_and_leaves_its_result_with_the_machines_facts(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    said, document = run_benchmark(pytestconfig.rootpath, tmp_path / "result.json", "tests/benchmarks/bench_codec.py")
    assert "whole decodes/s" in said
    assert {"processor", "cores", "memory_gib", "python", "versions", "load_at_start"} <= set(document["machine"])
    assert {row["group"] for row in document["rows"]} == {"codec"}


@pytest.mark.slow
@pytest.mark.service
def test_postgresql_keeps_pages_in_a_quarter_of_the_memory_while_it_is_measured(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    which = ["tests/benchmarks/bench_queries.py", "-k", "postgresql"]
    few = {"BENCH_RUNS": "20", "BENCH_QUESTIONS": "5"}
    _, document = run_benchmark(pytestconfig.rootpath, tmp_path / "result.json", *which, **few)
    number, unit = re.fullmatch(r"(\d+)(MB|GB)", document["machine"]["shared_buffers"]).groups()  # type: ignore[union-attr]
    told_mib = int(number) * {"MB": 1, "GB": 1024}[unit]
    assert told_mib == psutil.virtual_memory().total // 4 // 2**20
