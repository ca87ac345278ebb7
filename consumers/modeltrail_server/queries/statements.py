"""The SELECT statements behind every question, each built once per generation and bound. Builds, runs nothing.

Each one seeks an index by its bound keys and reads at most :row_limit rows: none reads a big table from end to end.
"""

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Executable,
    Select,
    and_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)
from sqlalchemy.sql.selectable import FromClause

from modeltrail_server.projection.tables import Tables
from modeltrail_server.queries.as_of import AsOf

STATEMENTS_REMEMBERED = 256
_remembered = lru_cache(maxsize=STATEMENTS_REMEMBERED)


@_remembered
def events_of_runs(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the events of runs :keys, oldest first."""
    event = tables.event
    return _oldest_first(_events(tables).where(_among(event.c.run_key, "keys")), tables, as_of)


@_remembered
def events_by_id(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the events :keys, oldest first."""
    event = tables.event
    return _oldest_first(_events(tables).where(_among(event.c.event_id, "keys")), tables, as_of)


@_remembered
def events_about(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the events that put entities :keys into relation :relation, latest first."""
    event, link = tables.event, tables.link
    statement = _events(tables).join(link, link.c.event_id == event.c.event_id)
    statement = statement.where(_among(link.c.entity_key, "keys"), link.c.relation == bindparam("relation"))
    if as_of:
        statement = statement.where(as_of.condition(event))
    return statement.order_by(link.c.event_time_ns.desc(), link.c.event_id.desc()).limit(_row_limit())


@_remembered
def events_naming_first(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the first event to name each of the entities :keys."""
    event, entity = tables.event, tables.entity
    statement = _events(tables).join(entity, entity.c.first_event_id == event.c.event_id)
    return _oldest_first(statement.where(_among(entity.c.entity_key, "keys")), tables, as_of)


@_remembered
def links_of_entities(tables: Tables, as_of: AsOf | None, *, of_roles: bool) -> Select[Any]:
    """Select the links of entities :keys in relations :relations (and :roles), latest first."""
    link = tables.link
    statement = _links(tables, as_of, link)
    statement = statement.where(_among(link.c.entity_key, "keys"), _among(link.c.relation, "relations"))
    if of_roles:
        statement = statement.where(_among(link.c.role, "roles"))
    return statement.order_by(link.c.event_time_ns.desc(), link.c.event_id.desc()).limit(_row_limit())


@_remembered
def entities_of_activities(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the links of activities :keys in relations :relations, with the entities they lead to."""
    link, entity = tables.link, tables.entity
    joined = link.join(entity, entity.c.entity_key == link.c.entity_key)
    statement = _links(tables, as_of, joined, entity.c.kind, entity.c.namespace, entity.c.name, entity.c.version)
    statement = statement.where(_among(link.c.activity_key, "keys"), _among(link.c.relation, "relations"))
    return statement.limit(_row_limit())


@_remembered
def activities_of_entities(tables: Tables, as_of: AsOf | None, *, latest_first: bool) -> Select[Any]:
    """Select the links of entities :keys in relations :relations, with the runs or jobs they lead to.

    ``latest_first`` is free for one key and one relation, by the order of the link's key; for more it sorts them all.
    """
    link = tables.link
    statement = _with_activities(tables, as_of).where(link.c.activity_key.is_not(None))
    statement = statement.where(_among(link.c.entity_key, "keys"), _among(link.c.relation, "relations"))
    if latest_first:
        statement = statement.order_by(link.c.event_time_ns.desc(), link.c.event_id.desc())
    return statement.limit(_row_limit())


@_remembered
def sources_of_entities(tables: Tables) -> Select[Any]:
    """Select the keys of all that entities :keys came from, nearest first, no more than :row_limit of them.

    Events that an answer may not rest on are not left out: what is selected is only where to look.
    """
    made, read = tables.link.alias("made"), tables.link.alias("read")
    first = select(tables.entity.c.entity_key).where(_among(tables.entity.c.entity_key, "keys"))
    sources = first.cte("sources", recursive=True)
    onward = select(read.c.entity_key).select_from(
        sources.join(made, and_(made.c.entity_key == sources.c.entity_key, made.c.relation == "output")).join(
            read, and_(read.c.activity_key == made.c.activity_key, read.c.relation == "input")
        )
    )
    return select(sources.union(onward).c.entity_key).limit(_row_limit())


@_remembered
def count_activities(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Count the runs and jobs of entities :keys in relations :relations, no further than :row_limit links."""
    link = tables.link
    statement = _links(tables, as_of, link)
    statement = statement.where(_among(link.c.entity_key, "keys"), _among(link.c.relation, "relations"))
    bounded = statement.limit(_row_limit()).subquery()
    return select(func.count(bounded.c.activity_key.distinct()))


@_remembered
def routing_of_runs(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the payloads of the events of runs :keys: what their rows were as of then is folded from them."""
    event = tables.event
    statement = select(event.c.payload).where(_among(event.c.run_key, "keys"))
    return (statement.where(as_of.condition(event)) if as_of else statement).limit(_row_limit())


@_remembered
def runs_by_key(tables: Tables) -> Select[Any]:
    """Select the runs :keys, each with its job's name."""
    return _runs(tables).where(_among(tables.run.c.run_key, "keys"))


@_remembered
def runs_between(tables: Tables) -> Select[Any]:
    """Select the runs whose key lies in :low_key … :high_key."""
    run = tables.run
    statement = _runs(tables).where(run.c.run_key >= bindparam("low_key"), run.c.run_key <= bindparam("high_key"))
    return statement.order_by(run.c.run_key).limit(_row_limit())


@_remembered
def last_runs_of_job(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the runs of job :key, the last to begin first."""
    run = tables.run
    statement = _heard_of(_runs(tables).where(run.c.job_key == bindparam("key")), tables, as_of)
    return statement.order_by(run.c.first_time_ns.desc()).limit(_row_limit())


@_remembered
def parts_of_runs(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the runs whose parent is one of :keys, the last to begin first."""
    statement = _heard_of(_runs(tables).where(_among(tables.run.c.parent_key, "keys")), tables, as_of)
    return statement.order_by(tables.run.c.first_time_ns.desc()).limit(_row_limit())


@_remembered
def entities_by_key(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the entities :keys."""
    statement = select(*tables.entity.c).where(_among(tables.entity.c.entity_key, "keys"))
    return _known(statement, tables, as_of)


@_remembered
def words(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the aliases, stages or targets that are versions of :keys, each with the event that gave it last."""
    entity, link, event = tables.entity, tables.link, tables.event
    giving = select(link.c.event_id).where(link.c.entity_key == entity.c.entity_key, link.c.relation == "word")
    if as_of:
        giving = giving.join(event, event.c.event_id == link.c.event_id).where(as_of.condition(event))
    giving = giving.order_by(link.c.event_time_ns.desc(), link.c.event_id.desc()).limit(1).correlate(entity)
    columns = (entity.c.kind, entity.c.namespace, entity.c.name, entity.c.version)
    statement = select(*columns, giving.scalar_subquery()).where(_among(entity.c.name_key, "keys"))
    return statement.order_by(entity.c.first_time_ns, entity.c.first_event_id).limit(_row_limit())


@_remembered
def entities_between(tables: Tables) -> Select[Any]:
    """Select the entities of :kind with names from :low to :high, in their order."""
    entity = tables.entity
    statement = select(*entity.c).where(entity.c.kind == bindparam("kind"))
    statement = statement.where(entity.c.name >= bindparam("low"), entity.c.name <= bindparam("high"))
    return statement.order_by(entity.c.name).limit(_row_limit())


@_remembered
def last_links_before(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the links of entity :key in relation :relation before (:time_ns, :event_id), the latest first."""
    link = tables.link
    statement = _links(tables, as_of, link)
    statement = statement.where(link.c.entity_key == bindparam("key"), link.c.relation == bindparam("relation"))
    earlier = or_(link.c.event_time_ns < bindparam("time_ns"), link.c.event_id < bindparam("event_id"))
    statement = statement.where(link.c.event_time_ns <= bindparam("time_ns"), earlier)
    return statement.order_by(link.c.event_time_ns.desc(), link.c.event_id.desc()).limit(_row_limit())


@_remembered
def next_namespaces(tables: Tables, kinds: tuple[str, ...], *, after: bool) -> Executable:
    """Select, for each of ``kinds``, the first entity called :name, with ``after`` in a namespace after :after_KIND.

    One seek each: the row of the name itself has no version, so it is the first of its namespace.
    """
    entity = tables.entity
    found = []
    for kind in kinds:
        statement = select(*entity.c).where(entity.c.kind == kind, entity.c.name == bindparam("name"))
        if after:
            statement = statement.where(entity.c.namespace > bindparam(f"after_{kind}"))
        statement = statement.order_by(entity.c.namespace, entity.c.version).limit(1)
        found.append(select(statement.subquery()))
    return found[0].union_all(*found[1:]) if len(found) > 1 else found[0]


@_remembered
def names_between(tables: Tables) -> Select[Any]:
    """Select the distinct names of :kind from :low to :high, reading at most :row_limit rows."""
    entity = tables.entity
    statement = select(entity.c.kind, entity.c.namespace, entity.c.name).where(entity.c.kind == bindparam("kind"))
    statement = statement.where(entity.c.name >= bindparam("low"), entity.c.name <= bindparam("high"))
    read = statement.order_by(entity.c.name, entity.c.namespace).limit(_row_limit()).subquery()
    return select(read).distinct()


@_remembered
def first_links_after(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the links of entity :key in relation :relation after (:time_ns, :event_id), the earliest first."""
    link = tables.link
    statement = _links(tables, as_of, link)
    statement = statement.where(link.c.entity_key == bindparam("key"), link.c.relation == bindparam("relation"))
    later = or_(link.c.event_time_ns > bindparam("time_ns"), link.c.event_id > bindparam("event_id"))
    statement = statement.where(link.c.event_time_ns >= bindparam("time_ns"), later)
    return statement.order_by(link.c.event_time_ns, link.c.event_id).limit(_row_limit())


@_remembered
def activities_between(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the links of entity :key in :relation from :low_ns to :high_ns, latest first, with runs and jobs."""
    link = tables.link
    statement = _with_activities(tables, as_of).where(link.c.activity_key.is_not(None))
    statement = statement.where(link.c.entity_key == bindparam("key"), link.c.relation == bindparam("relation"))
    statement = statement.where(link.c.event_time_ns.between(bindparam("low_ns"), bindparam("high_ns")))
    return statement.order_by(link.c.event_time_ns.desc(), link.c.event_id.desc()).limit(_row_limit())


@_remembered
def readers_by_name(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select, for versions :keys, who read their name without a version while they were the latest.

    That is from a version's first event until the next version's first: the link with its run or job, and the
    version's key.
    """
    link, version = tables.link, tables.entity.alias("version")
    following = tables.entity.alias("following")
    later = select(func.min(following.c.first_time_ns)).where(following.c.name_key == version.c.name_key)
    later = later.where(following.c.first_time_ns > version.c.first_time_ns, following.c.version != "")
    until = later.correlate(version).scalar_subquery()
    statement = _with_activities(tables, as_of, version.c.entity_key)
    statement = statement.where(link.c.activity_key.is_not(None), _among(version.c.entity_key, "keys"))
    statement = statement.where(version.c.version != "", link.c.entity_key == version.c.name_key)
    statement = statement.where(link.c.relation == "input", link.c.event_time_ns >= version.c.first_time_ns)
    return statement.where(or_(until.is_(None), link.c.event_time_ns < until)).limit(_row_limit())


@_remembered
def versions_before(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the versions of the model or dataset :key that appeared up to :time_ns, the last to appear first."""
    entity = tables.entity
    statement = select(*entity.c).where(entity.c.name_key == bindparam("key"), entity.c.version != "")
    statement = statement.where(entity.c.first_time_ns <= bindparam("time_ns"))
    return _known(statement, tables, as_of).order_by(entity.c.first_time_ns.desc()).limit(_row_limit())


@_remembered
def versions_between(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the versions of :kind, :namespace, :name from :low to :high, in the order of their text."""
    entity = tables.entity
    statement = select(*entity.c).where(entity.c.kind == bindparam("kind"), entity.c.name == bindparam("name"))
    statement = statement.where(entity.c.namespace == bindparam("namespace"), entity.c.version != "")
    statement = statement.where(entity.c.version >= bindparam("low"), entity.c.version <= bindparam("high"))
    return _known(statement, tables, as_of).order_by(entity.c.version).limit(_row_limit())


@_remembered
def versions_of_name(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the versions of the model or dataset :key, the last to appear first."""
    entity = tables.entity
    statement = select(*entity.c).where(entity.c.name_key == bindparam("key"), entity.c.version != "")
    return _known(statement, tables, as_of).order_by(entity.c.first_time_ns.desc()).limit(_row_limit())


@_remembered
def contents_of_entities(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the contents of entities :keys, the first to be named first."""
    content, event = tables.content, tables.event
    statement = select(*content.c).where(_among(content.c.entity_key, "keys"))
    if as_of:
        statement = statement.join(event, event.c.event_id == content.c.first_event_id).where(as_of.condition(event))
    return statement.order_by(content.c.first_time_ns, content.c.first_event_id).limit(_row_limit())


@_remembered
def contents_with(tables: Tables) -> Select[Any]:
    """Select the contents of digest :digest, the first to be named first."""
    content = tables.content
    statement = select(*content.c).where(content.c.digest == bindparam("digest"))
    return statement.order_by(content.c.first_time_ns, content.c.first_event_id).limit(_row_limit())


@_remembered
def any_event(tables: Tables) -> Select[Any]:
    """Select a row if there is any event."""
    return select(literal_column("1")).select_from(tables.event).limit(1)


@_remembered
def runs_page(tables: Tables, as_of: AsOf | None, *, of_job: bool, since: bool, after: bool) -> Select[Any]:
    """Select runs, the last to begin first: of job :job_key, begun at or after :since_ns, after (:time_ns, :key)."""
    run = tables.run
    statement = _heard_of(_runs(tables), tables, as_of)
    if of_job:
        statement = statement.where(run.c.job_key == bindparam("job_key"))
    if since:
        statement = statement.where(run.c.first_time_ns >= bindparam("since_ns"))
    if after:
        before_it = and_(run.c.first_time_ns == bindparam("time_ns"), run.c.run_key < bindparam("key"))
        statement = statement.where(run.c.first_time_ns <= bindparam("time_ns"))
        statement = statement.where(or_(run.c.first_time_ns < bindparam("time_ns"), before_it))
    return statement.order_by(run.c.first_time_ns.desc(), run.c.run_key.desc()).limit(_row_limit())


@_remembered
def next_name(tables: Tables) -> Select[Any]:
    """Select the first entity of :kind after (:name, :namespace): a name, since its row has no version."""
    entity = tables.entity
    after = tuple_(entity.c.name, entity.c.namespace) > tuple_(bindparam("name"), bindparam("namespace"))
    statement = select(*entity.c).where(entity.c.kind == bindparam("kind"), after)
    return statement.order_by(entity.c.name, entity.c.namespace, entity.c.version).limit(1)


@_remembered
def positions(tables: Tables) -> Select[Any]:
    """Select how far each partition was projected: partition, next offset, the latest record time (ms)."""
    position = tables.position
    return select(position.c.partition, position.c.next_offset, position.c.recorded_ms).order_by(position.c.partition)


@_remembered
def first_offset_after(tables: Tables) -> Select[Any]:
    """Select the least offset of :partition among the first :row_limit events recorded after :recorded_ms."""
    event = tables.event
    later = select(event.c.offset).where(event.c.partition == bindparam("partition"))
    later = later.where(event.c.recorded_ms > bindparam("recorded_ms"))
    bounded = later.order_by(event.c.recorded_ms, event.c.offset).limit(_row_limit()).subquery()
    return select(func.min(bounded.c.offset))


@_remembered
def events_since(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the events of :partition recorded from :recorded_ms on, in that order."""
    event = tables.event
    statement = _events(tables).where(event.c.partition == bindparam("partition"))
    statement = statement.where(event.c.recorded_ms >= bindparam("recorded_ms"))
    if as_of:
        statement = statement.where(as_of.condition(event))
    return statement.order_by(event.c.recorded_ms, event.c.offset).limit(_row_limit())


@_remembered
def count_runs(tables: Tables) -> Select[Any]:
    """Count the runs, no further than :row_limit."""
    return select(func.count()).select_from(select(tables.run.c.run_key).limit(_row_limit()).subquery())


@_remembered
def count_entities(tables: Tables) -> Select[Any]:
    """Count the names and versions of :kind, no further than :row_limit."""
    entity = tables.entity
    counted = select(entity.c.name).where(entity.c.kind == bindparam("kind")).limit(_row_limit())
    return select(func.count()).select_from(counted.subquery())


def _events(tables: Tables) -> Select[Any]:
    event = tables.event
    return select(event.c.payload, event.c.partition, event.c.offset, event.c.recorded_ms)


def _runs(tables: Tables) -> Select[Any]:
    run, job = tables.run, tables.entity
    own = (run.c.run_key, run.c.run_id, run.c.state, run.c.state_terminal, run.c.state_time_ns, run.c.parent_key)
    columns = (*own, run.c.first_time_ns, run.c.last_time_ns, job.c.namespace, job.c.name)
    return select(*columns).select_from(run.outerjoin(job, job.c.entity_key == run.c.job_key))


def _links(tables: Tables, as_of: AsOf | None, source: FromClause, *more: ColumnElement[Any]) -> Select[Any]:
    link, event = tables.link, tables.event
    columns = (link.c.entity_key, link.c.event_time_ns, link.c.event_id, link.c.relation, link.c.role)
    statement = select(*columns, link.c.activity_key, *more)
    if as_of is None:
        return statement.select_from(source)
    joined = source.join(event, event.c.event_id == link.c.event_id)
    return statement.select_from(joined).where(as_of.condition(event))


def _with_activities(tables: Tables, as_of: AsOf | None, *more: ColumnElement[Any]) -> Select[Any]:
    """Select links with the runs and jobs they lead to."""
    link, run, job = tables.link, tables.run, tables.entity
    joined = link.outerjoin(run, run.c.run_key == link.c.activity_key).outerjoin(
        job, job.c.entity_key == func.coalesce(run.c.job_key, link.c.activity_key)
    )
    columns = (run.c.run_id, run.c.state, run.c.first_time_ns, run.c.last_time_ns, job.c.namespace, job.c.name)
    return _links(tables, as_of, joined, *columns, *more)


def _known(statement: Select[Any], tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Return ``statement`` without the versions that no event within ``as_of`` names. Names without one stay."""
    if as_of is None:
        return statement
    entity, link, event = tables.entity, tables.link, tables.event
    named: Select[Any] = select(literal_column("1"))
    named = named.select_from(link.join(event, event.c.event_id == link.c.event_id))
    named = named.where(link.c.entity_key == entity.c.entity_key, as_of.condition(event)).correlate(entity)
    return statement.where(or_(entity.c.version == "", named.exists()))


def _heard_of(statement: Select[Any], tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Return ``statement`` without the runs that no event within ``as_of`` tells of."""
    if as_of is None:
        return statement
    run, event = tables.run, tables.event
    told: Select[Any] = (
        select(literal_column("1")).where(event.c.run_key == run.c.run_key, as_of.condition(event)).correlate(run)
    )
    return statement.where(told.exists())


def _oldest_first(statement: Select[Any], tables: Tables, as_of: AsOf | None) -> Select[Any]:
    event = tables.event
    if as_of:
        statement = statement.where(as_of.condition(event))
    return statement.order_by(event.c.event_time_ns, event.c.event_id).limit(_row_limit())


def _among(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    return column.in_(bindparam(name, expanding=True))


def _row_limit() -> BindParameter[int]:
    return bindparam("row_limit", type_=None)
