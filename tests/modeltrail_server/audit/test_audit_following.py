"""Following a log: every partition, from where the folder stands, up to the end or until stopped."""

import hashlib
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from audit_logs import IDENTITY, NAME, ListLog, ListReader, files_of, history
from modeltrail.errors import LogIdentityError, LogUnavailableError, OffsetOutOfRangeError
from modeltrail.log import Outgoing, Position, Record
from modeltrail_server import audit
from modeltrail_server.audit.keys import read_key

QUICK = audit.Pace(max_records=100, wait_ms=1, retry_ms=1, publish_interval_ms=1)


def test_each_partition_gets_a_log_of_its_own(tmp_path: Path) -> None:
    parts = [history(300, seed=3), history(50, seed=4, partition=1), []]
    audit.init(tmp_path, NAME)
    heads = audit.follow(tmp_path, ListLog(*parts), once=True, pace=QUICK)
    assert {partition: head.size for partition, head in heads.items()} == {0: 300, 1: 50, 2: 0}
    for partition, records in enumerate(parts):
        assert list(audit.read_records(tmp_path, partition)) == records
    report = audit.verify(tmp_path)
    assert report.ok
    assert len({found.head.origin for found in report.partitions if found.head}) == 3


def test_following_goes_on_where_it_was_and_reports_each_head(tmp_path: Path) -> None:
    records, heads = history(250), []
    audit.init(tmp_path, NAME, IDENTITY)
    unhurried = audit.Pace(max_records=100, wait_ms=1, publish_interval_ms=60_000)
    for end in (0, 120, 120, 250):
        log = ListLog(records[:end])
        audit.follow(tmp_path, log, once=True, pace=unhurried, on_publish=lambda _, head: heads.append(head.size))
        assert [each.behind for each in audit.status(tmp_path, log.end()).partitions] == [0]
    assert heads == [100, 120, 250]
    assert list(audit.read_records(tmp_path)) == records


def test_following_takes_what_comes_until_it_is_stopped(tmp_path: Path) -> None:
    log, stop, seen = ListLog([]), threading.Event(), []

    def published(_: int, head: audit.Checkpoint) -> None:
        seen.append(head.size)
        if head.size < 30:
            log.append([Outgoing(b"event %d" % head.size)])
        else:
            stop.set()

    log.append([Outgoing(b"first")])
    audit.init(tmp_path, NAME, IDENTITY)
    audit.follow(tmp_path, log, stop=stop, pace=QUICK, on_publish=published)
    assert seen == list(range(1, 31))


def test_without_a_key_following_says_how_to_start(tmp_path: Path) -> None:
    with pytest.raises(audit.KeyFileError) as refused:
        audit.follow(tmp_path, ListLog([]), once=True)
    assert "audit init" in refused.value.remedy
    assert files_of(tmp_path) == {}


def test_once_ends_where_the_last_offsets_hold_no_record(tmp_path: Path) -> None:
    class Ended(ListLog):
        def end(self) -> Position:
            return Position((500,))

    audit.init(tmp_path, NAME, IDENTITY)
    pace = audit.Pace(wait_ms=1, max_idle_polls=3)
    assert audit.follow(tmp_path, Ended(history(100)), once=True, pace=pace)[0].size == 100


class FlakyLog(ListLog):
    """Fails every other poll."""

    def reader(self, *, group: str | None = None) -> "FlakyReader":
        return FlakyReader(super().reader(group=group))


class FlakyReader:
    def __init__(self, reader: object) -> None:
        self._reader, self._polls = reader, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._reader, name)

    def poll(self, *, max_records: int, wait_ms: int) -> object:
        self._polls += 1
        if self._polls % 2 == 0:
            raise LogUnavailableError("the broker is away")
        return self._reader.poll(max_records=max_records, wait_ms=wait_ms)  # type: ignore[attr-defined]


def test_a_log_that_goes_away_is_waited_for_unless_once(tmp_path: Path) -> None:
    records, stop = history(250), threading.Event()
    audit.init(tmp_path, NAME, IDENTITY)
    with pytest.raises(LogUnavailableError):
        audit.follow(tmp_path, FlakyLog(records), once=True, pace=QUICK)
    audit.follow(
        tmp_path,
        FlakyLog(records),
        stop=stop,
        pace=QUICK,
        on_publish=lambda _, head: stop.set() if head.size == 250 else None,
    )
    assert list(audit.read_records(tmp_path)) == records


@pytest.mark.parametrize("remade", [lambda record: replace(record, value=b"rewritten"), lambda record: None])
def test_a_log_whose_last_audited_record_is_another_is_refused(remade: object, tmp_path: Path) -> None:
    records = history(100)
    audit.init(tmp_path, NAME, IDENTITY)
    audit.follow(tmp_path, ListLog(records[:60]), once=True, pace=QUICK)
    other: list[Record] = [*records[:59], *filter(None, [remade(records[59])]), *records[60:]]  # type: ignore[operator]
    with pytest.raises(LogIdentityError, match=f"offset {records[59].offset} "):
        audit.follow(tmp_path, ListLog(other), once=True, pace=QUICK)
    assert audit.status(tmp_path).partitions[0].head.size == 60


def test_a_log_cut_short_below_the_audited_position_is_refused(tmp_path: Path) -> None:
    records = history(100)
    audit.init(tmp_path, NAME, IDENTITY)
    audit.follow(tmp_path, ListLog(records), once=True, pace=QUICK)
    with pytest.raises(OffsetOutOfRangeError):
        audit.follow(tmp_path, ListLog(records[:50]), once=True, pace=QUICK)


def test_retention_behind_the_audited_position_is_fine_and_ahead_of_it_is_refused(tmp_path: Path) -> None:
    records = history(100)
    audit.init(tmp_path, NAME, IDENTITY)
    audit.follow(tmp_path, ListLog(records[:50]), once=True, pace=QUICK)
    kept = ListLog(records[50:])
    kept.first = [records[49].offset + 1]
    audit.follow(tmp_path, kept, once=True, pace=QUICK)
    assert list(audit.read_records(tmp_path)) == records
    lost = ListLog([replace(records[0], offset=5000)])
    lost.first = [4000]
    with pytest.raises(OffsetOutOfRangeError, match="holds offsets 4000 to 5000"):
        audit.follow(tmp_path, lost, once=True, pace=QUICK)


def test_a_partition_that_is_added_is_followed_too(tmp_path: Path) -> None:
    log, stop, sizes = ListLog(history(20)), threading.Event(), {}

    def published(partition: int, head: audit.Checkpoint) -> None:
        sizes[partition] = head.size
        if len(log.records) == 1:
            log.records.append(history(30, seed=2, partition=1))
            log.first.append(0)
        if sizes.get(1) == 30:
            stop.set()

    audit.init(tmp_path, NAME, IDENTITY)
    pace = replace(QUICK, partitions_check_ms=0)
    audit.follow(tmp_path, log, stop=stop, pace=pace, on_publish=published)
    assert list(audit.read_records(tmp_path, 1)) == log.records[1]
    assert audit.verify(tmp_path).ok


class SharedLog(ListLog):
    """A log whose group gives its reader ``given``, which the test changes."""

    given: frozenset[int] = frozenset()

    def reader(self, *, group: str | None = None) -> "SharedReader":
        assert group is not None
        self.group = group
        return SharedReader(self)


class SharedReader(ListReader):
    def assignment(self) -> frozenset[int]:
        given = self._log.given  # type: ignore[attr-defined]
        self._at = {partition: at for partition, at in self._at.items() if partition in given}
        return given


def test_what_a_group_takes_away_is_left_and_what_it_gives_back_goes_on(tmp_path: Path) -> None:
    parts = [history(60, seed=1), history(60, seed=2, partition=1)]
    log, stop, seen = SharedLog(parts[0][:20], parts[1][:20]), threading.Event(), []
    given = iter([{1}, set(), {0, 1}])

    def published(partition: int, head: audit.Checkpoint) -> None:
        seen.append((partition, head.size))
        if len(seen) == 4:
            stop.set()
            return
        log.given = frozenset(next(given))
        for at, part in enumerate(parts):
            log.records[at] = part[: 20 * (len(seen) + 1)]

    def give_later() -> None:
        while not stop.wait(0.01):
            if not log.given:
                log.given = frozenset({0, 1})

    helper = threading.Thread(target=give_later)
    log.given = frozenset({0})
    helper.start()
    try:
        audit.init(tmp_path, NAME, IDENTITY)
        audit.follow(tmp_path, log, share=True, stop=stop, pace=QUICK, on_publish=published)
    finally:
        stop.set()
        helper.join()
    assert log.group.endswith(audit.read_key_of(tmp_path).key_id.hex())
    assert audit.verify(tmp_path).ok
    for partition, part in enumerate(parts):
        audited = list(audit.read_records(tmp_path, partition))
        assert audited == part[: len(audited)]


def test_a_partition_whose_lock_another_holds_is_waited_for_and_the_others_go_on(tmp_path: Path) -> None:
    parts = [history(20, seed=1), history(20, seed=2, partition=1)]
    log, stop, sizes = SharedLog(*parts), threading.Event(), {}
    log.given = frozenset({0, 1})
    audit.init(tmp_path, NAME, IDENTITY)
    holder = audit.Auditor(tmp_path, read_key(tmp_path), IDENTITY, 0).open()

    def published(partition: int, head: audit.Checkpoint) -> None:
        sizes[partition] = head.size
        if partition == 1:
            assert 0 not in sizes
            holder.close()
        if len(sizes) == 2:
            stop.set()

    audit.follow(tmp_path, log, share=True, stop=stop, pace=replace(QUICK, lock_retry_ms=1), on_publish=published)
    assert sizes == {0: 20, 1: 20}


def test_schemas_lie_beside_under_their_digest(tmp_path: Path) -> None:
    text = b'{"type": "string"}'
    digest = hashlib.sha256(text).hexdigest()
    audit.init(tmp_path, NAME, IDENTITY)
    for _ in range(2):
        audit.follow(tmp_path, ListLog([]), once=True, schemas={digest: text}, pace=QUICK)
    assert (tmp_path / "schemas" / f"{digest}.avsc").read_bytes() == text
    with pytest.raises(audit.AuditError, match="another SHA-256"):
        audit.write_schemas(tmp_path, {"0" * 64: text})
    (tmp_path / "schemas" / f"{digest}.avsc").write_bytes(b"tampered")
    assert audit.verify(tmp_path).faults[0].path == f"schemas/{digest}.avsc"
