"""One topic as its cluster describes it: its id, its partitions, its bounds; and Kafka's errors in our words."""

import errno
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import kafka
from kafka import errors
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.protocol.consumer import IsolationLevel

from modeltrail.errors import (
    ConfigurationError,
    LogIdentityError,
    LogNotFoundError,
    LogUnavailableError,
    ModeltrailError,
)
from modeltrail.log.kafka_connections import connect
from modeltrail.log.kafka_options import CONNECT_TIMEOUT_MS, client_settings
from modeltrail.log.kafka_tls import tls_fault
from modeltrail.log.protocol import LogIdentity, Position

REQUEST_TIMEOUT_MS = 10_000
RECONNECT_MAX_MS = 1_000
IDENTITY_CHECK_MS = 1_000
CLIENT_ID = "modeltrail"


class Cluster:
    """A connection to the brokers of one topic. Safe for many threads."""

    def __init__(self, bootstrap: Sequence[str], topic: str, options: Mapping[str, str]) -> None:
        """Connect. Raises LogUnavailableError when no broker answers within CONNECT_TIMEOUT_MS."""
        self.topic = topic
        self._checked_at = 0.0
        self.name = f"kafka://{','.join(bootstrap)}/{topic}"
        self.settings: dict[str, Any] = {
            "bootstrap_servers": list(bootstrap),
            "client_id": CLIENT_ID,
            "bootstrap_timeout_ms": CONNECT_TIMEOUT_MS,
            "request_timeout_ms": REQUEST_TIMEOUT_MS,
            "reconnect_backoff_max_ms": RECONNECT_MAX_MS,
            **client_settings(options),
        }
        with self.explained():
            self.admin = connect(KafkaAdminClient, **self.settings)

    def describe(self) -> dict[str, Any]:
        """Return the broker's description of the topic. Raises LogNotFoundError when there is none."""
        with self.explained():
            (description,) = self.admin.describe_topics([self.topic])
            error = errors.for_code(description["error_code"])
            if error is not errors.NoError:
                raise error()
        return dict(description)

    def identity(self) -> LogIdentity:
        """Return which topic this is now: the UUID that its cluster gave it (KIP-516)."""
        return self.identity_and_partitions()[0]

    def identity_and_partitions(self) -> tuple[LogIdentity, int]:
        """Return which topic this is and how many partitions it has."""
        description = self.describe()
        topic_id = UUID(str(description["topic_id"])) if description.get("topic_id") else None
        if topic_id is None or not topic_id.int:
            raise ConfigurationError(
                f"the brokers of {self.name} give topics no ids, so a recreated topic could not be noticed",
                remedy="use Apache Kafka 2.8 or newer",
            )
        return LogIdentity(topic_id.hex, self.name), len(description["partitions"])

    def check_identity(self, expected: LogIdentity) -> int:
        """Return the number of partitions. Raises LogIdentityError when the topic is gone or is another one now."""
        try:
            identity, partitions = self.identity_and_partitions()
        except LogNotFoundError as error:
            raise _another_topic(self.name, "was deleted") from error
        if identity.topic_id != expected.topic_id:
            raise _another_topic(self.name, "was deleted and made anew")
        self._checked_at = time.monotonic()
        return partitions

    def check_identity_when_due(self, expected: LogIdentity) -> None:
        """Check the identity, unless that was done less than IDENTITY_CHECK_MS ago.

        Kafka's clients address a topic by its name: this is how long one that was made anew may go unnoticed.
        """
        if time.monotonic() - self._checked_at >= IDENTITY_CHECK_MS / 1000:
            self.check_identity(expected)

    def start(self, partitions: int) -> Position:
        """Return the first offset still held, per partition."""
        return self._offsets(partitions, OffsetSpec.EARLIEST)

    def end(self, partitions: int) -> Position:
        """Return the offset after the last committed record, per partition."""
        return self._offsets(partitions, OffsetSpec.LATEST)

    def _offsets(self, partitions: int, which: OffsetSpec) -> Position:
        wanted = {kafka.TopicPartition(self.topic, partition): which for partition in range(partitions)}
        with self.explained():
            found = self.admin.list_partition_offsets(
                wanted, isolation_level=IsolationLevel.READ_COMMITTED, timeout_ms=REQUEST_TIMEOUT_MS
            )
        return Position(tuple(found[partition].offset for partition in wanted))

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Raise what Kafka raises inside as the error of ours that says what to do about it."""
        try:
            yield
        except (errors.KafkaError, OSError) as error:
            raise explain(error, self.name) from error

    def close(self) -> None:
        """Disconnect."""
        self.admin.close()


def explain(error: Exception, name: str) -> ModeltrailError:
    """Return the error to raise for what kafka-python reported about the topic at the address ``name``."""
    what = _reason(error)
    if isinstance(error, errors.UnknownTopicOrPartitionError):
        return LogNotFoundError(f"there is no topic at {name}", remedy="make it: modeltrail topic create")
    if (fault := tls_fault(error)) is not None:
        return ConfigurationError(
            f"no trust between here and the brokers of {name}: {fault}",
            remedy="set ca_file to the certificate of who signed the brokers' ones, reach them by a name that is in "
            "them, and set cert_file where they want one",
        )
    if isinstance(error, (errors.AuthorizationError, errors.SaslAuthenticationFailedError)):
        return ConfigurationError(
            f"the brokers of {name} refuse this user: {what}",
            remedy="check username, password_file or token_file, sasl_mechanism, and the user's rights on the topic",
        )
    if isinstance(error, (errors.KafkaConfigurationError, errors.UnsupportedSaslMechanismError)):
        return ConfigurationError(f"{name} cannot be used: {what}", remedy="check the log's options")
    return LogUnavailableError(
        f"{name} cannot be reached now: {what}",
        remedy="look whether its brokers are up, reachable from here, and want TLS or a user (modeltrail doctor)",
    )


def _reason(error: Exception) -> str:
    """Return what kafka-python says happened, in words where it says a number or what it was about to do."""
    if isinstance(error, errors.NodeNotReadyError):
        return "no broker answers"
    what = str(error).rpartition("Error: ")[2] or type(error).__name__
    number, _, name = what.partition(" ")
    return os.strerror(int(number)) if number.isdecimal() and name in errno.errorcode.values() else what


def _another_topic(name: str, happened: str) -> LogIdentityError:
    return LogIdentityError(
        f"the topic at {name} is not the one that was opened: it {happened}",
        remedy="follow it as a new log: build what was derived from the old one anew (rebuild), or restore the old "
        "topic's records (replay --from audit:DIR --to-topic)",
    )
