"""The HTTP service on the embedded default: health, metrics, and OpenLineage in, all or none."""

import gzip
import json
import logging
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from http_client import get, post
from modeltrail.config import Config, load
from modeltrail.errors import ConfigurationError
from modeltrail.log.opening import open_log
from modeltrail.log.protocol import Outgoing, Position, Record
from modeltrail.log.reading import read
from modeltrail_schemas.codec import decode, encode
from modeltrail_schemas.event import LineageEvent, Statement
from modeltrail_schemas.identity import hashed_id, new_event_id
from modeltrail_schemas.names import EntityRef
from modeltrail_schemas.openlineage.documents import canonical_form, parse
from modeltrail_schemas.openlineage.writing import write
from modeltrail_server.api.bodies import MAX_BODY_BYTES
from modeltrail_server.api.lineage import MAX_REQUESTS
from modeltrail_server.api.server import listen
from modeltrail_server.api.tokens import read_tokens, require_for
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.projector import catch_up
from modeltrail_server.serving.roles import Addresses, Role, serve
from services.server_process import free_ports

WAIT_S = 120
SENDERS = 50  # more than the threads that requests are answered in
LOOKS = 5


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


@contextmanager
def serving(config: Config, addresses: Addresses, roles: Sequence[Role] = tuple(Role)) -> Iterator[str]:
    """Give the address of a server that runs ``roles``, by default every one."""
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=(config, roles, stop, addresses))
    thread.start()
    try:
        yield f"http://127.0.0.1:{addresses.port}"
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def url(config: Config) -> Iterator[str]:
    """Return the address of a server that only this machine reaches."""
    (port,) = free_ports(1)
    with serving(config, Addresses(port=port)) as url:
        yield url


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def records(config: Config) -> int:
    with open_log(config.log) as log:
        return sum(log.end().offsets)


def recorded(config: Config) -> list[Record]:
    with open_log(config.log) as log:
        return list(read(log, Position(), log.end()))


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


def test_packed_events_are_taken_as_the_same(url: str, config: Config) -> None:
    wait_until(lambda: get(f"{url}/health/live").status == 200)
    packed = gzip.compress(json.dumps(event(1)).encode())
    assert post(f"{url}/api/v1/lineage", packed, **{"Content-Encoding": "gzip"}).status == 201
    (record,) = recorded(config)
    assert decode(record.value).run_id == event(1)["run"]["runId"]  # type: ignore[index]


def test_health_is_told_while_more_senders_than_there_are_threads_wait_for_the_log(url: str, config: Config) -> None:
    wait_until(lambda: get(f"{url}/health/ready").status == 200)
    with ThreadPoolExecutor(SENDERS) as senders:
        with closing(sqlite3.connect(config.log, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            answers = [
                senders.submit(post, f"{url}/api/v1/lineage", json.dumps(event(number)).encode())
                for number in range(SENDERS)
            ]
            for _ in range(LOOKS):
                assert get(f"{url}/health/live").status == 200
                assert get(f"{url}/metrics").status == 200
            assert not any(answer.done() for answer in answers)
            other.execute("ROLLBACK")
        assert [answer.result().status for answer in answers] == [201] * SENDERS


class SlowSender:
    """A sender whose request the server has begun with, and whose body comes with ``send``."""

    def __init__(self, url: str, body: bytes) -> None:
        self._body = body
        self._socket = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), WAIT_S)
        head = f"POST /api/v1/lineage HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
        self._socket.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert self.status() == 100  # it is said when the body is asked for

    def send(self) -> None:
        self._socket.sendall(self._body)

    def status(self) -> int:
        """Return the status of the next answer."""
        head = b""
        while b"\r\n\r\n" not in head:
            received = self._socket.recv(1)
            assert received, head
            head += received
        return int(head.split()[1])

    def close(self) -> None:
        self._socket.close()


def test_more_requests_than_the_bound_are_told_to_come_again_and_those_under_way_are_finished(
    url: str, config: Config
) -> None:
    wait_until(lambda: get(f"{url}/health/live").status == 200)
    with ExitStack() as opened:
        senders = [
            opened.enter_context(closing(SlowSender(url, json.dumps(event(number)).encode())))
            for number in range(MAX_REQUESTS)
        ]
        one_more = json.dumps(event(MAX_REQUESTS)).encode()
        refused = post(f"{url}/api/v1/lineage", one_more)
        assert (refused.status, refused.headers["retry-after"]) == (503, "5")
        assert str(MAX_REQUESTS) in refused.json["message"]
        assert get(f"{url}/health/live").status == 200
        senders[0].send()
        assert senders[0].status() == 201
        assert post(f"{url}/api/v1/lineage", one_more).status == 201
        for sender in senders[1:]:
            sender.send()
        assert [sender.status() for sender in senders[1:]] == [201] * (MAX_REQUESTS - 1)
    assert records(config) == MAX_REQUESTS + 1


def test_a_sender_that_goes_away_within_its_request_leaves_no_traceback(
    url: str, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    wait_until(lambda: get(f"{url}/health/live").status == 200)
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as sender:
        sender.sendall(b"POST /api/v1/lineage HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
    for number in range(LOOKS):
        assert post(f"{url}/api/v1/lineage", json.dumps(event(number)).encode()).status == 201
    assert records(config) == LOOKS
    assert not [record for record in caplog.records if record.exc_info]


def test_every_error_is_told_in_one_form_and_the_interface_describes_itself(url: str) -> None:
    wait_until(lambda: get(f"{url}/health/live").status == 200)
    for answer, status in ((get(f"{url}/api/v1/nothing"), 404), (get(f"{url}/api/v1/lineage"), 405)):
        assert answer.status == answer.json["code"] == status
        assert answer.json["message"]
    operation = get(f"{url}/api/openapi.json").json["paths"]["/api/v1/lineage"]["post"]
    assert operation["requestBody"]["content"].keys() == {"application/json"}
    assert {"201", "400", "401", "409", "413", "503"} <= operation["responses"].keys()


def test_a_port_in_use_is_said_before_anything_runs(config: Config) -> None:
    with listen("127.0.0.1", 0) as taken:
        addresses = Addresses(port=taken.getsockname()[1])
        with pytest.raises(
            ConfigurationError, match=r"nothing can listen on 127\.0\.0\.1:\d+: Address already in use\n"
        ):
            serve(config, [Role.API], threading.Event(), addresses)


TOKEN = "t0ken-of-airflow-0123456789"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def guarded(config: Config, tmp_path: Path) -> Iterator[str]:
    """Return the address of a server that takes events from two senders, on every address of this machine."""
    (tmp_path / "tokens").write_text(f"# who may send\nairflow {TOKEN}\n\nspark another-token-0123456789\n")
    with serving(config, Addresses("0.0.0.0", *free_ports(1), tokens=read_tokens(tmp_path / "tokens", None))) as url:
        yield url


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer(""),
        bearer("x" * 30),
        bearer(TOKEN[:-1]),
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
    ],
)
def test_without_a_good_token_nothing_is_taken_and_health_is_told(
    guarded: str, config: Config, headers: dict[str, str]
) -> None:
    wait_until(lambda: get(f"{guarded}/health/live").status == 200)
    answer = post(f"{guarded}/api/v1/lineage", json.dumps(event(1)).encode(), **headers)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert records(config) == 0


def test_with_a_token_events_are_taken_and_the_record_says_whose_it_was(
    guarded: str, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    wait_until(lambda: get(f"{guarded}/health/live").status == 200)
    with caplog.at_level(logging.DEBUG):
        assert post(f"{guarded}/api/v1/lineage", json.dumps(event(1)).encode(), **bearer(TOKEN)).status == 201
    (record,) = recorded(config)
    assert record.headers == (("modeltrail-sender", b"airflow"),)
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has none"),
        ("airflow short", "line 1 of .* is no token"),
        ("airflow", "line 1 of .* is no token"),
        (f"a {TOKEN}\nb {TOKEN}", "line 2 of .* another sender"),
        (f"a {TOKEN} {TOKEN}", "line 1 of .* is no token"),
        ("a \udcff" + TOKEN, "not UTF-8"),
    ],
)
def test_a_file_of_tokens_that_is_wrong_is_told_without_what_is_in_it(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "tokens").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigurationError, match=says) as error:
        read_tokens(tmp_path / "tokens", None)
    shown = "".join(traceback.format_exception(error.value)) + error.value.remedy
    assert TOKEN not in shown
    assert "short" not in shown


def test_one_token_comes_from_the_environment_and_none_shows_itself() -> None:
    tokens = read_tokens(None, TOKEN)
    assert tokens is not None
    assert tokens.sender_of(f"bearer {TOKEN}") == "api"
    assert TOKEN not in repr(tokens) + repr(vars(tokens))
    assert read_tokens(None, None) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "models.example.org", ""])
def test_where_others_reach_it_the_api_wants_tokens(config: Config, host: str) -> None:
    with pytest.raises(ConfigurationError, match="from anybody who reaches it") as error:
        serve(config, [Role.API], threading.Event(), Addresses(host))
    assert "--token-file" in error.value.remedy
    for ours in ("127.0.0.1", "127.9.9.9", "::1", "localhost"):
        require_for(ours, None)


def own_event(config: Config, *, projected: bool = True) -> bytes:
    """Record an event of the SDK's kind and return its OpenLineage document."""
    approved = LineageEvent(
        new_event_id(10**18, b"12345678"),
        "model",
        "APPROVED",
        10**18,
        subjects=(EntityRef("model", "risk", "fraud", "1.2"),),
        statement=Statement("ana", "good", "authenticated"),
    )
    with open_log(config.log) as log:
        log.append([Outgoing(encode(approved))])
        if projected:
            engine = open_engine(config.database)
            catch_up(log, engine)
            engine.dispose()
    return write(approved)


@pytest.mark.parametrize("layout", [None, 1])
def test_an_event_that_is_there_and_is_sent_again_is_that_event(url: str, config: Config, layout: int | None) -> None:
    document = own_event(config)
    wait_until(lambda: get(f"{url}/health/live").status == 200)
    answer = post(f"{url}/api/v1/lineage", json.dumps(json.loads(document), indent=layout).encode())
    assert (answer.status, answer.json) == (201, {"accepted": 1})
    assert records(config) == 1


def test_an_event_that_the_log_holds_and_nobody_has_projected_yet_is_that_event_too(config: Config) -> None:
    document = own_event(config, projected=False)
    with serving(config, Addresses(port=free_ports(1)[0]), [Role.API]) as url:
        wait_until(lambda: get(f"{url}/health/live").status == 200)
        answer = post(f"{url}/api/v1/lineage", document)
    assert (answer.status, answer.json) == (201, {"accepted": 1})
    assert records(config) == 1


def test_an_id_that_is_there_with_other_content_is_a_conflict_and_nothing_is_replaced(
    url: str, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    document = json.loads(own_event(config))
    document["dataset"]["facets"]["modeltrail_statement"]["statement"]["by"] = "eve"
    wait_until(lambda: get(f"{url}/health/live").status == 200)
    answer = post(f"{url}/api/v1/lineage", json.dumps([event(1), document]).encode())
    assert answer.status == 409
    assert "says something else" in answer.json["refused"][0]["reason"]
    assert records(config) == 1
    assert "refused what contradicts an event" in caplog.text


def test_a_claimed_id_that_is_nobodys_and_a_forged_assurance_are_taken_as_claims(url: str, config: Config) -> None:
    wait_until(lambda: get(f"{url}/health/live").status == 200)
    forged = LineageEvent(
        new_event_id(10**18, b"87654321"),
        "model",
        "APPROVED",
        10**18,
        subjects=(EntityRef("model", "risk", "fraud", "1.2"),),
        statement=Statement("eve", "trust me", "authenticated"),
    )
    for _ in range(2):
        assert post(f"{url}/api/v1/lineage", write(forged)).status == 201
    told = [decode(record.value) for record in recorded(config)]
    assert {one.event_id for one in told} == {hashed_id(canonical_form(parse(write(forged))))}
    assert all(one.statement and one.statement.assurance == "claimed" for one in told)
    shown = subprocess.run(
        [sys.executable, "-m", "modeltrail.command", "history", "model:risk/fraud@1.2"],
        env=os.environ | {"MODELTRAIL_HOME": str(config.home)},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
    ).stdout
    assert "by eve (claimed)" in shown
    assert "authenticated" not in shown


def test_roles_without_http_import_none_of_it() -> None:
    packages = "{'fastapi', 'uvicorn', 'prometheus_client'}"
    code = f"import sys, modeltrail_server.cli; sys.exit(bool({packages} & {{*sys.modules}}))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
