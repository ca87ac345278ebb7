"""Reading a topic: all partitions, or the share that a consumer group gives.

Positions are the owner's: the group only shares out partitions, no offset is ever committed or taken from it.
"""

import time
from collections.abc import Iterable, Mapping, Sequence

import kafka
from kafka import errors
from kafka.coordinator.assignors.range import RangePartitionAssignor

from modeltrail.log.cursor import offset_out_of_range
from modeltrail.log.kafka_cluster import REQUEST_TIMEOUT_MS, Cluster
from modeltrail.log.kafka_connections import connect
from modeltrail.log.protocol import LogIdentity, Record

POLL_SLICE_MS = 200
SESSION_TIMEOUT_MS = 15_000
HEARTBEAT_INTERVAL_MS = 2_000
MAX_POLL_INTERVAL_MS = 300_000
# How long a partition that was added to the topic may wait until a group shares it out.
METADATA_MAX_AGE_MS = 10_000
MAX_FETCH_BYTES = 32 * 1024 * 1024
MAX_PARTITION_FETCH_BYTES = 8 * 1024 * 1024
CLOSE_TIMEOUT_MS = 5_000


class KafkaReader:
    """A cursor over a topic. One thread at a time. Uses its log's connection too: close it before the log."""

    def __init__(self, cluster: Cluster, identity: LogIdentity, group: str | None) -> None:
        partitions = cluster.check_identity(identity)
        self._cluster = cluster
        self._identity = identity
        self._unpositioned: set[int] = set()
        self._assigned_anew = False
        self._closed = False
        with cluster.explained():
            self._consumer = _connect_consumer(cluster, group)
            if group is None:
                self._consumer.assign([kafka.TopicPartition(cluster.topic, p) for p in range(partitions)])
                self._hold_back(range(partitions))
                self._assigned_anew = False
            else:
                self._consumer.subscribe([cluster.topic], listener=_Listener(self))

    def assignment(self) -> frozenset[int]:
        """Return the partitions this reader holds now."""
        if self._closed:
            return frozenset()
        return frozenset(held.partition for held in self._consumer.assignment())

    def unpositioned(self) -> frozenset[int]:
        """Return the assigned partitions that still wait for a ``seek``."""
        return self.assignment() & self._unpositioned

    def seek(self, partition: int, offset: int) -> None:
        """Read ``partition`` from ``offset`` on. Ignored when the partition is not assigned."""
        if offset < 0:
            raise ValueError(f"an offset is not negative: {offset}")
        if partition in self.assignment():
            held = kafka.TopicPartition(self._cluster.topic, partition)
            self._consumer.seek(held, offset)
            self._consumer.resume(held)
            self._unpositioned.discard(partition)

    def position(self, partition: int) -> int:
        """Return the offset that is read next; the client moves it past transaction markers by itself."""
        if partition not in self.assignment() - self._unpositioned:
            return 0
        held = kafka.TopicPartition(self._cluster.topic, partition)
        position = self._consumer._subscription.assignment[held].position
        return 0 if position is None else int(position.offset)

    def poll(self, *, max_records: int, wait_ms: int) -> Mapping[int, Sequence[Record]]:
        """Return up to ``max_records`` records; empty after ``wait_ms``, or as soon as the assignment changed.

        About every IDENTITY_CHECK_MS it asks whether the topic is still the one that was opened.
        """
        if self._closed:
            raise ValueError(f"the reader of {self._cluster.name} was closed")
        deadline = time.monotonic() + wait_ms / 1000
        while True:
            self._cluster.check_identity_when_due(self._identity)
            self._resume_rejoining()
            slice_ms = min(POLL_SLICE_MS, max(0.0, (deadline - time.monotonic()) * 1000))
            polled = self._poll_once(max_records, slice_ms)
            changed, self._assigned_anew = self._assigned_anew, False
            if polled or changed or time.monotonic() >= deadline:
                return polled

    def close(self) -> None:
        """Leave the group, if any, and disconnect."""
        if not self._closed:
            self._closed = True
            with self._cluster.explained():
                self._consumer.close(autocommit=False, timeout_ms=CLOSE_TIMEOUT_MS)

    def _poll_once(self, max_records: int, wait_ms: float) -> dict[int, Sequence[Record]]:
        try:
            with self._cluster.explained():
                polled = self._consumer.poll(timeout_ms=wait_ms, max_records=max_records)
        except Exception as error:
            self._raise_if_out_of_range(error.__cause__)
            raise
        return {held.partition: _records(held.partition, found) for held, found in polled.items()}

    def _raise_if_out_of_range(self, cause: BaseException | None) -> None:
        if isinstance(cause, errors.OffsetOutOfRangeError):
            held = min(cause.args[0])
        elif isinstance(cause, errors.LogTruncationError):
            held = min(cause.divergent_offsets)
        else:
            return
        partitions = self._cluster.check_identity(self._identity)
        start, end = self._cluster.start(partitions), self._cluster.end(partitions)
        name, partition = self._cluster.name, held.partition
        offset = self._consumer.position(held, timeout_ms=REQUEST_TIMEOUT_MS)
        raise offset_out_of_range(name, partition, offset, start[partition], end[partition]) from cause

    def _resume_rejoining(self) -> None:
        """Go on with a rebalance that the end of an earlier poll interrupted.

        kafka-python 3.0.12 forgets one that changed metadata began: once the leader has shared out the partitions it
        sees no need to join, never takes its own share, and sends no heartbeat any more.
        """
        coordinator = self._consumer._coordinator
        if coordinator.rejoining and not coordinator.need_rejoin():
            coordinator.request_rejoin()

    def _hold_back(self, partitions: Iterable[int]) -> None:
        """Deliver nothing of ``partitions`` until their owner says where to start."""
        for partition in partitions:
            held = kafka.TopicPartition(self._cluster.topic, partition)
            self._consumer.pause(held)
            self._consumer.seek(held, 0)  # the client refuses to poll with a partition that has no position
            self._unpositioned.add(partition)
        self._assigned_anew = True


class _Listener(kafka.ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Hears of each new assignment, within ``poll``."""

    def __init__(self, reader: KafkaReader) -> None:
        self._reader = reader

    def on_partitions_revoked(self, revoked: Iterable[kafka.TopicPartition]) -> None:
        """Do nothing: what was read and not yet projected is read again by its next owner."""

    def on_partitions_assigned(self, assigned: Iterable[kafka.TopicPartition]) -> None:
        """Hold the partitions back until they are positioned."""
        self._reader._hold_back(held.partition for held in assigned)


def _connect_consumer(cluster: Cluster, group: str | None) -> kafka.KafkaConsumer:
    return connect(
        kafka.KafkaConsumer,
        **cluster.settings,
        group_id=group,
        auto_offset_reset="none",  # a position that is not in the log is an error, never a jump
        enable_auto_commit=False,
        isolation_level="read_committed",
        check_crcs=True,
        allow_auto_create_topics=False,
        partition_assignment_strategy=(RangePartitionAssignor,),
        session_timeout_ms=SESSION_TIMEOUT_MS,
        heartbeat_interval_ms=HEARTBEAT_INTERVAL_MS,
        max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
        metadata_max_age_ms=METADATA_MAX_AGE_MS,
        fetch_max_bytes=MAX_FETCH_BYTES,
        max_partition_fetch_bytes=MAX_PARTITION_FETCH_BYTES,
        metrics_enabled=False,
    )


def _records(partition: int, found: Sequence[kafka.consumer.fetcher.ConsumerRecord]) -> list[Record]:
    """Return Kafka's records as ours; a value of null, which no producer of ours writes, reads as empty."""
    return [
        Record(partition, each.offset, each.timestamp, each.key, each.value or b"", _headers(each.headers))
        for each in found
    ]


def _headers(headers: Sequence[tuple[str, bytes | None]]) -> tuple[tuple[str, bytes], ...]:
    return tuple([(name, value or b"") for name, value in headers]) if headers else ()
