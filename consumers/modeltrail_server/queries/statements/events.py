"""The statements that select events and positions in the log. Builds, runs nothing."""

from typing import Any

from sqlalchemy import (
    Select,
    bindparam,
    func,
    literal_column,
    select,
)

from modeltrail_server.projection.tables import Tables
from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.queries.statements.parts import among, remembered, row_limit


@remembered
def any_event(tables: Tables) -> Select[Any]:
    """Select a row if there is any event."""
    return select(literal_column("1")).select_from(tables.event).limit(1)


@remembered
def events_of_runs(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the events of runs :keys, oldest first."""
    event = tables.event
    return _oldest_first(_events(tables).where(among(event.c.run_key, "keys")), tables, as_of)


@remembered
def events_by_id(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the events :keys, oldest first."""
    event = tables.event
    return _oldest_first(_events(tables).where(among(event.c.event_id, "keys")), tables, as_of)


@remembered
def events_about(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the events that put entities :keys into relation :relation, latest first."""
    event, link = tables.event, tables.link
    statement = _events(tables).join(link, link.c.event_id == event.c.event_id)
    statement = statement.where(among(link.c.entity_key, "keys"), link.c.relation == bindparam("relation"))
    if as_of:
        statement = statement.where(as_of.condition(event))
    return statement.order_by(link.c.event_time_ns.desc(), link.c.event_id.desc()).limit(row_limit())


@remembered
def events_naming_first(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the first event to name each of the entities :keys, and the entity's key."""
    event, entity = tables.event, tables.entity
    statement = (
        _events(tables).add_columns(entity.c.entity_key).join(entity, entity.c.first_event_id == event.c.event_id)
    )
    return _oldest_first(statement.where(among(entity.c.entity_key, "keys")), tables, as_of)


@remembered
def events_since(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the events of :partition recorded from :recorded_ms on, in that order."""
    event = tables.event
    statement = _events(tables).where(event.c.partition == bindparam("partition"))
    statement = statement.where(event.c.recorded_ms >= bindparam("recorded_ms"))
    if as_of:
        statement = statement.where(as_of.condition(event))
    return statement.order_by(event.c.recorded_ms, event.c.offset).limit(row_limit())


@remembered
def routing_of_runs(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the payloads of the events of runs :keys: what their rows were as of then is folded from them."""
    event = tables.event
    statement = select(event.c.payload).where(among(event.c.run_key, "keys"))
    return (statement.where(as_of.condition(event)) if as_of else statement).limit(row_limit())


@remembered
def positions(tables: Tables) -> Select[Any]:
    """Select how far each partition was projected: partition, next offset, the latest record time (ms)."""
    position = tables.position
    return select(position.c.partition, position.c.next_offset, position.c.recorded_ms).order_by(position.c.partition)


@remembered
def first_offset_after(tables: Tables) -> Select[Any]:
    """Select the least offset of :partition among the first :row_limit events recorded after :recorded_ms."""
    event = tables.event
    later = select(event.c.offset).where(event.c.partition == bindparam("partition"))
    later = later.where(event.c.recorded_ms > bindparam("recorded_ms"))
    bounded = later.order_by(event.c.recorded_ms, event.c.offset).limit(row_limit()).subquery()
    return select(func.min(bounded.c.offset))


def _events(tables: Tables) -> Select[Any]:
    event = tables.event
    return select(event.c.payload, event.c.partition, event.c.offset, event.c.recorded_ms)


def _oldest_first(statement: Select[Any], tables: Tables, as_of: AsOf | None) -> Select[Any]:
    event = tables.event
    if as_of:
        statement = statement.where(as_of.condition(event))
    return statement.order_by(event.c.event_time_ns, event.c.event_id).limit(row_limit())
