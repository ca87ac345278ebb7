"""What only Kafka has: brokers that go away, topics that are made anew, groups, partitions, limits of its own."""

import threading
import time
from collections import Counter
from uuid import uuid4

import pytest
from modeltrail.errors import LogIdentityError, LogNotFoundError, LogUnavailableError, RecordTooLargeError
from modeltrail.log import Outgoing, Position, open_log, read
from modeltrail.log.appending import choose_partition

pytestmark = pytest.mark.service
WAIT_S = 120


def address(bootstrap, topic):
    return f"kafka://{bootstrap}/{topic}"


def poll_until(readers, enough):
    """Poll in turn, from 0 whatever waits for a position, until ``enough``; return the (partition, offset) seen."""
    seen = set()
    deadline = time.monotonic() + WAIT_S
    while not enough(seen):
        assert time.monotonic() < deadline
        for reader in readers:
            for partition in reader.unpositioned():
                reader.seek(partition, 0)
            for records in reader.poll(max_records=100, wait_ms=100).values():
                seen |= {(record.partition, record.offset) for record in records}
    return seen


def again_and_again(call):
    """Call until the log is available."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            return call()
        except LogUnavailableError:
            assert time.monotonic() < deadline


def again_until_it_fails(call):
    """Call on and on: it does not see at once that the broker stopped, or that the topic is another."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        call()


def threads():
    return {
        thread for thread in threading.enumerate() if "kafka" in thread.name or "kafka" in type(thread).__module__
    }


@pytest.fixture
def group():
    return f"group-{uuid4().hex}"


@pytest.fixture
def broken(breakable_kafka):
    """A broker of this test's own and the address of a topic on it. No thread may outlive what was closed."""
    from modeltrail.log.topic import create

    before = threads()
    create([breakable_kafka.bootstrap], "t", options={})
    yield breakable_kafka, address(breakable_kafka.bootstrap, "t")
    assert threads() <= before


@pytest.mark.fault
def test_an_open_log_and_reader_go_on_after_the_broker_restarted(broken):
    broker, where = broken
    with open_log(where) as log:
        reader = log.reader()
        reader.seek(0, 0)
        log.append([Outgoing(b"before")])
        assert [r.value for r in reader.poll(max_records=1, wait_ms=WAIT_S * 1000)[0]] == [b"before"]
        broker.restart()
        again_and_again(lambda: log.append([Outgoing(b"after")]))
        found = []
        while not found:
            found = again_and_again(lambda: reader.poll(max_records=1, wait_ms=1_000)).get(0, [])
        assert [(r.offset, r.value) for r in found] == [(1, b"after")]
        reader.close()


@pytest.mark.fault
def test_a_dead_broker_is_said_to_be_unavailable_by_its_address_and_comes_back(broken):
    broker, where = broken
    with open_log(where) as log:
        reader = log.reader()
        reader.seek(0, 0)
        log.append([Outgoing(b"before")])
        broker.kill()
        with pytest.raises(LogUnavailableError, match=broker.bootstrap):
            log.append([Outgoing(b"lost?")], timeout_ms=1_000)
        with pytest.raises(LogUnavailableError, match=broker.bootstrap):
            again_until_it_fails(lambda: reader.poll(max_records=10, wait_ms=100))
        with pytest.raises(LogUnavailableError, match=broker.bootstrap):
            log.end()
        broker.start()
        again_and_again(lambda: log.append([Outgoing(b"after")]))
        held = [r.value for r in read(log, Position(), again_and_again(log.end))]
        assert held[0] == b"before"
        assert held[-1] == b"after"
        reader.close()


@pytest.mark.fault
def test_a_broker_that_answers_nothing_costs_no_more_than_the_time_allowed(broken):
    broker, where = broken
    with open_log(where) as log:
        log.append([Outgoing(b"before")])
        broker.pause()
        with pytest.raises(LogUnavailableError, match=broker.bootstrap):
            again_until_it_fails(lambda: log.append([Outgoing(b"maybe")], timeout_ms=1_000))
        broker.resume()
        again_and_again(lambda: log.append([Outgoing(b"after")]))
        assert [r.value for r in read(log, Position(), log.end())][-1] == b"after"


def test_a_topic_made_anew_under_an_open_log_is_noticed(kafka_place):
    log = kafka_place.open()
    reader = log.reader()
    reader.seek(0, 0)
    log.append([Outgoing(b"old")])
    kafka_place.recreate()
    for call in (log.end, log.reader, lambda: [reader.poll(max_records=1, wait_ms=1_500) for _ in range(3)]):
        with pytest.raises(LogIdentityError, match="not the one that was opened"):
            call()
    reader.close()


def test_appending_to_a_topic_made_anew_is_noticed(kafka_place):
    log = kafka_place.open()
    log.append([Outgoing(b"old")])
    kafka_place.recreate()
    with pytest.raises(LogIdentityError):
        again_until_it_fails(lambda: log.append([Outgoing(b"for the old one")]))


def test_a_topic_that_was_deleted_is_noticed(kafka_place):
    log = kafka_place.open()
    with kafka_place._admin() as admin:
        admin.delete_topics([kafka_place.topic])
    with pytest.raises(LogIdentityError, match="was deleted"):
        log.end()


def test_brokers_that_cannot_be_reached_leave_nothing_behind(monkeypatch):
    monkeypatch.setattr("modeltrail.log.kafka_cluster.CONNECT_TIMEOUT_MS", 300)
    before = threads()
    with pytest.raises(LogUnavailableError, match=r"127\.0\.0\.1:1/t cannot be reached now: Connection refused\n"):
        open_log("kafka://127.0.0.1:1/t")
    assert threads() <= before


def test_a_topic_that_is_not_there_says_how_to_make_it(kafka_bootstrap):
    with pytest.raises(LogNotFoundError, match=r"no topic at kafka://.*nobody-made-this") as missing:
        open_log(address(kafka_bootstrap, "nobody-made-this"))
    assert "modeltrail topic create" in missing.value.remedy


def test_two_readers_in_a_group_share_the_partitions_and_one_takes_over(kafka_bootstrap, new_topic, group):
    with open_log(address(kafka_bootstrap, new_topic(partitions=2))) as log:
        one, two = log.reader(group=group), log.reader(group=group)
        poll_until([one, two], lambda _: len(one.assignment()) == len(two.assignment()) == 1)
        assert one.assignment() | two.assignment() == {0, 1}
        log.append([Outgoing(b"%d" % n, partition=n % 2) for n in range(20)])
        both = {(partition, offset) for partition in (0, 1) for offset in range(10)}
        assert poll_until([one, two], lambda seen: seen == both) == both
        two.close()
        assert two.assignment() == frozenset()
        assert poll_until([one], lambda seen: seen == both) == both
        assert one.assignment() == {0, 1}
        one.close()


@pytest.mark.parametrize("wait_ms", [1, 10, 100])
def test_a_member_of_a_group_gets_its_partitions_however_short_its_polls_are(
    kafka_bootstrap, new_topic, group, wait_ms
):
    with open_log(address(kafka_bootstrap, new_topic())) as log:
        reader = log.reader(group=group)
        deadline = time.monotonic() + WAIT_S
        while not reader.assignment():
            assert time.monotonic() < deadline
            reader.poll(max_records=10, wait_ms=wait_ms)
        reader.close()


def test_a_partition_that_was_assigned_anew_waits_for_its_owner(kafka_bootstrap, new_topic, group):
    with open_log(address(kafka_bootstrap, new_topic())) as log:
        log.append([Outgoing(b"a")])
        reader = log.reader(group=group)
        assert reader.assignment() == frozenset()
        while not reader.unpositioned():
            assert not reader.poll(max_records=10, wait_ms=WAIT_S * 1000)
        assert not reader.poll(max_records=10, wait_ms=500)
        reader.seek(0, 0)
        assert [r.value for r in reader.poll(max_records=10, wait_ms=WAIT_S * 1000)[0]] == [b"a"]
        reader.close()


def test_a_key_goes_to_the_partition_that_murmur2_says(kafka_bootstrap, new_topic):
    keys = [b"", b"a", b"ab", b"abc", b"abcd", bytes(range(256)), *(b"run-%d" % n for n in range(40))]
    with open_log(address(kafka_bootstrap, new_topic(partitions=3))) as log:
        assert log.partitions() == 3
        positions = log.append([Outgoing(b"v", key) for key in keys])
        assert [partition for partition, _ in positions] == [choose_partition(key, 3) for key in keys]


def test_a_bounded_read_covers_all_partitions_each_in_order(kafka_bootstrap, new_topic):
    with open_log(address(kafka_bootstrap, new_topic(partitions=3))) as log:
        log.append([Outgoing(b"%d" % n, partition=n % 3) for n in range(31)])
        records = list(read(log, Position((0, 4)), log.end()))
        assert Counter(r.partition for r in records) == {0: 11, 1: 6, 2: 10}
        for partition in range(3):
            offsets = [r.offset for r in records if r.partition == partition]
            assert offsets == sorted(offsets)


def test_the_marker_that_a_transaction_leaves_at_the_end_is_passed_and_not_waited_for(kafka_place, tmp_path):
    """It takes an offset and is no record: an end that no record reaches, by whoever else writes to the topic."""
    from kafka import KafkaProducer
    from modeltrail_server import audit
    from modeltrail_server.projection.engine import open_engine
    from modeltrail_server.projection.projector import catch_up
    from modeltrail_server.replay.sources import read_all

    with KafkaProducer(bootstrap_servers=list(kafka_place.bootstrap), transactional_id=uuid4().hex) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(kafka_place.topic, b"a record")
        producer.commit_transaction()
    log, engine = kafka_place.open(), open_engine(f"sqlite:///{tmp_path / 'model.db'}")
    deadline = time.monotonic() + WAIT_S
    while log.end() != Position((2,)):  # a commit returns once it is decided; its marker is written later
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert [record.offset for record in read(log, log.start(), log.end())] == [0]
    assert [r.offset for records in read_all(log, start=log.start(), end=log.end()) for r in records] == [0]
    for records in (1, 0):
        assert catch_up(log, engine).records == records
    engine.dispose()
    audit.init(tmp_path / "audit", "example.org/marker", log.identity)
    assert audit.follow(tmp_path / "audit", log, once=True)[0].size == 1


def test_a_record_that_the_topic_does_not_take_is_refused_once_and_for_all(kafka_bootstrap, new_topic):
    with open_log(address(kafka_bootstrap, new_topic(max_message_bytes="10000"))) as log:
        with pytest.raises(RecordTooLargeError, match="20,000") as refused:
            log.append([Outgoing(bytes(20_000))])
        assert "max.message.bytes" in refused.value.remedy
        log.append([Outgoing(b"small")])
        assert [r.value for r in read(log, log.start(), log.end())] == [b"small"]
