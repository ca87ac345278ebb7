"""The statements that fetch what a snapshot remembers of named things, by what Memory calls it. Runs nothing."""

from modeltrail_schemas.event import Declaration
from sqlalchemy.sql.selectable import SelectBase

from modeltrail_server.projection.tables import MARKS, Tables
from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.queries.memory import ABOUT_ALL_VERSIONS, REMEMBERED_RELATIONS
from modeltrail_server.queries.statements import entities, events, links

_ROLES = {"declared": ABOUT_ALL_VERSIONS, "marked": MARKS, "retracted": (Declaration.RETRACTED,)}
_OTHERS = {
    "entities": entities.entities_by_key,
    "contents": entities.contents_of_entities,
    "firsts": events.events_naming_first,
}


def to_remember(what: str, tables: Tables, as_of: AsOf | None) -> tuple[SelectBase, dict[str, object]]:
    """Return the statement that fetches ``what`` there is of :keys, and what it is given besides these."""
    if what == "links":
        return links.links_of_entities(tables, as_of), {"relations": list(REMEMBERED_RELATIONS)}
    if what in _ROLES:
        return links.declarations(tables, as_of, _ROLES[what]), {}
    return _OTHERS[what](tables, as_of), {}
