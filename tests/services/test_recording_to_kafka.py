"""What a process emits reaches a real topic, and a subscriber of every partition hears of it."""

import itertools
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from modeltrail.config import Config
from modeltrail.emitter import Emitter
from modeltrail.subscription import subscribe

pytestmark = pytest.mark.service


def test_a_subscriber_hears_what_was_emitted(
    tmp_path: Path, kafka_bootstrap: str, new_topic: Callable[..., str]
) -> None:
    topic = new_topic(partitions=3)
    config = Config(tmp_path / "home", f"kafka://{kafka_bootstrap}/{topic}", "", tmp_path / "audit")
    runs = [f"run{number}" for number in range(20)]
    emitter = Emitter(config)
    for run_id in runs:
        emitter.emit({"kind": "run", "type": "START", "run_id": run_id, "job": "a/b"})
    assert emitter.flush(60_000)
    with subscribe("s", config=config) as subscription:
        assert {event.run_id for event in itertools.islice(subscription, 15)} <= set(runs)
    for run_id in runs:
        emitter.emit({"kind": "run", "type": "COMPLETE", "run_id": run_id})
    emitter.close()
    with subscribe("s", config=config, follow=False) as subscription:
        heard = [(event.run_id, event.type) for event in subscription]
    assert len(heard) == 26
    assert {run_id for run_id, state in heard if state == "COMPLETE"} == set(runs)
    with subscribe("s", config=config, follow=False) as subscription:
        assert list(subscription) == []


def test_what_is_too_large_for_the_topic_becomes_a_gap(
    tmp_path: Path, kafka_bootstrap: str, new_topic: Callable[..., str]
) -> None:
    topic = new_topic(**{"max.message.bytes": "50000"})
    config = Config(tmp_path / "home", f"kafka://{kafka_bootstrap}/{topic}", "", tmp_path / "audit")
    emitter = Emitter(config)
    noise = random.Random(1).randbytes(100_000).hex()
    emitter.emit({"kind": "run", "type": "START", "run_id": "r", "job": "a/b"})
    emitter.emit({"kind": "model", "type": "ALIASED", "statement": {"text": noise}})
    emitter.emit({"kind": "run", "type": "COMPLETE", "run_id": "r"})
    assert emitter.flush(60_000)
    emitter.close()
    with subscribe("s", config=config, follow=False) as subscription:
        found = sorted((event.type, event.kind) for event in subscription)
    assert ("", "gap") in found
    assert {("START", "run"), ("COMPLETE", "run")} <= set(found)
