"""The auditor's loop: reads the log, feeds one ``Auditor`` per partition, publishes in rounds.

Who audits a partition is whoever holds its lock, never whoever a group says should: a group shares out the work, and
an auditor that stands still keeps what it holds until it dies or goes on.
"""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Event

from modeltrail.errors import LogIdentityError, LogUnavailableError, OffsetOutOfRangeError
from modeltrail.log import Log, Position, Reader, Record

from modeltrail_server.audit import layout, leaf
from modeltrail_server.audit.auditor import Auditor
from modeltrail_server.audit.checkpoint import Checkpoint
from modeltrail_server.audit.errors import AuditError, AuditorRunningError
from modeltrail_server.audit.files import Files
from modeltrail_server.audit.keys import publish_verifier, read_key, root_store
from modeltrail_server.audit.note import SignerKey

OnPublish = Callable[[int, Checkpoint], None]
OpenAuditor = Callable[[int], Auditor]
GROUP_PREFIX = "modeltrail-auditor-"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How much a round takes and how long it may wait. A round ends at the first bound that is met.

    ``max_idle_polls`` ends a run ``once`` whose end never comes.
    ``lock_retry_ms`` is how often a partition that another auditor still holds is asked for, and
    ``partitions_check_ms`` how often the log is asked whether it has got more of them.
    """

    max_records: int = 16_384
    max_bytes: int = 64 * 1024 * 1024
    publish_interval_ms: int = 1_000
    wait_ms: int = 200
    retry_ms: int = 1_000
    max_idle_polls: int = 150
    lock_retry_ms: int = 1_000
    partitions_check_ms: int = 10_000


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
    share: bool = False,
    schemas: Mapping[str, bytes] | None = None,
    compress: bool = False,
    stop: Event | None = None,
    on_publish: OnPublish | None = None,
    pace: Pace | None = None,
    files: Files | None = None,
) -> dict[int, Checkpoint]:
    """Audit every partition of ``log`` into ``folder`` until ``stop``, or with ``once`` up to where the log now ends.

    With ``share`` the auditors of one folder share the partitions: each takes those that the log's group gives it,
    and waits for one whose lock another still holds. Without, it takes all or none.

    Returns the heads by partition. Without ``once`` an unreachable log is waited for; everything else is raised:
    KeyFileError (no ``init`` yet), AuditorRunningError, LogIdentityError, OffsetOutOfRangeError, AuditDamagedError.
    """
    assert not (once and share), "whoever shares cannot know when all is done"
    signer = read_key(folder)
    with root_store(folder, files or Files()) as store:
        publish_verifier(store, signer.verifier)
    write_schemas(folder, schemas or {}, files=files)

    def open_auditor(partition: int) -> Auditor:
        return Auditor(folder, signer, log.identity, partition, files=files).open()

    following = _Following(
        log, open_auditor, group_of(signer) if share else None, pace or Pace(), compress, on_publish
    )
    try:
        following.run(once=once, stop=stop or Event())
    finally:
        following.close()
    return {partition: auditor.head for partition, auditor in following.auditors.items()}


def group_of(signer: SignerKey) -> str:
    """Return the consumer group of the auditors who share a folder, and so its key."""
    return GROUP_PREFIX + signer.verifier.key_id.hex()


class _Following:
    """One run of the loop. ``auditors`` are those whose locks are held, by partition."""

    def __init__(
        self,
        log: Log,
        open_auditor: OpenAuditor,
        group: str | None,
        pace: Pace,
        compress: bool,
        on_publish: OnPublish | None,
    ) -> None:
        self.auditors: dict[int, Auditor] = {}
        self._log = log
        self._open_auditor = open_auditor
        self._group = group
        self._pace = pace
        self._compress = compress
        self._on_publish = on_publish
        self._anchors: dict[int, bytes] = {}
        self._retry_at: dict[int, float] = {}
        self._partitions_at = 0.0
        self._pending_bytes = 0
        self._published_at = time.monotonic()
        self._reader: Reader | None = None

    def run(self, *, once: bool, stop: Event) -> None:
        """Read and publish until told to stop, or until the end as it is now."""
        end = self._log.end() if once else None
        if self._group is None:
            self._take_all(self._log.partitions())
        idle_polls = 0
        while not stop.is_set():
            try:
                idle_polls = 0 if self._read() else idle_polls + 1
            except LogUnavailableError:
                if once:
                    raise
                idle_polls += 1
                stop.wait(self._pace.retry_ms / 1000)
            if idle_polls or self._round_is_full():
                self._publish()
            if end is not None and (self._has_reached(end) or idle_polls >= self._pace.max_idle_polls):
                break
        self._publish()

    def _has_reached(self, end: Position) -> bool:
        """Return whether all is read. The last offsets may hold no record: only the reader knows of those."""
        reader = self._opened_reader()
        return all(
            max(auditor.next_offset, reader.position(number)) >= end[number]
            for number, auditor in self.auditors.items()
        )

    def close(self) -> None:
        """Free every lock, then leave the group."""
        for auditor in self.auditors.values():
            auditor.close()
        self._close_reader()

    def _read(self) -> bool:
        """Take one poll's records; return whether there were any."""
        reader = self._opened_reader()
        is_waiting = reader.unpositioned() - self._retry_at.keys()
        batches = reader.poll(max_records=self._pace.max_records, wait_ms=0 if is_waiting else self._pace.wait_ms)
        held = reader.assignment()
        self._leave(self.auditors.keys() - held)
        self._retry_at = {partition: at for partition, at in self._retry_at.items() if partition in held}
        for partition in sorted(reader.unpositioned()):
            if self._take(partition):
                self._position(reader, partition)
        read = False
        for partition, records in batches.items():
            fresh = self._check_anchor(partition, records)
            if fresh:
                read = True
                self._pending_bytes += sum([len(record.value) for record in fresh])
                self.auditors[partition].append(fresh)
        return read

    def _opened_reader(self) -> Reader:
        """Return the reader; without a group, one that knows of the partitions the log has got meanwhile."""
        now_s = time.monotonic()
        if self._reader is not None and self._group is None and now_s >= self._partitions_at:
            partitions = self._log.partitions()
            if partitions > len(self.auditors):
                self._close_reader()
                self._take_all(partitions)
        if self._reader is None:
            self._reader = self._log.reader(group=self._group)
        if now_s >= self._partitions_at:
            self._partitions_at = now_s + self._pace.partitions_check_ms / 1000
        return self._reader

    def _close_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _take_all(self, partitions: int) -> None:
        for partition in range(partitions):
            if partition not in self.auditors:
                self.auditors[partition] = self._open_auditor(partition)

    def _take(self, partition: int) -> bool:
        """Return whether the partition's lock is held; one that another auditor has is asked for now and then."""
        now_s = time.monotonic()
        if partition in self.auditors:
            return True
        if now_s < self._retry_at.get(partition, 0.0):
            return False
        try:
            self.auditors[partition] = self._open_auditor(partition)
        except AuditorRunningError as error:
            if partition not in self._retry_at:
                _logger.warning("waiting for a partition", extra={"partition": partition, "reason": str(error)})
            self._retry_at[partition] = now_s + self._pace.lock_retry_ms / 1000
            return False
        self._retry_at.pop(partition, None)
        _logger.info("auditing", extra={"partition": partition, "size": self.auditors[partition].size})
        return True

    def _leave(self, partitions: Collection[int]) -> None:
        """Free the locks of partitions that are another auditor's now; what was not published is read again there."""
        for partition in sorted(partitions):
            self._anchors.pop(partition, None)
            self.auditors.pop(partition).close()
            _logger.info("left to another auditor", extra={"partition": partition})

    def _position(self, reader: Reader, partition: int) -> None:
        """Seek to the last audited record, to see that the log still holds it as it was."""
        auditor = self.auditors[partition]
        self._anchors.pop(partition, None)
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
