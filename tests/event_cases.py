"""Events, records and histories for the tests of what is projected, and the type of a fixture."""

import uuid
from collections.abc import Callable, Sequence
from random import Random

from hypothesis import strategies as st
from modeltrail.log.protocol import Outgoing, Record
from modeltrail_schemas.codec import encode
from modeltrail_schemas.event import Kind, LineageEvent, RunState
from modeltrail_schemas.names import NO_JOB, EntityRef, JobName
from sqlalchemy import Engine

EngineFactory = Callable[[], Engine]

# Few names and few times, so that events meet; and texts that databases treat each in its own way.
NASTY = ("", "a", "\x00", "\ud800", "\ufffe0000", "ä€😀", "x" * 300, "'\"%;", "A")
_nasty = st.sampled_from(NASTY)
_times = st.sampled_from((-5, 0, 1, 2, 1_700_000_000_000_000_000, 2**63 - 1, -(2**63)))
_ids = st.integers(1, 12).map(lambda number: number.to_bytes(16, "big"))
_digests = st.sampled_from(("", "", "sha256:aa", "sha256:bb"))
_refs = st.builds(
    EntityRef,
    kind=st.sampled_from(("dataset", "model")),
    namespace=st.sampled_from(("risk", "")),
    name=st.sampled_from(("tx", *NASTY[:4])),
    version=st.sampled_from(("", "1", "2")),
    digest=_digests,
    role=st.sampled_from(("", "train")),
)
_run_ids = st.sampled_from(
    ("", "r1", "r2", "0197c000-0000-7000-8000-000000000001", "0197C000-0000-7000-8000-000000000001")
)


@st.composite
def lineage_events(draw: st.DrawFn) -> LineageEvent:
    """Return any event; ids are few, so that some events conflict."""
    kind = draw(st.sampled_from((*Kind, "invention")))
    return LineageEvent(
        event_id=draw(_ids),
        kind=kind,
        type=draw(st.sampled_from((*RunState, "ALIASED", "WAITING", ""))),
        event_time_ns=draw(_times),
        run_id=draw(_run_ids),
        parent_run_id=draw(_run_ids),
        job=draw(
            st.sampled_from((NO_JOB, JobName("risk", "train"), JobName("risk", "\ud800"), JobName("", "clean")))
        ),
        inputs=tuple(draw(st.lists(_refs, max_size=2))),
        outputs=tuple(draw(st.lists(_refs, max_size=2))),
        subjects=tuple(draw(st.lists(_refs, max_size=2))),
        commit=draw(st.sampled_from(("", "a1b2c3d"))),
        environment_digest=draw(_digests),
        tags={"k": draw(st.sampled_from(("", "1", "2")))},
    )


def as_records(messages: Sequence[bytes], *, partition: int = 0, start: int = 0) -> list[Record]:
    """Return the messages as records of one partition."""
    return [
        Record(partition, offset, 1_000 + offset, None, message) for offset, message in enumerate(messages, start)
    ]


def history(runs: int, *, seed: int = 1) -> list[bytes]:
    """Return the messages of ``runs`` training runs, each START and COMPLETE, on few datasets and many models."""
    random, messages = Random(seed), []
    for number in range(runs):
        run_id, start_ns = str(uuid.UUID(int=random.getrandbits(128), version=4)), 10**18 + number * 1_000
        job = JobName("risk", f"train-{number % 5}")
        inputs = (
            EntityRef("dataset", "risk", "tx", f"delta:{number % 7}", "", "train"),
            EntityRef("dataset", "risk", "geo", "", f"sha256:{number % 3:064x}", "test"),
        )
        model = EntityRef("model", "risk", f"fraud-{number % 5}", f"1.{number}", f"sha256:{number:064x}")
        start = LineageEvent(
            random.randbytes(16),
            Kind.RUN,
            RunState.START,
            start_ns,
            run_id,
            job=job,
            inputs=inputs,
            commit=f"{number % 9:040x}",
        )
        end = LineageEvent(
            random.randbytes(16), Kind.RUN, RunState.COMPLETE, start_ns + 500, run_id, job=job, outputs=(model,)
        )
        messages += [encode(start), encode(end)]
    return messages


def outgoing(messages: Sequence[bytes]) -> list[Outgoing]:
    """Return the messages as records to append."""
    return [Outgoing(message) for message in messages]
