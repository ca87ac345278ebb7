"""A PostgreSQL that wants TLS and a password, hangs, goes away and comes back, or lets a role only read."""

import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from modeltrail.log.memory import MemoryLog
from modeltrail.log.protocol import Outgoing
from modeltrail_schemas.codec import encode
from modeltrail_schemas.errors import ModeltrailError
from modeltrail_schemas.event import LineageEvent
from modeltrail_server.errors import DatabaseUnavailableError, DatabaseUrlError
from modeltrail_server.projection.digest import compute_digest
from modeltrail_server.projection.engine import open_engine, writing
from modeltrail_server.projection.generations import reading
from modeltrail_server.projection.projector import BatchStats, Projector, catch_up
from modeltrail_server.projection.rebuilding import rebuild
from services.certificates import Authority
from services.fixtures import DatabaseFactory
from services.local_postgres import LocalPostgres
from services.secure_postgres import PASSWORD, SecurePostgres
from sqlalchemy import text
from sqlalchemy.engine import make_url

pytestmark = pytest.mark.service

WAIT_S = 120


def runs(count: int, first: int = 1) -> list[Outgoing]:
    numbers = range(first, first + count)
    return [
        Outgoing(encode(LineageEvent(number.to_bytes(16, "big"), "run", "START", number, f"run-{number}")))
        for number in numbers
    ]


@pytest.fixture
def log() -> Iterator[MemoryLog]:
    with MemoryLog() as log:
        yield log


def test_a_verified_server_is_projected_into(secure_postgres: SecurePostgres, log: MemoryLog) -> None:
    url = secure_postgres.url_with(sslmode="verify-full", sslrootcert=str(secure_postgres.authority.ca_file))
    log.append(runs(3))
    engine = open_engine(url)
    try:
        assert catch_up(log, engine).records == 3
        with engine.connect() as connection:
            query = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            assert connection.execute(query).scalar_one() is True
    finally:
        engine.dispose()


@pytest.mark.parametrize("fault", ["authority", "password", "no TLS"])
def test_what_keeps_the_server_out_is_said_without_the_password(
    secure_postgres: SecurePostgres, log: MemoryLog, tmp_path: Path, fault: str
) -> None:
    authority = Authority(tmp_path / "stranger") if fault == "authority" else secure_postgres.authority
    given = "wr0ng-passw0rd" if fault == "password" else PASSWORD
    mode = {"sslmode": "disable"} if fault == "no TLS" else {"sslmode": "verify-full"}
    engine = open_engine(secure_postgres.url_with(password=given, sslrootcert=str(authority.ca_file), **mode))
    says = {
        "authority": "certificate verify failed",
        "password": "password authentication failed",
        "no TLS": "no encryption",
    }
    try:
        with pytest.raises(DatabaseUnavailableError, match=says[fault]) as error:
            catch_up(log, engine)
    finally:
        engine.dispose()
    shown = "".join(traceback.format_exception(error.value)) + repr(engine.url)
    assert given not in shown


@pytest.mark.parametrize("setting", ["statement_timeout", "lock_timeout"])
def test_the_url_says_how_long_the_server_may_take(new_database: DatabaseFactory, setting: str) -> None:
    query = text(f"SELECT current_setting('{setting}')")
    for parameters, expected in (("", {"statement_timeout": "2min", "lock_timeout": "30s"}[setting]), ("0", "0")):
        url = make_url(new_database())
        if parameters:
            url = url.update_query_dict({f"{setting}_ms": parameters})
        engine = open_engine(url.render_as_string(hide_password=False))
        try:
            with engine.connect() as connection:
                assert connection.execute(query).scalar_one() == expected
        finally:
            engine.dispose()


def test_a_limit_that_is_no_number_is_refused() -> None:
    with pytest.raises(DatabaseUrlError, match="lock_timeout_ms is no number"):
        open_engine("postgresql://a@b/c?lock_timeout_ms=soon")


def test_a_statement_that_takes_too_long_may_be_tried_again(new_database: DatabaseFactory) -> None:
    url = make_url(new_database()).update_query_dict({"statement_timeout_ms": "50"})
    engine = open_engine(url.render_as_string(hide_password=False))
    try:
        with pytest.raises(DatabaseUnavailableError, match="statement timeout"), writing(engine) as connection:
            connection.execute(text("SELECT pg_sleep(30)"))
    finally:
        engine.dispose()


class Waiting:
    """Sees what a projector does: ``written`` and ``down`` are set at the next batch and at the next failure."""

    def __init__(self) -> None:
        self.written, self.down = threading.Event(), threading.Event()

    def batch_written(self, stats: BatchStats) -> None:
        self.written.set()

    def retrying(self, error: ModeltrailError, delay_s: float) -> None:
        self.down.set()


@pytest.mark.fault
@pytest.mark.parametrize("fault", ["killed", "restarted"])
def test_a_server_lost_and_found_in_the_middle_changes_nothing(
    breakable_postgres: LocalPostgres, log: MemoryLog, tmp_path: Path, fault: str
) -> None:
    engine, seen, stop = open_engine(breakable_postgres.url), Waiting(), threading.Event()
    projector = Projector(log, engine, observer=seen, max_batch_records=7)
    thread = threading.Thread(target=projector.run, args=(stop,))
    thread.start()
    try:
        log.append(runs(200))
        assert seen.written.wait(WAIT_S)
        if fault == "killed":
            breakable_postgres.kill()
            assert seen.down.wait(WAIT_S)
            breakable_postgres.start()
        else:
            breakable_postgres.restart()
        log.append(runs(50, first=201))
        catch_up(log, engine)
    finally:
        stop.set()
        thread.join()
    twin = open_engine(f"sqlite:///{tmp_path / 'twin.db'}")
    try:
        catch_up(log, twin)
        assert compute_digest(engine) == compute_digest(twin)
    finally:
        engine.dispose()
        twin.dispose()


def documented_sql() -> str:
    """Return the statements of docs/operations.md that make the role."""
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    return text.partition("```sql\n")[2].partition("```")[0]


def test_a_role_that_may_only_read_answers_and_writes_nothing(
    breakable_postgres: LocalPostgres, log: MemoryLog
) -> None:
    owner = open_engine(breakable_postgres.url)
    reader = open_engine(breakable_postgres.url.replace("postgres@", "modeltrail_reader@"))
    try:
        log.append(runs(3))
        catch_up(log, owner)
        with psycopg.connect(breakable_postgres.url.replace("+psycopg", "")) as connection:
            connection.execute(documented_sql().encode())
        expected = compute_digest(owner)
        assert compute_digest(reader) == expected
        rebuild(log, owner)
        assert compute_digest(reader).hex == expected.hex
        with reading(reader) as (connection, tables):
            assert connection.execute(text(f"SELECT count(*) FROM {tables.run.name}")).scalar_one() == 3
        log.append(runs(1, first=4))
        with pytest.raises(DatabaseUrlError, match=r"refused: .*(permission denied|read-only transaction)"):
            catch_up(log, reader)
    finally:
        owner.dispose()
        reader.dispose()
