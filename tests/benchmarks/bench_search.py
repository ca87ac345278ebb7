"""Searches of a small and a large read model, on both databases; and what their index costs."""

from pathlib import Path

import pytest
from benchmarks.bench_queries import database_bytes
from benchmarks.measuring import run_worker
from benchmarks.reporting import Report, Row
from benchmarks.sizes import Sizes
from benchmarks.workloads import embedded_history
from services.fixtures import DatabaseFactory

MAX_P95_MS = 20


def add_searches(report: Report, sizes: Sizes, kind: str, databases: dict[int, str]) -> None:
    """Add p95 of each kind of search, at each size."""
    answers = {
        runs: run_worker("worker_searching", database, str(sizes.questions)) for runs, database in databases.items()
    }
    for question in next(iter(answers.values())):
        for runs, found in answers.items():
            took = found[question]
            note = f"p50 {took['p50']:.2g} ms, p99 {took['p99']:.2g} ms, {took['size']:.0f} runs found"
            note += f", {took['bounded']:.0f} answers bounded" if took["bounded"] else ""
            what, reached = f"{question}, {runs:,} runs, {kind}, p95", took["p95"] <= MAX_P95_MS
            report.add(Row("search", what, took["p95"], "ms", None, f"≤ {MAX_P95_MS} ms", reached, note))


def indexed(report: Report, kind: str, log: Path, database: str, runs: int) -> None:
    """Project and index ``log``, and add at what rate."""
    run_worker("worker_projecting", str(log), database)
    took = run_worker("worker_indexing", str(log), database)
    what, rate = f"index {runs:,} runs, {kind}", took["records"] / took["took_s"]
    report.add(
        Row("search", what, rate, "events/s", note=f"{took['cpu_s'] / took['records'] * 1e3:.2f} ms of CPU each")
    )


def test_sqlite(report: Report, sizes: Sizes, histories: Path, tmp_path: Path) -> None:
    databases = {}
    for runs in (sizes.small_runs, sizes.runs):
        databases[runs] = f"sqlite:///{tmp_path / f'read-model-{runs}.db'}"
        indexed(report, "SQLite", embedded_history(histories, runs), databases[runs], runs)
    add_searches(report, sizes, "SQLite", databases)


@pytest.mark.service
def test_postgresql(report: Report, sizes: Sizes, histories: Path, new_database: DatabaseFactory) -> None:
    databases = {}
    for runs in (sizes.small_runs, sizes.runs):
        databases[runs] = new_database()
        indexed(report, "PostgreSQL", embedded_history(histories, runs), databases[runs], runs)
    add_searches(report, sizes, "PostgreSQL", databases)
    used = database_bytes(databases[sizes.runs])
    report.add(Row("bytes per run", "read model and search index, PostgreSQL", used / sizes.runs, "B"))
