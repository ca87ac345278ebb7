"""What the search index holds of a run: a function of the set of its events. Pure.

A run has values, each under a key: a metric, a parameter, a tag, or an attribute of the run itself. Every value is a
text, and a number where it is one; a key has several values where the run has (the datasets it read). Rows are
bounded in number and size, for an index holds them; whoever wants all of a run asks to be shown it.
"""

import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import islice
from typing import Any, NamedTuple

from modeltrail_schemas.event import LineageEvent, RunState

from modeltrail_server.projection.facts import key_text
from modeltrail_server.queries.display import display
from modeltrail_server.queries.fold import fold_run
from modeltrail_server.queries.records import RunView, Use

MAX_ROWS_OF_A_KIND = 1_000
MAX_INDEXED_CHARACTERS = 300
MAX_NUMBER = 1e300
KEYS_REMEMBERED = 8_192
METRIC, PARAM, TAG, ATTRIBUTE = "metric", "param", "tag", "attribute"
SPAN = "span"
"""What no expression names: where and when a run was told of (see spans.py)."""
RUNNING = "RUNNING"
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_NAME_TAGS, _USER_TAGS = ("mlflow.runName", "name"), ("mlflow.user", "user")


class Key(NamedTuple):
    """What a value is the value of."""

    kind: str
    name: str

    @property
    def id(self) -> int:
        """Return the key as the index writes it: 64 bits of a hash, signed."""
        return key_id(self.kind, self.name)


STARTED, ENDED, PARENT = Key(ATTRIBUTE, "started"), Key(ATTRIBUTE, "ended"), Key(ATTRIBUTE, "parent")


class ValueRow(NamedTuple):
    """One value of a run. ``place`` tells apart several values under one key; ``started_ns`` is the run's."""

    run_key: bytes
    key_id: int
    place: int
    text: str
    number: float | None
    started_ns: int


class KeyRow(NamedTuple):
    """A key that some run has, or had."""

    key_id: int
    kind: str
    name: str


ValuesByKey = dict[Key, list[tuple[str, float | None]]]
"""What a run has, (text, number) under each key."""


class Values(NamedTuple):
    """What the index holds of one run: its values by key, in the order of keys."""

    started_ns: int
    by_key: ValuesByKey


@lru_cache(maxsize=KEYS_REMEMBERED)
def key_id(kind: str, name: str) -> int:
    """Return the number of a key: the same name is the same number in every index."""
    hashed = blake2b(f"{kind}\0{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(hashed, "big", signed=True)


def values_of(run_id: str, events: Collection[LineageEvent]) -> Values:
    """Return what the index holds of a run of which ``events`` tell."""
    run = fold_run(run_id, events)
    begun = min(event.event_time_ns for event in events)
    found: ValuesByKey = {}
    for claimed in islice(run.parameters, MAX_ROWS_OF_A_KIND):
        key, text = Key(PARAM, claimed.name), _plain(claimed.value)
        found[key] = [(text, number_of(key, text))]
    for name, text in islice(run.tags.items(), MAX_ROWS_OF_A_KIND):
        found[Key(TAG, name)] = [(cut_text(text), None)]
    for name, values in islice(_metrics(run).items(), MAX_ROWS_OF_A_KIND):
        found[Key(METRIC, name)] = [("", None if math.isnan(value) else value) for value in values.values()]
    for name, texts in _attributes(run, _owners(events)).items():
        told = list(dict.fromkeys(key_text(text) for text in texts if text))[:MAX_ROWS_OF_A_KIND]
        if told:
            found[Key(ATTRIBUTE, name)] = [(text, None) for text in told]
    times = {"started": begun, "ended": run.ended_ns, "duration": run.duration_seconds}
    found |= {Key(ATTRIBUTE, name): [("", float(at))] for name, at in times.items() if at is not None}
    return Values(begun, found)


def rows_of(run_key: bytes, values: Values) -> Iterator[ValueRow]:
    """Yield the rows of a run."""
    for key, told in values.by_key.items():
        number = key.id
        for place, (text, as_number) in enumerate(told):
            yield ValueRow(run_key, number, place, text, as_number, values.started_ns)


def by_run(rows: Iterable[Sequence[Any]], keys: Mapping[int, Key]) -> dict[bytes, ValuesByKey]:
    """Return what runs have under ``keys``, by their numbers; ``rows`` begin with run, key, text and number."""
    found: dict[bytes, ValuesByKey] = {}
    for run_key, number_of_key, text, number, *_ in rows:
        found.setdefault(run_key, {}).setdefault(keys[number_of_key], []).append((text, number))
    return found


def number_of(key: Key, text: str) -> float | None:
    """Return the number that the text of a parameter writes, as JSON would; None for any other text."""
    if key.kind != PARAM or not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if abs(number) < MAX_NUMBER else None


def cut_text(text: str) -> str:
    """Return what counts of a text: its beginning."""
    return text[:MAX_INDEXED_CHARACTERS]


def _plain(json_text: str) -> str:
    """Return a parameter's JSON text as a person would write it: without quotes."""
    if not json_text.startswith('"'):
        return cut_text(json_text)
    try:
        return cut_text(str(json.loads(json_text)))
    except ValueError:
        return cut_text(json_text)


def _metrics(run: RunView) -> dict[str, dict[str, float]]:
    """Return the last value of each metric by dataset, of the lowest rank that told one."""
    metrics: dict[str, dict[str, float]] = {}
    for curve in sorted(run.metrics, key=lambda curve: curve.rank):
        metrics.setdefault(curve.name, {}).setdefault(curve.dataset.format(), curve.value)
    return metrics


def _attributes(run: RunView, owners: Iterable[str]) -> dict[str, Iterable[str]]:
    """Return what the run itself is: texts by attribute."""
    state = RUNNING if run.state == RunState.START else run.state
    return {
        "state": (state,),
        "job": (display(run.job),) if run.job.name else (),
        "name": _first_tag(run, _NAME_TAGS),
        "user": _first_tag(run, _USER_TAGS),
        "owner": (*run.owners, *owners),
        "run": (run.run_id,),
        "parent": (run.parent_run_id,),
        "commit": [code.commit for code in run.codes],
        "dataset": _named(run.inputs, "dataset"),
        "model": _named(run.outputs, "model"),
    }


def _named(uses: Iterable[Use], kind: str) -> list[str]:
    """Return the names of what was used, with version and without."""
    refs = [use.entity for use in uses if use.entity.kind == kind]
    return [display(ref) for each in refs for ref in (each.unversioned, each)]


def _owners(events: Iterable[LineageEvent]) -> list[str]:
    """Return whom the events name as owners of anything, those events that were withdrawn aside."""
    events = sorted(events, key=lambda event: event.event_id)
    withdrawn = {event.retraction.event_id for event in events if event.retraction}
    standing = (event for event in events if event.event_id not in withdrawn)
    return sorted({owner for event in standing for told in event.descriptions for owner in told.owners})


def _first_tag(run: RunView, names: Iterable[str]) -> tuple[str, ...]:
    return next(((run.tags[name],) for name in names if run.tags.get(name)), ())
