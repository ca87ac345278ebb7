"""A dataset of an OpenLineage document to a reference and what is known of it, and back. Pure.

A model is a dataset with the facet ``modeltrail_model``; ``modeltrail_dataset`` tells of a dataset what no standard
facet does. Facets that no typed field means (column lineage, symlinks, life cycle state …) stay in the document.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TypeAlias

from modeltrail_schemas.event import DatasetDetail, Field, ModelDetail, Strength
from modeltrail_schemas.names import EntityRef
from modeltrail_schemas.openlineage.documents import (
    Json,
    facets_of,
    long_of,
    name_of,
    objects_of,
    text_of,
)
from modeltrail_schemas.openlineage.facets import OUR_PREFIX, Facets, Written, is_uri, our_facet, standard_facet
from modeltrail_schemas.openlineage.typed import dump_fields, load_fields

MODEL_FACET = OUR_PREFIX + "model"
DATASET_FACET = OUR_PREFIX + "dataset"
MAX_FIELD_NESTING = 32
TABLE_FORMATS = frozenset({"iceberg", "delta"})

Detail: TypeAlias = DatasetDetail | ModelDetail


def no_detail(ref: EntityRef) -> Detail:
    """Return the detail of ``ref`` that tells nothing."""
    entity = replace(ref, role="")
    return ModelDetail(entity) if ref.kind == "model" else DatasetDetail(entity)


def read_dataset(node: Mapping[str, Json]) -> tuple[EntityRef, Detail]:
    """Return the reference to a dataset or model and its detail, which may tell nothing."""
    facets = facets_of(node)
    is_model = MODEL_FACET in facets
    ours = facets.get(MODEL_FACET if is_model else DATASET_FACET, {})
    ref = EntityRef(
        "model" if is_model else "dataset",
        name_of(node.get("namespace")),
        name_of(node.get("name")),
        name_of(facets.get("version", {}).get("datasetVersion")),
        name_of(ours.get("digest")),
        name_of(ours.get("role")),
    )
    detail = _read_detail(ref, node, facets)
    with suppress(ValueError):
        detail = load_fields(detail, ours)
    return ref, detail


def write_dataset(ref: EntityRef, detail: Detail, usage: str) -> Written:
    """Return the standard part of a dataset's or model's node; ``usage`` is input, output or empty (declared)."""
    facets: dict[str, Written] = {}
    if ref.version:
        facets["version"] = standard_facet("DatasetVersionDatasetFacet", "1-0-1", datasetVersion=ref.version)
    if is_uri(detail.location):
        facets["dataSource"] = standard_facet("DatasourceDatasetFacet", "1-0-1", uri=detail.location)
    if isinstance(detail, DatasetDetail):
        facets |= _write_dataset_facets(detail)
    else:
        facets[MODEL_FACET] = our_facet("model", {})
        facets["datasetType"] = standard_facet("DatasetTypeDatasetFacet", "1-0-1", datasetType="MODEL")
    node: Written = {"namespace": ref.namespace, "name": ref.name, "facets": facets}
    rows = detail.rows if isinstance(detail, DatasetDetail) else None
    if rows is not None or detail.bytes is not None:
        node |= _write_extent(rows, detail.bytes, usage, facets)
    return node


def write_rest(ref: EntityRef, detail: Detail, told: tuple[EntityRef, Detail]) -> dict[str, Written]:
    """Return our facet with what a node that reads as ``told`` does not tell of ``ref`` and ``detail``."""
    names = {"digest": ref.digest, "role": ref.role}
    rest = {name: value for name, value in names.items() if value}
    expected = replace(told[1], entity=replace(ref, role=""))
    rest |= dump_fields(detail, expected)
    if isinstance(detail, ModelDetail):
        return {MODEL_FACET: our_facet("model", rest)}
    return {DATASET_FACET: our_facet("dataset", rest)} if rest else {}


def _read_detail(ref: EntityRef, node: Mapping[str, Json], facets: Facets) -> Detail:
    detail = no_detail(ref)
    location = text_of(facets.get("dataSource", {}).get("uri"))
    strength = Strength.CLAIMED.value if ref.version else ""
    rows, size = _read_extent(node, facets)
    if isinstance(detail, ModelDetail):
        return replace(detail, strength=strength, location=location, bytes=size)
    storage = facets.get("storage", {})
    layer = text_of(storage.get("storageLayer"))
    return replace(
        detail,
        strength=Strength.PROVIDER.value if ref.version and layer in TABLE_FORMATS else strength,
        location=location,
        format=text_of(storage.get("fileFormat")) or layer,
        bytes=size,
        rows=rows,
        fields=tuple(_read_fields(facets.get("schema", {}).get("fields"), "", MAX_FIELD_NESTING)),
        provider=layer,
    )


def _write_dataset_facets(detail: DatasetDetail) -> dict[str, Written]:
    facets: dict[str, Written] = {}
    if detail.provider in TABLE_FORMATS:
        file_format = detail.format if detail.format != detail.provider else ""
        facets["storage"] = standard_facet(
            "StorageDatasetFacet", "1-0-1", storageLayer=detail.provider, fileFormat=file_format or None
        )
    if detail.fields:
        columns = [{"name": field.name} | ({"type": field.type} if field.type else {}) for field in detail.fields]
        facets["schema"] = standard_facet("SchemaDatasetFacet", "1-2-0", fields=columns)
    return facets


def _read_fields(node: Json, path: str, levels_left: int) -> Iterator[Field]:
    """Yield the columns, those inside a column after it and named with its name and a dot before."""
    for column in objects_of(node) if levels_left else ():
        name = path + text_of(column.get("name"))
        yield Field(name, text_of(column.get("type")))
        yield from _read_fields(column.get("fields"), f"{name}.", levels_left - 1)


def _read_extent(node: Mapping[str, Json], facets: Facets) -> tuple[int | None, int | None]:
    """Return rows and bytes: as written, else as read, else as a data quality check counted them."""
    reading, writing = facets_of(node, "inputFacets"), facets_of(node, "outputFacets")
    quality = reading.get("dataQualityMetrics", facets.get("dataQualityMetrics", {}))
    counted = (writing.get("outputStatistics", {}), reading.get("inputStatistics", {}))
    rows = [long_of(facet.get("rowCount")) for facet in (*counted, quality)]
    sizes = [long_of(facet.get("size")) for facet in counted] + [long_of(quality.get("bytes"))]
    return _first(rows), _first(sizes)


def _first(values: list[int | None]) -> int | None:
    return next((value for value in values if value is not None), None)


def _write_extent(rows: int | None, size: int | None, usage: str, facets: dict[str, Written]) -> Written:
    """Return the statistics' part of the node; of what is only declared they go among ``facets``."""
    if usage == "input":
        statistics = standard_facet("InputStatisticsInputDatasetFacet", "1-0-0", rowCount=rows, size=size)
        return {"inputFacets": {"inputStatistics": statistics}}
    if usage == "output":
        statistics = standard_facet("OutputStatisticsOutputDatasetFacet", "1-0-2", rowCount=rows, size=size)
        return {"outputFacets": {"outputStatistics": statistics}}
    facets["dataQualityMetrics"] = standard_facet(
        "DataQualityMetricsDatasetFacet", "1-0-0", rowCount=rows, bytes=size, columnMetrics={}
    )
    return {}
