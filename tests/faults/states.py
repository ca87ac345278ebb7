"""What the state must be after all faults, and waiting until it is that."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from event_cases import outgoing
from modeltrail.log.memory import MemoryLog
from modeltrail.log.protocol import Position
from modeltrail_schemas.errors import ModeltrailError
from modeltrail_server.projection.digest import Digest, compute_digest
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.projector import catch_up
from sqlalchemy import Engine

ARRIVAL_TIMEOUT_S = 180


def undisturbed(messages: Sequence[bytes]) -> Digest:
    """Return the digest of the messages, projected at one go by one projector into one new database."""
    with TemporaryDirectory() as folder, opened(f"sqlite:///{Path(folder) / 'model.db'}") as engine:
        log = MemoryLog()
        log.append(outgoing(messages))
        catch_up(log, engine)
        return compute_digest(engine)


@contextmanager
def opened(database: str) -> Iterator[Engine]:
    """Give an engine, disposed of at the end."""
    engine = open_engine(database)
    with closing(_Disposing(engine)):
        yield engine


class _Disposing:
    def __init__(self, engine: Engine) -> None:
        self.close = engine.dispose


def wait_until_projected(engine: Engine, end: Position) -> Digest:
    """Return the digest once the read model covers ``end``; a database that is away meanwhile is waited for."""
    deadline, seen = time.monotonic() + ARRIVAL_TIMEOUT_S, "nothing"
    while time.monotonic() < deadline:
        try:
            digest = compute_digest(engine)
            if digest.position.covers(end):
                return digest
            seen = digest.position.format()
        except (ModeltrailError, LookupError) as error:
            seen = str(error)
        time.sleep(0.1)
    raise AssertionError(f"the read model does not reach {end.format()}: {seen}")


def assert_covers_once(batches: Sequence[tuple[int, int, int]]) -> None:
    """Check that batches (partition, first offset, next offset) follow each other, without gap or overlap."""
    by_partition: dict[int, int] = {}
    for partition, first, after in sorted(batches):
        assert by_partition.get(partition, 0) == first, f"partition {partition}: {sorted(batches)}"
        by_partition[partition] = after
