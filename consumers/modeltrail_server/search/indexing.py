"""The search index follows the read model: which runs the log tells of since, folded anew from their events.

A run's rows are a function of the set of its events, so order, batches and repetitions make no difference; only its
span (see spans.py) is of where in the log they came first. The index has its own position, moved by a compare-and-set
in the transaction that writes: whoever loses begins again.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence

from modeltrail.log.protocol import Record
from modeltrail_schemas.codec import decode_routing
from modeltrail_schemas.errors import InvalidEventError, UnknownSchemaError
from modeltrail_schemas.identity import canonical_run_id
from sqlalchemy import Connection, Engine, MetaData, Table, delete, inspect, select, update
from sqlalchemy.schema import DropTable

from modeltrail_server.errors import PositionMovedError
from modeltrail_server.projection.cycles import no_cycle_collection
from modeltrail_server.projection.engine import explained, writing
from modeltrail_server.projection.facts import run_identity
from modeltrail_server.projection.generations import Generation, check_version, current_generation, positions_of
from modeltrail_server.projection.projector import Source
from modeltrail_server.projection.upserts import insert_unless_there
from modeltrail_server.projection.writing import Writer, writer_for
from modeltrail_server.queries.fetched import MAX_EVENTS, chunks
from modeltrail_server.queries.rows import Stored
from modeltrail_server.queries.snapshot import Snapshot
from modeltrail_server.search.coding import code_changed
from modeltrail_server.search.rows import SPAN, Key, KeyRow, Values, cut_text, rows_of, values_of
from modeltrail_server.search.spans import span_of
from modeltrail_server.search.tables import SearchTables, older_tables, search_tables_of

MAX_BATCH_RECORDS = 2_000
RUNS_A_FETCH = 100
POLL_WAIT_MS = 500
MAX_ATTEMPTS = 100
INDEX_LOCK = 7308324466
"""The PostgreSQL advisory lock of whoever writes the index: one at a time, as on SQLite."""


def catch_up(log: Source, engine: Engine, *, stop: threading.Event | None = None) -> int:
    """Index what the read model holds now of ``log``; return how many records that were.

    The read model must have been caught up before as far as is wanted: the index never goes past it.
    Raises what the projector raises.
    """
    done, attempts = 0, 0
    while attempts < MAX_ATTEMPTS and not (stop and stop.is_set()):
        try:
            with explained(engine), engine.connect() as connection:
                generation = current_generation(connection)
            if generation is None:
                return done
            check_version(generation)
            return done + _follow(log, engine, generation, stop)
        except PositionMovedError:
            attempts += 1
    return done


def events_of_runs(snapshot: Snapshot, keys: Sequence[bytes]) -> Iterator[tuple[bytes, str, list[Stored]]]:
    """Yield key, id and events of each of these runs; of one with very many, the first 10,000."""
    stored = snapshot.events_of_runs(keys)
    if len(stored) >= MAX_EVENTS and len(keys) > 1:
        for key in keys:
            yield from events_of_runs(snapshot, [key])
        return
    by_run: dict[str, list[Stored]] = {}
    for item in stored:
        by_run.setdefault(canonical_run_id(item.event.run_id), []).append(item)
    for run_id, told in by_run.items():
        yield run_identity(run_id)[0], run_id, told


def _follow(log: Source, engine: Engine, generation: Generation, stop: threading.Event | None) -> int:
    tables = search_tables_of(generation.number)
    _make_tables(engine, tables)
    end = positions_of(engine, generation)
    if end is None:
        raise PositionMovedError
    with explained(engine), engine.connect() as connection:
        begun = {row[0]: row[1] for row in connection.execute(select(*tables.position.c))}
    behind = {partition for partition, offset in end.items() if begun.get(partition, 0) < offset}
    if not behind:
        return 0
    done, start, reader = 0, log.start(), log.reader()
    try:
        at = {partition: begun.get(partition, start[partition]) for partition in end}
        for partition in end:
            reader.seek(partition, at[partition])
        for partition in reader.unpositioned():
            reader.seek(partition, log.end()[partition])  # nothing of it is in the read model yet
        while any(at[partition] < end[partition] for partition in behind) and not (stop and stop.is_set()):
            polled = reader.poll(max_records=MAX_BATCH_RECORDS, wait_ms=POLL_WAIT_MS)
            if not polled:
                break
            for partition, records in polled.items():
                within = [record for record in records if record.offset < end.get(partition, 0)]
                if within:
                    _write(engine, generation, within, begun.get(partition))
                    begun[partition] = at[partition] = within[-1].offset + 1
                    done += len(within)
            at |= {part: end[part] for part in polled if part in end and polled[part][-1].offset + 1 >= end[part]}
    finally:
        reader.close()
    return done


def _make_tables(engine: Engine, tables: SearchTables) -> None:
    """Make the tables of a generation's index, unless they are there; those of an older shape of index go."""
    with explained(engine):
        if inspect(engine).has_table(tables.position.name):
            return
    with no_cycle_collection(), writing(engine) as connection:
        _wait_for_other_writers(connection)
        tables.metadata.create_all(connection)
        for name in older_tables(tables, inspect(connection).get_table_names()):
            connection.execute(DropTable(Table(name, MetaData())))


def _write(engine: Engine, generation: Generation, records: Sequence[Record], expected: int | None) -> None:
    """Index the runs that ``records``, of one partition, tell of, and move the position past them."""
    tables, writer = search_tables_of(generation.number), writer_for(engine)
    keys = sorted(set(_runs_told_of(records)))
    with no_cycle_collection(), writing(engine) as connection:
        _wait_for_other_writers(connection)  # else columns are coded by two at once
        if current_generation(connection, lock=True) != generation:
            raise PositionMovedError
        _move(connection, tables, records[0].partition, expected, records[-1].offset + 1)
        _fold(connection, tables, writer, Snapshot(connection, generation.tables), keys)


def index_again(connection: Connection, generation: Generation, record: Record) -> None:
    """Index the run that a record tells of, in the transaction that lets it count, after the index has passed it.

    Where nothing was ever indexed, nothing is.
    """
    tables = search_tables_of(generation.number)
    if inspect(connection).has_table(tables.position.name):
        _wait_for_other_writers(connection)
        writer, snapshot = writer_for(connection.engine), Snapshot(connection, generation.tables)
        _fold(connection, tables, writer, snapshot, list(_runs_told_of([record])))


def _fold(
    connection: Connection, tables: SearchTables, writer: Writer, snapshot: Snapshot, keys: Sequence[bytes]
) -> None:
    """Write what the index holds of these runs anew, from their events."""
    indexed = dict[bytes, Values]()
    for chunk in chunks(keys, RUNS_A_FETCH):
        # First what was, then what is: whoever indexed one of these meanwhile, knowing more, is not overwritten.
        connection.execute(delete(tables.value).where(tables.value.c.run_key.in_(chunk)))
        found = {key: _values(run_id, stored) for key, run_id, stored in events_of_runs(snapshot, chunk)}
        rows = [row for key, values in found.items() for row in rows_of(key, values)]
        writer.insert_rows(connection, tables.value, rows)
        indexed |= found
    told = {key for values in indexed.values() for key in values.by_key if key.kind != SPAN}
    _note_keys(connection, tables, told)
    code_changed(connection, writer, tables, indexed)


def _wait_for_other_writers(connection: Connection) -> None:
    """Return when nobody else writes the index, nor will until this transaction ends (on SQLite: at once)."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({INDEX_LOCK})")


def _values(run_id: str, stored: Sequence[Stored]) -> Values:
    """Return all that the index holds of a run."""
    values = values_of(run_id, [each.event for each in stored])
    return values._replace(by_key=values.by_key | span_of(stored, values.by_key))


def _note_keys(connection: Connection, tables: SearchTables, told: Iterable[Key]) -> None:
    rows = sorted(KeyRow(key.id, key.kind, cut_text(key.name)) for key in told)
    for chunk in chunks(rows, RUNS_A_FETCH):
        there = select(tables.key.c.key_id).where(tables.key.c.key_id.in_([row.key_id for row in chunk]))
        known = set(connection.scalars(there))
        if new := [row._asdict() for row in chunk if row.key_id not in known]:
            connection.execute(insert_unless_there(connection, tables.key), new)


def _move(connection: Connection, tables: SearchTables, partition: int, expected: int | None, to: int) -> None:
    position = tables.position
    if expected is None:
        statement = insert_unless_there(connection, position).values(partition=partition, next_offset=to)
        moved = connection.execute(statement.execution_options(preserve_rowcount=True)).rowcount
    else:
        is_expected = (position.c.partition == partition) & (position.c.next_offset == expected)
        moved = connection.execute(update(position).values(next_offset=to).where(is_expected)).rowcount
    if moved != 1:
        raise PositionMovedError


def _runs_told_of(records: Iterable[Record]) -> Iterator[bytes]:
    for record in records:
        try:
            event = decode_routing(record.value)
        except (InvalidEventError, UnknownSchemaError):
            continue  # the projector keeps it as a dead letter, or would not have come this far
        if event.run_id:
            yield run_identity(event.run_id)[0]
