"""The doctor at real services that refuse, are dead, or are set up wrongly: each is named, with what to do."""

import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from kafka import KafkaAdminClient
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType
from modeltrail.config import Config, load
from modeltrail.doctor import Finding, Level, examine
from modeltrail.emitter import Emitter
from modeltrail.log.kafka_cluster import Cluster
from modeltrail.log.opening import open_log
from modeltrail.log.protocol import Outgoing
from modeltrail.log.topic import create
from modeltrail_schemas.codec import decode, encode
from modeltrail_server import audit
from modeltrail_server.serving.doctor import EXAMINERS
from services.fixtures import DatabaseFactory, TopicFactory, make_topic
from services.local_kafka import LocalKafka
from services.local_postgres import LocalPostgres
from services.secure_kafka import PASSWORD, GuardedKafka
from services.server_process import free_ports

pytestmark = pytest.mark.service

COMMAND_TIMEOUT_S = 120
As = Callable[[str], Config]


def of(about: str, findings: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.about == about]


def problems(findings: Sequence[Finding]) -> list[Finding]:
    found = [finding for finding in findings if finding.level is not Level.OK]
    assert all(finding.remedy for finding in found), found
    return found


@pytest.fixture
def configured(tmp_path: Path) -> Callable[[str], Config]:
    """Return ``configured(log) -> Config`` of an empty home."""

    def make(log: str, **more: str) -> Config:
        settings = {"HOME": str(tmp_path / "home"), "LOG": log} | more
        return load({f"MODELTRAIL_{name}": value for name, value in settings.items()}, tmp_path)

    return make


@pytest.fixture
def as_user(guarded_kafka: GuardedKafka, configured: Callable[..., Config]) -> As:
    """Return ``as_user(name) -> Config``: a topic that exists, at which each user has the rights of the name."""
    topic = f"test-{uuid.uuid4().hex}"
    create([guarded_kafka.bootstrap], topic, options={})
    grants = {
        "trainer": [(ResourceType.TOPIC, topic, ("WRITE", "DESCRIBE"))],
        "reader": [(ResourceType.TOPIC, topic, ("READ", "DESCRIBE"))],
        "projector": [
            (ResourceType.TOPIC, topic, ("READ", "DESCRIBE", "DESCRIBE_CONFIGS")),
            (ResourceType.GROUP, "modeltrail-projector", ("READ",)),
        ],
        "describer": [(ResourceType.TOPIC, topic, ("DESCRIBE",))],
        "operator": [(ResourceType.TOPIC, topic, ("ALL",)), (ResourceType.GROUP, "modeltrail-projector", ("ALL",))],
    }
    with KafkaAdminClient(bootstrap_servers=guarded_kafka.bootstrap) as admin:
        admin.create_acls(
            [
                ACL(f"User:{user}", "*", ACLOperation[word], ACLPermissionType.ALLOW, ResourcePattern(kind, name))
                for user, granted in grants.items()
                for kind, name, operations in granted
                for word in operations
            ]
        )

    def make(user: str) -> Config:
        options = {f"LOG_{name.upper()}": value for name, value in guarded_kafka.options_of(user).items()}
        return configured(f"kafka://{guarded_kafka.secure_bootstrap}/{topic}", **options)

    return make


@pytest.mark.parametrize(
    ("user", "level", "says"),
    [
        ("trainer", Level.OK, "may write .*; not read"),
        ("operator", Level.OK, "may write .* and read"),
        ("reader", Level.WARNING, "may read .*, not write it"),
        ("projector", Level.WARNING, "may read .*, not write it"),
        ("describer", Level.ERROR, "may neither write nor read"),
    ],
)
def test_what_a_user_may_do_is_told_with_what_is_lacking(as_user: As, user: str, level: Level, says: str) -> None:
    findings = examine(as_user(user))
    (rights,) = of("permissions", findings)
    assert rights.level is level
    assert re.search(says, rights.what), rights
    assert [each.what for each in of("topic", findings) if each.level is Level.ERROR] == []
    problems(findings)
    assert PASSWORD not in repr(findings)


def test_a_user_who_may_not_even_describe_the_topic_is_told_so(as_user: As) -> None:
    (finding,) = problems(examine(as_user("nobody")))
    assert (finding.level, finding.about) == (Level.ERROR, "log")
    assert "there is no topic" in finding.what or "refuse this user" in finding.what
    assert "rights on the topic" in finding.remedy or "DESCRIBE" in finding.remedy


@pytest.mark.parametrize(("user", "level"), [("projector", Level.OK), ("reader", Level.WARNING)])
def test_who_may_not_read_as_the_projectors_group_cannot_be_one(as_user: As, user: str, level: Level) -> None:
    found = [each for each in of("permissions", examine(as_user(user), EXAMINERS)) if "group" in each.what]
    assert [each.level for each in found] == [level]
    assert level is Level.OK or "--group modeltrail-projector" in found[0].remedy


def test_a_user_with_few_rights_still_records_as_the_doctor_says(as_user: As) -> None:
    config = as_user("trainer")
    emitter = Emitter(config)
    emitter.emit({"kind": "run", "type": "COMPLETE", "run_id": "r1", "job": "a/b"})
    assert emitter.flush(60_000)
    emitter.close()


def test_a_topic_that_may_lose_history_is_named_setting_by_setting(
    kafka_bootstrap: str, configured: Callable[..., Config]
) -> None:
    topic = make_topic(
        kafka_bootstrap,
        cleanup_policy="compact",
        retention_ms="1000",
        max_message_bytes="1000",
        message_timestamp_type="CreateTime",
    )
    found = problems(of("topic", examine(configured(f"kafka://{kafka_bootstrap}/{topic}"))))
    for setting in ("cleanup.policy", "retention.ms", "max.message.bytes", "message.timestamp.type", "one replica"):
        assert any(setting in finding.what for finding in found), setting


@pytest.mark.fault
def test_dead_services_are_named_with_what_to_do(configured: Callable[..., Config]) -> None:
    kafka_port, postgres_port = free_ports(2)
    database = f"postgresql://ana:hunter2@127.0.0.1:{postgres_port}/x"
    config = configured(f"kafka://127.0.0.1:{kafka_port}/t", DATABASE=database)
    findings = examine(config, EXAMINERS)
    assert {finding.about for finding in problems(findings)} == {"log", "database", "groups"}
    assert "hunter2" not in repr(findings)


@pytest.mark.fault
def test_a_broker_that_stands_still_does_not_hold_the_doctor_up(
    breakable_kafka: LocalKafka, configured: Callable[..., Config]
) -> None:
    topic = make_topic(breakable_kafka.bootstrap)
    breakable_kafka.pause()
    findings = examine(configured(f"kafka://{breakable_kafka.bootstrap}/{topic}"))
    breakable_kafka.resume()
    assert [finding.about for finding in problems(findings)] == ["log"]


def test_a_missing_topic_is_named(kafka_bootstrap: str, configured: Callable[..., Config]) -> None:
    (finding,) = problems(examine(configured(f"kafka://{kafka_bootstrap}/absent")))
    assert "there is no topic" in finding.what
    assert "modeltrail topic create" in finding.remedy


@pytest.mark.parametrize(("hours", "says"), [(2, "ahead of"), (-2, "behind")])
def test_a_clock_that_differs_from_the_brokers_is_told(
    kafka_bootstrap: str,
    new_topic: TopicFactory,
    configured: Callable[..., Config],
    monkeypatch: pytest.MonkeyPatch,
    hours: int,
    says: str,
) -> None:
    config = configured(f"kafka://{kafka_bootstrap}/{new_topic(message_timestamp_type='LogAppendTime')}")
    emitter = Emitter(config)
    emitter.emit({"kind": "run", "type": "COMPLETE", "run_id": "r1", "job": "a/b"})
    assert emitter.flush(60_000)
    emitter.close()
    assert not [finding for finding in problems(examine(config)) if finding.about == "clock"]
    with open_log(config.log) as log:
        reader = log.reader()
        reader.seek(0, 0)
        (record,) = reader.poll(max_records=1, wait_ms=60_000)[0]
        reader.close()
        if hours > 0:
            event = decode(record.value)
            moved = replace(event, event_time_ns=event.event_time_ns + hours * 3_600 * 10**9)
            log.append([Outgoing(encode(moved))])
    if hours < 0:
        now = time.time
        monkeypatch.setattr("modeltrail.doctor.log.time.time", lambda: now() + hours * 3_600)
    (finding,) = [finding for finding in problems(examine(config)) if finding.about == "clock"]
    assert f"{says} the log's" in finding.what


def test_a_clock_that_differs_from_the_databases_is_told(
    new_database: DatabaseFactory, configured: Callable[..., Config], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = configured(str(tmp_path / "log.db"), DATABASE=new_database())
    assert problems(examine(config, EXAMINERS)) == []
    now = time.time
    monkeypatch.setattr("modeltrail_server.serving.doctor.time.time", lambda: now() + 90)
    (finding,) = problems(examine(config, EXAMINERS))
    assert re.search(r"about (8|9)\d s ahead of the database's", finding.what)


def test_a_role_that_only_reads_is_told_and_a_wrong_password_names_no_password(
    breakable_postgres: LocalPostgres, configured: Callable[..., Config], tmp_path: Path
) -> None:
    with psycopg.connect(breakable_postgres.url.replace("+psycopg", "")) as connection:
        connection.execute(b"CREATE ROLE reader LOGIN; ALTER ROLE reader SET default_transaction_read_only = on")
    reader = breakable_postgres.url.replace("postgres@", "reader@")
    found = of("database", examine(configured(str(tmp_path / "log.db"), DATABASE=reader), EXAMINERS))
    assert any("answers as reader, which may only read" in finding.what for finding in found)


def test_the_audit_folders_key_that_others_can_read_is_told(
    kafka_bootstrap: str, new_topic: TopicFactory, configured: Callable[..., Config]
) -> None:
    config = configured(f"kafka://{kafka_bootstrap}/{new_topic()}")
    audit.init(config.audit, "example.org/doctor")
    (config.audit / "key").chmod(0o644)
    found = [finding for finding in problems(examine(config, EXAMINERS)) if finding.about == "audit"]
    assert len(found) == 1
    assert "chmod 600" in found[0].remedy


def test_the_command_tells_all_of_it_and_exits_with_1(guarded_kafka: GuardedKafka, as_user: As) -> None:
    config = as_user("describer")
    environ = {f"MODELTRAIL_LOG_{name.upper()}": str(value) for name, value in config.log_options.items()}
    done = subprocess.run(
        [sys.executable, "-m", "modeltrail.command", "doctor"],
        env=os.environ | environ | {"MODELTRAIL_HOME": str(config.home), "MODELTRAIL_LOG": config.log},
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "may neither write nor read" in done.stdout
    assert "kafka-acls.sh" in done.stdout
    assert PASSWORD not in done.stdout + done.stderr


def test_the_rights_come_from_the_broker_and_not_from_trying(as_user: As, guarded_kafka: GuardedKafka) -> None:
    config = as_user("operator")
    examine(config, EXAMINERS)
    topic = config.log.rpartition("/")[2]
    cluster = Cluster([guarded_kafka.bootstrap], topic, {})
    assert cluster.end(1).offsets == ()
    cluster.close()
