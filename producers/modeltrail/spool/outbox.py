"""The outbox of a segment: its events, encoded once and for all, and how far the log acknowledged them.

What was sent is sent again after a crash with the same bytes, because it lies here before it is first sent. A frame's
payload is: 4 bytes length (little-endian) of the meta data, JSON meta data, then keys and values end to end.
Meta data: ``notes`` the offset in the ``.notes`` file up to which notes are in here, ``acknowledged`` the offset in
this file up to which events are in the log, ``sizes`` of [key, value] in order, ``closed`` when nothing will follow.
"""

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from modeltrail.errors import SpoolError
from modeltrail.log.protocol import Outgoing
from modeltrail.spool.framing import decode_frames, encode_frame


@dataclass(frozen=True, slots=True)
class Batch:
    """Events to send together; ``end`` is the offset in the outbox after them."""

    events: tuple[Outgoing, ...]
    end: int


@dataclass(slots=True)
class OutboxState:
    """What an outbox tells: how many bytes of notes are in it, what waits to be sent, and whether it is closed."""

    notes_offset: int = 0
    acknowledged: int = 0
    closed: bool = False
    pending: list[Batch] = field(default_factory=list)
    damages: list[tuple[int, int]] = field(default_factory=list)


class Outbox:
    """The ``.events`` file of a segment, opened by the one who owns the spool."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            data = path.read_bytes()
            frames = decode_frames(data)
            self.state = _state(frames.payloads)
            self.state.damages = frames.damages
            self.damaged = [data[start:end] for start, end in frames.damages]
            self._size_bytes = frames.end
            if frames.end != len(data):
                os.ftruncate(self._descriptor, frames.end)  # a torn tail was never sent
        except BaseException:
            os.close(self._descriptor)
            raise

    def append(
        self, events: list[Outgoing], *, notes_offset: int, acknowledged: int = 0, closed: bool = False
    ) -> None:
        """Store the events that the notes up to ``notes_offset`` became, durably; they are pending from now on.

        ``acknowledged`` may say at once that everything up to there needs no sending. Raises OSError.
        """
        state = self.state
        acknowledged = max(acknowledged, state.acknowledged)
        size = self._write(_payload(events, notes_offset, acknowledged, closed or state.closed))
        os.fsync(self._descriptor)
        self._size_bytes += size
        state.notes_offset, state.closed = notes_offset, closed or state.closed
        if events:
            state.pending.append(Batch(tuple(events), self._size_bytes))
        self._forget(acknowledged)

    def acknowledge(self, batch: Batch) -> None:
        """Record that the log has everything up to and with ``batch``. Not synced: sending twice is harmless.

        So is a full disk: then the record is made with the next one, and sending goes on.
        """
        state = self.state
        with suppress(OSError):
            self._size_bytes += self._write(_payload([], state.notes_offset, batch.end, state.closed))
        self._forget(batch.end)

    def close(self) -> None:
        """Close the file; may be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _forget(self, acknowledged: int) -> None:
        self.state.acknowledged = acknowledged
        self.state.pending = [batch for batch in self.state.pending if batch.end > acknowledged]

    def _write(self, payload: bytes) -> int:
        frame = encode_frame(payload)
        try:
            if os.write(self._descriptor, frame) != len(frame):
                raise OSError(28, "the disk took a part of a batch only", str(self._path))
        except OSError:
            os.ftruncate(self._descriptor, self._size_bytes)
            raise
        return len(frame)


def read_state(path: Path) -> OutboxState:
    """Return what the outbox at ``path`` tells now, without opening it for writing; a missing one tells nothing."""
    try:
        return _state(decode_frames(path.read_bytes()).payloads)
    except FileNotFoundError:
        return OutboxState()


def _payload(events: list[Outgoing], notes_offset: int, acknowledged: int, closed: bool) -> bytes:
    sizes = [[len(event.key or b""), len(event.value)] for event in events]
    meta = json.dumps(
        {"notes": notes_offset, "acknowledged": acknowledged, "closed": closed, "sizes": sizes}, separators=(",", ":")
    ).encode("ascii")
    bodies = (part for event in events for part in (event.key or b"", event.value))
    return b"".join((len(meta).to_bytes(4, "little"), meta, *bodies))


def _state(payloads: list[tuple[bytes, int]]) -> OutboxState:
    state = OutboxState()
    for payload, end in payloads:
        try:
            meta_end = 4 + int.from_bytes(payload[:4], "little")
            meta = json.loads(payload[4:meta_end])
            state.notes_offset = max(state.notes_offset, meta["notes"])
            state.acknowledged = max(state.acknowledged, meta["acknowledged"])
            state.closed = state.closed or meta["closed"]
            if meta["sizes"]:
                state.pending.append(Batch(_events(payload, meta_end, meta["sizes"]), end))
        except (ValueError, KeyError, TypeError) as error:
            raise SpoolError(f"a batch in the spool's outbox cannot be read: {error}") from error
    state.pending = [batch for batch in state.pending if batch.end > state.acknowledged]
    return state


def _events(payload: bytes, at: int, sizes: list[list[int]]) -> tuple[Outgoing, ...]:
    events = []
    for key_bytes, value_bytes in sizes:
        key, value = payload[at : at + key_bytes], payload[at + key_bytes : at + key_bytes + value_bytes]
        events.append(Outgoing(value=value, key=key or None))
        at += key_bytes + value_bytes
    return tuple(events)
