"""A home and an embedded log of a test's own, and what the log holds."""

from collections.abc import Callable
from pathlib import Path

import pytest
from modeltrail.config import Config
from modeltrail.log import open_log, read
from modeltrail_schemas.codec import decode
from modeltrail_schemas.event import LineageEvent


@pytest.fixture
def config(tmp_path: Path) -> Config:
    home = tmp_path / "home"
    return Config(home=home, log=str(home / "log.db"), database="", audit=home / "audit")


@pytest.fixture
def logged() -> Callable[[Config], list[LineageEvent]]:
    """Every event in the log, a resent one counted once, after a check that it was resent with the same bytes."""

    def events(config: Config) -> list[LineageEvent]:
        found: dict[bytes, bytes] = {}
        with open_log(config.log) as log:
            for record in read(log, log.start(), log.end()):
                event_id = decode(record.value).event_id
                assert found.setdefault(event_id, record.value) == record.value
        return [decode(value) for value in found.values()]

    return events


@pytest.fixture
def metric_note() -> Callable[..., dict[str, object]]:
    def note(step: int, run_id: str = "r1", **more: object) -> dict[str, object]:
        metric = {"name": "auc", "value": step / 7, "step": step}
        return {"kind": "run", "type": "RUNNING", "run_id": run_id, "metrics": [metric]} | more

    return note
