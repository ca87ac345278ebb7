"""Places where a log can be: what the conformance suite needs of each implementation beyond the protocol itself."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from modeltrail.log import Log
from modeltrail.log.embedded import EmbeddedLog
from modeltrail.log.memory import MemoryLog


class Place(Protocol):
    """One address of a log. Everything opened here is closed at the end of the test."""

    def open(self) -> Log:
        """Open the log at this address, again and again."""
        ...

    def recreate(self) -> None:
        """Remove the log and make an empty one at the same address."""
        ...

    def forget(self, before_offset: int) -> None:
        """Delete the records of partition 0 before an offset, as retention does."""
        ...


class MemoryPlace:
    def __init__(self) -> None:
        self._log = MemoryLog()

    def open(self) -> Log:
        return self._log

    def recreate(self) -> None:
        self._log = MemoryLog()

    def forget(self, before_offset: int) -> None:
        self._log.forget(0, before_offset)


class EmbeddedPlace:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: list[Log] = []

    def open(self) -> Log:
        self._opened.append(EmbeddedLog(self.path))
        return self._opened[-1]

    def recreate(self) -> None:
        for path in self.path.parent.glob(self.path.name + "*"):
            path.unlink()
        EmbeddedLog(self.path).close()

    def forget(self, before_offset: int) -> None:
        connection = sqlite3.connect(self.path)
        with connection:
            connection.execute("DELETE FROM record WHERE offset < ?", (before_offset,))
        connection.close()

    def close(self) -> None:
        for log in self._opened:
            log.close()


@pytest.fixture
def memory_place() -> MemoryPlace:
    return MemoryPlace()


@pytest.fixture
def embedded_place(tmp_path: Path) -> Iterator[EmbeddedPlace]:
    place = EmbeddedPlace(tmp_path / "log.db")
    yield place
    place.close()


@pytest.fixture(
    params=["memory", "embedded"],
)
def place(request: pytest.FixtureRequest) -> Place:
    """Each implementation in turn."""
    return request.getfixturevalue(f"{request.param}_place")


@pytest.fixture
def log(place: Place) -> Log:
    return place.open()
