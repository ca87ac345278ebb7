"""Promise 3, each event counts once: two projectors of one identity, and embedded commands, race."""

import time
from pathlib import Path

import pytest
from event_cases import history, outgoing
from faults.conftest import StartWorker
from faults.states import assert_covers_once, opened, undisturbed, wait_until_projected
from faults.work import project, project_once
from modeltrail.log.opening import open_log
from modeltrail_server.projection.digest import compute_digest

pytestmark = pytest.mark.fault
COMMANDS = 6


def test_two_with_the_same_identity_write_each_record_once(database: str, tmp_path: Path, start: StartWorker) -> None:
    messages, address = history(150), str(tmp_path / "log.db")
    with open_log(address) as log, opened(database) as engine:
        log.append(outgoing(messages))
        twins = [start(project, address, database, group="one", batch_records=5) for _ in range(2)]
        digest = wait_until_projected(engine, log.end())
        for twin in twins:
            twin.terminate()
            twin.join()
    assert digest.hex == undisturbed(messages).hex
    assert_covers_once([message[1:4] for twin in twins for message in twin.heard if message[0] == "batch"])


def test_commands_that_start_at_once_on_a_home_nobody_projected_yet_all_end_well(
    database: str, tmp_path: Path, start: StartWorker
) -> None:
    messages, address = history(300), str(tmp_path / "log.db")
    with open_log(address) as log, opened(database) as engine:
        log.append(outgoing(messages))
        at = time.time() + 1
        commands = [start(project_once, address, database, at=at) for _ in range(COMMANDS)]
        assert [command.wait_for("done")[1] for command in commands] == [log.end().format()] * COMMANDS
        assert compute_digest(engine).hex == undisturbed(messages).hex
    assert_covers_once([message[1:4] for each in commands for message in each.heard if message[0] == "batch"])
