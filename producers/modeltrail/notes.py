"""Notes: what a caller writes, and how notes become events. Pure.

A note is a piece of an event: a plain JSON-able dictionary of those fields of ``LineageEvent`` that are set, in the
plain form of ``modeltrail_schemas.records`` (references and jobs as text). It costs the caller microseconds; the
sender makes events of notes later, and merges those that need not be events of their own.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from json import encoder as json_encoder
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from modeltrail_schemas.errors import InvalidEventError
from modeltrail_schemas.event import TERMINAL_STATES, Kind, LineageEvent, RunState
from modeltrail_schemas.records import dumper, loader

MAX_EVENT_BYTES = 900_000
"""A merged event stays below this, so that it fits the 1 MiB that brokers take by default."""

MERGE_WINDOW_NS = 500_000_000
"""Notes further apart than this are never one event."""

TIME_STEP_NS = 250
"""Times of one emitter lie at least this far apart: event ids tell 245 ns apart (identity.new_event_id)."""

PRESENCE = "takes_part"
"""Not of an event: True where a process joins a run that is another's, False where it leaves it. It is for the spool
only: so a process that died in between can be told from one that had done its part."""

Fields = dict[str, Any]
NewId = Callable[[int], bytes]

_UNITED = ("inputs", "outputs", "subjects")
_CONCATENATED = ("metrics", "datasets", "models", "descriptions")
_ADDED = ("redactions",)
_LAST_WINS = ("tags",)
_MUST_AGREE = ("parameters", "seeds")
_PER_NOTE = frozenset({"type", "event_time_ns", "emitter"})
_NEVER_MERGED = frozenset({"sealed", "statement", "retraction", "gap", "document", "error"})
_BYTES_FIELDS = ("event_id", "document")


@dataclass(frozen=True, slots=True)
class Note:
    """A note as it was read; ``size_bytes`` is the length of its encoded form, which its event does not exceed."""

    fields: Fields
    size_bytes: int

    @property
    def time_ns(self) -> int:
        """Return when the note was written, in nanoseconds since 1970."""
        return int(self.fields.get("event_time_ns", 0))

    @property
    def sequence(self) -> int:
        """Return the note's place among those of its emitter."""
        return int(self.fields.get("emitter", {}).get("sequence", 0))


def encode_note(note: Mapping[str, Any]) -> bytes:
    """Return the note as ASCII JSON; NaN and infinities are written by their names, bytes as base64.

    Raises TypeError or ValueError on a value that is no plain form.
    """
    return "".join(_CHUNKS(note, 0)).encode("ascii")


def decode_note(data: bytes) -> Note:
    """Return the note that ``encode_note`` wrote. Raises InvalidEventError."""
    try:
        note = json.loads(data)
        for name in _BYTES_FIELDS:
            if name in note:
                note[name] = b64decode(note[name], validate=True)
        for sealed in note.get("sealed", ()):
            sealed["ciphertext"] = b64decode(sealed["ciphertext"], validate=True)
        if "event_id" in (retraction := note.get("retraction") or {}):
            retraction["event_id"] = b64decode(retraction["event_id"], validate=True)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InvalidEventError(f"not a note: {error}") from error
    return Note(note, len(data))


def coalesce(
    notes: Iterable[Note],
    *,
    max_event_bytes: int = MAX_EVENT_BYTES,
    window_ns: int = MERGE_WINDOW_NS,
) -> list[list[Note]]:
    """Return the notes in groups, each to become one event, ordered by first note.

    Grouped are RUNNING notes of one run and rank, and the START before them, within ``window_ns`` and
    ``max_event_bytes``, where merging loses nothing: one parameter with two values stays two events.
    """
    groups: list[_Group] = []
    latest: dict[tuple[str, int], _Group] = {}
    for note in notes:
        key = note.fields.get("run_id", ""), note.fields.get("emitter", {}).get("rank", 0)
        group = latest.get(key)
        if group is not None and group.takes(note, max_event_bytes, window_ns):
            group.add(note)
            continue
        if not _is_running(note):
            # What others said before a declaration or the end of a run stays before it.
            latest.clear()
        groups.append(_Group(note))
        latest.pop(key, None)
        if _is_open_ended(note):
            latest[key] = groups[-1]
    return [group.notes for group in groups]


def event_of(group: list[Note], new_id: NewId) -> LineageEvent:
    """Return the event that a group of ``coalesce`` stands for; time, type and sequence are its first note's.

    Raises InvalidEventError when a note has a field that no event has, or a value of the wrong shape.
    """
    merged: Fields = {}
    try:
        for note in group:
            _merge(merged, note.fields)
        merged["event_id"] = merged.get("event_id") or new_id(group[0].time_ns)
        return loader(LineageEvent)(_complete(LineageEvent)(merged))
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise InvalidEventError(f"a note cannot become an event: {error}") from error


def track_open_runs(open_runs: dict[str, Fields], note: Mapping[str, Any]) -> None:
    """Update ``open_runs`` (run id to the fields that name it) by a note: a START opens, a terminal state closes.

    So do joining and leaving a run of another's; what names that says so (PRESENCE).
    """
    state, run_id, presence = note.get("type"), note.get("run_id", ""), note.get(PRESENCE)
    if state == RunState.START or (presence and run_id not in open_runs):
        named = ("run_id", "job", "parent_run_id", "producer", PRESENCE)
        open_runs[run_id] = {name: note[name] for name in named if name in note}
    elif state in TERMINAL_STATES or (presence is False and open_runs.get(run_id, {}).get(PRESENCE)):
        open_runs.pop(run_id, None)


def inferred_end(run: Fields, *, event_time_ns: int, emitter: Fields) -> Note:
    """Return the note that ends a run whose process died without ending it; of one it had joined, that says so."""
    note = run | {"kind": Kind.RUN.value, "type": RunState.ABORT.value, "inferred": True}
    if run.get(PRESENCE):
        error = {"type": "ProcessLost", "message": "the process ended without leaving the run"}
        note |= {"type": RunState.RUNNING.value, "error": error}
    return Note(note | {"event_time_ns": event_time_ns, "emitter": emitter}, 0)


def spoken(notes: Iterable[Note]) -> list[Note]:
    """Return the notes that are of events, without what is for the spool only."""
    heard = []
    for note in notes:
        if PRESENCE not in note.fields:
            heard.append(note)
        elif note.fields[PRESENCE] or "error" in note.fields:
            fields = {name: value for name, value in note.fields.items() if name != PRESENCE}
            heard.append(Note(fields, note.size_bytes))
    return heard


def gap_note(run_id: str, *, reason: str, lost: int, first_sequence: int, last_sequence: int) -> Fields:
    """Return the note that says notes of a run were lost."""
    gap = {"reason": reason, "lost_events": lost, "first_sequence": first_sequence, "last_sequence": last_sequence}
    note: Fields = {"kind": Kind.GAP.value, "gap": gap}
    return note | {"run_id": run_id} if run_id else note


class _Group:
    """Notes that become one event."""

    def __init__(self, note: Note) -> None:
        self.notes = [note]
        self._size_bytes = note.size_bytes
        self._agreed = {name: dict(note.fields.get(name) or {}) for name in _MUST_AGREE}
        self._scalars = _scalars(note.fields)

    def takes(self, note: Note, max_event_bytes: int, window_ns: int) -> bool:
        return (
            _is_running(note)
            and not _NEVER_MERGED.intersection(note.fields)
            and self._size_bytes + note.size_bytes <= max_event_bytes
            and 0 <= note.time_ns - self.notes[0].time_ns <= window_ns
            and all(_agree(self._agreed[name], note.fields.get(name) or {}) for name in _MUST_AGREE)
            and _agree(self._scalars, _scalars(note.fields))
        )

    def add(self, note: Note) -> None:
        self.notes.append(note)
        self._size_bytes += note.size_bytes
        for name in _MUST_AGREE:
            self._agreed[name].update(note.fields.get(name) or {})
        self._scalars.update(_scalars(note.fields))


def _is_running(note: Note) -> bool:
    return note.fields.get("kind") == Kind.RUN and note.fields.get("type") == RunState.RUNNING


def _is_open_ended(note: Note) -> bool:
    is_start = note.fields.get("kind") == Kind.RUN and note.fields.get("type") == RunState.START
    return (is_start or _is_running(note)) and not _NEVER_MERGED.intersection(note.fields)


_COLLECTIONS = frozenset({*_UNITED, *_CONCATENATED, *_ADDED, *_LAST_WINS, *_MUST_AGREE})


def _scalars(note: Fields) -> Fields:
    return {name: value for name, value in note.items() if name not in _COLLECTIONS and name not in _PER_NOTE}


def _agree(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one[name] == value for name, value in other.items() if name in one)


def _merge(merged: Fields, note: Fields) -> None:
    for name, value in note.items():
        if name not in merged:
            merged[name] = value.copy() if isinstance(value, dict | list) else value
        elif name in _UNITED:
            merged[name] += [item for item in value if item not in merged[name]]
        elif name in _CONCATENATED or name in _ADDED:
            merged[name] += value
        elif name in _LAST_WINS or name in _MUST_AGREE:
            merged[name].update(value)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return b64encode(value).decode("ascii")
    raise TypeError(f"a {type(value).__name__} is no plain form of a field")


def _chunks_of(encoder: json.JSONEncoder) -> Callable[[Any, int], Iterable[str]]:
    """Return what ``encoder.encode`` makes anew for each value: made once, a note is encoded in half the time."""
    make = getattr(json_encoder, "c_make_encoder", None)
    if make is None:  # another interpreter than CPython
        return lambda value, _: encoder.iterencode(value)
    separators = encoder.key_separator, encoder.item_separator
    # No marks: nothing looks for a value that holds itself, which ends in a RecursionError all the same.
    made: Callable[[Any, int], Iterable[str]] = make(
        None, encoder.default, json_encoder.encode_basestring_ascii, None, *separators, False, False, True
    )
    return made


_CHUNKS = _chunks_of(json.JSONEncoder(separators=(",", ":"), default=_plain))


@cache
def _complete(record_type: Any) -> Callable[[Fields], Fields]:
    """Return the function that adds the defaults that a plain form leaves out, at any depth."""
    defaults: Fields = dumper(record_type)(record_type())
    hints = get_type_hints(record_type)
    nested = {field.name: _record_in(hints[field.name]) for field in fields(record_type)}
    records = {name: _complete(found) for name, found in nested.items() if found is not None}

    def complete(given: Fields) -> Fields:
        if unknown := given.keys() - defaults.keys():
            raise InvalidEventError(f"{record_type.__name__} has no field {min(unknown)}")
        whole = defaults | given
        for name in records.keys() & given.keys():
            value = given[name]
            if isinstance(value, list):
                whole[name] = [records[name](item) for item in value]
            elif value is not None:
                whole[name] = records[name](value)
        return whole

    return complete


def _record_in(hint: Any) -> Any:
    """Return the record type that a field holds, alone, optional or in a tuple; None where it holds none."""
    if get_origin(hint) in (Union, UnionType, tuple):
        return next((found for found in map(_record_in, get_args(hint)) if found is not None), None)
    return hint if is_dataclass(hint) and not hasattr(hint, "parse") else None
