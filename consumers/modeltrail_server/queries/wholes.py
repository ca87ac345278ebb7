"""The whole of a name of which the read model's keys hold only the beginning, for being too long for an index. Pure.

Keys are made of whole names, so whoever goes on from a row needs the whole. It stands in the event that named the
thing first.
"""

from collections.abc import Iterable, Iterator, Mapping

from modeltrail_schemas.event import Routing
from modeltrail_schemas.names import EntityRef

from modeltrail_server.projection.facts import CUT_CHARACTERS, WORDS, EntityRow, commit_ref, environment_ref, is_cut
from modeltrail_server.queries.rows import key_of


def is_cut_short(named: EntityRef | EntityRow) -> bool:
    """Return whether namespace, name or version look like the beginning of a longer one."""
    texts = (named.name, named.version, named.namespace)
    return CUT_CHARACTERS in map(len, texts) and any(map(is_cut, texts))


def cut_names(rows: Iterable[EntityRow]) -> dict[bytes, bytes]:
    """Return the keys of those rows that hold only the beginning of a name, and who named each first."""
    return {row.entity_key: row.first_event_id for row in rows if is_cut_short(row)}


def names_told(event: Routing) -> Iterator[EntityRef]:
    """Yield whatever ``event`` names, and what each is a version of."""
    refs = [*event.inputs, *event.outputs, *event.subjects, event.job.ref]
    refs += [commit_ref(event.commit), environment_ref(event.environment_digest)]
    if event.type in WORDS:
        refs += [EntityRef(WORDS[event.type], ref.namespace, ref.name, ref.role) for ref in event.subjects]
    for ref in refs:
        yield ref
        yield ref.unversioned


def whole_names(keys: Mapping[bytes, bytes], events: Iterable[Routing]) -> dict[bytes, EntityRef]:
    """Return, by key, the whole names that ``events`` tell of ``keys``."""
    told = ((key_of(ref), ref.target) for event in events for ref in names_told(event))
    return {key: ref for key, ref in told if key in keys}


def with_whole_name(row: EntityRow, wholes: Mapping[bytes, EntityRef]) -> EntityRow:
    """Return ``row`` with its name as it was told."""
    whole = wholes.get(row.entity_key)
    if whole is None:
        return row
    return row._replace(namespace=whole.namespace, name=whole.name, version=whole.version)
