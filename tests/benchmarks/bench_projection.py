"""From the log into the read model: rates, what bounds them, and the memory that it takes."""

from pathlib import Path

import pytest
from benchmarks.measuring import finish_worker, run_worker, start_worker
from benchmarks.reporting import Limit, Report, Row
from benchmarks.sizes import Sizes
from benchmarks.workloads import fill
from modeltrail.log import open_log
from services.fixtures import DatabaseFactory, TopicFactory

TARGETS = {
    "embedded → SQLite": (12_000, 1.5),
    "Kafka → PostgreSQL": (10_000, 1.2),
}
MAX_PROJECTOR_MB = 200


def reached(rate: float, decodes_per_s: float, absolute: float, multiple: float) -> bool:
    """Return whether a rate reaches its target: the absolute one where D is 8,000 or more, else the multiple."""
    return rate >= absolute if decodes_per_s >= 8_000 else rate >= multiple * decodes_per_s


def add_rate(
    report: Report, what: str, answers: list[dict[str, float]], limits: list[Limit], target: str = ""
) -> float:
    """Add the rows of one projection, done by one worker or several; return its rate."""
    answers = [answer for answer in answers if answer["records"]]  # the group may give all of it to one
    records = sum(answer["records"] for answer in answers)
    seconds = max(answer["ended_s"] for answer in answers) - min(answer["started_s"] for answer in answers)
    cpu_s = sum(answer["cpu_s"] for answer in answers)
    rate = records / seconds
    absolute, multiple = TARGETS.get(target, (0, 0))
    verdict = reached(rate, report.decodes_per_s, absolute, multiple) if target else None
    text = f"≥ {absolute:,}/s ({multiple} D)" if target else ""
    for limit in limits:
        report.add(Row("projection", what, rate, "events/s", limit, text, verdict))
    report.add(
        Row("projection", f"{what}, processor time", cpu_s / records * 1e3, "ms", note="of the projectors, an event")
    )
    return rate


def read_limits(log: str) -> list[Limit]:
    rates = run_worker("worker_limits", log)
    return [
        Limit("reading + routing decode", rates["read_routing"]),
        Limit("reading + whole decode", rates["read_whole"]),
    ]


def bare_limit(log: str, database: str, way: str) -> Limit:
    bare = run_worker("worker_limits", log, database)
    return Limit(f"{way} of its {bare['rows_per_event']:.1f} rows", bare["events_per_s"])


def test_embedded_to_sqlite(report: Report, sizes: Sizes, history: Path, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'read-model.db'}"
    limits = [
        *read_limits(str(history)),
        bare_limit(str(history), f"sqlite:///{tmp_path / 'bare.db'}", "executemany"),
    ]
    answer = run_worker("worker_projecting", str(history), database)
    add_rate(report, "embedded → SQLite", [answer], limits, "embedded → SQLite")
    early = next(held for records, held in answer["memory"] if records * 10 >= answer["records"])
    peak_mb = answer["peak_bytes"] / 1e6
    report.add(
        Row(
            "projection",
            f"memory at most, over {answer['records']:,} events",
            peak_mb,
            "MB",
            Limit("after a tenth of them", early / 1e6),
            "flat, ≤ 200 MB",
            peak_mb <= MAX_PROJECTOR_MB,
        )
    )


@pytest.mark.service
def test_kafka_to_postgresql(
    report: Report, sizes: Sizes, new_topic: TopicFactory, new_database: DatabaseFactory, kafka_bootstrap: str
) -> None:
    for partitions in (1, 2):
        address = f"kafka://{kafka_bootstrap}/{new_topic(partitions)}"
        with open_log(address) as log:
            fill(log, max(1, sizes.events * 10 // 21))
        database = new_database()
        if partitions == 1:
            limits = [*read_limits(address), bare_limit(address, new_database(), "COPY")]
            answers = [run_worker("worker_projecting", address, database)]
            alone = add_rate(report, "Kafka → PostgreSQL", answers, limits, "Kafka → PostgreSQL")
            continue
        workers = [start_worker("worker_projecting", address, database, "pair") for _ in range(partitions)]
        answers = [finish_worker(worker) for worker in workers]
        add_rate(report, "Kafka → PostgreSQL, two sharing", answers, [Limit("one projector", alone)])
