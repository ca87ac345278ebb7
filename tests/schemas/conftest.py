"""What the tests of the schemas share: the real events of other people's producers, wherever they lie."""

import os
from pathlib import Path

import pytest

REAL_EVENTS_VARIABLE = "MODELTRAIL_REAL_EVENTS"
REAL_EVENTS_FOLDER = Path("shared", "real-events")


def find_real_events() -> list[Path]:
    """Return the files of the folder that the variable names, else of the nearest shared/real-events above here."""
    named = os.environ.get(REAL_EVENTS_VARIABLE)
    folders = [Path(named)] if named else [parent / REAL_EVENTS_FOLDER for parent in Path(__file__).resolve().parents]
    return next((sorted(folder.rglob("*.json")) for folder in folders if folder.is_dir()), [])


@pytest.fixture(scope="session")
def real_documents() -> dict[str, bytes]:
    """Return each real document by its path."""
    files = find_real_events()
    if not files:
        pytest.skip(f"no real events: neither {REAL_EVENTS_VARIABLE} nor {REAL_EVENTS_FOLDER} above here")
    return {str(file): file.read_bytes() for file in files}
