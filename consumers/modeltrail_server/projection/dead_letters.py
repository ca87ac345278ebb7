"""Records that could not be read, or that the database refused: listed, shown, read again once the reason is gone."""

from collections.abc import Callable
from typing import NamedTuple

from modeltrail.log.protocol import Record
from modeltrail_schemas.errors import ModeltrailError
from sqlalchemy import ColumnElement, Connection, Engine, delete, select, tuple_

from modeltrail_server.errors import DataRefusedError, PositionMovedError
from modeltrail_server.projection.batches import Batch, DeadLetterRow, decode_batch
from modeltrail_server.projection.engine import writing
from modeltrail_server.projection.generations import Generation, check_version, current_generation, reading
from modeltrail_server.projection.tables import Tables
from modeltrail_server.projection.writing import write_batch, writer_for

LETTERS_A_TRANSACTION = 500
Follower = Callable[[Connection, Generation, Record], None]
"""Takes a record that counts only now, in the transaction that lets it count."""


class DeadLetterNotFoundError(ModeltrailError):
    """No record at this position was set aside."""

    exit_code = 1


class Requeued(NamedTuple):
    """How many dead letters were read this time, and how many stay."""

    read: int
    remaining: int


def list_dead_letters(engine: Engine, *, limit: int, after: tuple[int, int] | None = None) -> list[DeadLetterRow]:
    """Return up to ``limit`` of them in order of (partition, offset), those past ``after``."""
    with reading(engine) as (connection, tables):
        letter = tables.dead_letter.c
        query = select(tables.dead_letter).order_by(letter.partition, letter.offset).limit(limit)
        if after is not None:
            query = query.where(tuple_(letter.partition, letter.offset) > tuple_(*after))
        return [DeadLetterRow(*row) for row in connection.execute(query)]


def show_dead_letter(engine: Engine, partition: int, offset: int) -> DeadLetterRow:
    """Return the one at this position. Raises DeadLetterNotFoundError."""
    with reading(engine) as (connection, tables):
        row = connection.execute(select(tables.dead_letter).where(_is_at(tables, partition, offset))).one_or_none()
    if row is None:
        raise DeadLetterNotFoundError(
            f"no dead letter at partition {partition}, offset {offset}",
            remedy="see them: modeltrail dead-letters list",
        )
    return DeadLetterRow(*row)


def requeue_dead_letters(engine: Engine, *, also: Follower | None = None) -> Requeued:
    """Decode every dead letter again; one that can be read now takes effect as if it had been read at its time.

    ``also`` is told of it in the same transaction: whoever follows the log has passed it. One that still cannot be
    read stays as it is. Raises UnknownSchemaError.
    """
    read, remaining, after = 0, 0, (-1, -1)
    while letters := list_dead_letters(engine, limit=LETTERS_A_TRANSACTION, after=after):
        after = letters[-1].partition, letters[-1].offset
        for letter in letters:
            if _requeue(engine, letter, also):
                read += 1
            else:
                remaining += 1
    return Requeued(read, remaining)


def _requeue(engine: Engine, letter: DeadLetterRow, also: Follower | None) -> bool:
    """Return whether ``letter`` can be read now; it is then an event, in the same transaction."""
    record = Record(letter.partition, letter.offset, letter.recorded_ms, letter.key, letter.value)
    batch = decode_batch([record], first_offset=letter.offset)
    if batch.unknown_schema is not None:
        raise batch.unknown_schema
    if batch.dead_letters:
        return False
    try:
        _write_in_place(engine, record, batch, also)
    except DataRefusedError:
        return False
    except PositionMovedError:
        return _requeue(engine, letter, also)  # a projector inserts the same event just now
    return True


def _write_in_place(engine: Engine, record: Record, batch: Batch, also: Follower | None) -> None:
    with writing(engine) as connection:
        generation = current_generation(connection, lock=True)
        assert generation is not None, "a dead letter was read from it"
        check_version(generation)
        tables = generation.tables
        removal = delete(tables.dead_letter).where(_is_at(tables, record.partition, record.offset))
        if connection.execute(removal).rowcount:
            write_batch(connection, writer_for(engine), tables, batch)
            if also is not None:
                also(connection, generation, record)


def _is_at(tables: Tables, partition: int, offset: int) -> ColumnElement[bool]:
    return (tables.dead_letter.c.partition == partition) & (tables.dead_letter.c.offset == offset)
