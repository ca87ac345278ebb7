"""Promise 3, each event counts once: what cannot be read stops nothing, and takes no good neighbour with it."""

import string
from pathlib import Path
from random import Random

import pytest
from benchmarks.standard_event import standard_event
from event_cases import history, outgoing
from faults.states import opened, undisturbed
from modeltrail.log.memory import MemoryLog
from modeltrail_schemas.codec import encode
from modeltrail_schemas.event import LineageEvent
from modeltrail_schemas.names import EntityRef, JobName
from modeltrail_schemas.openlineage.reading import read
from modeltrail_server.projection.dead_letters import list_dead_letters, requeue_dead_letters
from modeltrail_server.projection.digest import compute_digest
from modeltrail_server.projection.projector import catch_up
from modeltrail_server.projection.rebuilding import rebuild
from modeltrail_server.replay.replaying import dry_run, replay
from sqlalchemy import Engine

pytestmark = pytest.mark.fault
IN_A_ROW = 10_000


def _poison(good: bytes, chance: Random) -> bytes:
    """Return a record that is no event: of another making, cut off, with bytes too many, or without an id."""
    return chance.choice(
        (
            b"",
            b"\x00" * chance.randint(1, 30),
            chance.randbytes(chance.randint(1, 200)),
            b'{"eventType": "START"}',
            good[: chance.randint(1, 30)],
            good[: chance.randrange(len(good) - 30, len(good))],
            good + bytes(chance.randint(1, 9)),
            encode(LineageEvent(kind="run", type="START", run_id="without an id")),
        )
    )


def test_ten_thousand_in_a_row_are_set_aside_and_counted_and_their_neighbours_project(
    engine: Engine, chance: Random
) -> None:
    good, log = history(30), MemoryLog()
    # Good ones before, after, and one in the midst; so batches of all kinds meet.
    messages = [
        *good[:20],
        *(_poison(good[0], chance) for _ in range(IN_A_ROW // 2)),
        good[20],
        *(_poison(good[0], chance) for _ in range(IN_A_ROW // 2)),
        *good[21:],
    ]
    log.append(outgoing(messages))
    assert catch_up(log, engine).records == len(messages)
    assert compute_digest(engine).hex == undisturbed(good).hex
    letters = list_dead_letters(engine, limit=2 * IN_A_ROW)
    bad = [offset for offset, message in enumerate(messages) if message not in good]
    assert [letter.offset for letter in letters] == bad
    assert [letter.value for letter in letters] == [messages[offset] for offset in bad]
    assert all(letter.reason for letter in letters)


def test_bytes_changed_anywhere_are_an_event_or_a_dead_letter_never_the_end(engine: Engine, chance: Random) -> None:
    log, good = MemoryLog(), history(5)
    damaged = []
    for _ in range(400):
        message = bytearray(chance.choice(good))
        for _ in range(chance.randint(1, 3)):
            message[chance.randrange(2 if chance.random() < 0.1 else 10, len(message))] = chance.randrange(256)
        damaged.append(bytes(message))
    damaged = [message for message in damaged if message[2:10] == good[0][2:10]]
    log.append(outgoing([*damaged, *good]))
    catch_up(log, engine)
    digest = compute_digest(engine)
    assert digest.hex == undisturbed([*damaged, *good]).hex
    assert requeue_dead_letters(engine).read == 0


def test_damage_past_the_routing_fields_is_no_half_event_in_projector_rebuild_and_replay(
    engine: Engine, chance: Random, tmp_path: Path
) -> None:
    """Who asked for such an event would get an error in place of an answer, and its links would be there."""
    good, log, detailed = history(10), MemoryLog(), standard_event()
    whole = encode(detailed)
    ends = range(len(whole) - len(encode(LineageEvent())), len(whole))  # all past the routing fields
    damaged = [whole[:end] for end in chance.sample(ends, 20)]
    damaged += [
        whole.replace(b"parameter07", b"parameter\xff7"),
        whole.replace(b"\x16parameter07", b"\x17parameter07"),
    ]
    document = b'{"eventTime": "2024-07-05T09:04:01Z", "run": {"runId": "r"}, "job": {"namespace": "n", "name": "j"}}'
    damaged.append(encode(read(document)).replace(b'"run"', b'"run '))
    messages = [*good, *damaged]
    chance.shuffle(messages)
    log.append(outgoing(messages))
    catch_up(log, engine)
    bad = [message for message in messages if message in damaged]
    assert [letter.value for letter in list_dead_letters(engine, limit=100)] == bad
    digest = compute_digest(engine)
    assert digest.hex == undisturbed(good).hex
    assert rebuild(log, engine) == digest
    assert [letter.value for letter in list_dead_letters(engine, limit=100)] == bad
    with opened(f"sqlite:///{tmp_path / 'replayed.db'}") as other:
        assert replay(log, other).digest == digest
        assert [letter.value for letter in list_dead_letters(other, limit=100)] == bad
    counted = dry_run(log)
    assert (counted.events, counted.invalid) == (len(good), len(bad))


@pytest.mark.parametrize(
    "field", ["run_id", "type", "kind", "job", "name", "version", "digest", "role", "commit", "environment_digest"]
)
def test_texts_that_no_index_takes_are_projected_alike_everywhere(field: str, engine: Engine, chance: Random) -> None:
    """PostgreSQL refuses an index entry of more than 2,704 bytes: that was taken for a database that is down."""
    long = "".join(chance.choices(string.ascii_letters + "\x00ä\ufffe", k=20_000))
    reference = EntityRef("dataset", "risk", "tx", "1", "sha256:aa", "train")
    events = [
        LineageEvent(b"a" * 16, "run", "START", 1, "r", inputs=(reference,)),
        LineageEvent(b"b" * 16, "run", "START", 2, "r", job=JobName("a", "b")),
    ]
    changed = {
        "name": {"inputs": (EntityRef("dataset", long, long, long, long, long),)},
        "version": {"outputs": (EntityRef("model", "risk", "fraud", long),)},
        "digest": {"subjects": (EntityRef("model", "risk", "fraud", "", long),)},
        "role": {"inputs": (EntityRef("dataset", "risk", "tx", "1", "", long),)},
        "kind": {"kind": long, "inputs": (EntityRef(long, "risk", "tx"),)},
        "type": {"type": long, "subjects": (reference,)},
        "job": {"job": JobName(long, long)},
    }.get(field, {field: long})
    events.insert(
        1, LineageEvent(**{"event_id": b"c" * 16, "kind": "run", "type": "RUNNING", "run_id": "r"} | changed)
    )
    messages, log = [encode(event) for event in events], MemoryLog()
    log.append(outgoing(messages))
    catch_up(log, engine)
    assert list_dead_letters(engine, limit=1) == []
    assert compute_digest(engine).hex == undisturbed(messages).hex
