"""Questions to a small and a large read model, on both databases; and the bytes that a run takes everywhere."""

from pathlib import Path

import pytest
from benchmarks.measuring import run_worker
from benchmarks.reporting import Limit, Report, Row
from benchmarks.sizes import Sizes
from modeltrail_server.projection.engine import open_engine

MAX_P95_MS = 5


def add_answers(report: Report, sizes: Sizes, kind: str, databases: dict[int, str]) -> None:
    """Add p50, p95 and p99 of each question, at each size."""
    answers = {
        runs: run_worker("worker_asking", database, str(sizes.questions)) for runs, database in databases.items()
    }
    for question in next(iter(answers.values())):
        for runs, found in answers.items():
            took = found[question]
            is_lookup = question == "one lookup"
            limit = None if is_lookup else Limit("one lookup", found["one lookup"]["p95"])
            reached = None if is_lookup else took["p95"] <= MAX_P95_MS
            size = f", {took['size']:.0f} nodes" if "lineage" in question else ""
            note = f"p50 {took['p50']:.2g} ms, p99 {took['p99']:.2g} ms{size}"
            what = f"{question}, {runs:,} runs, {kind}, p95"
            report.add(Row("queries", what, took["p95"], "ms", limit, "" if is_lookup else "≤ 5 ms", reached, note))


def test_sqlite(report: Report, sizes: Sizes, sqlite_models: dict[int, str]) -> None:
    add_answers(report, sizes, "SQLite", sqlite_models)
    path = Path(sqlite_models[sizes.runs].removeprefix("sqlite:///"))
    note = "the payload of each event is in it"
    report.add(Row("bytes per run", "read model, SQLite", path.stat().st_size / sizes.runs, "B", note=note))


@pytest.mark.service
def test_postgresql(report: Report, sizes: Sizes, postgresql_models: dict[int, str]) -> None:
    add_answers(report, sizes, "PostgreSQL", postgresql_models)
    used = database_bytes(postgresql_models[sizes.runs])
    note = "7 MB of an empty database are in it"
    report.add(Row("bytes per run", "read model, PostgreSQL", used / sizes.runs, "B", note=note))


def test_logs(report: Report, sizes: Sizes, history: Path, audited: tuple[Path, dict[str, float]]) -> None:
    found, runs = audited[1], sizes.runs
    limit = Limit("keys and values alone", found["payload_bytes"] / runs)
    report.add(Row("bytes per run", "events in a run", found["records"] / runs, "events"))
    report.add(Row("bytes per run", "embedded log", history.stat().st_size / runs, "B", limit))
    report.add(Row("bytes per run", "audit log", found["written_bytes"] / runs, "B", limit, note="uncompressed"))


def database_bytes(url: str) -> int:
    engine = open_engine(url)
    with engine.connect() as connection:
        size = connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one()
    engine.dispose()
    return int(size)
