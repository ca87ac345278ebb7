"""Audit folders to test on."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from audit_logs import IDENTITY, NAME
from modeltrail.log import Record
from modeltrail_server import audit
from modeltrail_server.audit.keys import read_key


@pytest.fixture
def audited(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes an audit folder of records, published in batches of the given sizes."""

    def make(records: Sequence[Record], batches: Sequence[int] = (), *, name: str = "audit") -> Path:
        folder = tmp_path / name
        audit.init(folder, NAME, IDENTITY)
        publish(folder, records, batches)
        return folder

    return make


def publish(folder: Path, records: Sequence[Record], batches: Sequence[int] = ()) -> None:
    with audit.Auditor(folder, read_key(folder), IDENTITY, 0) as auditor:
        at = 0
        for size in [*batches, len(records)]:
            auditor.append(records[at : at + size])
            auditor.publish()
            at += size
