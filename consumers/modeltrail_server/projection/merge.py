"""How rows of one key become one row, and how the facts of many events become rows. Pure.

Every merge is a set of *choices*: a group of columns is taken as a whole from the row whose order key is least, or
greatest. A choice is commutative, associative and idempotent because equal order keys come from the same event, and
one event gives one row. The same choices are written as SQL in ``writing.py``.
"""

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from modeltrail_schemas.event import Routing

from modeltrail_server.projection.facts import (
    ContentRow,
    EntityRow,
    Identity,
    LinkRow,
    RunRow,
    activity_key,
    run_row_of,
    uses_of,
)

Row = TypeVar("Row", RunRow, EntityRow, ContentRow)


class Choice:
    """``columns`` come together from the row whose ``by`` is least (or ``greatest``); a None at its end loses."""

    def __init__(self, row: type[Any], columns: tuple[str, ...], *, by: tuple[str, ...], greatest: bool) -> None:
        self.columns, self.by, self.greatest = columns, by, greatest
        self.indices = tuple(row._fields.index(column) for column in columns)
        self._order_key = itemgetter(*(row._fields.index(column) for column in by))

    def prefers(self, new: Any, old: Any) -> bool:
        """Return whether the columns of ``new`` replace those of ``old``."""
        new_key, old_key = self._order_key(new), self._order_key(old)
        if new_key[-1] is None or old_key[-1] is None:
            return new_key[-1] is not None
        return bool(new_key > old_key if self.greatest else new_key < old_key)


class Merging(NamedTuple):
    """How rows of one type merge: the columns of their key, and what is chosen."""

    key: tuple[str, ...]
    choices: tuple[Choice, ...]


_FIRST = ("first_time_ns", "first_event_id")
_LAST = ("last_time_ns", "last_event_id")
_JOB = ("job_time_ns", "job_event_id")
_STATE = ("state_terminal", "state_time_ns", "state_event_id")

# The state's order key is modeltrail_schemas.order.state_precedence.
RUN = Merging(
    ("run_key",),
    (
        Choice(RunRow, ("state", *_STATE), by=_STATE, greatest=True),
        *(
            Choice(
                RunRow,
                (f"{of}_key", f"{of}_time_ns", f"{of}_event_id"),
                by=(f"{of}_time_ns", f"{of}_event_id"),
                greatest=False,
            )
            for of in ("job", "parent")
        ),
        Choice(RunRow, ("run_id", *_FIRST), by=_FIRST, greatest=False),
        Choice(RunRow, _LAST, by=_LAST, greatest=True),
    ),
)
ENTITY = Merging(("entity_key",), (Choice(EntityRow, EntityRow._fields[1:], by=_FIRST, greatest=False),))
CONTENT = Merging(("digest", "entity_key"), (Choice(ContentRow, _FIRST, by=_FIRST, greatest=False),))


link_key = itemgetter(*map(LinkRow._fields.index, ("entity_key", "relation", "event_time_ns", "event_id", "role")))


class Rows(NamedTuple):
    """Rows to write, merged by key, in key order."""

    runs: list[RunRow]
    entities: list[EntityRow]
    links: list[LinkRow]
    contents: list[ContentRow]


def merge_runs(one: RunRow, other: RunRow) -> RunRow:
    """Return the one row that says what both say."""
    return _merge(RUN.choices, one, other)


def merge_entities(one: EntityRow, other: EntityRow) -> EntityRow:
    """Return the one row that says what both say."""
    return _merge(ENTITY.choices, one, other)


def merge_contents(one: ContentRow, other: ContentRow) -> ContentRow:
    """Return the one row that says what both say."""
    return _merge(CONTENT.choices, one, other)


def fold(events: Iterable[Routing]) -> Rows:
    """Return what the events say together: the same for any order and any repetition of them.

    Two events of one id must not differ: which one stands is decided before.
    """
    runs: dict[bytes, RunRow] = {}
    named: dict[bytes, tuple[Identity, int, bytes]] = {}
    contents: dict[tuple[str, bytes], tuple[int, bytes]] = {}
    links: list[LinkRow] = []
    new_link = LinkRow._make
    for event in events:
        time_ns, event_id = event.event_time_ns, event.event_id
        if event.run_id:
            run = run_row_of(event)
            known_run = runs.get(run[0])
            runs[run[0]] = run if known_run is None else merge_runs(known_run, run)
        activity = activity_key(event)
        for relation, role, (key, identities, content) in uses_of(event):
            for identity in identities:
                known = named.get(identity[0])
                if known is None or (time_ns, event_id) < known[1:]:
                    named[identity[0]] = identity, time_ns, event_id
            if content is not None:
                contents[content] = min(contents.get(content, (time_ns, event_id)), (time_ns, event_id))
            if relation:
                links.append(new_link((key, time_ns, event_id, relation, role, activity)))
            if relation == "subject" and key != identities[-1].entity_key:
                # A version is found from its name too: which one has this alias, what was ever deployed.
                links.append(new_link((identities[-1].entity_key, time_ns, event_id, relation, role, activity)))
    return Rows(
        [runs[key] for key in sorted(runs)],
        [EntityRow(*named[key][0], *named[key][1:]) for key in sorted(named)],
        [link for link, _ in groupby(sorted(links, key=link_key))],
        [ContentRow(*key, *contents[key]) for key in sorted(contents)],
    )


def facts_of(event: Routing) -> Rows:
    """Return what one event says."""
    return fold((event,))


def _merge(choices: tuple[Choice, ...], one: Row, other: Row) -> Row:
    merged: list[Any] | None = None
    for choice in choices:
        if choice.prefers(other, one):
            merged = merged or list(one)
            for index in choice.indices:
                merged[index] = other[index]
    return one if merged is None else type(one)(*merged)
