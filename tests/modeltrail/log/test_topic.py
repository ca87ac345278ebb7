"""What makes a topic fit to be a log."""

import pytest
from modeltrail.errors import ConfigurationError, LogNotFoundError


def judged(replication=3, **changed):
    from modeltrail.log.topic import judge, topic_settings

    settings = topic_settings(replication) | {name.replace("_", "."): value for name, value in changed.items()}
    return [(finding.severity, finding.what.split(" ")[0]) for finding in judge(settings, replication=replication)]


@pytest.mark.parametrize("replication", [2, 3, 5])
def test_a_topic_as_we_make_it_is_fit(replication):
    assert judged(replication) == []


def test_one_replica_is_warned_of():
    assert judged(replication=1) == [("warning", "the")]


@pytest.mark.parametrize(
    ("setting", "value", "severity"),
    [
        ("cleanup.policy", "compact", "error"),
        ("cleanup.policy", "compact,delete", "error"),
        ("message.timestamp.type", "CreateTime", "error"),
        ("unclean.leader.election.enable", "true", "error"),
        ("min.insync.replicas", "1", "error"),
        ("retention.ms", "604800000", "warning"),
        ("retention.bytes", "1000000", "warning"),
        ("max.message.bytes", "1048588", "warning"),
    ],
)
def test_each_setting_that_can_hurt_is_found(setting, value, severity):
    assert judged(**{setting.replace(".", "_"): value}) == [(severity, setting)]


def test_the_worst_comes_first_and_each_has_a_remedy():
    from modeltrail.log.topic import judge

    findings = judge({}, replication=3)
    severities = [finding.severity for finding in findings]
    assert severities == sorted(severities)
    assert "error" in severities
    assert all(finding.remedy for finding in findings)


@pytest.mark.service
def test_a_topic_made_by_us_passes_our_check_on_a_real_broker(kafka_place):
    from modeltrail.log.topic import check

    findings = check(kafka_place.bootstrap, kafka_place.topic, options={})
    assert [finding.what.split(":")[0] for finding in findings] == ["the topic has one replica"]
    assert kafka_place.open().identity.name.endswith(kafka_place.topic)


@pytest.mark.service
def test_a_topic_with_kafkas_defaults_does_not(kafka_bootstrap, new_topic):
    from modeltrail.log.topic import check

    topic = new_topic(message_timestamp_type="CreateTime", retention_ms="604800000")
    findings = check([kafka_bootstrap], topic, options={})
    assert {finding.what.split(" ")[0] for finding in findings} >= {"message.timestamp.type", "retention.ms"}


@pytest.mark.service
def test_making_a_topic_twice_or_with_too_many_replicas_is_refused(kafka_place):
    from modeltrail.log.topic import create

    with pytest.raises(ConfigurationError, match="already"):
        create(kafka_place.bootstrap, kafka_place.topic, options={})
    with pytest.raises(ConfigurationError, match="replication 3"):
        create(kafka_place.bootstrap, kafka_place.topic + "-2", replication=3, options={})
    with pytest.raises(ConfigurationError, match="0 partitions"):
        create(kafka_place.bootstrap, kafka_place.topic + "-2", partitions=0, options={})


@pytest.mark.service
def test_checking_a_topic_that_is_not_there_says_so(kafka_bootstrap):
    from modeltrail.log.topic import check

    with pytest.raises(LogNotFoundError):
        check([kafka_bootstrap], "nobody-made-this", options={})
