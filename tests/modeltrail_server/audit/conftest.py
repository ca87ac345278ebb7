"""Folders to audit into."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from audit_logs import quick_folder


@pytest.fixture
def quick_path() -> Iterator[Path]:
    """Return a folder for many small files."""
    with quick_folder() as folder:
        yield folder
