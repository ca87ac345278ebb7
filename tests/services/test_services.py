"""The services are real, and each test gets a clean place in them."""

import psycopg
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from services.fixtures import DatabaseFactory, TopicFactory, make_topic, told_by_server
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

CREATE_TIME_LONG_AGO_MS = 1
READ_TIMEOUT_MS = 30_000


def produce(bootstrap: str, topic: str, value: bytes, timestamp_ms: int | None = None) -> None:
    with KafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        producer.send(topic, value, timestamp_ms=timestamp_ms).get(READ_TIMEOUT_MS / 1000)


def consume_one(bootstrap: str, topic: str):
    with KafkaConsumer(bootstrap_servers=bootstrap, consumer_timeout_ms=READ_TIMEOUT_MS) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        return next(iter(consumer))


@pytest.mark.service
def test_a_record_goes_through_the_broker_and_gets_the_brokers_time(kafka_bootstrap: str, new_topic: TopicFactory):
    topic = new_topic(message_timestamp_type="LogAppendTime")
    produce(kafka_bootstrap, topic, b"an event", CREATE_TIME_LONG_AGO_MS)
    record = consume_one(kafka_bootstrap, topic)
    assert (record.offset, record.value) == (0, b"an event")
    assert record.timestamp > CREATE_TIME_LONG_AGO_MS


@pytest.mark.service
def test_topics_have_the_partitions_asked_for_and_names_of_their_own(kafka_bootstrap: str, new_topic: TopicFactory):
    first, second = new_topic(), new_topic(partitions=3)
    assert first != second
    with KafkaConsumer(bootstrap_servers=kafka_bootstrap) as consumer:
        assert consumer.partitions_for_topic(second) == {0, 1, 2}


@pytest.mark.service
@pytest.mark.parametrize("kind", ["new_database", "new_schema"])
def test_each_database_and_each_schema_is_empty_and_alone(request: pytest.FixtureRequest, kind: str):
    new: DatabaseFactory = request.getfixturevalue(kind)
    engines = [create_engine(new()) for _ in range(2)]
    try:
        for engine in engines:
            with engine.begin() as connection:
                assert connection.execute(text("SELECT 1")).scalar_one() == 1
                connection.execute(text("CREATE TABLE only_here (id bigint)"))
                assert connection.execute(text("SHOW server_encoding")).scalar_one() == "UTF8"
    finally:
        for engine in engines:
            engine.dispose()


@pytest.mark.service
def test_the_shared_server_keeps_pages_in_as_much_memory_as_it_was_given(postgres_url: str, shared_buffers: str):
    assert told_by_server(postgres_url, "shared_buffers") == shared_buffers


@pytest.mark.fault
@pytest.mark.service
def test_what_the_broker_acknowledged_survives_its_death(breakable_kafka):
    topic = make_topic(breakable_kafka.bootstrap)
    produce(breakable_kafka.bootstrap, topic, b"acknowledged")
    address = breakable_kafka.bootstrap
    breakable_kafka.kill()
    breakable_kafka.start()
    assert breakable_kafka.bootstrap == address
    assert consume_one(address, topic).value == b"acknowledged"


@pytest.mark.fault
@pytest.mark.service
def test_what_was_committed_survives_the_servers_death(breakable_postgres):
    address = make_url(breakable_postgres.url).set(drivername="postgresql").render_as_string()
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    with psycopg.connect(address) as connection:
        breakable_postgres.kill()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    breakable_postgres.start()
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


@pytest.mark.fault
@pytest.mark.service
def test_a_paused_server_answers_when_it_goes_on(breakable_postgres):
    address = make_url(breakable_postgres.url).set(drivername="postgresql").render_as_string()
    breakable_postgres.pause()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(address, connect_timeout=2)
    breakable_postgres.resume()
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
