"""The symlinks facet (SymlinksDatasetFacet 1-0-1): what else a dataset is called, by its path, in a catalog.

Pure. Nothing typed means this facet: it stays in the document, and is read from there by who asks for it.
"""

from typing import NamedTuple

from modeltrail_schemas.names import EntityRef
from modeltrail_schemas.openlineage.documents import Json, facets_of, name_of, objects_of, parse

FACET = "symlinks"


class Symlink(NamedTuple):
    """``dataset`` is also called ``other``."""

    dataset: EntityRef
    other: EntityRef


def read_symlinks(document: bytes) -> list[Symlink]:
    """Return what the datasets of an OpenLineage event are also called, in the document's order."""
    if FACET.encode() not in document:
        return []
    parsed = parse(document)
    named = [
        *objects_of(parsed.get("inputs")),
        *objects_of(parsed.get("outputs")),
        *objects_of([parsed.get("dataset")]),
    ]
    return [
        Symlink(_dataset(node.get("namespace"), node.get("name")), other)
        for node in named
        for told in objects_of(facets_of(node).get(FACET, {}).get("identifiers"))
        if (other := _dataset(told.get("namespace"), told.get("name"))).name
    ]


def _dataset(namespace: Json, name: Json) -> EntityRef:
    return EntityRef("dataset", name_of(namespace), name_of(name))
