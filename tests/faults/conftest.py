"""What the fault tests share: chance that can be repeated, and processes that end with their test."""

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from faults.processes import Worker
from faults.states import opened
from services.fixtures import DatabaseFactory
from sqlalchemy import Engine

SEED_VARIABLE = "MODELTRAIL_FAULT_SEED"
StartWorker = Callable[..., Worker]


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> Random:
    """Return the test's own chance; a failing test shows the seed, and the variable repeats it."""
    seed = int(os.environ.get(SEED_VARIABLE) or secrets.randbits(32))
    print(f"to repeat: {SEED_VARIABLE}={seed} pytest '{request.node.nodeid}'")
    return Random(f"{seed} {request.node.name}")


@pytest.fixture
def start() -> Iterator[StartWorker]:
    """Return ``start(target, *arguments, **options) -> Worker``; whatever still runs is killed at the end."""
    workers: list[Worker] = []

    def begin(target: Callable[..., None], *arguments: object, **options: object) -> Worker:
        workers.append(Worker(target, *arguments, **options))
        return workers[-1]

    yield begin
    for worker in workers:
        worker.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.service)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'model.db'}"
    new_database: DatabaseFactory = request.getfixturevalue("new_database")
    return new_database()


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """Return an engine of that database."""
    with opened(database) as engine:
        yield engine
