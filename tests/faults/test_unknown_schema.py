"""Promise 2, the log is the truth: a record of a newer schema stops its reader until that is upgraded."""

import json
from pathlib import Path

import pytest
from event_cases import history, outgoing
from faults.conftest import StartWorker
from faults.states import opened, wait_until_projected
from faults.work import project
from modeltrail.log.opening import open_log
from modeltrail.log.protocol import Position
from modeltrail_schemas.codec import HEADER_BYTES, MARKER
from modeltrail_schemas.versions import SchemaVersion, current_version
from modeltrail_server.projection.dead_letters import list_dead_letters
from modeltrail_server.projection.digest import compute_digest


def _newer() -> SchemaVersion:
    """Return the current schema with one field more, a string, at its end."""
    definition = json.loads(current_version().text)
    definition["fields"].append({"name": "of_tomorrow", "type": "string", "default": ""})
    return SchemaVersion(current_version().number + 1, json.dumps(definition))


@pytest.mark.fault
def test_it_waits_with_everything_before_it_kept_and_goes_on_after_the_upgrade(
    database: str, tmp_path: Path, start: StartWorker
) -> None:
    address, newer, old = str(tmp_path / "log.db"), _newer(), history(10)
    of_tomorrow = MARKER + newer.fingerprint.to_bytes(8, "little") + old[5][HEADER_BYTES:] + b"\x06new"
    with open_log(address) as log, opened(database) as engine:
        log.append(outgoing([*old[:5], of_tomorrow, *old[6:]]))
        for _ in range(2):
            worker = start(project, address, database, batch_records=3)
            _, kind, message, remedy = worker.wait_for("refused")
            assert worker.join() == 3
            assert kind == "UnknownSchemaError"
            assert "newer" in message
            assert "upgrade" in remedy.lower()
            assert compute_digest(engine).position == Position((5,))
        assert list_dead_letters(engine, limit=1) == []
        start(project, address, database, newer_schema=newer.text)
        assert wait_until_projected(engine, log.end()).counts["event"] == len(old)
        assert list_dead_letters(engine, limit=1) == []
