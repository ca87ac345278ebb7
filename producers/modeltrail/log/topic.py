"""Making a topic that is fit to be a log, and saying what is wrong with one that is there.

What it must be like: nothing in it is ever deleted, rewritten or lost, and its brokers, not its writers, say when a
record was taken. ``judge`` decides that and is pure; ``create`` and ``check`` ask the brokers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kafka import errors
from kafka.admin import ConfigResource, ConfigResourceType

from modeltrail.errors import ConfigurationError, LogExistsError
from modeltrail.log.kafka import MAX_REQUEST_BYTES
from modeltrail.log.kafka_cluster import Cluster
from modeltrail.log.protocol import LogIdentity

USUAL_REPLICATION = 3
CREATE_TIMEOUT_MS = 30_000


Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a topic. An ``error`` can lose or falsify history, a ``warning`` may hurt."""

    severity: Severity
    what: str
    remedy: str


def topic_settings(replication: int) -> dict[str, str]:
    """Return the settings of a topic that is fit to be a log, by their names in Kafka."""
    return {
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime",
        "unclean.leader.election.enable": "false",
        "min.insync.replicas": str(min(2, replication)),
        "retention.ms": "-1",
        "retention.bytes": "-1",
        "max.message.bytes": str(MAX_REQUEST_BYTES),
    }


def create(
    bootstrap: Sequence[str],
    topic: str,
    *,
    partitions: int = 1,
    replication: int | None = None,
    options: Mapping[str, str],
) -> LogIdentity:
    """Make the topic and return its identity; ``replication`` None means 3, or the number of brokers when fewer.

    Raises LogExistsError when there is one of that name, ConfigurationError when the brokers refuse these numbers.
    """
    cluster = Cluster(bootstrap, topic, options)
    try:
        with cluster.explained():
            if replication is None:
                replication = min(USUAL_REPLICATION, len(cluster.admin.describe_cluster()["brokers"]))
            wanted = {
                "num_partitions": partitions,
                "replication_factor": replication,
                "configs": topic_settings(replication),
            }
            try:
                cluster.admin.create_topics({topic: wanted}, timeout_ms=CREATE_TIMEOUT_MS, wait_for_metadata=True)
            except errors.TopicAlreadyExistsError as error:
                raise LogExistsError(
                    f"there is a topic at {cluster.name} already", remedy="look at it: modeltrail topic check"
                ) from error
            except (errors.InvalidPartitionsError, errors.InvalidReplicationFactorError) as error:
                raise ConfigurationError(
                    f"the brokers do not make a topic of {partitions} partitions and replication {replication}",
                    remedy="a topic has at least one partition and at most as many replicas as there are brokers",
                ) from error
        return cluster.identity()
    finally:
        cluster.close()


def check(bootstrap: Sequence[str], topic: str, *, options: Mapping[str, str]) -> list[Finding]:
    """Return what is wrong with the topic, the worst first; empty when it is fit.

    Raises LogNotFoundError; ConfigurationError where this user may not see the settings.
    """
    cluster = Cluster(bootstrap, topic, options)
    try:
        replicas = [len(partition["replica_nodes"]) for partition in cluster.describe()["partitions"]]
        with cluster.explained():
            described = cluster.admin.describe_configs(
                [ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all"
            )
        settings = {name: setting["value"] for name, setting in described["topic"][topic].items()}
    finally:
        cluster.close()
    if not settings:
        raise ConfigurationError(
            f"the brokers do not tell this user the settings of {topic}",
            remedy=f"grant DESCRIBE_CONFIGS on it (kafka-acls.sh --add --topic {topic} --operation DescribeConfigs)",
        )
    return judge(settings, replication=min(replicas))


def judge(settings: Mapping[str, str], *, replication: int) -> list[Finding]:
    """Return what is wrong with a topic of these settings and so many replicas of its least replicated partition."""
    found = []
    for name, (severity, is_fit, why) in _RULES.items():
        value = settings.get(name, "")
        if not is_fit(value):
            found.append(Finding(severity, f"{name} is {value or 'unknown'}: {why}", _set(name, replication)))
    if replication < 2:
        found.append(
            Finding(
                "warning",
                "the topic has one replica: when that disk is lost, so is the history",
                "give it three, in a cluster that has them (kafka-reassign-partitions.sh)",
            )
        )
    elif not _at_least(2)(settings.get("min.insync.replicas", "")):
        found.append(
            Finding(
                "error",
                f"min.insync.replicas is {settings.get('min.insync.replicas')}: an acknowledged record may be lost",
                _set("min.insync.replicas", replication),
            )
        )
    return sorted(found, key=lambda finding: finding.severity)


def _set(name: str, replication: int) -> str:
    return f"set {name}={topic_settings(replication)[name]} (kafka-configs.sh --alter --entity-type topics)"


def _is(wanted: str) -> Callable[[str], bool]:
    return lambda value: value == wanted


def _at_least(bound: int) -> Callable[[str], bool]:
    return lambda value: value.isdecimal() and int(value) >= bound


_FINITE = "older records are deleted; keep that behind the position that the audit log has reached"
_RULES: dict[str, tuple[Severity, Callable[[str], bool], str]] = {
    "cleanup.policy": ("error", _is("delete"), "compaction removes records of the history"),
    "unclean.leader.election.enable": ("error", _is("false"), "an election may drop acknowledged records"),
    "message.timestamp.type": (
        "error",
        _is("LogAppendTime"),
        "writers, not the brokers, say when a record was taken",
    ),
    "retention.ms": ("warning", _is("-1"), _FINITE),
    "retention.bytes": ("warning", _is("-1"), _FINITE),
    "max.message.bytes": ("warning", _at_least(MAX_REQUEST_BYTES), "the largest events will be refused"),
}
