"""Datasets by another name of theirs, which an OpenLineage event tells (symlinks facet). Fetches; decides nothing.

Nothing is indexed by such names: the first event that names a dataset is looked at, for as many datasets as a bound
allows.
"""

from collections.abc import Collection
from typing import NamedTuple

from modeltrail_schemas.names import EntityRef
from modeltrail_schemas.openlineage.symlinks import FACET, read_symlinks

from modeltrail_server.queries.fetched import MAX_KEYS_PER_STATEMENT, chunks
from modeltrail_server.queries.named_things import LAST_CHARACTER
from modeltrail_server.queries.snapshot import Snapshot

MAX_DATASETS_LOOKED_AT = 2_000


class OtherwiseCalled(NamedTuple):
    """The datasets that have a name as another one; ``all_seen``: no dataset was left unlooked at."""

    datasets: tuple[EntityRef, ...]
    all_seen: bool


def otherwise_called(snapshot: Snapshot, readings: Collection[EntityRef], name: str) -> OtherwiseCalled:
    """Return the datasets that are also called as one of ``readings``, or ``name`` in whatever namespace."""
    names = snapshot.names_between("dataset", "", LAST_CHARACTER, limit=MAX_DATASETS_LOOKED_AT + 1)
    keys = [name.entity_key for name in names]
    found: dict[EntityRef, None] = {}
    for chunk in chunks(keys[:MAX_DATASETS_LOOKED_AT], MAX_KEYS_PER_STATEMENT):
        for stored in snapshot.events_naming_first(chunk, containing=FACET.encode()):
            for link in read_symlinks(stored.event.document or b""):
                if link.other in readings or link.other.name == name:
                    found.setdefault(link.dataset)
    return OtherwiseCalled(tuple(found), len(keys) <= MAX_DATASETS_LOOKED_AT)
