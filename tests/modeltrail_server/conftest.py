"""Databases for the tests of what runs beside the log."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from event_cases import EngineFactory
from modeltrail_server.projection.engine import open_engine
from sqlalchemy import Engine


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[Engine]:
    """Return an engine of an empty SQLite database."""
    engine = open_engine(f"sqlite:///{tmp_path / 'read-model.db'}")
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.service)])
def new_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EngineFactory]:
    """Return ``new_engine() -> Engine``: an empty database (or schema) each time, of each kind in turn."""
    made: list[Engine] = []

    def make() -> Engine:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path / f'{uuid.uuid4().hex}.db'}"
        else:
            url = request.getfixturevalue("new_schema")()
        made.append(open_engine(url))
        return made[-1]

    if request.param == "postgresql":
        request.getfixturevalue("new_schema")
    yield make
    for engine in made:
        engine.dispose()


@pytest.fixture
def engine(new_engine: EngineFactory) -> Engine:
    """Return an engine of an empty database, of each kind in turn."""
    return new_engine()
