"""Promises 2 and 3 as a model: sender, projectors, zombies and auditor in interleavings that real runs rarely reach.

Everything but the disk of the audit log is the product's code: MemoryLog, SQLite, Projector, Auditor. A crash is an
exception at one of the points where a process can die.
"""

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from event_cases import lineage_events, outgoing
from faults.states import undisturbed
from faults.work import PointedProjector
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from modeltrail.log.memory import MemoryLog
from modeltrail.log.protocol import Position
from modeltrail_schemas.codec import decode_routing, encode
from modeltrail_schemas.event import NO_ID, LineageEvent
from modeltrail_server import audit
from modeltrail_server.audit.keys import read_key
from modeltrail_server.projection import rebuilding
from modeltrail_server.projection.digest import Digest, compute_digest
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.projector import catch_up

PROJECTORS = 3
_points = st.sampled_from(("read", "written", "committed"))
_members = st.integers(0, PROJECTORS - 1)


class Died(BaseException):
    """The process is gone."""


class MortalProjector(PointedProjector):
    """Dies at ``point``, when that is set."""

    point = ""

    def _reach(self, point: str) -> None:
        if point == self.point:
            raise Died


class System(RuleBasedStateMachine):
    """A log and all that follows it. A projector that waits for long is a zombie: it believes old things."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="modeltrail-model-"))
        self.engine = open_engine(f"sqlite:///{self.folder / 'model.db'}")
        self.log = MemoryLog()
        self.messages: list[bytes] = []
        self.unsent: list[bytes] = []
        self.projectors: dict[int, MortalProjector] = {}
        self.known: dict[Position, Digest] = {}
        self.audited = 0

    @initialize()
    def begin(self) -> None:
        audit.init(self.folder / "audit", "model", self.log.identity)
        catch_up(self.log, self.engine)

    @rule(events=st.lists(lineage_events(), min_size=1, max_size=4))
    def emit(self, events: list[LineageEvent]) -> None:
        """Events reach the outbox; those of one id and another payload are conflicts."""
        self.unsent += [encode(event) for event in events]

    @rule(count=st.integers(1, 4), acknowledged=st.booleans())
    def send(self, count: int, acknowledged: bool) -> None:
        """The log takes a batch; when the sender dies before it hears so, it sends the same bytes again."""
        batch = self.unsent[:count]
        if batch:
            self.log.append(outgoing(batch))
            self.messages += batch
            if acknowledged:
                del self.unsent[:count]

    @rule(poison=st.binary(max_size=12).filter(lambda data: data[:2] != b"\xc3\x01"))
    def append_what_is_no_event(self, poison: bytes) -> None:
        self.log.append(outgoing([poison]))
        self.messages.append(poison)

    @rule(member=_members, batch_records=st.integers(1, 5))
    def start_projector(self, member: int, batch_records: int) -> None:
        if member in self.projectors:
            self.projectors[member].close()
        self.projectors[member] = MortalProjector(self.log, self.engine, max_batch_records=batch_records)

    @rule(member=_members)
    def project(self, member: int) -> None:
        if member in self.projectors:
            self.projectors[member].step(wait_ms=0)

    @rule(member=_members, point=_points)
    def project_and_die(self, member: int, point: str) -> None:
        if member in self.projectors:
            projector = self.projectors.pop(member)
            projector.point = point
            with suppress(Died):
                projector.step(wait_ms=0)
            projector.close()

    @rule()
    def rebuild(self) -> None:
        rebuilding.rebuild(self.log, self.engine)

    @rule(point=_points)
    def rebuild_and_die(self, point: str) -> None:
        class Builder(MortalProjector):
            pass

        Builder.point = point
        with pytest.MonkeyPatch.context() as patch, suppress(Died):
            patch.setattr(rebuilding, "Projector", Builder)
            rebuilding.rebuild(self.log, self.engine)

    @rule(published=st.booleans(), count=st.integers(1, 6))
    def audit(self, published: bool, count: int) -> None:
        """An auditor takes some records; one that dies before it publishes has done nothing."""
        with audit.Auditor(self.folder / "audit", read_key(self.folder / "audit"), self.log.identity, 0) as auditor:
            assert auditor.head.size == self.audited
            auditor.append(self._records()[auditor.next_offset : auditor.next_offset + count])
            if published:
                self.audited = auditor.publish().size

    @invariant()
    def the_state_is_the_fold_of_what_was_projected(self) -> None:
        digest = compute_digest(self.engine)
        position = digest.position[0]
        assert position <= len(self.messages)
        seen = self.messages[:position]
        ids = {_event_id(message) for message in seen} - {NO_ID}
        assert digest.counts["event"] == len(ids)
        if digest.position not in self.known:
            self.known[digest.position] = undisturbed(seen)
        assert digest.hex == self.known[digest.position].hex

    @invariant()
    def no_leaf_is_missing_doubled_or_moved(self) -> None:
        if self.audited:
            assert list(audit.read_records(self.folder / "audit")) == self._records()[: self.audited]

    def teardown(self) -> None:
        for projector in self.projectors.values():
            projector.close()
        catch_up(self.log, self.engine)
        self.the_state_is_the_fold_of_what_was_projected()
        if self.messages:
            audit.follow(self.folder / "audit", self.log, once=True)
            assert audit.verify(self.folder / "audit").ok
            assert list(audit.read_records(self.folder / "audit")) == self._records()
        self.engine.dispose()
        shutil.rmtree(self.folder)

    def _records(self) -> list[Any]:
        reader = self.log.reader()
        reader.seek(0, 0)
        return list(reader.poll(max_records=10_000, wait_ms=0).get(0, ()))


def _event_id(message: bytes) -> bytes:
    return decode_routing(message).event_id if message[:2] == b"\xc3\x01" else NO_ID


TestSystem = System.TestCase
TestSystem.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
