"""Comparing, checking, history and impact: a small and a large read model, on both databases."""

import pytest
from benchmarks.measuring import run_worker
from benchmarks.reporting import Report, Row
from benchmarks.sizes import Sizes

MAX_P95_MS = 20


def add_answers(report: Report, sizes: Sizes, kind: str, databases: dict[int, str]) -> None:
    """Add p50, p95 and p99 of each question, at each size; of an impact, whose size has no bound, the time a node."""
    answers = {
        runs: run_worker("worker_weighing", database, str(sizes.questions)) for runs, database in databases.items()
    }
    for question in next(iter(answers.values())):
        for runs, found in answers.items():
            took, where = found[question], f"{runs:,} runs, {kind}"
            note = f"p50 {took['p50']:.3g} ms, p99 {took['p99']:.3g} ms"
            if question == "impact":
                note += f", p95 {took['p95']:.3g} ms; {took['size']:.0f} things in the median"
                report.add(Row("queries", f"{question}, {where}, each thing", took["ms_each"] * 1e3, "µs", note=note))
            else:
                reached = took["p95"] <= MAX_P95_MS
                what = f"{question}, {where}, p95"
                report.add(Row("queries", what, took["p95"], "ms", None, "≤ 20 ms", reached, note))


def test_sqlite(report: Report, sizes: Sizes, sqlite_models: dict[int, str]) -> None:
    add_answers(report, sizes, "SQLite", sqlite_models)


@pytest.mark.service
def test_postgresql(report: Report, sizes: Sizes, postgresql_models: dict[int, str]) -> None:
    add_answers(report, sizes, "PostgreSQL", postgresql_models)
