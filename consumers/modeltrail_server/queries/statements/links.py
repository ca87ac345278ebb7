"""The statements that select links: who made, read or declared what. Builds, runs nothing."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    SelectBase,
    and_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    text,
    union_all,
)
from sqlalchemy.sql.selectable import FromClause

from modeltrail_server.projection.tables import IS_MARK, MARKS, AnyText, Tables
from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.queries.lifecycle import END_OF_TIME
from modeltrail_server.queries.statements.parts import among, remembered, row_limit


@remembered
def links_of_entities(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the links of entities :keys in relations :relations, latest first."""
    link = tables.link
    statement = _links(tables, as_of, link)
    statement = statement.where(among(link.c.entity_key, "keys"), among(link.c.relation, "relations"))
    return statement.order_by(link.c.event_time_ns.desc(), link.c.event_id.desc()).limit(row_limit())


@remembered
def declarations(tables: Tables, as_of: AsOf | None, roles: tuple[str, ...]) -> SelectBase:
    """Select the links of entities :keys to declarations about them, of types ``roles``, of each the latest first.

    The relation stands in the text, not bound: only so an index of declarations alone serves it. Each type is asked
    for by itself: for several, PostgreSQL would rather read the declarations of all types. MARKS have an index of
    their own, and are asked for together.
    """
    link = tables.link
    relation = literal_column("'subject'", AnyText)
    if set(roles) == set(MARKS):
        statement = _links(tables, as_of, link, relation=relation.label("relation"))
        statement = statement.where(among(link.c.entity_key, "keys"), text(IS_MARK))
        return statement.order_by(link.c.event_time_ns.desc(), link.c.event_id.desc()).limit(row_limit())
    found = []
    for role in roles:
        statement = _links(tables, as_of, link, relation=relation.label("relation")).where(
            link.c.relation == relation
        )
        statement = statement.where(among(link.c.entity_key, "keys"), link.c.role == role)
        order = (link.c.event_time_ns.desc(), link.c.event_id.desc())
        found.append(select(statement.order_by(*order).limit(row_limit()).subquery()))
    return union_all(*found) if len(found) > 1 else found[0]


@remembered
def last_links_before(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the links of entity :key in relation :relation before (:time_ns, :event_id), the latest first."""
    link = tables.link
    statement = _links(tables, as_of, link)
    statement = statement.where(link.c.entity_key == bindparam("key"), link.c.relation == bindparam("relation"))
    earlier = or_(link.c.event_time_ns < bindparam("time_ns"), link.c.event_id < bindparam("event_id"))
    statement = statement.where(link.c.event_time_ns <= bindparam("time_ns"), earlier)
    return statement.order_by(link.c.event_time_ns.desc(), link.c.event_id.desc()).limit(row_limit())


@remembered
def last_links_since(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the links of entity :key in relation :relation from :time_ns on, the latest first."""
    link = tables.link
    statement = _links(tables, as_of, link)
    statement = statement.where(link.c.entity_key == bindparam("key"), link.c.relation == bindparam("relation"))
    statement = statement.where(link.c.event_time_ns >= bindparam("time_ns"))
    return statement.order_by(link.c.event_time_ns.desc(), link.c.event_id.desc()).limit(row_limit())


@remembered
def first_links_after(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the links of entity :key in relation :relation after (:time_ns, :event_id), the earliest first."""
    link = tables.link
    statement = _links(tables, as_of, link)
    statement = statement.where(link.c.entity_key == bindparam("key"), link.c.relation == bindparam("relation"))
    later = or_(link.c.event_time_ns > bindparam("time_ns"), link.c.event_id > bindparam("event_id"))
    statement = statement.where(link.c.event_time_ns >= bindparam("time_ns"), later)
    return statement.order_by(link.c.event_time_ns, link.c.event_id).limit(row_limit())


@remembered
def entities_of_activities(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the links of activities :keys in relations :relations, with the entities they lead to."""
    link = tables.link
    statement = _with_entities(tables, as_of).where(among(link.c.activity_key, "keys"))
    return statement.where(among(link.c.relation, "relations")).limit(row_limit())


@remembered
def activities_of_entities(tables: Tables, as_of: AsOf | None, *, latest_first: bool) -> Select[Any]:
    """Select the links of entities :keys in relations :relations, with the runs or jobs they lead to.

    ``latest_first`` is free for one key and one relation, by the order of the link's key; for more it sorts them all.
    """
    link = tables.link
    statement = _with_activities(tables, as_of).where(link.c.activity_key.is_not(None))
    statement = statement.where(among(link.c.entity_key, "keys"), among(link.c.relation, "relations"))
    if latest_first:
        statement = statement.order_by(link.c.event_time_ns.desc(), link.c.event_id.desc())
    return statement.limit(row_limit())


@remembered
def activities_between(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the links of entity :key in :relation from :low_ns to :high_ns, latest first, with runs and jobs."""
    link = tables.link
    statement = _with_activities(tables, as_of).where(link.c.activity_key.is_not(None))
    statement = statement.where(link.c.entity_key == bindparam("key"), link.c.relation == bindparam("relation"))
    statement = statement.where(link.c.event_time_ns.between(bindparam("low_ns"), bindparam("high_ns")))
    return statement.order_by(link.c.event_time_ns.desc(), link.c.event_id.desc()).limit(row_limit())


@remembered
def readers_by_name(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select, for versions :keys, who read their name without a version while they were the latest.

    That is from a version's first event until the next version's first: the link with its run or job, and the
    version's key.
    """
    link, version = tables.link, tables.entity.alias("version")
    following = tables.entity.alias("following")
    later = select(func.min(following.c.first_time_ns)).where(following.c.name_key == version.c.name_key)
    later = later.where(following.c.first_time_ns > version.c.first_time_ns, following.c.version != "")
    # One bound, not two tests: so an index of links is read from one version to the next, and not to the end.
    until = func.coalesce(later.correlate(version).scalar_subquery(), END_OF_TIME[0])
    # Most names are never read without a version: that is told by one seek, before any other version is looked for.
    reading = tables.link.alias("reading")
    ever: Select[Any] = select(literal_column("1")).where(reading.c.entity_key == version.c.name_key)
    ever = ever.where(reading.c.relation == "input", reading.c.event_time_ns >= version.c.first_time_ns)
    ever = ever.correlate(version).limit(1)
    statement = _with_activities(tables, as_of, version.c.entity_key)
    statement = statement.where(link.c.activity_key.is_not(None), among(version.c.entity_key, "keys"))
    statement = statement.where(ever.scalar_subquery().is_not(None))
    statement = statement.where(version.c.version != "", link.c.entity_key == version.c.name_key)
    statement = statement.where(link.c.relation == "input", link.c.event_time_ns >= version.c.first_time_ns)
    return statement.where(link.c.event_time_ns < until).limit(row_limit())


@remembered
def sources_of_entities(tables: Tables) -> Select[Any]:
    """Select the keys of what entities :keys came from, nearest first, in no more than :row_limit rows.

    Each with the key from where it leads on: a name that was read without a version leads on from the version that
    was then the latest. What an answer may not rest on is not left out: this is only where to look.
    """
    made, read, version = tables.link.alias("made"), tables.link.alias("read"), tables.entity.alias("version")
    entity_key = tables.entity.c.entity_key
    first = select(entity_key, entity_key.label("onward_key")).where(among(entity_key, "keys"))
    sources = first.cte("sources", recursive=True)
    latest = select(version.c.entity_key).where(version.c.name_key == read.c.entity_key, version.c.version != "")
    latest = latest.where(version.c.first_time_ns <= read.c.event_time_ns).correlate(read)
    latest = latest.order_by(version.c.first_time_ns.desc()).limit(1)
    onward = select(read.c.entity_key, func.coalesce(latest.scalar_subquery(), read.c.entity_key)).select_from(
        sources.join(made, and_(made.c.entity_key == sources.c.onward_key, made.c.relation == "output")).join(
            read, and_(read.c.activity_key == made.c.activity_key, read.c.relation == "input")
        )
    )
    found = sources.union(onward)
    return select(found.c.entity_key, found.c.onward_key).limit(row_limit())


@remembered
def count_activities(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Count the runs and jobs of entities :keys in relations :relations, no further than :row_limit links."""
    link = tables.link
    statement = _links(tables, as_of, link)
    statement = statement.where(among(link.c.entity_key, "keys"), among(link.c.relation, "relations"))
    bounded = statement.limit(row_limit()).subquery()
    return select(func.count(bounded.c.activity_key.distinct()))


def _links(
    tables: Tables,
    as_of: AsOf | None,
    source: FromClause,
    *more: ColumnElement[Any],
    relation: ColumnElement[Any] | None = None,
) -> Select[Any]:
    link, event = tables.link, tables.event
    named = link.c.relation if relation is None else relation
    columns = (link.c.entity_key, link.c.event_time_ns, link.c.event_id, named, link.c.role)
    statement = select(*columns, link.c.activity_key, *more)
    if as_of is None:
        return statement.select_from(source)
    joined = source.join(event, event.c.event_id == link.c.event_id)
    return statement.select_from(joined).where(as_of.condition(event))


def _with_entities(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select links with the named things they lead to."""
    link, entity = tables.link, tables.entity
    joined = link.join(entity, entity.c.entity_key == link.c.entity_key)
    return _links(tables, as_of, joined, entity.c.kind, entity.c.namespace, entity.c.name, entity.c.version)


def _with_activities(tables: Tables, as_of: AsOf | None, *more: ColumnElement[Any]) -> Select[Any]:
    """Select links with the runs and jobs they lead to."""
    link, run, job = tables.link, tables.run, tables.entity
    joined = link.outerjoin(run, run.c.run_key == link.c.activity_key).outerjoin(
        job, job.c.entity_key == func.coalesce(run.c.job_key, link.c.activity_key)
    )
    columns = (run.c.run_id, run.c.state, run.c.first_time_ns, run.c.last_time_ns, job.c.namespace, job.c.name)
    return _links(tables, as_of, joined, *columns, *more)
