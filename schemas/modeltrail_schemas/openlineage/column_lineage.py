"""The column lineage facet (ColumnLineageDatasetFacet 1-2-0): of which input columns an output column is made.

Pure. Nothing typed means this facet: it stays in the document, and is read from there by who asks for it.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from modeltrail_schemas.openlineage.documents import Json, name_of, object_of, objects_of, parse, text_of

WHOLE_DATASET = "*"


class ColumnStep(NamedTuple):
    """A column of an output is made of a column of an input, ``how`` in the producer's words.

    ``column`` is ``*`` where the input column shapes the whole output: a filter, a join's key, a sort.
    """

    namespace: str
    name: str
    column: str
    input_namespace: str
    input_name: str
    input_column: str
    how: str


def read_column_lineage(document: bytes) -> list[ColumnStep]:
    """Return every step that the outputs of an OpenLineage event tell, in the document's order."""
    return [step for output in objects_of(parse(document).get("outputs")) for step in _steps_of(output)]


def _steps_of(output: Mapping[str, Json]) -> Iterator[ColumnStep]:
    target = name_of(output.get("namespace")), name_of(output.get("name"))
    facet = object_of(object_of(output.get("facets")).get("columnLineage"))
    for column, told in object_of(facet.get("fields")).items():
        field = object_of(told)
        general = _words(field.get("transformationType"), field.get("transformationDescription"))
        for source in objects_of(field.get("inputFields")):
            yield _step(target, column, source, general)
    for source in objects_of(facet.get("dataset")):
        yield _step(target, WHOLE_DATASET, source, "")


def _step(target: tuple[str, str], column: str, source: Mapping[str, Json], general: str) -> ColumnStep:
    how = ", ".join(
        dict.fromkeys(
            words
            for told in objects_of(source.get("transformations"))
            if (words := _words(told.get("subtype") or told.get("type"), told.get("description")))
        )
    )
    made_of = name_of(source.get("namespace")), name_of(source.get("name")), text_of(source.get("field"))
    return ColumnStep(*target, column, *made_of, how or general)


def _words(kind: Json, description: Json) -> str:
    return ": ".join(word for word in (text_of(kind).lower(), text_of(description)) if word)
