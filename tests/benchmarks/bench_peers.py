"""Others on the same work in the same run: each in an environment of its own, as its documentation advises.

`make bench-peers` alone runs this. A peer that cannot be installed here is named in the output with the reason.
"""

import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchmarks.measuring import run_worker, start_worker
from benchmarks.peers.environments import (
    MLFLOW,
    MLMD,
    OPENLINEAGE,
    RENTGEN,
    NotInstallableError,
    Peer,
    contributed_postgresql,
    installed_version,
    interpreter_of,
)
from benchmarks.reporting import Limit, Report, Row
from benchmarks.sizes import Sizes
from benchmarks.standard_event import standard_event
from modeltrail.log import open_log
from modeltrail.log.protocol import Log, Outgoing
from modeltrail_schemas.codec import encode
from modeltrail_schemas.event import LineageEvent
from modeltrail_schemas.identity import new_event_id
from modeltrail_schemas.openlineage.reading import read
from modeltrail_schemas.openlineage.writing import write
from modeltrail_server.projection.engine import open_engine
from services.fixtures import DatabaseFactory, TopicFactory
from services.local_postgres import LocalPostgres
from services.server_process import free_ports
from sqlalchemy import Engine, create_engine, make_url, text

SCRIPTS = Path(__file__).with_name("peers")
PEER_TIMEOUT_S = 1_800
VISIBLE_TIMEOUT_S = 240
OURS_TIMES = 20
"""We record so many times the runs of a peer: in its number we would only measure our pauses."""

pytestmark = pytest.mark.skipif("BENCH_PEERS" not in os.environ, reason="make bench-peers runs these")


@pytest.fixture
def python_of(report: Report, pytestconfig: pytest.Config) -> Callable[[Peer], str]:
    """Return ``python_of(peer)``: its interpreter; the test is skipped, and a row says why, where there is none."""

    def find(peer: Peer) -> str:
        try:
            return str(interpreter_of(peer, pytestconfig.rootpath / "build" / "peers"))
        except NotInstallableError as reason:
            report.add(Row("peers", f"{peer.name} is not installable here", 0, "runs/s", note=str(reason)))
            pytest.skip(f"{peer.name}: {reason}")

    return find


@pytest.fixture
def contributed_database(
    report: Report, pytestconfig: pytest.Config, request: pytest.FixtureRequest
) -> Iterator[DatabaseFactory]:
    """Return ``new_database() -> url`` of a server that has btree_gist, which data-rentgen needs."""
    offered = create_engine(request.getfixturevalue("postgres_url"))
    with offered.connect() as connection:
        extensions = connection.execute(text("SELECT name FROM pg_available_extensions")).scalars().all()
    offered.dispose()
    if "btree_gist" in extensions:
        yield request.getfixturevalue("new_database")
        return
    try:
        binaries = contributed_postgresql(pytestconfig.rootpath / "build" / "peers")
    except NotInstallableError as reason:
        report.add(Row("peers", "data-rentgen is not measurable here", 0, "events/s", note=f"btree_gist: {reason}"))
        pytest.skip(str(reason))
    with LocalPostgres(binaries) as server:

        def make() -> str:
            engine, name = create_engine(server.url, isolation_level="AUTOCOMMIT"), f"peer_{uuid.uuid4().hex}"
            with engine.connect() as connection:
                connection.execute(text(f"CREATE DATABASE {name}"))
            engine.dispose()
            return make_url(server.url).set(database=name).render_as_string(hide_password=False)

        yield make


def run_peer(python: str, script: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [python, str(SCRIPTS / script), *arguments], capture_output=True, text=True, timeout=PEER_TIMEOUT_S
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def add_runs(report: Report, name: str, theirs: dict[str, float], ours: dict[str, float], where: str) -> None:
    """Add how many training runs a second were recorded, theirs and, as a multiple of it, ours."""
    rate, our_rate = theirs["runs"] / theirs["seconds"], ours["runs"] / ours["seconds"]
    cpu = f"{theirs['cpu_s'] / theirs['runs'] * 1e3:.2g} ms of its client's processor a run"
    report.add(Row("peers", f"{name}, {where}", rate, "runs/s", note=cpu))
    cpu = f"{ours['cpu_s'] / ours['runs'] * 1e3:.2g} ms of processor a run, all of it"
    report.add(Row("peers", f"modeltrail, {where}", our_rate, "runs/s", Limit(name, rate), note=cpu))


@pytest.fixture
def record_ours(sizes: Sizes, tmp_path: Path) -> Callable[[str], dict[str, float]]:
    def record(database: str) -> dict[str, float]:
        home = tmp_path / uuid.uuid4().hex
        return run_worker("worker_recording", str(sizes.peer_runs * OURS_TIMES), database, MODELTRAIL_HOME=str(home))

    return record


def test_mlflow_on_sqlite(
    report: Report, sizes: Sizes, tmp_path: Path, python_of: Callable[[Peer], str], record_ours: Any
) -> None:
    python = python_of(MLFLOW)
    name = f"MLflow {installed_version(Path(python), 'mlflow')}"
    theirs = run_peer(python, "record_with_mlflow.py", f"sqlite:///{tmp_path / 'mlflow.db'}", str(sizes.peer_runs))
    add_runs(report, name, theirs, record_ours(f"sqlite:///{tmp_path / 'ours.db'}"), "SQLite")


@pytest.mark.service
def test_mlflow_on_postgresql(
    report: Report, sizes: Sizes, new_database: DatabaseFactory, python_of: Callable[[Peer], str], record_ours: Any
) -> None:
    python = python_of(MLFLOW)
    name = f"MLflow {installed_version(Path(python), 'mlflow')}"
    uri = new_database().replace("+psycopg", "+psycopg2")
    theirs = run_peer(python, "record_with_mlflow.py", uri, str(sizes.peer_runs))
    add_runs(report, name, theirs, record_ours(new_database()), "PostgreSQL")


def test_ml_metadata(
    report: Report, sizes: Sizes, tmp_path: Path, python_of: Callable[[Peer], str], record_ours: Any
) -> None:
    python = python_of(MLMD)
    name = f"ML Metadata {installed_version(Path(python), 'ml-metadata')}"
    theirs = run_peer(python, "record_with_mlmd.py", str(tmp_path / "mlmd.db"), str(sizes.peer_runs))
    add_runs(report, name, theirs, record_ours(f"sqlite:///{tmp_path / 'ours.db'}"), "SQLite")


def test_openlineage_client(
    report: Report, sizes: Sizes, tmp_path: Path, python_of: Callable[[Peer], str], record_ours: Any
) -> None:
    python = python_of(OPENLINEAGE)
    name = f"openlineage-python {installed_version(Path(python), 'openlineage-python')}"
    ours = record_ours("")
    sink = start_worker("worker_sink")
    assert sink.stdout is not None
    try:
        live, dead = int(sink.stdout.readline()), free_ports(1)[0]
        for kind, port, runs in (("live", live, sizes.peer_runs), ("dead", dead, 2)):
            for transport in ("http", "async_http"):
                url = f"http://127.0.0.1:{port}"
                theirs = run_peer(python, "emit_with_openlineage.py", transport, url, str(runs))
                what = f"{name}, {transport}, {kind} server, an event"
                note = f"{theirs['failed']} of {theirs['events']} raised into the caller"
                report.add(Row("peers", what, theirs["mean"], "µs", note=note))
                limit = Limit(f"{transport}, {kind}", theirs["mean"])
                what = "modeltrail, all calls of a run, an event"
                report.add(Row("peers", what, ours["call_us_an_event"], "µs", limit))
    finally:
        sink.terminate()
        sink.communicate()


@pytest.mark.service
def test_data_rentgen(
    report: Report,
    sizes: Sizes,
    tmp_path: Path,
    new_topic: TopicFactory,
    kafka_bootstrap: str,
    contributed_database: DatabaseFactory,
    python_of: Callable[[Peer], str],
) -> None:
    """The same OpenLineage documents from Kafka into PostgreSQL, each consumer up and waiting when they come."""
    python, new_database = python_of(RENTGEN), contributed_database
    name = f"data-rentgen {installed_version(Path(python), 'data-rentgen')}"
    topic, database = new_topic(), new_database()
    url = database.replace("+psycopg", "+asyncpg").replace("postgres@", "postgres:any@")
    environ = {
        **os.environ,
        "DATA_RENTGEN__DATABASE__URL": url,
        "DATA_RENTGEN__KAFKA__BOOTSTRAP_SERVERS": f'["{kafka_bootstrap}"]',
        "DATA_RENTGEN__CONSUMER__TOPICS_LIST": f'["{topic}"]',
        "DATA_RENTGEN__CONSUMER__AUTO_OFFSET_RESET": "earliest",
        "DATA_RENTGEN__PRODUCER__MALFORMED_TOPIC": new_topic(),
    }
    for module, arguments in (("db.migrations", ("upgrade", "head")), ("db.scripts.create_partitions", ())):
        command = [python, "-m", f"data_rentgen.{module}", *arguments]
        made = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=PEER_TIMEOUT_S)
        assert made.returncode == 0, made.stderr[-3000:]
    runs = sizes.peer_runs
    with (tmp_path / "consumer.log").open("w") as log:
        consumer = subprocess.Popen(
            [python, "-m", "data_rentgen.consumer"], env=environ, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            theirs = feed(
                f"kafka://{kafka_bootstrap}/{topic}", database, "run", "ended_at IS NOT NULL", runs, raw=True
            )
        except AssertionError as error:
            raise AssertionError(f"{error}: {(tmp_path / 'consumer.log').read_text()[-3000:]}") from error
        finally:
            consumer.terminate()
            consumer.wait(30)
    our_topic, our_database = f"kafka://{kafka_bootstrap}/{new_topic()}", new_database()
    with following(our_topic, our_database):
        ours = feed(our_topic, our_database, "g1_run", "state_terminal", runs * OURS_TIMES, raw=False)
    report.add(Row("peers", f"{name}, Kafka → PostgreSQL", theirs, "events/s", note="OpenLineage documents"))
    report.add(Row("peers", "modeltrail, Kafka → PostgreSQL", ours, "events/s", Limit(name, theirs)))


@contextmanager
def following(address: str, database: str) -> Iterator[None]:
    follower = start_worker("worker_following", address, database, stdin=subprocess.PIPE)
    assert follower.stdout is not None
    assert follower.stdin is not None
    try:
        assert follower.stdout.readline().strip() == "following"
        yield
    finally:
        follower.stdin.close()
        follower.wait(60)
        follower.stdout.close()


def feed(address: str, database: str, table: str, ended: str, runs: int, *, raw: bool) -> float:
    """Return events a second from the first append until all runs are seen to have ended; one run warms up."""
    engine = create_engine(database) if raw else open_engine(database)
    try:
        with open_log(address) as log:
            log.append(documents(1, raw=raw))
            wait_for(engine, table, ended, 1)
            messages = documents(runs, raw=raw)
            started = time.perf_counter()
            append_all(log, messages)
            wait_for(engine, table, ended, runs + 1)
            return len(messages) / (time.perf_counter() - started)
    finally:
        engine.dispose()


def append_all(log: Log, messages: list[Outgoing]) -> None:
    for start in range(0, len(messages), 2_000):
        log.append(messages[start : start + 2_000])


def wait_for(engine: Engine, table: str, ended: str, count: int) -> None:
    deadline = time.monotonic() + VISIBLE_TIMEOUT_S
    while True:
        with engine.connect() as connection:
            if connection.execute(text(f"SELECT count(*) FROM {table} WHERE {ended}")).scalar_one() >= count:
                return
        assert time.monotonic() < deadline, f"{table} does not get {count} runs"
        time.sleep(0.02)


def documents(runs: int, *, raw: bool) -> list[Outgoing]:
    """Return START and COMPLETE of standard runs as OpenLineage documents: bare, or kept in events of ours."""
    messages = []
    for number in range(runs):
        run_id = str(uuid.UUID(bytes=new_event_id(time.time_ns(), os.urandom(8))))
        for state in ("START", "COMPLETE"):
            now_ns = time.time_ns()
            named = {"event_id": new_event_id(now_ns, os.urandom(8)), "event_time_ns": now_ns, "run_id": run_id}
            event: LineageEvent = replace(standard_event(number), type=state, **named)
            document = write(event)
            value = document if raw else encode(read(document))
            messages.append(Outgoing(value, key=run_id.encode()))
    return messages
