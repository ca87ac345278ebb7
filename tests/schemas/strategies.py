"""Hypothesis strategies for events and their parts, worked out from the types and the schema."""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st
from modeltrail_schemas.event import NO_ID, Declaration, Kind, LineageEvent, RunState
from modeltrail_schemas.names import EntityRef, JobName

AWKWARD = [
    "\ud800",
    "\udcff",
    "\ud83d\ude00",
    "%41",
    "%ED%A0%80",
    "\x00",
    "\ufffe",
    "/",
    "@",
    "?",
    "&role=",
    "#",
    ":",
]
ANY_TEXT = st.lists(st.text(max_size=4) | st.sampled_from(AWKWARD), max_size=4).map("".join)
"""Any Python string, lone surrogates too."""
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
"""What UTF-8 can carry."""
LONGS = st.integers(-(1 << 63), (1 << 63) - 1)
IDS = st.binary(min_size=16, max_size=16)
INTS = st.integers(-(1 << 31), (1 << 31) - 1)
INT_FIELDS = {"rank", "cpu_count", "redactions"}
RUN_IDS = st.uuids().map(str) | TEXT

KINDS = st.sampled_from(["dataset", "model", "job", "feature"])

refs = st.builds(EntityRef, KINDS, ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT)
jobs = st.builds(JobName, ANY_TEXT, ANY_TEXT)


def events(*, nan: bool = False, texts: st.SearchStrategy[str] = TEXT) -> st.SearchStrategy[LineageEvent]:
    """Return any event without a document; ``nan``: a metric may be not a number, which no event equals."""
    named = {
        "event_id": IDS.filter(lambda event_id: event_id != NO_ID),
        "kind": st.sampled_from(list(Kind)).map(str) | texts,
        "type": st.sampled_from([*RunState, *Declaration]).map(str) | texts,
        "run_id": RUN_IDS if texts is TEXT else texts,
        "parent_run_id": RUN_IDS if texts is TEXT else texts,
        "document": st.none(),
    }
    return _records(LineageEvent, texts, nan, tuple(named.items()))


@cache
def _records(record_type: Any, texts: Any, nan: bool, named: tuple[tuple[str, Any], ...] = ()) -> Any:
    """Return records; each field holds its default half of the time, as most do."""
    hints = get_type_hints(record_type)
    default = record_type()
    chosen = dict(named)
    if "event_id" in hints:
        chosen.setdefault("event_id", IDS)
    for field in fields(record_type):
        if field.name not in chosen:
            values = INTS if field.name in INT_FIELDS else _values(hints[field.name], texts, nan)
            chosen[field.name] = st.just(getattr(default, field.name)) | values
    return st.builds(record_type, **chosen)


def _values(hint: Any, texts: Any, nan: bool) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _values(arguments[0], texts, nan)
    if origin is tuple:
        return st.lists(_values(arguments[0], texts, nan), max_size=3).map(tuple)
    if origin is not None and issubclass(origin, Mapping):
        return st.dictionaries(texts, texts, max_size=3)
    if hint is EntityRef:
        return refs
    if hint is JobName:
        return jobs
    if is_dataclass(hint):
        return _records(hint, texts, nan)
    floats = st.floats(allow_nan=False)
    return {
        str: texts,
        int: LONGS,
        float: st.just(math.nan) | floats if nan else floats,
        bool: st.booleans(),
        bytes: st.binary(max_size=8),
    }[hint]
