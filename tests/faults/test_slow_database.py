"""Promise 1 and 3: a database that stands still makes the projection late, and costs no more memory."""

import psutil
import pytest
from faults.conftest import StartWorker
from faults.states import opened, wait_until_projected
from faults.work import project
from modeltrail.log.opening import open_log
from modeltrail.log.protocol import Outgoing
from modeltrail.log.topic import create
from modeltrail_schemas.codec import encode
from modeltrail_schemas.event import LineageEvent
from modeltrail_server.projection.dead_letters import list_dead_letters
from services.local_postgres import LocalPostgres

MEGABYTE = 1024 * 1024
EVENT_BYTES = 40_000
EVENTS_A_ROUND = 1_000
ROUNDS = 5
# What a client of the broker may hold (32 MiB) and as much again for what is being decoded.
MAX_GROWTH_BYTES = 64 * MEGABYTE


def _events(start: int, count: int) -> list[Outgoing]:
    return [
        Outgoing(encode(LineageEvent(n.to_bytes(16, "big"), "run", "RUNNING", n, "r", tags={"x": "x" * EVENT_BYTES})))
        for n in range(start, start + count)
    ]


@pytest.mark.fault
@pytest.mark.service
def test_memory_is_bounded_and_the_lag_is_made_up_for(
    kafka_bootstrap: str,
    breakable_postgres: LocalPostgres,
    start: StartWorker,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    topic = f"slow-{tmp_path_factory.mktemp('slow').parent.name}-{breakable_postgres.pid}"
    create([kafka_bootstrap], topic, options={})
    address = f"kafka://{kafka_bootstrap}/{topic}"
    with open_log(address) as log, opened(breakable_postgres.url) as engine:
        log.append(_events(1, EVENTS_A_ROUND))
        worker = start(project, address, breakable_postgres.url, batch_records=100)
        wait_until_projected(engine, log.end())
        before = psutil.Process(worker.pid).memory_info().rss
        breakable_postgres.pause()
        for round_number in range(1, ROUNDS):
            log.append(_events(1 + round_number * EVENTS_A_ROUND, EVENTS_A_ROUND))
            growth = psutil.Process(worker.pid).memory_info().rss - before
            assert growth < MAX_GROWTH_BYTES, f"{growth / MEGABYTE:.0f} MB more in round {round_number}"
        breakable_postgres.resume()
        digest = wait_until_projected(engine, log.end())
        assert digest.counts["event"] == ROUNDS * EVENTS_A_ROUND
        assert list_dead_letters(engine, limit=1) == []
        print(f"{growth / MEGABYTE:.0f} MB more while {ROUNDS * EVENTS_A_ROUND * EVENT_BYTES / MEGABYTE:.0f} MB came")
