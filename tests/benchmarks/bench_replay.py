"""Replay and rebuild, beside reading and decoding the same records and nothing else."""

from pathlib import Path

import pytest
from benchmarks.measuring import run_worker
from benchmarks.reporting import Limit, Report, Row
from services.fixtures import DatabaseFactory

MOST_TIMES = 2.5


def add_replay(report: Report, what: str, answer: dict[str, float], limits: dict[str, float]) -> None:
    """Add one row for each way of decoding; the ratio is of times, as the target is."""
    for way, rate in (("whole", limits["read_whole"]), ("routing", limits["read_routing"])):
        limit = Limit(f"reading + {way} decode", answer["records"] / rate)
        reached = answer["wall_s"] <= MOST_TIMES * limit.figure
        note = f"{answer['records'] / answer['wall_s']:,.0f} events/s, of it the digest {answer['digest_s']:.2g} s"
        report.add(Row("replay", what, answer["wall_s"], "s", limit, f"≤ {MOST_TIMES} ×", reached, note))


@pytest.fixture(scope="module")
def limits(history: Path) -> dict[str, float]:
    return run_worker("worker_limits", str(history))


def test_into_sqlite(
    report: Report, history: Path, limits: dict[str, float], audited: tuple[Path, dict[str, float]], tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path / 'replayed.db'}"
    from_log = run_worker("worker_replaying", "replay", str(history), database)
    add_replay(report, "log → SQLite", from_log, limits)
    add_replay(report, "rebuild on SQLite", run_worker("worker_replaying", "rebuild", str(history), database), limits)
    from_audit = run_worker(
        "worker_replaying", "replay", str(history), f"sqlite:///{tmp_path / 'audit.db'}", str(audited[0])
    )
    add_replay(report, "audit log → SQLite, proofs checked", from_audit, limits)
    assert from_audit["digest"] == from_log["digest"]


@pytest.mark.service
def test_into_postgresql(
    report: Report, history: Path, limits: dict[str, float], new_database: DatabaseFactory
) -> None:
    database = new_database()
    add_replay(report, "log → PostgreSQL", run_worker("worker_replaying", "replay", str(history), database), limits)
    rebuilt = run_worker("worker_replaying", "rebuild", str(history), database)
    add_replay(report, "rebuild on PostgreSQL", rebuilt, limits)
