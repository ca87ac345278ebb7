"""What the doctor sees of the log: does it answer, may this user use it, is the topic fit, do the clocks agree.

Loads Kafka's client only for a log that is on Kafka. Writes nothing.
"""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

from modeltrail_schemas.counting import counted

from modeltrail.config import Config
from modeltrail.doctor.findings import Finding, Level, judge_rights, judge_skew
from modeltrail.errors import ConfigurationError, LogNotFoundError
from modeltrail.log.opening import KafkaAddress, open_log, parse_address
from modeltrail.log.protocol import Log

MAX_SKEW_S = 60.0
LAST_RECORDS = 50
LAST_RECORD_WAIT_MS = 2_000


def examine_log(config: Config) -> Iterator[Finding]:
    """Yield what was found. Raises what opening a log raises."""
    address = parse_address(config.log)
    try:
        log = open_log(config.log, options=config.log_options, create=False)
    except LogNotFoundError as error:
        if isinstance(address, Path):
            yield Finding(Level.OK, "log", f"there is no log at {address} yet: the first run makes it")
        else:
            yield Finding(Level.ERROR, "log", str(error), error.remedy or "modeltrail topic create")
        return
    with log:
        end = log.end()
        shape = f"{log.partitions()} partition(s), end {end.format()}"
        yield Finding(Level.OK, "log", f"{log.identity.name} answers, {shape}")
        may_read = True
        if isinstance(address, KafkaAddress):
            for finding in _examine_topic(address, config):
                may_read = may_read and not (finding.about == "permissions" and "not read" in finding.what)
                yield finding
        if may_read:
            yield from _clock_against(log)


def _clock_against(log: Log) -> Iterator[Finding]:
    """Compare with when the log took its last records, those of this machine above all.

    An event is taken after it happened: one that was taken earlier tells of a clock. How long it waited tells
    nothing, for it may have waited in a spool.
    """
    from modeltrail_schemas.codec import decode
    from modeltrail_schemas.errors import InvalidEventError, UnknownSchemaError

    start, end, here = log.start(), log.end(), socket.gethostname()
    ahead_s = []
    reader = log.reader()
    try:
        left = 0
        for partition, offset in enumerate(end.offsets):
            first = max(start[partition], offset - LAST_RECORDS)
            reader.seek(partition, first)
            left += offset - first
        deadline = time.monotonic() + LAST_RECORD_WAIT_MS / 1000
        while left > 0 and time.monotonic() < deadline:
            polled = reader.poll(max_records=LAST_RECORDS, wait_ms=LAST_RECORD_WAIT_MS)
            left = left - sum(map(len, polled.values())) if polled else 0
            now_s = time.time()
            for records in polled.values():
                ahead_s += [min(0.0, now_s - record.timestamp_ms / 1000) for record in records]
                for record in records:
                    try:
                        event = decode(record.value)
                    except (InvalidEventError, UnknownSchemaError):
                        continue
                    if event.emitter.host == here:
                        ahead_s.append(max(0.0, event.event_time_ns / 1e9 - record.timestamp_ms / 1000))
    finally:
        reader.close()
    if ahead_s:
        yield judge_skew(max(ahead_s, key=abs), "the log's", MAX_SKEW_S)


def _examine_topic(address: KafkaAddress, config: Config) -> Iterator[Finding]:
    from modeltrail.log.kafka_cluster import Cluster
    from modeltrail.log.topic import check

    cluster = Cluster(address.bootstrap, address.topic, config.log_options)
    try:
        described = cluster.describe()
    finally:
        cluster.close()
    yield judge_rights(described.get("authorized_operations"), address.topic)
    for partition in described["partitions"]:
        number, in_sync = partition["partition_index"], len(partition["isr_nodes"])
        if partition["leader_id"] < 0:
            yield Finding(
                Level.ERROR, "topic", f"partition {number} has no leader: nothing is taken", "start its brokers"
            )
        elif in_sync < len(partition["replica_nodes"]):
            replicas = len(partition["replica_nodes"])
            lacking = f"partition {number} has {counted(replicas, 'replica')}, {in_sync} in sync"
            yield Finding(Level.WARNING, "topic", lacking, "look at the brokers that lag or are down")
    try:
        problems = check(address.bootstrap, address.topic, options=config.log_options)
    except ConfigurationError:
        yield Finding(
            Level.OK, "topic", "this user may not read its settings: modeltrail topic check by one who may tells more"
        )
        return
    for problem in problems:
        yield Finding(Level(problem.severity), "topic", problem.what, problem.remedy)
    if not problems:
        yield Finding(Level.OK, "topic", f"{address.topic} is fit to be a log")
