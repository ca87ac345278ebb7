"""The log on Apache Kafka: one topic, written idempotently with acks=all, read with read_committed.

Importing this module imports kafka-python (390 ms): only opening.py does, and only for a kafka:// address.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Self

import kafka
from kafka import errors

from modeltrail.errors import LogUnavailableError, RecordTooLargeError
from modeltrail.log.appending import MAX_RECORD_BYTES, check_sizes
from modeltrail.log.kafka_cluster import Cluster, explain
from modeltrail.log.kafka_connections import connect
from modeltrail.log.kafka_reader import KafkaReader
from modeltrail.log.protocol import LogIdentity, Outgoing, Position

MAX_REQUEST_BYTES = MAX_RECORD_BYTES + 64 * 1024
BATCH_BYTES = 256 * 1024
DELIVERY_TIMEOUT_MS = 120_000
CLOSE_TIMEOUT_S = 5.0
_NO_OPTIONS: Mapping[str, str] = MappingProxyType({})


class KafkaLog:
    """A topic that exists. Safe for many threads, not across ``fork``. Close its readers before it."""

    def __init__(self, bootstrap: Sequence[str], topic: str, *, options: Mapping[str, str] = _NO_OPTIONS) -> None:
        """Connect; see kafka_options.py for ``options``.

        Raises LogUnavailableError when no broker answers, LogNotFoundError when there is no such topic.
        """
        self._cluster = Cluster(bootstrap, topic, options)
        try:
            self._identity = self._cluster.identity()
        except BaseException:
            self._cluster.close()
            raise
        self._appending = threading.Lock()
        self._producer: kafka.KafkaProducer | None = None
        self._closed = False

    @property
    def identity(self) -> LogIdentity:
        """Return which log this is, as first seen when it was opened."""
        return self._identity

    def partitions(self) -> int:
        """Return the number of partitions now."""
        return self._cluster.check_identity(self._identity)

    def append(self, records: Sequence[Outgoing], *, timeout_ms: int = 30_000) -> list[tuple[int, int]]:
        """Append in order; return (partition, offset) of each once the in-sync replicas have it.

        After an error the producer is given up with what it still held, so nothing is sent later behind the
        caller's back; what was already under way may still arrive.
        """
        check_sizes(records, MAX_RECORD_BYTES)
        if not records:
            return []
        deadline = time.monotonic() + timeout_ms / 1000
        with self._appending:
            if self._closed:
                raise ValueError(f"the log {self._cluster.name} was closed")
            try:
                return self._send(records, deadline)
            except (errors.KafkaError, OSError) as error:
                self._give_up_producer()
                if isinstance(error, (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError)):
                    raise self._too_large(records) from error
                if isinstance(error, errors.UnknownTopicOrPartitionError):
                    self._cluster.check_identity(self._identity)
                raise explain(error, self._cluster.name) from error

    def reader(self, *, group: str | None = None) -> KafkaReader:
        """Return a reader of all partitions, or of those that ``group`` gives it among its members."""
        return KafkaReader(self._cluster, self._identity, group)

    def start(self) -> Position:
        """Return the first offset still held, per partition."""
        return self._cluster.start(self.partitions())

    def end(self) -> Position:
        """Return the offset after the last record, per partition."""
        return self._cluster.end(self.partitions())

    def close(self) -> None:
        """Disconnect."""
        with self._appending:
            if not self._closed:
                self._closed = True
                self._give_up_producer()
                self._cluster.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close."""
        self.close()

    def _send(self, records: Sequence[Outgoing], deadline: float) -> list[tuple[int, int]]:
        self._cluster.check_identity_when_due(self._identity)
        if self._producer is None:
            self._producer = self._connect_producer()
        futures = [
            self._producer.send(self._cluster.topic, record.value, record.key, list(record.headers), record.partition)
            for record in records
        ]
        appended = []
        for future in futures:
            metadata = future.get(timeout=max(0.001, deadline - time.monotonic()))
            appended.append((metadata.partition, metadata.offset))
        if min(offset for _, offset in appended) < 0:
            raise LogUnavailableError(
                f"{self._cluster.name} took the records without saying where: append them again"
            )
        return appended

    def _connect_producer(self) -> kafka.KafkaProducer:
        return connect(
            kafka.KafkaProducer,
            **self._cluster.settings,
            acks="all",
            enable_idempotence=True,
            allow_auto_create_topics=False,
            delivery_timeout_ms=DELIVERY_TIMEOUT_MS,
            max_block_ms=self._cluster.settings["request_timeout_ms"],
            max_request_size=MAX_REQUEST_BYTES,
            batch_size=BATCH_BYTES,
            linger_ms=0,
            metrics_enabled=False,
        )

    def _give_up_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        producer._sender.force_close()  # ``close`` alone waits for what it cannot send, then leaves its thread behind
        with suppress(errors.KafkaError):  # each append has reported its own
            producer.close(timeout=CLOSE_TIMEOUT_S)

    def _too_large(self, records: Sequence[Outgoing]) -> RecordTooLargeError:
        largest = max(len(record.value) for record in records)
        return RecordTooLargeError(
            f"{self._cluster.name} refuses a record of this batch, whose largest value has {largest:,} bytes",
            remedy=f"raise the topic's max.message.bytes to {MAX_REQUEST_BYTES} (modeltrail topic check)",
        )
