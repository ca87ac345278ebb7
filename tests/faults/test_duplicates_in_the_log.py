"""Promises 1 and 3: a flush killed anywhere sends again what the log has already, and that counts once."""

import time
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from event_cases import outgoing
from faults.conftest import StartWorker
from faults.states import opened, undisturbed
from faults.work import flush, train
from modeltrail.log.opening import open_log
from modeltrail.log.reading import read
from modeltrail_schemas.codec import decode
from modeltrail_server.projection.digest import compute_digest
from modeltrail_server.projection.projector import catch_up

pytestmark = pytest.mark.fault
LIVES = 3
KILLED_FLUSHES = 8


def test_events_of_killed_trainings_and_killed_flushes_are_each_projected_once(
    database: str, tmp_path: Path, start: StartWorker, chance: Random
) -> None:
    home, address, last_steps = tmp_path / "home", str(tmp_path / "log.db"), {}
    for life in range(LIVES):
        training = start(train, str(home), address, f"run-{life}")
        training.wait_for("step", count=chance.randint(1, 400))
        training.kill()
        last_steps[f"run-{life}"] = max(message[1] for message in training.heard if message[0] == "step")
    for _ in range(KILLED_FLUSHES):
        flushing = start(flush, str(home), address)
        flushing.wait_for("ready")
        time.sleep(chance.random() * 0.05)
        flushing.kill()
    last = start(flush, str(home), address)
    assert last.wait_for("done")[2]
    with open_log(address) as log, opened(database) as engine:
        messages = [record.value for record in read(log, log.start(), log.end())]
        catch_up(log, engine)
        # Each is sent with the same bytes again; and once more by somebody who copied the log.
        log.append(outgoing(messages))
        assert catch_up(log, engine).records_behind == 0
        events = {decode(message).event_id: decode(message) for message in messages}
        assert len(set(messages)) == len(events)
        digest = compute_digest(engine)
        assert (digest.hex, digest.counts["event"]) == (undisturbed(messages).hex, len(events))
    for run_id, last_step in last_steps.items():
        steps = Counter(m.step for event in events.values() if event.run_id == run_id for m in event.metrics)
        assert set(steps.values()) == {1}
        assert set(steps) == set(range(len(steps))) >= set(range(last_step + 1))
