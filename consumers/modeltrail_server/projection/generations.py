"""The generations of the read model: made, found, pointed at, read in one snapshot, dropped.

A generation is one set of tables, built from one log by one version of the projection. Readers and projectors go
where the pointer says.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from modeltrail.errors import LogIdentityError
from modeltrail.log.protocol import LogIdentity, Position
from sqlalchemy import Column, Connection, Engine, Select, Table, func, insert, select
from sqlalchemy.exc import DBAPIError

from modeltrail_server.errors import DatabaseUnavailableError, ProjectionVersionError
from modeltrail_server.projection.engine import explained, is_missing_table, writing
from modeltrail_server.projection.fetching import end_reading, fetch
from modeltrail_server.projection.tables import PROJECTION_VERSION, Tables, control_tables, tables_of

# Whoever changes which generations there are holds this PostgreSQL advisory lock (the bytes of "modeltrl").
GENERATIONS_LOCK = int.from_bytes(b"modeltrl", "big")
POINTER_ID = 1
SNAPSHOT_ATTEMPTS = 10
SEEKING = {
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "plan_cache_mode": "force_generic_plan",
}


@dataclass(frozen=True)
class Generation:
    """A generation, as its row tells."""

    number: int
    projection_version: int
    topic_id: str
    log_name: str

    @property
    def tables(self) -> Tables:
        """Return its tables."""
        return tables_of(self.number)


def current_generation(connection: Connection, *, lock: bool = False) -> Generation | None:
    """Return the generation that the pointer names, None where nothing was built yet.

    With ``lock`` it stays the current one until the transaction ends. After None on PostgreSQL the transaction can
    only end.
    """
    return _find_current(connection, _pointed_at(lock=lock))


def _find_current(connection: Connection, statement: Select[Any]) -> Generation | None:
    """Return the generation in the first columns of what ``statement`` finds."""
    try:
        rows = fetch(connection, statement, {})
    except Exception as error:
        if is_missing_table(error):
            return None
        raise
    return Generation(*rows[0][: len(_generation_columns())]) if rows else None


def standing_generation(connection: Connection, number: int) -> Generation | None:
    """Return generation ``number``, whose tables then stay until the transaction ends; None when they are gone."""
    generation = control_tables().generation
    query = select(*_generation_columns()).where(generation.c.number == number, generation.c.dropped_ms.is_(None))
    row = connection.execute(_shared(query, generation)).one_or_none()
    return None if row is None else Generation(*row)


def prepare(engine: Engine, log: LogIdentity) -> Generation:
    """Return the current generation, made first where there is none, that a projector of ``log`` may write.

    Raises ProjectionVersionError, LogIdentityError.
    """
    with explained(engine), engine.connect() as connection:
        generation = current_generation(connection)
    if generation is None:
        with writing(engine) as connection:
            lock_generations(connection)
            control_tables().metadata.create_all(connection)
            generation = current_generation(connection)
            if generation is None:
                generation = create_generation(connection, log)
                connection.execute(
                    insert(control_tables().pointer).values(id=POINTER_ID, generation=generation.number)
                )
    check_writable(generation, log)
    return generation


def create_generation(connection: Connection, log: LogIdentity) -> Generation:
    """Make the tables of a new generation and its row; nobody is pointed at it."""
    number = (connection.scalar(select(func.max(control_tables().generation.c.number))) or 0) + 1
    generation = Generation(number, PROJECTION_VERSION, log.topic_id, log.name)
    generation.tables.metadata.create_all(connection)
    connection.execute(
        insert(control_tables().generation).values(
            number=number,
            projection_version=PROJECTION_VERSION,
            topic_id=log.topic_id,
            log_name=log.name,
            created_ms=time.time_ns() // 1_000_000,
        )
    )
    return generation


def check_writable(generation: Generation, log: LogIdentity) -> None:
    """Raise ProjectionVersionError or LogIdentityError unless this program may project ``log`` into it."""
    check_version(generation)
    if generation.topic_id != log.topic_id:
        raise LogIdentityError(
            f"the read model was built from the log {generation.log_name} ({generation.topic_id}), "
            f"and {log.name} is another one ({log.topic_id}): it was recreated, or the configuration names another",
            remedy="point MODELTRAIL_LOG and MODELTRAIL_DATABASE at what belongs together, "
            "or build the read model anew from this log: modeltrail rebuild",
        )


def check_version(generation: Generation) -> None:
    """Raise ProjectionVersionError unless this program understands the generation's tables."""
    if generation.projection_version != PROJECTION_VERSION:
        raise ProjectionVersionError(
            f"the read model was built by version {generation.projection_version} of the projection, "
            f"this is version {PROJECTION_VERSION}",
            remedy="build it anew: modeltrail rebuild",
        )


def read_positions(connection: Connection, tables: Tables) -> dict[int, int]:
    """Return the next offset of each partition that was ever read."""
    rows = connection.execute(select(tables.position.c.partition, tables.position.c.next_offset))
    return {row.partition: row.next_offset for row in rows}


def positions_of(engine: Engine, generation: Generation) -> dict[int, int] | None:
    """Return the next offset of each partition that was ever read; None where the generation was dropped."""
    with explained(engine), engine.connect() as connection:
        try:
            return read_positions(connection, generation.tables)
        except DBAPIError as error:
            if is_missing_table(error):
                return None
            raise


def as_position(next_offsets: dict[int, int]) -> Position:
    """Return the next offsets as a position."""
    return Position(tuple(next_offsets.get(partition, 0) for partition in range(max(next_offsets, default=-1) + 1)))


@contextmanager
def reading(engine: Engine) -> Iterator[tuple[Connection, Tables]]:
    """Give one read-only snapshot of the current generation: everything read through it is of one moment.

    Raises ProjectionVersionError, DatabaseUnavailableError; LookupError where nothing was ever projected.
    """
    with explained(engine), ExitStack() as stack:
        connection, tables = _open_snapshot(engine, stack)
        try:
            yield connection, tables
        finally:
            if engine.dialect.name == "postgresql":
                end_reading(connection)


def _open_snapshot(engine: Engine, stack: ExitStack) -> tuple[Connection, Tables]:
    for _ in range(SNAPSHOT_ATTEMPTS):
        connection = stack.enter_context(engine.connect())
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            generation = _find_current(connection, _pointed_at_seeking())
        else:
            generation = current_generation(connection)
        if generation is None:
            raise LookupError("nothing was projected into this database yet")
        check_version(generation)
        try:
            # Holds all tables: who drops a generation takes this one first.
            fetch(connection, _any_position(generation.tables), {})
        except Exception as error:
            if not is_missing_table(error):
                raise
            stack.close()  # dropped since the pointer was read: it names another one now
        else:
            return connection, generation.tables
    raise DatabaseUnavailableError("the read model is replaced faster than it can be read", remedy="try again")


def lock_generations(connection: Connection) -> None:
    """Wait until nobody else changes which generations there are; SQLite's write lock does that already."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({GENERATIONS_LOCK})")


@lru_cache(maxsize=1)
def _pointed_at_seeking() -> Select[Any]:
    """Return the query of ``current_generation``, which sets up a transaction of PostgreSQL that only reads, too.

    It goes from row to row by indices, as every question does. A few things have very many links, so the planner
    expects many of each, and would read all.
    """
    return _pointed_at(lock=False).add_columns(*(func.set_config(*setting, True) for setting in SEEKING.items()))


@lru_cache(maxsize=2)
def _pointed_at(*, lock: bool) -> Select[Any]:
    """Return the query of ``current_generation``: each transaction begins with it."""
    control = control_tables()
    query = (
        select(*_generation_columns())
        .join_from(control.generation, control.pointer, control.generation.c.number == control.pointer.c.generation)
        .where(control.pointer.c.id == POINTER_ID)
    )
    return _shared(query, control.pointer) if lock else query


@lru_cache(maxsize=16)
def _any_position(tables: Tables) -> Select[Any]:
    return select(tables.position.c.partition).limit(1)


def _generation_columns() -> tuple[Column[Any], ...]:
    columns = control_tables().generation.c
    return columns.number, columns.projection_version, columns.topic_id, columns.log_name


def _shared(query: Select[Any], table: Table) -> Select[Any]:
    """Return ``query`` FOR SHARE, which SQLite, having one writer, does without."""
    return query.with_for_update(read=True, of=table)
