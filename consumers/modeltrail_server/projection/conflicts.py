"""The same event id with another payload: the smallest payload SHA-256 stands, and what the loser said goes.

Everything an event says is a function of its payload, so what a loser left behind is known, and what stands without
it is found from the events that remain. The state is then what it would be had the loser never come.
"""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import NamedTuple

from modeltrail_schemas.codec import decode_routing
from sqlalchemy import ColumnElement, Connection, Select, Table, and_, delete, select, update

from modeltrail_server.projection.batches import (
    Batch,
    ConflictRow,
    Decoded,
    EventRow,
    conflict_of,
    decide,
    tell_the_same,
)
from modeltrail_server.projection.facts import RELATIONS, ContentRow, EntityRow, LinkRow, run_row_of
from modeltrail_server.projection.merge import Rows, facts_of, merge_runs
from modeltrail_server.projection.tables import Tables
from modeltrail_server.projection.upserts import insert_unless_there

IDS_A_QUERY = 500
_IN_PARTS = {"yield_per": 500}  # a statement's option: a connection would keep it

_Order = tuple[int, bytes]


class Resolution(NamedTuple):
    """What of a batch stands beside what was there: its events, the facts that go, and the payloads that lost."""

    events: list[Decoded]
    replaced: list[Rows]
    conflicts: list[ConflictRow]
    duplicates: int


def resolve(connection: Connection, tables: Tables, batch: Batch, ids_there: Sequence[bytes]) -> Resolution:
    """Return how the batch, of which the ids ``ids_there`` were there before, stands to the events in the table.

    A winner of the batch takes the place of the event that was there; its links are deleted here, the rest of what
    it said is mended by ``mend`` once the batch's own rows are written.
    """
    events = dict(batch.events)
    replaced: list[Rows] = []
    conflicts: list[ConflictRow] = []
    duplicates = 0
    for there in _events_there(connection, tables, sorted(ids_there)):
        mine = events[there.event_id]
        if there.payload == mine.row.payload:
            duplicates += 1
            del events[there.event_id]
            continue
        theirs = Decoded(there, decode_routing(there.payload))
        winner, loser = decide(mine, theirs)
        conflicts += [] if tell_the_same(mine, theirs) else [conflict_of(loser.row)]
        if winner is mine:
            connection.execute(
                update(tables.event).values(mine.row._asdict()).where(tables.event.c.event_id == there.event_id)
            )
            replaced.append(facts_of(theirs.event))
            _delete_links(connection, tables, replaced[-1].links)
        else:
            del events[there.event_id]
    return Resolution(list(events.values()), replaced, conflicts, duplicates)


def report(connection: Connection, tables: Tables, conflicts: Sequence[ConflictRow]) -> None:
    """Write down the payloads that lost; one that lost before is not written again."""
    statement = insert_unless_there(connection, tables.conflict)
    connection.execute(statement, [conflict._asdict() for conflict in sorted(conflicts)])


def mend(connection: Connection, tables: Tables, replaced: Sequence[Rows]) -> None:
    """Make runs, entities and contents what the remaining events say, where a replaced event had a say."""
    for key in sorted({run.run_key for facts in replaced for run in facts.runs}):
        _mend_run(connection, tables, key)
    entities = {entity.entity_key: entity for facts in replaced for entity in facts.entities}
    # Versions before names: what a version's row says then stands for all mentions of the version.
    for entity in sorted(entities.values(), key=lambda row: (row.entity_key == row.name_key, row.entity_key)):
        if entity.kind == "job":
            _mend_job(connection, tables, entity.entity_key)
        else:
            _mend_entity(connection, tables, entity)
    contents = {content[:2]: content for facts in replaced for content in facts.contents}
    for _, content in sorted(contents.items()):
        _mend_content(connection, tables, content)


def _events_there(connection: Connection, tables: Tables, ids: Sequence[bytes]) -> Iterable[EventRow]:
    for start in range(0, len(ids), IDS_A_QUERY):
        query = select(tables.event).where(tables.event.c.event_id.in_(ids[start : start + IDS_A_QUERY]))
        for row in connection.execute(query.order_by(tables.event.c.event_id).with_for_update()):
            yield EventRow(*row)


def _delete_links(connection: Connection, tables: Tables, links: Sequence[LinkRow]) -> None:
    columns = tables.link.c
    for link in links:
        connection.execute(
            delete(tables.link).where(
                columns.entity_key == link.entity_key,
                columns.event_time_ns == link.event_time_ns,
                columns.event_id == link.event_id,
                columns.relation == link.relation,
                columns.role == link.role,
            )
        )


def _mend_run(connection: Connection, tables: Tables, run_key: bytes) -> None:
    is_run = tables.run.c.run_key == run_key
    connection.execute(select(tables.run.c.run_key).where(is_run).with_for_update())
    payloads = select(tables.event.c.payload).where(tables.event.c.run_key == run_key)
    with connection.execute(payloads, execution_options=_IN_PARTS) as result:
        rows = [run_row_of(decode_routing(payload)) for payload in result.scalars()]
    if rows:
        connection.execute(update(tables.run).values(reduce(merge_runs, rows)._asdict()).where(is_run))
    else:
        connection.execute(delete(tables.run).where(is_run))


def _mend_entity(connection: Connection, tables: Tables, entity: EntityRow) -> None:
    """Set who first named the entity: an event linked to it, or one that named a version of it."""
    link, versions, key = tables.link.c, tables.entity.c, entity.entity_key
    is_entity = versions.entity_key == key
    connection.execute(select(versions.entity_key).where(is_entity).with_for_update())
    linked = select(link.event_time_ns, link.event_id).order_by(link.event_time_ns, link.event_id)
    firsts = [
        _first(connection, linked.where(link.entity_key == key, link.relation == relation)) for relation in RELATIONS
    ]
    named = select(versions.first_time_ns, versions.first_event_id).where(versions.name_key == key, ~is_entity)
    firsts.append(_first(connection, named.order_by(versions.first_time_ns, versions.first_event_id)))
    _set_first(connection, tables.entity, is_entity, min((first for first in firsts if first), default=None))


def _mend_job(connection: Connection, tables: Tables, job_key: bytes) -> None:
    """Set who first named the job."""
    events = tables.event.c
    is_job = tables.entity.c.entity_key == job_key
    connection.execute(select(tables.entity.c.entity_key).where(is_job).with_for_update())
    named = select(events.event_time_ns, events.event_id).where(events.job_key == job_key)
    first = _first(connection, named.order_by(events.event_time_ns, events.event_id))
    _set_first(connection, tables.entity, is_job, first)


def _mend_content(connection: Connection, tables: Tables, content: ContentRow) -> None:
    """Set who first asserted the content: in each relation, the first event linked to the entity that says so."""
    contents = tables.content.c
    is_content = and_(contents.digest == content.digest, contents.entity_key == content.entity_key)
    connection.execute(select(contents.entity_key).where(is_content).with_for_update())
    firsts = [_first_assertion(connection, tables, content, relation) for relation in RELATIONS]
    _set_first(connection, tables.content, is_content, min((first for first in firsts if first), default=None))


def _first_assertion(connection: Connection, tables: Tables, content: ContentRow, relation: str) -> _Order | None:
    link, events = tables.link.c, tables.event.c
    query = (
        select(events.payload)
        .join(tables.link, link.event_id == events.event_id)
        .where(link.entity_key == content.entity_key, link.relation == relation)
        .order_by(link.event_time_ns, link.event_id)
    )
    with connection.execute(query, execution_options=_IN_PARTS) as result:
        for payload in result.scalars():
            for row in facts_of(decode_routing(payload)).contents:
                if row[:2] == content[:2]:
                    return row.first_time_ns, row.first_event_id
    return None


def _first(connection: Connection, query: Select[int, bytes]) -> _Order | None:
    row = connection.execute(query.limit(1)).one_or_none()
    return None if row is None else (row[0], row[1])


def _set_first(connection: Connection, table: Table, is_row: ColumnElement[bool], first: _Order | None) -> None:
    if first is None:
        connection.execute(delete(table).where(is_row))
    else:
        values = {"first_time_ns": first[0], "first_event_id": first[1]}
        connection.execute(update(table).values(values).where(is_row))
