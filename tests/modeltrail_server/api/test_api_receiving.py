"""What a document becomes that comes before the event it was written from: an event beside it, which adds nothing."""

from dataclasses import replace
from pathlib import Path

from modeltrail.log.memory import MemoryLog
from modeltrail.log.protocol import Outgoing
from modeltrail_schemas.codec import encode
from modeltrail_schemas.event import LineageEvent
from modeltrail_schemas.openlineage.writing import write
from modeltrail_server.api.receiving import receive
from modeltrail_server.queries.records import RunView
from told_history import History, ask, tell_fraud


def told(folder: Path, name: str) -> History:
    return History(MemoryLog(), f"sqlite:///{folder / name}.db")


def sent(event: LineageEvent) -> list[Outgoing]:
    """Return the records of an event's document where its event is not there yet."""
    received = receive(write(event), None, lambda _: {})
    assert (received.known, received.refusals, received.conflicts) == (0, [], [])
    return received.records


def test_runs_sent_before_their_events_came_tell_the_same_once(tmp_path: Path) -> None:
    alone, both = tell_fraud(told(tmp_path, "alone")), told(tmp_path, "both")
    runs = [event for event in alone.events if event.run_id]
    for event in runs:
        both.log.append(sent(event))
    both.log.append([Outgoing(encode(event)) for event in alone.events])
    for text in ("run:run-train", "run:run-clean"):
        one, other = ask(alone, text), ask(both, text)
        assert isinstance(one, RunView)
        assert isinstance(other, RunView)
        assert other.events == 2 * one.events
        assert replace(other, events=one.events) == one
