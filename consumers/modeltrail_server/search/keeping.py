"""Columns kept from one search to the next, within a bound of memory. Reads nothing: who searches says what holds."""

import threading
from collections.abc import Mapping
from typing import NamedTuple

from modeltrail_server.search.masks import ReadColumn

MAX_KEPT_BYTES = 64 * 2**20


class Versioned(NamedTuple):
    """A column as it was read, and its version."""

    version: int
    column: ReadColumn


class KeptColumns:
    """Columns as they were read. One belongs to whoever owns the engine they are read with. Safe for many threads.

    A column is given only to who names its version, which is a hash of it: what changed meanwhile, is not there yet
    in an older snapshot, or is of another generation, is never given. Those of the key that was longest not asked for
    go first.
    """

    def __init__(self, max_bytes: int = MAX_KEPT_BYTES) -> None:
        self._max_bytes, self._size_bytes = max_bytes, 0
        # By key, the last to be asked for last, and number; each with its size.
        self._kept: dict[int, dict[int, tuple[Versioned, int]]] = {}
        self._lock = threading.Lock()

    @property
    def size_bytes(self) -> int:
        """Return how much memory the columns take."""
        return self._size_bytes

    def of_versions(self, key_id: int, wanted: Mapping[int, int]) -> dict[int, ReadColumn]:
        """Return those columns of a key that are kept in the versions ``wanted``, by their numbers."""
        with self._lock:
            own = self._kept.pop(key_id, {})
            if own:
                self._kept[key_id] = own
            there = ((number, own[number][0]) for number in wanted.keys() & own.keys())
            return {number: kept.column for number, kept in there if kept.version == wanted[number]}

    def keep(self, key_id: int, columns: Mapping[int, Versioned]) -> None:
        """Keep these columns of a key, by their numbers, for what was kept of them, as far as there is room."""
        sized = {number: (versioned, versioned.column.size_bytes) for number, versioned in columns.items()}
        with self._lock:
            own = self._kept.setdefault(key_id, {})
            self._size_bytes += sum(size for _, size in sized.values())
            self._size_bytes -= sum(own[number][1] for number in own.keys() & sized.keys())
            own.update(sized)
            while self._size_bytes > self._max_bytes:
                self._drop_one()

    def _drop_one(self) -> None:
        key_id, columns = next(iter(self._kept.items()))
        _, size = columns.pop(next(iter(columns)))
        self._size_bytes -= size
        if not columns:
            del self._kept[key_id]
