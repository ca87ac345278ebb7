"""Promise 1, the broker: it is dead, dies in the midst, has no such topic, or refuses us.

Training goes on, nothing is lost or doubled, order holds, and the user is told once that it is away, once that it is
back.
"""

import re
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from modeltrail.config import Config
from modeltrail.emitter import Emitter
from modeltrail.log.opening import open_log
from modeltrail.log.reading import read
from modeltrail.log.topic import create
from modeltrail_schemas.codec import decode
from modeltrail_schemas.event import LineageEvent
from services.local_kafka import LocalKafka
from services.secure_kafka import GuardedKafka

pytestmark = [pytest.mark.service, pytest.mark.fault]

FLUSH_MS = 120_000
SHORT_MS = 3_000
AWAY, BACK = "cannot be reached", "is back"
Told = Callable[[str], list[str]]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    """Return ``told(words) -> messages``: what the user was told with these words in it."""

    def messages(words: str) -> list[str]:
        told = [record.getMessage() for record in caplog.records if record.name == "modeltrail"]
        return [message for message in told if words in message]

    return messages


@pytest.fixture
def emitting(tmp_path: Path) -> Iterator[Callable[..., Emitter]]:
    """Return ``emitting(log, **options) -> Emitter`` with a home of this test's own; all are closed."""
    emitters: list[Emitter] = []

    def make(log: str, **options: str) -> Emitter:
        emitters.append(Emitter(Config(tmp_path / "home", log, "", tmp_path / "audit", log_options=options)))
        return emitters[-1]

    yield make
    for emitter in emitters:
        emitter.close(0)


def emit_steps(emitter: Emitter, first: int, last: int) -> None:
    for step in range(first, last):
        metric = {"name": "auc", "value": step / 7, "step": step}
        emitter.emit({"kind": "run", "type": "RUNNING", "run_id": "r1", "metrics": [metric]})


def logged(config_log: str) -> list[LineageEvent]:
    """Return every event in log order, a resent one once, after a check that it was resent with the same bytes."""
    found: dict[bytes, bytes] = {}
    with open_log(config_log) as log:
        for record in read(log, log.start(), log.end()):
            event_id = decode(record.value).event_id
            assert found.setdefault(event_id, record.value) == record.value
    return [decode(value) for value in found.values()]


def steps(events: list[LineageEvent]) -> list[int]:
    return [metric.step for event in events for metric in event.metrics]


def test_a_broker_that_dies_in_the_midst_and_comes_back_costs_nothing(
    breakable_kafka: LocalKafka, emitting: Callable[..., Emitter], told: Told
) -> None:
    create([breakable_kafka.bootstrap], "t", options={})
    emitter = emitting(address := f"kafka://{breakable_kafka.bootstrap}/t")
    emit_steps(emitter, 0, 1_000)
    assert emitter.flush(FLUSH_MS)
    emit_steps(emitter, 1_000, 20_000)
    breakable_kafka.kill()  # while the sender is at them
    emit_steps(emitter, 20_000, 21_000)
    while not told(AWAY):
        assert not emitter.flush(SHORT_MS)
    emit_steps(emitter, 21_000, 22_000)
    breakable_kafka.start()
    assert emitter.flush(FLUSH_MS)
    assert emitter.dropped_notes == 0
    assert steps(logged(address)) == list(range(22_000))
    assert (len(told(AWAY)), len(told(BACK))) == (1, 1)


def test_a_broker_that_is_dead_at_the_start_gets_all_when_it_is_there(
    breakable_kafka: LocalKafka, emitting: Callable[..., Emitter], told: Told
) -> None:
    create([breakable_kafka.bootstrap], "t", options={})
    breakable_kafka.kill()
    emitter = emitting(address := f"kafka://{breakable_kafka.bootstrap}/t")
    emit_steps(emitter, 0, 1_000)
    while not told(AWAY):
        assert not emitter.flush(SHORT_MS)
    breakable_kafka.start()
    assert emitter.flush(FLUSH_MS)
    assert steps(logged(address)) == list(range(1_000))
    assert (len(told(AWAY)), len(told(BACK))) == (1, 1)


def test_a_topic_that_is_missing_is_told_once_with_what_makes_it(
    kafka_bootstrap: str, emitting: Callable[..., Emitter], told: Told
) -> None:
    topic = f"test-{uuid.uuid4().hex}"
    emitter = emitting(address := f"kafka://{kafka_bootstrap}/{topic}")
    emit_steps(emitter, 0, 100)
    while not told(AWAY):
        assert not emitter.flush(SHORT_MS)
    emit_steps(emitter, 100, 200)
    assert not emitter.flush(SHORT_MS)
    (message,) = told(AWAY)
    assert "modeltrail topic create" in message
    create([kafka_bootstrap], topic, options={})
    assert emitter.flush(FLUSH_MS)
    assert steps(logged(address)) == list(range(200))


def test_a_user_who_may_not_write_is_told_once_and_nothing_is_lost_until_he_may(
    guarded_kafka: GuardedKafka, emitting: Callable[..., Emitter], told: Told
) -> None:
    topic = f"test-{uuid.uuid4().hex}"
    create([guarded_kafka.bootstrap], topic, options={})
    guarded_kafka.allow(topic, "DESCRIBE")
    secured = f"kafka://{guarded_kafka.secure_bootstrap}/{topic}"
    emitter = emitting(secured, **guarded_kafka.options())
    emit_steps(emitter, 0, 100)
    while not told(AWAY):
        assert not emitter.flush(SHORT_MS)
    emit_steps(emitter, 100, 200)
    assert not emitter.flush(SHORT_MS)
    (message,) = told(AWAY)
    assert re.search(r"(?i)authori[sz]|allow|may not", message), message
    guarded_kafka.allow(topic, "WRITE")
    assert emitter.flush(FLUSH_MS)
    assert steps(logged(f"kafka://{guarded_kafka.bootstrap}/{topic}")) == list(range(200))


def test_a_dead_broker_is_no_reason_to_stay_when_training_ends(
    breakable_kafka: LocalKafka, emitting: Callable[..., Emitter], told: Told
) -> None:
    """What is left is taken up by the next process of the home, in order, once."""
    create([breakable_kafka.bootstrap], "t", options={})
    breakable_kafka.kill()
    address = f"kafka://{breakable_kafka.bootstrap}/t"
    first = emitting(address)
    emit_steps(first, 0, 500)
    first.close()
    assert len(told("is not in the log yet")) == 1
    assert "modeltrail spool flush" in told("is not in the log yet")[0]
    breakable_kafka.start()
    second = emitting(address)
    emit_steps(second, 500, 600)
    assert second.flush(FLUSH_MS)
    deadline = time.monotonic() + FLUSH_MS / 1_000
    while len(steps(logged(address))) < 600:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert sorted(steps(logged(address))) == list(range(600))
