"""Subscribe: hear of events, each at least once, from where the last subscriber of that name left off."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Literal, Self

from modeltrail_schemas.codec import decode, decode_routing
from modeltrail_schemas.event import LineageEvent, Routing
from modeltrail_schemas.identity import canonical_run_id
from modeltrail_schemas.names import DEFAULT_NAMESPACE, EntityRef, JobName, parse_name

from modeltrail.config import Config, load, working_folder
from modeltrail.cursors import StoredCursor
from modeltrail.errors import InvalidEventError, LogUnavailableError
from modeltrail.log.following import follow
from modeltrail.log.opening import open_log
from modeltrail.log.protocol import Log, Position, Record
from modeltrail.log.reading import read

STORE_INTERVAL_S = 0.2
"""The cursor is stored this often while events come, and before each wait: a crash repeats no more than that."""

_LOGGER = logging.getLogger("modeltrail")


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to hear of, by what stands in front of each; None lets all pass."""

    kinds: frozenset[str] | None = None
    types: frozenset[str] | None = None
    job: JobName | None = None
    run_id: str | None = None
    entities: tuple[EntityRef, ...] = ()

    def accepts(self, event: Routing) -> bool:
        """Return whether the event is one to hear of; it must name every one of ``entities``."""
        return (
            (self.kinds is None or event.kind in self.kinds)
            and (self.types is None or event.type in self.types)
            and (self.job is None or event.job == self.job)
            and (self.run_id is None or canonical_run_id(event.run_id) == self.run_id)
            and all(_names(event, entity) for entity in self.entities)
        )


def subscribe(
    name: str,
    *,
    kinds: Iterable[str] | None = None,
    types: Iterable[str] | None = None,
    job: str | None = None,
    model: str | EntityRef | None = None,
    dataset: str | EntityRef | None = None,
    run: str | None = None,
    where: Callable[[LineageEvent], bool] | None = None,
    start: Literal["beginning", "now"] = "beginning",
    follow: bool = True,
    config: Config | None = None,
) -> "Subscription":
    """Return an iterator over the events that pass all filters, from where this ``name`` left off.

    A new name begins at ``start``. An event counts as handled when the next one is asked for, so one on which the
    loop ended, or the process died, comes again. Without ``follow`` it ends at the log's end as of now. ``model`` and
    ``dataset`` are ``[NAMESPACE/]NAME[@VERSION]``, ``job`` is ``[NAMESPACE/]NAME``. Close it, or use it in a ``with``
    statement, to free the name.

    Raises ConfigurationError (the name is in use), LogIdentityError, LogUnavailableError; iterating raises
    UnknownSchemaError where a newer modeltrail wrote, and goes on there after an upgrade.
    """
    if start not in ("beginning", "now"):
        raise ValueError(f"start is 'beginning' or 'now', not {start!r}")
    entities = [
        given if isinstance(given, EntityRef) else parse_name(given, kind=kind)
        for kind, given in (("model", model), ("dataset", dataset))
        if given is not None
    ]
    event_filter = EventFilter(
        kinds=None if kinds is None else frozenset(kinds),
        types=None if types is None else frozenset(types),
        job=None if job is None else JobName.parse(job if "/" in job else f"{DEFAULT_NAMESPACE}/{job}"),
        run_id=None if run is None else canonical_run_id(run),
        entities=tuple(entities),
    )
    config = config or load(os.environ, working_folder(os.environ))
    log = open_log(config.log, options=config.log_options)
    try:
        cursor = StoredCursor(config.home, name, log.identity)
    except BaseException:
        log.close()
        raise
    try:
        if cursor.position is None:
            cursor.store(log.end() if start == "now" else log.start())
        return Subscription(log, cursor, event_filter, where, end=None if follow else log.end())
    except BaseException:
        cursor.close()
        log.close()
        raise


class Subscription:
    """An open subscription: an iterator of events, for one thread. It owns the log and the cursor it is given."""

    def __init__(
        self,
        log: Log,
        cursor: StoredCursor,
        event_filter: EventFilter,
        where: Callable[[LineageEvent], bool] | None,
        *,
        end: Position | None,
    ) -> None:
        self._log = log
        self._cursor = cursor
        self._filter = event_filter
        self._where = where
        self._end = end
        self._handled = cursor.position or Position()
        self._given: Record | None = None
        self._records: Iterator[Record] | None = None
        self._stored_at = time.monotonic()

    @property
    def position(self) -> Position:
        """Return the position up to which events were handled."""
        return self._handled

    def __iter__(self) -> Self:
        """Return itself."""
        return self

    def __next__(self) -> LineageEvent:
        """Count the last event as handled and return the next one that passes the filters."""
        if self._given is not None:
            self._advance(self._given)
            self._given = None
        if self._records is None:
            self._records = self._follow() if self._end is None else read(self._log, self._handled, self._end)
        try:
            for record in self._records:
                event = self._decode(record)
                if event is not None:
                    self._given = record
                    return event
                self._advance(record)
        except BaseException:
            self._records = None  # read again from what was handled
            raise
        self._store()
        raise StopIteration

    def close(self) -> None:
        """Store what was handled, and free the name and the log; may be called twice."""
        if self._records is not None and hasattr(self._records, "close"):
            self._records.close()
        self._records = iter(())
        try:
            self._store()
        finally:
            self._cursor.close()
            self._log.close()

    def __enter__(self) -> Self:
        """Return itself; closed on leaving."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close."""
        self.close()

    def _decode(self, record: Record) -> LineageEvent | None:
        """Return the event of a record; None when it does not pass, or cannot be read."""
        try:
            if not self._filter.accepts(decode_routing(record.value)):
                return None
            event = decode(record.value)
        except InvalidEventError as error:
            _LOGGER.warning("record %d:%d was passed over: %s", record.partition, record.offset, error)
            return None
        return event if self._where is None or self._where(event) else None

    def _advance(self, record: Record) -> None:
        self._handled = self._handled.with_offset(record.partition, record.offset + 1)
        if time.monotonic() - self._stored_at >= STORE_INTERVAL_S:
            self._store()

    def _store(self) -> None:
        if self._handled != self._cursor.position:
            self._cursor.store(self._handled)
        self._stored_at = time.monotonic()

    def _follow(self) -> Iterator[Record]:
        """Yield records for ever; what was handled is stored before each wait."""
        with closing(follow(self._log, self._handled, on_waiting=_warn)) as polls:
            for polled in polls:
                for records in polled.values():
                    yield from records
                self._store()


def _warn(error: LogUnavailableError) -> None:
    _LOGGER.warning("the subscription waits for the log: %s", error)


def _names(event: Routing, entity: EntityRef) -> bool:
    return any(
        ref.unversioned == entity.unversioned and (not entity.identity or ref.identity == entity.identity)
        for refs in (event.inputs, event.outputs, event.subjects)
        for ref in refs
    )
