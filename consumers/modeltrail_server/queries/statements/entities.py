"""The statements that select named things, their versions and contents. Builds, runs nothing."""

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
    union_all,
)

from modeltrail_server.projection.facts import RELATIONS
from modeltrail_server.projection.tables import Tables
from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.queries.statements.parts import among, remembered, row_limit


@remembered
def entities_by_key(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the entities :keys."""
    statement = select(*_columns(tables, as_of)).where(among(tables.entity.c.entity_key, "keys"))
    return _known(statement, tables, as_of)


@remembered
def entities_between(tables: Tables) -> Select[Any]:
    """Select the entities of :kind with names from :low to :high, in their order."""
    entity = tables.entity
    statement = select(*entity.c).where(entity.c.kind == bindparam("kind"))
    statement = statement.where(entity.c.name >= bindparam("low"), entity.c.name <= bindparam("high"))
    return statement.order_by(entity.c.name).limit(row_limit())


@remembered
def names_between(tables: Tables) -> Select[Any]:
    """Select the first :row_limit names of :kind from :low to :high, in order: a seek each, however many versions."""
    entity, following = tables.entity, tables.entity.alias("following")
    first = select(entity.c.entity_key, entity.c.name, entity.c.namespace).where(entity.c.kind == bindparam("kind"))
    first = first.where(entity.c.name >= bindparam("low"), entity.c.name <= bindparam("high"))
    first = first.order_by(entity.c.name, entity.c.namespace, entity.c.version).limit(1)
    names = select(first.subquery("first")).cte("names", recursive=True)
    key = _key_after(tables, names.c.name, names.c.namespace, entity.c.name <= bindparam("high"))
    onward = select(following.c.entity_key, following.c.name, following.c.namespace)
    every = names.union_all(onward.select_from(names.join(following, following.c.entity_key == key)))
    keys = select(every.c.entity_key).limit(row_limit()).subquery("keys")
    found = select(*entity.c).join(keys, keys.c.entity_key == entity.c.entity_key)
    return found.order_by(entity.c.name, entity.c.namespace)


@remembered
def next_name(tables: Tables) -> Select[Any]:
    """Select the first entity of :kind after (:name, :namespace): a name, since its row has no version."""
    entity = tables.entity
    key = _key_after(tables, bindparam("name"), bindparam("namespace"))
    return select(*entity.c).where(entity.c.entity_key == key)


def _key_after(
    tables: Tables, name: ColumnElement[str], namespace: ColumnElement[str], *more: ColumnElement[bool]
) -> ColumnElement[Any]:
    """Return the key of the name of :kind that follows on this one. Two seeks: SQLite seeks by no pair of columns."""
    entity = tables.entity
    key = select(entity.c.entity_key).where(entity.c.kind == bindparam("kind"))
    namesake = key.where(entity.c.name == name, entity.c.namespace > namespace)
    namesake = namesake.order_by(entity.c.namespace, entity.c.version).limit(1)
    other = key.where(entity.c.name > name, *more)
    other = other.order_by(entity.c.name, entity.c.namespace, entity.c.version).limit(1)
    return func.coalesce(namesake.scalar_subquery(), other.scalar_subquery())


@remembered
def next_namespaces(tables: Tables, kinds: tuple[str, ...], *, after: bool) -> SelectBase:
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


@remembered
def words(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the aliases, stages or targets that are versions of :keys, each with the event that gave it last."""
    entity, link, event = tables.entity, tables.link, tables.event
    giving = select(link.c.event_id).where(link.c.entity_key == entity.c.entity_key, link.c.relation == "word")
    if as_of:
        giving = giving.join(event, event.c.event_id == link.c.event_id).where(as_of.condition(event))
    giving = giving.order_by(link.c.event_time_ns.desc(), link.c.event_id.desc()).limit(1).correlate(entity)
    statement = select(*entity.c, giving.scalar_subquery()).where(among(entity.c.name_key, "keys"))
    return statement.order_by(entity.c.first_time_ns, entity.c.first_event_id).limit(row_limit())


@remembered
def versions_of_name(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the versions of the model or dataset :key, the last to appear first."""
    entity = tables.entity
    statement = select(*_columns(tables, as_of)).where(entity.c.name_key == bindparam("key"), entity.c.version != "")
    return _known(statement, tables, as_of).order_by(entity.c.first_time_ns.desc()).limit(row_limit())


@remembered
def versions_before(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the versions of the model or dataset :key that appeared up to :time_ns, the last to appear first."""
    entity = tables.entity
    statement = select(*_columns(tables, as_of)).where(entity.c.name_key == bindparam("key"), entity.c.version != "")
    statement = statement.where(entity.c.first_time_ns <= bindparam("time_ns"))
    return _known(statement, tables, as_of).order_by(entity.c.first_time_ns.desc()).limit(row_limit())


@remembered
def versions_between(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the versions of :kind, :namespace, :name from :low to :high, in the order of their text."""
    entity = tables.entity
    statement = select(*_columns(tables, as_of)).where(
        entity.c.kind == bindparam("kind"), entity.c.name == bindparam("name")
    )
    statement = statement.where(entity.c.namespace == bindparam("namespace"), entity.c.version != "")
    statement = statement.where(entity.c.version >= bindparam("low"), entity.c.version <= bindparam("high"))
    return _known(statement, tables, as_of).order_by(entity.c.version).limit(row_limit())


@remembered
def contents_of_entities(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the contents of entities :keys, the first to be named first; and whether that was within ``as_of``."""
    return _contents(tables, as_of).where(among(tables.content.c.entity_key, "keys"))


@remembered
def contents_with(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Select the contents of digest :digest, as the above does."""
    return _contents(tables, as_of).where(tables.content.c.digest == bindparam("digest"))


@remembered
def count_entities(tables: Tables) -> Select[Any]:
    """Count the names and versions of :kind, no further than :row_limit."""
    entity = tables.entity
    counted = select(entity.c.name).where(entity.c.kind == bindparam("kind")).limit(row_limit())
    return select(func.count()).select_from(counted.subquery())


def _contents(tables: Tables, as_of: AsOf | None) -> Select[Any]:
    content, event = tables.content, tables.event
    statement = select(*content.c)
    if as_of:
        told_then = and_(event.c.event_id == content.c.first_event_id, as_of.condition(event))
        statement = statement.add_columns(event.c.event_id.is_not(None))
        statement = statement.select_from(content.outerjoin(event, told_then))
    return statement.order_by(content.c.first_time_ns, content.c.first_event_id).limit(row_limit())


def _columns(tables: Tables, as_of: AsOf | None) -> list[ColumnElement[Any]]:
    """Return the columns of an entity; when it was first named is when an event within ``as_of`` names it first.

    One seek for each relation. A name that only versions of it were linked by keeps its time.
    """
    entity, link, event = tables.entity, tables.link, tables.event
    if as_of is None:
        return list(entity.c)
    linked = link.join(event, event.c.event_id == link.c.event_id)
    firsts = []
    for relation in RELATIONS:
        of_relation = (link.c.entity_key == entity.c.entity_key, link.c.relation == relation, as_of.condition(event))
        first = select(link.c.event_time_ns).select_from(linked).where(*of_relation).correlate(entity)
        first = first.order_by(link.c.event_time_ns, link.c.event_id).limit(1)
        firsts.append(select(first.scalar_subquery().label("time_ns")))
    each = union_all(*firsts).subquery("firsts")
    first_ns = func.coalesce(select(func.min(each.c.time_ns)).scalar_subquery(), entity.c.first_time_ns)
    return [first_ns.label("first_time_ns") if column.name == "first_time_ns" else column for column in entity.c]


def _known(statement: Select[Any], tables: Tables, as_of: AsOf | None) -> Select[Any]:
    """Return ``statement`` without the versions that no event within ``as_of`` names. Names without one stay."""
    if as_of is None:
        return statement
    entity, link, event = tables.entity, tables.link, tables.event
    named: Select[Any] = select(literal_column("1"))
    named = named.select_from(link.join(event, event.c.event_id == link.c.event_id))
    named = named.where(link.c.entity_key == entity.c.entity_key, as_of.condition(event)).correlate(entity)
    return statement.where(or_(entity.c.version == "", named.exists()))
