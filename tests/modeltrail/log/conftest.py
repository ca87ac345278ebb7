"""Places where a log can be: what the conformance suite needs of each implementation beyond the protocol itself."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest
from modeltrail.log import Log, open_log
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


class KafkaPlace:
    """A topic. What needs kafka-python is imported when used: it takes half a second that the other tests save."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.bootstrap = (bootstrap,)
        self.topic = topic
        self._opened: list[Log] = []

    def create(self, partitions: int = 1) -> None:
        from modeltrail.log.topic import create

        create(self.bootstrap, self.topic, partitions=partitions, options={})

    def open(self) -> Log:
        self._opened.append(open_log(f"kafka://{','.join(self.bootstrap)}/{self.topic}"))
        return self._opened[-1]

    def recreate(self) -> None:
        with self._admin() as admin:
            admin.delete_topics([self.topic])
        self.create()

    def forget(self, before_offset: int) -> None:
        from kafka import TopicPartition

        with self._admin() as admin:
            admin.delete_records({TopicPartition(self.topic, 0): before_offset})

    def close(self) -> None:
        for log in self._opened:
            log.close()

    def _admin(self):
        from kafka.admin import KafkaAdminClient

        return KafkaAdminClient(bootstrap_servers=list(self.bootstrap))


@pytest.fixture
def memory_place() -> MemoryPlace:
    return MemoryPlace()


@pytest.fixture
def embedded_place(tmp_path: Path) -> Iterator[EmbeddedPlace]:
    place = EmbeddedPlace(tmp_path / "log.db")
    yield place
    place.close()


@pytest.fixture
def kafka_place(kafka_bootstrap: str) -> Iterator[KafkaPlace]:
    place = KafkaPlace(kafka_bootstrap, f"log-{uuid4().hex}")
    place.create()
    yield place
    place.close()


@pytest.fixture(params=["memory", "embedded", pytest.param("kafka", marks=pytest.mark.service)])
def place(request: pytest.FixtureRequest) -> Place:
    """Each implementation in turn."""
    return request.getfixturevalue(f"{request.param}_place")


@pytest.fixture
def log(place: Place) -> Log:
    return place.open()
