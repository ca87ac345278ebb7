"""The statements that find the keys of all that things came from, and what was retracted. Builds, runs nothing."""

from typing import Any

from modeltrail_schemas.event import Declaration
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    LargeBinary,
    Select,
    and_,
    case,
    cast,
    literal_column,
    not_,
    null,
    or_,
    select,
    text,
    union_all,
)

from modeltrail_server.projection.tables import IS_RETRACTION, Tables
from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.queries.statements.parts import among, remembered, row_limit


@remembered
def retractions(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the payloads of the events that declare something to be retracted."""
    link, event = tables.link, tables.event
    retracting = select(link.c.event_id).where(text(IS_RETRACTION)).distinct().limit(row_limit()).subquery()
    statement = select(event.c.payload).join(retracting, retracting.c.event_id == event.c.event_id)
    return statement if as_of is None else statement.where(as_of.condition(event))


@remembered
def versions_of_names(tables: Tables) -> Select[Any]:
    """Select the keys of the names :keys and of their versions."""
    entity = tables.entity
    return select(entity.c.entity_key).where(among(entity.c.name_key, "keys")).limit(row_limit())


@remembered
def upstream(tables: Tables, as_of: AsOf | None, *, edges: bool) -> Select[Any]:
    """Select what entities :keys and activities :activities came from, themselves included: entities, nearest first.

    In rows of: entity, the key that leads on, and when and by which event it was read. These last two tell of what
    inference is asked about, models and what has no version, once for each reading; else they are null. What leads on
    from data read without a version is the version that was then the latest, but for ``as_of``: then, as from models
    without one, nothing does. A mention without a version is left out where the same activity tells which it was.
    With ``edges`` each row has, last, the key that led to it (null for ``keys``): so a row for each that did.

    What is looked up of a row is a scalar: of ``EXISTS`` PostgreSQL may make a table of all events, first.
    """
    entity, made = tables.entity, tables.link.alias("made")
    own = case((entity.c.version != "", entity.c.entity_key))
    no_reading = (cast(null(), BigInteger).label("read_at_ns"), cast(null(), LargeBinary).label("read_by"))
    nothing = [cast(null(), LargeBinary).label("led_from")] if edges else []
    asked = select(entity.c.entity_key, own.label("onward_key"), *no_reading, *nothing)
    asked = asked.where(among(entity.c.entity_key, "keys"))
    read, thing = tables.link.alias("read"), entity.alias("thing")
    acting = [read.c.activity_key] if edges else []
    reads = _reads(tables, as_of, read, thing, read, *acting).where(among(read.c.activity_key, "activities"))
    first = union_all(asked, reads).subquery("first")
    found = select(*first.c).cte("upstream", recursive=True)
    making = found.join(made, and_(made.c.entity_key == found.c.onward_key, made.c.relation == "output"))
    reading = making.join(read, read.c.activity_key == made.c.activity_key)
    origin: list[ColumnElement[Any]] = [found.c.onward_key] if edges else []
    onward = _reads(tables, as_of, read, thing, reading, *origin).where(*_counting(tables, as_of, made))
    every = found.union(onward)
    return select(*every.c).limit(row_limit())


def _reads(
    tables: Tables,
    as_of: AsOf | None,
    read: FromClause,
    thing: FromClause,
    source: FromClause,
    *more: ColumnElement[Any],
) -> Select[Any]:
    """Select what is ``read`` from ``source``, as ``upstream`` says."""
    versioned = thing.c.version != ""
    leads_on: list[tuple[ColumnElement[bool], ColumnElement[Any]]] = [(versioned, read.c.entity_key)]
    if as_of is None:
        leads_on.append((thing.c.kind == "dataset", _latest(tables, read)))
    is_asked_about = or_(not_(versioned), thing.c.kind == "model")
    reading = (case((is_asked_about, read.c.event_time_ns)), case((is_asked_about, read.c.event_id)))
    statement = select(read.c.entity_key, case(*leads_on).label("onward_key"), *reading, *more)
    statement = statement.select_from(source.join(thing, thing.c.entity_key == read.c.entity_key))
    statement = statement.where(read.c.relation == "input", *_counting(tables, as_of, read))
    return statement.where(or_(versioned, not_(_is_told(tables, as_of, read))))


def _latest(tables: Tables, read: FromClause) -> ColumnElement[Any]:
    """Return the key of the version that was the latest when its name was ``read``."""
    version = tables.entity.alias("version")
    latest = select(version.c.entity_key).where(version.c.name_key == read.c.entity_key, version.c.version != "")
    latest = latest.where(version.c.first_time_ns <= read.c.event_time_ns).correlate(read)
    return latest.order_by(version.c.first_time_ns.desc()).limit(1).scalar_subquery()


def _is_told(tables: Tables, as_of: AsOf | None, read: FromClause) -> ColumnElement[bool]:
    """Return whether the activity tells the version of what was ``read``: in that role, or by a correction."""
    told, version, same = tables.link.alias("told"), tables.entity.alias("told_version"), tables.link.alias("same")
    event_type = select(tables.event.c.type).where(tables.event.c.event_id == told.c.event_id).correlate(told)
    by_correction = event_type.scalar_subquery() == Declaration.CORRECTED
    told_beside = told.join(version, version.c.entity_key == told.c.entity_key).join(
        same, same.c.activity_key == told.c.activity_key
    )
    statement: Select[Any] = select(literal_column("1")).select_from(told_beside)
    statement = statement.where(told.c.activity_key == read.c.activity_key, told.c.relation == "input")
    statement = statement.where(version.c.name_key == read.c.entity_key, version.c.version != "")
    statement = statement.where(same.c.entity_key == read.c.entity_key, same.c.relation == "input")
    statement = statement.where(or_(told.c.role == same.c.role, by_correction))
    statement = statement.where(*_counting(tables, as_of, told), *_counting(tables, as_of, same))
    return statement.correlate(read).limit(1).scalar_subquery().is_not(None)


def _counting(tables: Tables, as_of: AsOf | None, link: FromClause) -> list[ColumnElement[bool]]:
    """Return the conditions that ``link`` was told within the bound."""
    if as_of is None:
        return []
    event = tables.event
    counts = select(as_of.condition(event)).where(event.c.event_id == link.c.event_id).correlate(link)
    return [counts.scalar_subquery()]
