"""Health over HTTP where services go and come: red with the reason, green by itself."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from http_client import get, post
from modeltrail.log.opening import open_log
from modeltrail.log.topic import create
from services.local_kafka import LocalKafka
from services.local_postgres import LocalPostgres
from services.server_process import free_ports
from services.serving import Serving

pytestmark = [pytest.mark.service, pytest.mark.fault]

WAIT_S = 180


def wait_until(happened: Callable[[], bool], server: Serving) -> None:
    deadline = time.monotonic() + WAIT_S
    while not happened():
        assert server.is_running, server.said
        assert time.monotonic() < deadline, server.said[-3_000:]
        time.sleep(0.2)


def test_health_turns_red_with_the_reason_and_green_by_itself(
    breakable_kafka: LocalKafka, breakable_postgres: LocalPostgres, tmp_path: Path
) -> None:
    create([breakable_kafka.bootstrap], "t", options={})
    address = f"kafka://{breakable_kafka.bootstrap}/t"
    settings = {"log": address, "database": breakable_postgres.url}
    health_port, port = free_ports(2)
    ready = f"http://127.0.0.1:{health_port}/health/ready"
    options = ("--health-port", str(health_port), "--port", str(port))

    def reasons() -> dict[str, str]:
        answer = get(ready)
        return answer.json.get("reasons", {}) if answer.status == 503 else {}

    with Serving(tmp_path, "server", ["projector", "indexer", "auditor", "api"], settings, *options) as server:
        wait_until(lambda: get(ready).status == 200, server)
        breakable_postgres.kill()
        wait_until(lambda: "does not answer" in reasons().get("database", ""), server)
        assert get(f"http://127.0.0.1:{health_port}/health/live").status == 200
        assert 'modeltrail_up{part="database"} 0.0' in get(f"http://127.0.0.1:{health_port}/metrics").text
        breakable_postgres.start()
        wait_until(lambda: get(ready).status == 200, server)
        breakable_kafka.kill()
        wait_until(lambda: "cannot be reached" in reasons().get("log", ""), server)
        refused = post(f"http://127.0.0.1:{port}/api/v1/lineage", EVENT)
        assert (refused.status, refused.headers["retry-after"]) == (503, "5")
        breakable_kafka.start()
        wait_until(lambda: get(ready).status == 200, server)
        assert post(f"http://127.0.0.1:{port}/api/v1/lineage", EVENT).status == 201
        assert post(f"http://127.0.0.1:{health_port}/api/v1/lineage", EVENT).status == 404
        with open_log(address) as log:
            assert log.end()[0] >= 1
        projected = 'modeltrail_projector_events_total{partition="0"} 1.0'
        wait_until(lambda: projected in get(f"http://127.0.0.1:{health_port}/metrics").text, server)
        indexed = 'modeltrail_index_lag_records{partition="0"} 0.0'
        wait_until(lambda: indexed in get(f"http://127.0.0.1:{health_port}/metrics").text, server)
        assert server.stop() == 0


EVENT = b"""{"eventType": "START", "eventTime": "2026-03-01T00:00:00Z", "producer": "https://example.org/test",
"schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
"run": {"runId": "00000000-0000-7000-8000-000000000001"}, "job": {"namespace": "a", "name": "b"}}"""
