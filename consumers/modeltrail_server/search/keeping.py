"""Columns kept from one search to the next, within a bound of memory. Reads nothing: who searches says what holds."""

import threading
from collections.abc import Mapping
from typing import NamedTuple

from modeltrail_server.search.masks import ReadColumn

MAX_KEPT_BYTES = 64 * 2**20


class Place(NamedTuple):
    """Which column: the number of its key, and its own."""

    key_id: int
    number: int


class Versioned(NamedTuple):
    """A column as it was read, and its version."""

    version: int
    column: ReadColumn


class KeptColumns:
    """Columns as they were read. One belongs to whoever owns the engine they are read with. Safe for many threads.

    A column is given only to who names its version, which is a hash of it: what changed meanwhile, is not there yet
    in an older snapshot, or is of another generation, is never given. Those that were longest not asked for go first.
    """

    def __init__(self, max_bytes: int = MAX_KEPT_BYTES) -> None:
        self._max_bytes, self._size_bytes = max_bytes, 0
        self._kept: dict[Place, tuple[Versioned, int]] = {}  # the last to be asked for last; each with its size
        self._lock = threading.Lock()

    @property
    def size_bytes(self) -> int:
        """Return how much memory the columns take."""
        return self._size_bytes

    def of_versions(self, wanted: Mapping[Place, int]) -> dict[Place, ReadColumn]:
        """Return those of the columns ``wanted`` that are kept in these versions."""
        found: dict[Place, ReadColumn] = {}
        with self._lock:
            for place, version in wanted.items():
                kept = self._kept.get(place)
                if kept is not None and kept[0].version == version:
                    found[place] = kept[0].column
                    self._kept[place] = self._kept.pop(place)
        return found

    def keep(self, columns: Mapping[Place, Versioned]) -> None:
        """Keep these columns in place of what was kept of them, as many as there is room for."""
        sizes = {place: versioned.column.size_bytes for place, versioned in columns.items()}
        with self._lock:
            for place, versioned in columns.items():
                self._drop(place)
                self._kept[place] = versioned, sizes[place]
                self._size_bytes += sizes[place]
                while self._size_bytes > self._max_bytes:
                    self._drop(next(iter(self._kept)))

    def _drop(self, place: Place) -> None:
        _, size = self._kept.pop(place, (None, 0))
        self._size_bytes -= size
