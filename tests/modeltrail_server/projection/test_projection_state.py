"""The state is a function of the set of events: on each database, for any order, repetition, conflict and batch."""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from json import dumps
from pathlib import Path
from typing import Any

import pytest
from event_cases import EngineFactory, lineage_events, outgoing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modeltrail.log.memory import MemoryLog
from modeltrail.log.protocol import Position
from modeltrail_schemas.codec import decode_routing, encode
from modeltrail_schemas.event import LineageEvent
from modeltrail_schemas.names import EntityRef, JobName
from modeltrail_schemas.openlineage.reading import read
from modeltrail_server.projection.digest import compute_digest
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.facts import EntityRow
from modeltrail_server.projection.generations import reading
from modeltrail_server.projection.merge import Rows, fold
from modeltrail_server.projection.projector import Projector
from ol_documents import document
from sqlalchemy import Engine, select

_events = st.lists(lineage_events(), min_size=1, max_size=14)


def _project(engine: Engine, messages: Sequence[bytes], *, batch_records: int = 4_000) -> None:
    log = MemoryLog()
    log.append(outgoing(messages))
    with Projector(log, engine, max_batch_records=batch_records) as projector:
        while projector.step(wait_ms=0):
            pass


def _stored_rows(engine: Engine) -> tuple[Rows, list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]:
    with reading(engine) as (connection, tables):

        def rows(table: Any) -> list[Any]:
            query = select(*table.columns).order_by(*table.primary_key.columns)
            return [tuple(row) for row in connection.execute(query)]

        stored = Rows(rows(tables.run), rows(tables.entity), rows(tables.link), rows(tables.content))
        events = [(row[0], row[-1]) for row in rows(tables.event)]
        return stored, events, [(row[0], row[1]) for row in rows(tables.conflict)]


def _expected_rows(messages: Sequence[bytes]) -> tuple[Rows, list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]:
    """Say what the state is in the plainest way: of each id the smallest payload, and all of those folded at once."""
    payloads: dict[bytes, set[bytes]] = {}
    for message in messages:
        payloads.setdefault(decode_routing(message).event_id, set()).add(message)
    ranked = {key: sorted(found, key=lambda each: hashlib.sha256(each).digest()) for key, found in payloads.items()}
    events = sorted((key, found[0]) for key, found in ranked.items())
    losers = [(key, hashlib.sha256(loser).digest()) for key, found in ranked.items() for loser in found[1:]]
    return fold(decode_routing(payload) for _, payload in events), events, sorted(losers)


def _comparable(rows: Rows) -> list[list[tuple[Any, ...]]]:
    return [[tuple(row) for row in table] for table in rows]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_events, st.integers(1, 5), st.randoms(use_true_random=False))
def test_sqlite_holds_the_fold_of_the_set_of_events(
    tmp_path: Path, events: list[LineageEvent], batch_records: int, random: Any
) -> None:
    _check_fold(_sqlite(tmp_path), events, batch_records, random)


@pytest.mark.service
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_events, st.integers(1, 5), st.randoms(use_true_random=False))
def test_postgresql_holds_the_fold_of_the_set_of_events_with_the_digest_of_sqlite(
    tmp_path: Path, new_schema: Any, events: list[LineageEvent], batch_records: int, random: Any
) -> None:
    engine, twin = open_engine(new_schema()), _sqlite(tmp_path)
    try:
        messages = _check_fold(engine, events, batch_records, random)
        _project(twin, messages)
        assert compute_digest(engine).hex == compute_digest(twin).hex
    finally:
        engine.dispose()
        twin.dispose()


def _sqlite(folder: Path) -> Engine:
    return open_engine(f"sqlite:///{folder / uuid.uuid4().hex}.db")


def _check_fold(engine: Engine, events: list[LineageEvent], batch_records: int, random: Any) -> list[bytes]:
    messages = [encode(event) for event in events]
    messages += random.sample(messages, k=random.randint(0, len(messages)))
    random.shuffle(messages)
    _project(engine, messages, batch_records=batch_records)
    stored, stored_events, stored_losers = _stored_rows(engine)
    expected, expected_events, expected_losers = _expected_rows(messages)
    assert stored_events == expected_events
    assert stored_losers == expected_losers
    assert _comparable(stored) == _comparable(expected)
    engine.dispose()
    return messages


@pytest.mark.parametrize("batch_records", [1, 10])
def test_one_document_laid_out_in_several_ways_is_one_event_and_no_conflict(
    new_engine: EngineFactory, batch_records: int
) -> None:
    layouts = [dumps(document(1)), dumps(document(1), indent=1), dumps(document(1), sort_keys=True)]
    messages = [encode(read(each.encode())) for each in layouts]
    messages.append(encode(read(dumps(document(2)).encode())))
    expected = sorted(messages[:3], key=lambda message: hashlib.sha256(message).digest())[0]
    digests = set()
    for order in permutations(messages):
        engine = new_engine()
        _project(engine, order, batch_records=batch_records)
        _, events, conflicts = _stored_rows(engine)
        assert conflicts == []
        assert sorted(payload for _, payload in events) == sorted([expected, messages[3]])
        digests.add(compute_digest(engine).hex)
    assert len(digests) == 1


def test_one_id_with_documents_that_say_different_things_is_a_conflict(new_engine: EngineFactory) -> None:
    events = [read(dumps(document(number)).encode()) for number in (1, 2)]
    engine = new_engine()
    _project(engine, [encode(replace(event, event_id=bytes(15) + b"1")) for event in events])
    assert len(_stored_rows(engine)[2]) == 1


def test_a_digest_tells_its_position_and_differs_with_one_more_event(new_engine: EngineFactory) -> None:
    messages = [encode(LineageEvent(bytes([n]) * 16, "run", "START", n, f"run-{n}")) for n in range(1, 4)]
    digests = []
    for count in (2, 3, 3):
        engine = new_engine()
        _project(engine, messages[:count])
        digests.append(compute_digest(engine))
    assert digests[1] == digests[2]
    assert digests[0].hex != digests[1].hex
    assert digests[1].position == Position((3,))
    assert digests[1].counts == {"run": 3, "entity": 0, "link": 0, "content": 0, "event": 3}


def test_what_only_a_losing_payload_said_is_gone_and_what_others_say_too_stays(engine: Engine) -> None:
    tx, odd = (
        EntityRef("dataset", "risk", "tx", "1", "sha256:aa"),
        EntityRef("dataset", "risk", "odd", "1", "sha256:bb"),
    )

    def event(number: int, run_id: str, inputs: tuple[EntityRef, ...], job: str, word: str = "") -> bytes:
        return encode(
            LineageEvent(
                number.to_bytes(16, "big"), "run", "START", number, run_id, job=JobName("risk", job), inputs=inputs,
                tags={"word": word},
            )
        )  # fmt: skip

    def rank(message: bytes) -> bytes:
        return hashlib.sha256(message).digest()

    others = [event(1, "r1", (), "train", str(number)) for number in range(20)]
    winner = min(others, key=rank)
    words = (event(1, "r1", (tx, odd), "odd", str(number)) for number in range(1_000))
    rivals = [next(message for message in words if rank(message) > rank(winner)), *others]
    messages = [rivals[0], event(2, "r2", (tx,), "train"), winner]
    _project(engine, messages, batch_records=1)
    stored, events, losers = _stored_rows(engine)
    expected, expected_events, expected_losers = _expected_rows(messages)
    assert (_comparable(stored), events, losers) == (_comparable(expected), expected_events, expected_losers)
    assert sorted((row.kind, row.name, row.version) for row in map(EntityRow._make, stored.entities)) == [
        ("dataset", "tx", ""), ("dataset", "tx", "1"), ("job", "train", ""),
    ]  # fmt: skip
