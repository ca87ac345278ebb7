"""A new generation is built beside the current one, swapped in, and the old one dropped.

Killed at any point, the generation that the pointer names serves on; what was half built, or is still read from, goes
at the next rebuild.
Projectors and readers go on meanwhile.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from modeltrail.log.protocol import Position
from sqlalchemy import Connection, Engine, MetaData, Table, insert, inspect, select, update
from sqlalchemy.exc import DBAPIError

from modeltrail_server.errors import DatabaseUnavailableError
from modeltrail_server.projection.digest import Digest, compute_digest
from modeltrail_server.projection.engine import is_lock_timeout, writing
from modeltrail_server.projection.generations import (
    POINTER_ID,
    Generation,
    as_position,
    create_generation,
    current_generation,
    lock_generations,
    read_positions,
)
from modeltrail_server.projection.projector import Observer, Projector, Source
from modeltrail_server.projection.tables import control_tables

LOCK_TIMEOUT_MS = 2_000
LOCK_ATTEMPTS = 30
DROP_ATTEMPTS = 5
SWAP_ROUNDS = 100

_logger = logging.getLogger(__name__)


def rebuild(
    source: Source, engine: Engine, *, observer: Observer | None = None, stop: threading.Event | None = None
) -> Digest | None:
    """Build the read model anew from all that ``source`` holds, and return its digest once it serves.

    Returns None when ``stop`` was set before: the old one serves on. Raises what Projector.step raises;
    DatabaseUnavailableError also when locks are not to be had or the source grows faster than it is projected;
    GenerationDroppedError when another rebuild was started meanwhile.
    """
    stop = stop or threading.Event()
    with writing(engine) as connection:
        lock_generations(connection)
        control_tables().metadata.create_all(connection)
    drop_unused(engine)
    with writing(engine) as connection:
        lock_generations(connection)
        generation = create_generation(connection, source.identity)
    _logger.info("building generation %d of the read model", generation.number)
    with Projector(source, engine, into=generation, observer=observer) as projector:
        for _ in range(SWAP_ROUNDS):
            projector.catch_up(source.end(), stop)
            if stop.is_set():
                return None
            if _swap(engine, generation):
                break
        else:
            raise DatabaseUnavailableError(
                "the log grows faster than it is projected, so the new read model does not catch up with the old one",
                remedy="rebuild at a quieter time",
            )
    _logger.info("generation %d of the read model serves", generation.number)
    drop_unused(engine)
    return compute_digest(engine)


def drop_unused(engine: Engine) -> None:
    """Drop the tables of every generation that the pointer does not name; those that somebody reads stay, for now."""
    rows = control_tables().generation
    with writing(engine) as connection:
        unused = connection.scalars(select(rows.c.number).where(rows.c.dropped_ms.is_(None)).order_by(rows.c.number))
        numbers = unused.all()
    for number in numbers:
        try:
            _patiently(engine, partial(_drop_unused, number), attempts=DROP_ATTEMPTS)
        except DatabaseUnavailableError as error:
            if not _is_lock_timeout(error):
                raise
            _logger.warning(
                "somebody reads generation %d of the read model: its tables stay until the next rebuild",
                number,
            )


def _drop_unused(number: int, connection: Connection) -> None:
    """Drop generation ``number``, unless it is the current one or gone."""
    lock_generations(connection)
    current, rows = current_generation(connection), control_tables().generation
    if current is None or number != current.number:
        _drop_tables(connection, number)
        is_standing = (rows.c.number == number) & rows.c.dropped_ms.is_(None)
        connection.execute(update(rows).where(is_standing).values(dropped_ms=time.time_ns() // 1_000_000))


def _swap(engine: Engine, generation: Generation) -> bool:
    """Point readers and projectors at ``generation``, unless the current one, of the same log, is ahead of it."""
    swapped = False

    def swap(connection: Connection) -> None:
        nonlocal swapped
        lock_generations(connection)
        pointer = control_tables().pointer
        # From here on no projector commits into the old generation: each holds the pointer FOR SHARE.
        connection.execute(select(pointer.c.generation).where(pointer.c.id == POINTER_ID).with_for_update())
        old = current_generation(connection)
        if old is None:
            connection.execute(insert(pointer).values(id=POINTER_ID, generation=generation.number))
        elif old.topic_id != generation.topic_id or _covers(connection, generation, old):
            connection.execute(update(pointer).where(pointer.c.id == POINTER_ID).values(generation=generation.number))
        else:
            return
        swapped = True

    _patiently(engine, swap, attempts=LOCK_ATTEMPTS)
    return swapped


def _covers(connection: Connection, new: Generation, old: Generation) -> bool:
    positions: list[Position] = [as_position(read_positions(connection, each.tables)) for each in (new, old)]
    return positions[0].covers(positions[1])


def _drop_tables(connection: Connection, number: int) -> None:
    """Drop what another version of the projection may have made under this number, too."""
    prefix = f"g{number}_"
    names = [name for name in inspect(connection).get_table_names() if name.startswith(prefix)]
    # Readers hold the position table while they read any: see generations.reading.
    names.sort(key=lambda name: (name != f"{prefix}position", name))
    for name in names:
        Table(name, MetaData()).drop(connection)


def _patiently(engine: Engine, work: Callable[[Connection], None], *, attempts: int) -> None:
    """Do ``work`` in a transaction that waits for locks briefly, and often: whoever queues behind it waits too."""
    for attempt in range(1, attempts + 1):
        try:
            with _briefly_waiting(engine) as connection:
                work(connection)
        except DatabaseUnavailableError as error:
            if attempt == attempts or not _is_lock_timeout(error):
                raise
            time.sleep(LOCK_TIMEOUT_MS / 1000 / 2)
        else:
            return


def _is_lock_timeout(error: DatabaseUnavailableError) -> bool:
    return isinstance(error.__cause__, DBAPIError) and is_lock_timeout(error.__cause__)


@contextmanager
def _briefly_waiting(engine: Engine) -> Iterator[Connection]:
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
        yield connection
