"""The HTTP service on the embedded default: health, metrics, and OpenLineage in, all or none."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from http_client import get, post
from modeltrail.config import Config, load
from modeltrail.errors import ConfigurationError
from modeltrail.log.opening import open_log
from modeltrail_server.api.lineage import MAX_BODY_BYTES
from modeltrail_server.api.server import listen
from modeltrail_server.serving.roles import Addresses, Role, serve
from services.server_process import free_ports

WAIT_S = 120


def event(number: int, **fields: object) -> dict[str, object]:
    return {
        "eventType": "START",
        "eventTime": "2026-03-01T00:00:00Z",
        "producer": "https://example.org/test",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": f"00000000-0000-7000-8000-{number:012d}"},
        "job": {"namespace": "a", "name": "b"},
    } | fields


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load({"MODELTRAIL_HOME": str(tmp_path / "home")}, tmp_path)


@pytest.fixture
def url(config: Config) -> Iterator[str]:
    """Return the address of a server that runs every role."""
    (port,) = free_ports(1)
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=(config, list(Role), stop, Addresses(port=port)))
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        stop.set()
        thread.join()


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def records(config: Config) -> int:
    with open_log(config.log) as log:
        return sum(log.end().offsets)


def test_a_server_is_live_ready_and_measured(url: str) -> None:
    wait_until(lambda: get(f"{url}/health/live").status == 200)
    wait_until(lambda: get(f"{url}/health/ready").status == 200)
    assert post(f"{url}/api/v1/lineage", json.dumps([event(1), event(2), event(1)]).encode()).status == 201

    def measured() -> dict[str, float]:
        lines = [line.rsplit(" ", 1) for line in get(f"{url}/metrics").text.splitlines() if line[0] != "#"]
        return {name: float(value) for name, value in lines}

    partition = '{partition="0"}'
    # Some are counted as it happens, others at a look every few seconds: wait for all, in whatever order they come.
    expected = {
        f"modeltrail_audit_signed_size{partition}": 3,
        f"modeltrail_projector_records_total{partition}": 3,
        f"modeltrail_projector_events_total{partition}": 2,
        f"modeltrail_projector_duplicates_total{partition}": 1,
        f"modeltrail_projector_lag_records{partition}": 0,
        f"modeltrail_projector_lag_seconds{partition}": 0,
        f"modeltrail_log_end_offset{partition}": 3,
    }
    wait_until(lambda: expected.items() <= measured().items())
    found = measured()
    assert found['modeltrail_projector_batch_seconds_count{stage="write"}'] >= 1
    assert found["modeltrail_projector_retries_total"] == 0
    assert found['modeltrail_up{part="log"}'] == found['modeltrail_up{part="database"}'] == 1
    assert found["modeltrail_dead_letters"] == found["modeltrail_spool_events"] == 0


@pytest.mark.parametrize("body", [event(1), [event(1)]])
def test_one_event_and_an_array_of_them_are_recorded_as_they_came(url: str, config: Config, body: object) -> None:
    wait_until(lambda: get(f"{url}/health/live").status == 200)
    answer = post(f"{url}/api/v1/lineage", json.dumps(body).encode())
    assert (answer.status, answer.json) == (201, {"accepted": 1})
    assert records(config) == 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no event"),
        (b"[]", "no event"),
        (b"{", "not JSON"),
        (b'{"a": 1}', ""),
        (b"\xff\xfe", "UTF-8"),
        (json.dumps([event(1), event(2, eventTime="yesterday")]).encode(), ""),
    ],
)
def test_what_is_refused_is_named_and_nothing_of_it_recorded(
    url: str, config: Config, body: bytes, says: str
) -> None:
    wait_until(lambda: get(f"{url}/health/live").status == 200)
    answer = post(f"{url}/api/v1/lineage", body)
    assert answer.status == 400
    assert says in answer.json["refused"][0]["reason"]
    assert records(config) == 0


def test_a_request_that_is_too_large_is_refused(url: str) -> None:
    wait_until(lambda: get(f"{url}/health/live").status == 200)
    assert post(f"{url}/api/v1/lineage", b" " * (MAX_BODY_BYTES + 1)).status == 413


def test_a_port_in_use_is_said_before_anything_runs(config: Config) -> None:
    with listen("127.0.0.1", 0) as taken:
        addresses = Addresses(port=taken.getsockname()[1])
        with pytest.raises(ConfigurationError, match="nothing can listen"):
            serve(config, [Role.API], threading.Event(), addresses)


def test_roles_without_http_import_none_of_it() -> None:
    packages = "{'fastapi', 'uvicorn', 'prometheus_client'}"
    code = f"import sys, modeltrail_server.cli; sys.exit(bool({packages} & {{*sys.modules}}))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
