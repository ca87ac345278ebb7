"""Which version something at hand is, by the digest of its bytes. One seek, however much is recorded."""

from dataclasses import dataclass, replace

from modeltrail_schemas.names import EntityRef

from modeltrail_server.projection.facts import EntityRow
from modeltrail_server.queries.graph import Graph
from modeltrail_server.queries.lineage import lineage
from modeltrail_server.queries.names import VERSIONED_KINDS, Subject
from modeltrail_server.queries.rows import ref_of
from modeltrail_server.queries.snapshot import Snapshot

MAX_VERSIONS_OF_CONTENT = 20


@dataclass(frozen=True, slots=True)
class Known:
    """A version that has this content, and what it came from."""

    entity: EntityRef
    first_ns: int
    lineage: Graph


@dataclass(frozen=True, slots=True)
class Identified:
    """What is recorded of content with ``digest``: several versions may have the same. Empty: it is not known.

    ``known_later``: nothing was known of it then, but something is now.
    """

    path: str
    digest: str
    bytes: int | None = None
    known: tuple[Known, ...] = ()
    known_later: bool = False


def identify(snapshot: Snapshot, digest: str, *, path: str = "", size_bytes: int | None = None) -> Identified:
    """Return every dataset and model version whose content has ``digest`` (``algorithm:hex``), the first first."""
    known = tuple(
        Known(ref_of(row), row.first_time_ns, lineage(snapshot, Subject(row.kind, row.entity_key, ref_of(row))))
        for row in _versions_with(snapshot, digest)
    )
    later = not known and snapshot.as_of is not None and bool(_versions_with(replace(snapshot, as_of=None), digest))
    return Identified(path, digest, size_bytes, known, later)


def _versions_with(snapshot: Snapshot, digest: str) -> list[EntityRow]:
    contents = snapshot.contents_with(digest, limit=MAX_VERSIONS_OF_CONTENT)
    rows = {row.entity_key: row for row in snapshot.entities([content.entity_key for content in contents])}
    found = (rows[content.entity_key] for content in contents if content.entity_key in rows)
    return [row for row in found if row.kind in VERSIONED_KINDS]
