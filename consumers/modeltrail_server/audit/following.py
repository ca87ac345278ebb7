"""The auditor's loop: reads the log, feeds one ``Auditor`` per partition, publishes in rounds."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Event

from modeltrail.errors import LogIdentityError, LogUnavailableError, OffsetOutOfRangeError
from modeltrail.log import Log, Reader, Record

from modeltrail_server.audit import layout, leaf
from modeltrail_server.audit.auditor import Auditor
from modeltrail_server.audit.checkpoint import Checkpoint
from modeltrail_server.audit.errors import AuditError
from modeltrail_server.audit.files import Files
from modeltrail_server.audit.keys import publish_verifier, read_key, root_store

OnPublish = Callable[[int, Checkpoint], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """How much a round takes and how long it may wait. A round ends at the first bound that is met.

    ``max_idle_polls`` ends a run ``once`` whose end never comes.
    """

    max_records: int = 16_384
    max_bytes: int = 64 * 1024 * 1024
    publish_interval_ms: int = 1_000
    wait_ms: int = 200
    retry_ms: int = 1_000
    max_idle_polls: int = 150


def write_schemas(folder: Path, schemas: Mapping[str, bytes], *, files: Files | None = None) -> None:
    """Lay schemas, given by the SHA-256 of their text in hex, beside the log. Those that lie there stay."""
    for digest, text in schemas.items():
        if sha256(text).hexdigest() != digest:
            raise AuditError(f"the schema given as {digest} has another SHA-256")
    with root_store(folder, files or Files()) as store:
        store.write_once({layout.schema_path(digest): text for digest, text in schemas.items()})


def follow(
    folder: Path,
    log: Log,
    *,
    once: bool = False,
    schemas: Mapping[str, bytes] | None = None,
    compress: bool = False,
    stop: Event | None = None,
    on_publish: OnPublish | None = None,
    pace: Pace | None = None,
    files: Files | None = None,
) -> dict[int, Checkpoint]:
    """Audit every partition of ``log`` into ``folder`` until ``stop``, or with ``once`` up to where the log now ends.

    Returns the heads by partition. Without ``once`` an unreachable log is waited for; everything else is raised:
    KeyFileError (no ``init`` yet), AuditorRunningError, LogIdentityError, OffsetOutOfRangeError, AuditDamagedError.
    """
    signer = read_key(folder)
    with root_store(folder, files or Files()) as store:
        publish_verifier(store, signer.verifier)
    write_schemas(folder, schemas or {}, files=files)
    following = _Following(log, pace or Pace(), compress, on_publish)
    for partition in range(log.partitions()):
        following.auditors[partition] = Auditor(folder, signer, log.identity, partition, files=files)
    try:
        for auditor in following.auditors.values():
            auditor.open()
        following.run(once=once, stop=stop or Event())
    finally:
        for auditor in following.auditors.values():
            auditor.close()
    return {partition: auditor.head for partition, auditor in following.auditors.items()}


class _Following:
    """One run of the loop."""

    def __init__(self, log: Log, pace: Pace, compress: bool, on_publish: OnPublish | None) -> None:
        self.auditors: dict[int, Auditor] = {}
        self._log = log
        self._pace = pace
        self._compress = compress
        self._on_publish = on_publish
        self._anchors: dict[int, bytes] = {}
        self._pending_bytes = 0
        self._published_at = time.monotonic()

    def run(self, *, once: bool, stop: Event) -> None:
        """Read and publish until told to stop, or until the end as it is now."""
        end = self._log.end() if once else None
        reader = self._log.reader()
        idle_polls = 0
        try:
            while not stop.is_set():
                try:
                    idle_polls = 0 if self._read(reader) else idle_polls + 1
                except LogUnavailableError:
                    if once:
                        raise
                    idle_polls += 1
                    stop.wait(self._pace.retry_ms / 1000)
                if idle_polls or self._round_is_full():
                    self._publish()
                if end is not None:
                    # The last offsets may hold no record: only the reader knows that, and it has read the others.
                    reached = all(
                        max(auditor.next_offset, reader.position(number)) >= end[number]
                        for number, auditor in self.auditors.items()
                    )
                    if reached or idle_polls >= self._pace.max_idle_polls:
                        break
            self._publish()
        finally:
            reader.close()

    def _read(self, reader: Reader) -> bool:
        """Take one poll's records; return whether there were any."""
        batches = reader.poll(
            max_records=self._pace.max_records, wait_ms=0 if reader.unpositioned() else self._pace.wait_ms
        )
        for partition in reader.unpositioned():
            self._position(reader, partition)
        read = False
        for partition, records in batches.items():
            fresh = self._check_anchor(partition, records)
            if fresh:
                read = True
                self._pending_bytes += sum([len(record.value) for record in fresh])
                self.auditors[partition].append(fresh)
        return read

    def _position(self, reader: Reader, partition: int) -> None:
        """Seek to the last audited record, to see that the log still holds it as it was."""
        auditor = self._auditor(partition)
        start, end = self._log.start()[partition], self._log.end()[partition]
        if auditor.last_leaf is None:
            reader.seek(partition, start)
            return
        if start > auditor.next_offset or end < auditor.next_offset:
            raise OffsetOutOfRangeError(
                f"partition {partition} holds offsets {start} to {end - 1}; the audit is at {auditor.next_offset}",
                remedy="records were removed before they were audited, or the log was restored from an older copy: "
                "find out which, and go on in a new audit folder; this one still verifies",
            )
        if start == auditor.next_offset:
            reader.seek(partition, start)
            return
        self._anchors[partition] = auditor.last_leaf
        reader.seek(partition, auditor.next_offset - 1)

    def _auditor(self, partition: int) -> Auditor:
        if partition not in self.auditors:
            raise AuditError(
                f"the log has got a partition {partition} since this auditor started",
                remedy="start the auditor again",
            )
        return self.auditors[partition]

    def _check_anchor(self, partition: int, records: Sequence[Record]) -> Sequence[Record]:
        """Return the records that are not audited yet."""
        if not records or partition not in self._anchors:
            return records
        if leaf.encode(records[0]) != self._anchors.pop(partition):
            offset = self.auditors[partition].next_offset - 1
            raise LogIdentityError(
                f"offset {offset} of partition {partition} holds another record than the one that was audited",
                remedy="the log was rewritten or restored: keep and verify the audit folder, audit into a new one",
            )
        return records[1:]

    def _round_is_full(self) -> bool:
        pending = sum([auditor.size - auditor.head.size for auditor in self.auditors.values()])
        waited_ms = (time.monotonic() - self._published_at) * 1000
        return (
            pending >= self._pace.max_records
            or self._pending_bytes >= self._pace.max_bytes
            or waited_ms >= self._pace.publish_interval_ms
        )

    def _publish(self) -> None:
        for partition, auditor in self.auditors.items():
            before = auditor.head
            head = auditor.publish()
            if self._compress:
                auditor.compress_closed()
            if head != before and self._on_publish is not None:
                self._on_publish(partition, head)
        self._pending_bytes = 0
        self._published_at = time.monotonic()
