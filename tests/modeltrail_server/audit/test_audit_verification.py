"""Verification: each way to damage a log is found and named by file, index, offset and kind."""

import hashlib
import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from audit_logs import IDENTITY, NAME, ListLog, files_of, go_on, history, quick_folder, start
from hypothesis import given, settings
from hypothesis import strategies as st
from modeltrail.log import Record
from modeltrail_server import audit
from modeltrail_server.audit import layout, leaf, segments
from modeltrail_server.audit.checkpoint import Checkpoint, sign_checkpoint
from modeltrail_server.audit.errors import FaultKind
from modeltrail_server.audit.keys import read_key
from modeltrail_server.audit.note import SignerKey
from modeltrail_server.audit.tlog import fold, leaf_hash
from modeltrail_server.audit.tree import Tree, decode_bundle, encode_bundle

# Index 650 begins the second segment; tiles 0/000, 0/001, 0/002.p/188 and 1/000.p/2.
SEGMENT_AT, SIZE = 650, 700
RECORDS = [
    replace(each, offset=each.offset + (9000 if at >= SEGMENT_AT else 0)) for at, each in enumerate(history(SIZE))
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return start(tmp_path_factory.mktemp("whole") / "audit", RECORDS, [100, 300])


@dataclass
class Damaged:
    """A copy of the whole log to do harm to."""

    folder: Path

    def path(self, name: str) -> Path:
        return self.folder / "0" / name

    def fault(self) -> tuple[str, str, int | None, int | None]:
        report = audit.verify(self.folder)
        assert not report.ok
        fault = report.faults[0]
        assert fault.path in fault.describe()
        return fault.kind.value, fault.path.removeprefix("0/"), fault.index, fault.offset

    def edit(self, name: str, change: Callable[[bytearray], object]) -> None:
        data = bytearray(self.path(name).read_bytes())
        change(data)
        self.path(name).write_bytes(data)

    def edit_entries(self, name: str, change: Callable[[list[bytes]], object]) -> None:
        entries, _ = decode_bundle(self.path(name).read_bytes())
        change(entries)
        self.path(name).write_bytes(encode_bundle(entries))

    def edit_records(self, number: int, change: Callable[[list[Record]], object]) -> None:
        with segments.SegmentReader.open(self.path(""), number, 0) as reader:
            header = segments.encode_header(*reader.header())
            records = list(iter(reader.record, None))
        change(records)
        frames = [segments.encode_frame(record, leaf.encode_headers(record.headers)) for record in records]
        self.path(layout.segment_path(number)).write_bytes(header + b"".join(frames))


@pytest.fixture
def damaged(whole: Path, quick_path: Path) -> Damaged:
    shutil.copytree(whole, quick_path / "audit")
    return Damaged(quick_path / "audit")


def swap(items: list, at: int) -> None:
    items[at], items[at + 1] = items[at + 1], items[at]


def test_a_whole_log_verifies_and_says_what_it_looked_at(whole: Path) -> None:
    heard: list[tuple[int, int]] = []
    report = audit.verify(whole, on_progress=lambda done, total: heard.append((done, total)))
    assert report.ok
    assert not report.pinned_key
    found = report.partitions[0]
    assert (found.records, found.first_offset, found.last_offset) == (SIZE, 0, RECORDS[-1].offset)
    assert found.payload_bytes == sum(len(record.value) for record in RECORDS)
    assert found.uncovered == ("0/lock",)
    assert heard == [(SIZE, SIZE)]


CHANGES = {
    "value": lambda record: replace(record, value=record.value + b"!"),
    "key": lambda record: replace(record, key=b"another"),
    "headers": lambda record: replace(record, headers=(("x", b""),)),
    "timestamp_ms": lambda record: replace(record, timestamp_ms=1),
}


@pytest.mark.parametrize("field", CHANGES)
@pytest.mark.parametrize("index", [0, 255, 256, 649, 650, 699])
def test_a_changed_record_is_named_with_the_field(index: int, field: str, damaged: Damaged) -> None:
    number, first = (0, 0) if index < SEGMENT_AT else (1, SEGMENT_AT)

    def change(records: list[Record]) -> None:
        records[index - first] = CHANGES[field](records[index - first])

    damaged.edit_records(number, change)
    assert damaged.fault() == ("changed", f"segments/00{number}", index, RECORDS[index].offset)
    assert f"{field} of the record differ" in audit.verify(damaged.folder).faults[0].detail


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (FaultKind.DELETED, lambda records: records.pop(300)),
        (FaultKind.REORDERED, lambda records: swap(records, 300)),
        (FaultKind.ADDED, lambda records: records.insert(300, replace(records[0], offset=12))),
        (FaultKind.TRUNCATED, lambda records: records.__delitem__(slice(300, None))),
    ],
)
def test_records_deleted_reordered_added_or_cut_off_are_named(
    kind: FaultKind, change: Callable[[list[Record]], object], damaged: Damaged
) -> None:
    damaged.edit_records(0, change)
    assert damaged.fault() == (kind, "segments/000", 300, RECORDS[300].offset)


def test_damaged_payload_bytes_are_named(damaged: Damaged) -> None:
    at = segments.HEADER_BYTES + 8 + 28
    damaged.edit("segments/000", lambda data: data.__setitem__(at, data[at] ^ 1))
    assert damaged.fault()[:3] == ("changed", "segments/000", 0)


def test_a_segment_cut_off_within_a_record_is_named(damaged: Damaged) -> None:
    damaged.edit("segments/001", lambda data: data.__delitem__(slice(-3, None)))
    assert damaged.fault() == ("truncated", "segments/001", 699, RECORDS[699].offset)


def test_bytes_after_a_completed_segment_are_named(damaged: Damaged) -> None:
    damaged.edit("segments/000", lambda data: data.extend(b"more"))
    assert damaged.fault()[:2] == ("added", "segments/000")


def test_a_segment_nobody_signed_is_named(damaged: Damaged) -> None:
    tall = [replace(each, offset=each.offset + 20_000) for each in RECORDS[:650]]
    shutil.rmtree(damaged.folder)
    start(damaged.folder, RECORDS[:10] + tall[10:])
    (damaged.path("segments/001")).write_bytes(segments.encode_header(1, 10))
    assert damaged.fault()[:2] == ("added", "segments/001")


def test_a_segment_erased_on_purpose_is_named_and_can_be_put_back(damaged: Damaged) -> None:
    kept = damaged.path("segments/000").read_bytes()
    damaged.path("segments/000").unlink()
    assert damaged.fault() == ("deleted", "segments/000", 0, 0)
    assert "the entries still prove what they were" in audit.verify(damaged.folder).faults[0].detail
    damaged.path("segments/000").write_bytes(kept)
    assert audit.verify(damaged.folder).ok


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (FaultKind.CHANGED, lambda entries: entries.__setitem__(40, entries[40][:-1] + b"?")),
        (FaultKind.DELETED, lambda entries: entries.pop(40)),
        (FaultKind.REORDERED, lambda entries: swap(entries, 40)),
        (FaultKind.ADDED, lambda entries: entries.insert(40, entries[0])),
        (FaultKind.TRUNCATED, lambda entries: entries.__delitem__(slice(40, None))),
    ],
)
@pytest.mark.parametrize(("name", "first"), [("tile/entries/001", 256), ("tile/entries/002.p/188", 512)])
def test_entries_changed_deleted_reordered_added_or_cut_off_are_named(
    name: str, first: int, kind: FaultKind, change: Callable[[list[bytes]], object], damaged: Damaged
) -> None:
    damaged.edit_entries(name, change)
    assert damaged.fault() == (kind, name, first + 40, RECORDS[first + 40].offset)


def test_bytes_after_a_bundle_are_named(damaged: Damaged) -> None:
    damaged.edit("tile/entries/001", lambda data: data.extend(b"\x00"))
    assert damaged.fault()[:3] == ("added", "tile/entries/001", 512)


@pytest.mark.parametrize(
    ("name", "position", "index"),
    [("tile/0/000", 7, 7), ("tile/0/001", 255, 511), ("tile/0/002.p/188", 187, 699), ("tile/1/000.p/2", 1, 256)],
)
def test_a_changed_hash_is_named(name: str, position: int, index: int, damaged: Damaged) -> None:
    damaged.edit(name, lambda data: data.__setitem__(position * 32, data[position * 32] ^ 128))
    assert damaged.fault() == ("changed", name, index, None)


@pytest.mark.parametrize(
    ("name", "kind", "index"),
    [
        ("tile/0/000", "deleted", 0),
        ("tile/0/002.p/188", "truncated", 512),
        ("tile/1/000.p/2", "truncated", 0),
        ("tile/entries/000", "deleted", 0),
        ("tile/entries/002.p/188", "truncated", 512),
    ],
)
def test_a_missing_file_is_named(name: str, kind: str, index: int, damaged: Damaged) -> None:
    damaged.path(name).unlink()
    assert damaged.fault() == (kind, name, index, None)


@pytest.mark.parametrize(("name", "index"), [("tile/0/001", 511), ("tile/0/002.p/188", 699), ("tile/1/000.p/2", 256)])
def test_a_tile_of_another_length_is_named(name: str, index: int, damaged: Damaged) -> None:
    kept = damaged.path(name).read_bytes()
    damaged.path(name).write_bytes(kept[:-1])
    assert damaged.fault() == ("truncated", name, index, None)
    damaged.path(name).write_bytes(kept + b"\x00")
    assert damaged.fault()[:2] == ("added", name)


def test_the_tail_cut_off_everywhere_is_named(damaged: Damaged) -> None:
    """What a restored backup looks like under a newer head."""
    for name in ("tile/0/001", "tile/0/002.p/188", "tile/entries/001", "tile/entries/002.p/188", "segments/001"):
        damaged.path(name).unlink()
    assert damaged.fault() == ("truncated", "tile/0/002.p/188", 512, None)


def test_a_record_rewritten_down_to_its_tile_is_named(damaged: Damaged) -> None:
    """Segment, bundle and tile agree with each other; the level above does not."""
    damaged.edit_records(0, lambda records: records.__setitem__(9, CHANGES["value"](records[9])))
    entry = leaf.encode(CHANGES["value"](RECORDS[9]))
    damaged.edit_entries("tile/entries/000", lambda entries: entries.__setitem__(9, entry))
    damaged.edit("tile/0/000", lambda data: data.__setitem__(slice(9 * 32, 10 * 32), leaf_hash(entry)))
    kind, name, index, _ = damaged.fault()
    assert (kind, name, index) == ("changed", "tile/0/000", 0)


def rewritten(folder: Path, signer: SignerKey | None) -> None:
    """Replace the whole history by a consistent other one of the same size, signed if there is a key."""
    head = (folder / "0" / "checkpoint").read_bytes()
    key, origin = (folder / "key").read_bytes(), head.split(b"\n", 1)[0].decode()
    shutil.rmtree(folder / "0")
    go_on(folder, [CHANGES["value"](RECORDS[0]), *RECORDS[1:]])
    assert key == (folder / "key").read_bytes()
    if signer is None:
        (folder / "0" / "checkpoint").write_bytes(head)
    else:
        tree = Tree()
        tree.append([leaf.encode(record) for record in [CHANGES["value"](RECORDS[0]), *RECORDS[1:]]])
        forged = sign_checkpoint(Checkpoint(origin, SIZE, tree.root()), signer)
        (folder / "0" / "checkpoint").write_bytes(forged)


def test_a_history_rewritten_without_the_key_is_named(damaged: Damaged) -> None:
    rewritten(damaged.folder, None)
    kind, name, *_ = damaged.fault()
    assert (kind, name) == ("forked", "checkpoint")


def test_a_history_signed_with_another_key_is_named(damaged: Damaged) -> None:
    rewritten(damaged.folder, SignerKey.generate(NAME))
    assert damaged.fault()[:2] == ("forged", "checkpoint")


def test_a_history_rewritten_by_the_holder_of_the_key_is_caught_by_a_pin_alone(
    damaged: Damaged, tmp_path: Path
) -> None:
    pinned = tmp_path / "pin"
    audit.pin(damaged.folder, pinned)
    rewritten(damaged.folder, read_key(damaged.folder))
    assert audit.verify(damaged.folder).ok
    report = audit.verify(damaged.folder, pins=[pinned])
    assert report.faults[0].kind is FaultKind.FORKED
    assert f"first {SIZE} records are not those that were pinned" in report.faults[0].detail


def test_a_log_rolled_back_is_caught_by_a_pin_alone(damaged: Damaged, tmp_path: Path) -> None:
    early = damaged.path("checkpoint").read_bytes()
    go_on(damaged.folder, [replace(record, offset=record.offset + 10_000) for record in RECORDS[SEGMENT_AT:]])
    pinned = tmp_path / "pin"
    audit.pin(damaged.folder, pinned)
    damaged.path("checkpoint").write_bytes(early)
    report = audit.verify(damaged.folder)
    assert report.ok
    assert "0/tile/0/002.p/238" in report.partitions[0].uncovered
    assert audit.verify(damaged.folder, pins=[pinned]).faults[0].kind is FaultKind.TRUNCATED


def test_a_pinned_log_that_is_gone_is_named(damaged: Damaged, tmp_path: Path) -> None:
    audit.pin(damaged.folder, tmp_path / "pin")
    shutil.rmtree(damaged.path(""))
    report = audit.verify(damaged.folder, pins=[tmp_path / "pin"])
    assert report.faults[0].kind is FaultKind.DELETED


@pytest.mark.parametrize("at", [0, 30, -5, -40])
def test_a_tampered_checkpoint_is_named(at: int, damaged: Damaged) -> None:
    damaged.edit("checkpoint", lambda data: data.__setitem__(at, data[at] ^ 1))
    assert damaged.fault()[:2] == ("forged", "checkpoint")


def test_another_signing_key_in_the_folder_is_named(damaged: Damaged) -> None:
    other = SignerKey.generate(NAME)
    (damaged.folder / "key").write_text(other.format() + "\n")
    assert damaged.fault()[:2] == ("changed", "key")
    (damaged.folder / "verifier-key").write_text(other.verifier.format() + "\n")
    assert damaged.fault()[:2] == ("forged", "checkpoint")


def test_a_missing_checkpoint_is_named(damaged: Damaged) -> None:
    damaged.path("checkpoint").unlink()
    assert damaged.fault()[:2] == ("deleted", "checkpoint")


def test_a_file_that_cannot_be_read_is_an_error_and_no_verdict(damaged: Damaged) -> None:
    damaged.path("tile/0/000").unlink()
    damaged.path("tile/0/000").mkdir()
    with pytest.raises(audit.AuditError, match="tile/0/000 cannot be read"):
        audit.verify(damaged.folder)


def test_a_folder_without_a_log_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(audit.AuditError, match="no audit log") as refused:
        audit.verify(tmp_path / "nothing")
    assert "audit init" in refused.value.remedy


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A log with one of each file: schemas, a compressed segment, old partial tiles, files ahead of the head."""
    with quick_folder() as parent:
        folder = parent / "audit"
        audit.init(folder, NAME, IDENTITY)
        text = b'{"type": "string"}'
        audit.follow(
            folder,
            ListLog(RECORDS),
            once=True,
            compress=True,
            schemas={hashlib.sha256(text).hexdigest(): text},
            pace=audit.Pace(max_records=660),
        )
        head = (folder / "0" / "checkpoint").read_bytes()
        go_on(folder, [replace(record, offset=record.offset + 10_000) for record in RECORDS[SEGMENT_AT:]])
        (folder / "0" / "checkpoint").write_bytes(head)
        yield folder


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_anywhere_is_found_or_said_to_be_uncovered(everything: Path, data: st.DataObject) -> None:
    files = {name: size for name, content in files_of(everything).items() if (size := len(content))}
    name = data.draw(st.sampled_from(sorted(files)))
    at, bit = data.draw(st.integers(0, files[name] - 1)), data.draw(st.integers(0, 7))
    path = everything / name
    kept = path.read_bytes()
    flipped = bytearray(kept)
    flipped[at] ^= 1 << bit
    path.write_bytes(flipped)
    try:
        report = audit.verify(everything)
        uncovered = {*report.uncovered, *(each for found in report.partitions for each in found.uncovered)}
        harmless = name in uncovered or _decompresses_to_the_same(kept, path)
        assert harmless or not report.ok, (name, at, bit)
    finally:
        path.write_bytes(kept)
    assert {"0/segments/000.gz", "0/tile/0/002.p/148", "0/tile/0/002.p/238"} <= set(files)


class Bomb:
    """Zeros as a stream: so many bytes before, then so many zeros."""

    def __init__(self, before: bytes, zeros: int) -> None:
        self._before, self._zeros = before, zeros

    def read(self, size: int) -> bytes:
        taken, self._before = self._before[:size], self._before[size:]
        zeros = min(size - len(taken), self._zeros)
        self._zeros -= zeros
        return taken + bytes(zeros)

    def close(self) -> None:
        pass


def packed(damaged: Damaged, *, frames: int, then: bytes = b"", zeros: int = 0) -> Path:
    """Put the compressed form in place of segment 0: its first ``frames``, then other bytes, then zeros."""
    plain = damaged.path(layout.segment_path(0))
    with segments.SegmentReader.open(damaged.path(""), 0, 0) as reader:
        reader.header()
        for _ in range(frames):
            reader.record()
        kept = plain.read_bytes()[: reader.position]
    plain.unlink()
    path = plain.with_name(plain.name + layout.COMPRESSED)
    path.write_bytes(b"".join(segments.compress(Bomb(kept + then, zeros))))
    return path


def peak_bytes(work: Callable[[], object]) -> int:
    """Return how many bytes were held at once while ``work`` ran."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_frame_that_claims_more_than_a_record_may_have_is_a_fault_before_any_of_it_is_held(
    damaged: Damaged,
) -> None:
    claimed = (segments.MAX_BODY_BYTES + 1).to_bytes(4) + bytes(4)
    path = packed(damaged, frames=3, then=claimed, zeros=segments.MAX_BODY_BYTES + 1)
    assert path.stat().st_size < segments.MAX_BODY_BYTES / 100
    held = peak_bytes(lambda: audit.verify(damaged.folder))
    assert damaged.fault() == ("changed", "segments/000.gz", 3, RECORDS[3].offset)
    assert "says that it has 67,108,865 bytes" in audit.verify(damaged.folder).faults[0].describe()
    assert held < segments.MAX_BODY_BYTES / 4


def test_what_follows_the_last_signed_record_is_not_unpacked_to_its_end(damaged: Damaged) -> None:
    packed(damaged, frames=SEGMENT_AT, zeros=4 * segments.READ_BYTES)
    assert damaged.fault()[:2] == ("added", "segments/000.gz")
    assert f"at least {segments.READ_BYTES:,} bytes" in audit.verify(damaged.folder).faults[0].describe()


def test_what_follows_a_compressed_segment_is_not_read_to_its_end(damaged: Damaged) -> None:
    path = packed(damaged, frames=SEGMENT_AT)
    assert audit.verify(damaged.folder).ok
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + segments.MAX_BODY_BYTES)  # zeros that take no place on the disk
    held = peak_bytes(lambda: audit.verify(damaged.folder))
    assert damaged.fault()[:2] == ("changed", "segments/000.gz")
    assert held < segments.MAX_BODY_BYTES / 4


@pytest.mark.parametrize(
    ("name", "kind", "index"),
    [
        ("tile/0/001", "added", 512),
        ("tile/0/002.p/188", "added", 700),
        ("tile/1/000.p/2", "added", 512),
        ("tile/entries/001", "added", 512),
        ("tile/entries/002.p/188", "added", 700),
        ("tile/0/002.p/44", "changed", None),
        ("tile/entries/002.p/44", "changed", None),
        ("checkpoint", "forged", None),
    ],
)
def test_of_a_file_no_more_is_read_than_may_be_in_it(
    name: str, kind: str, index: int | None, damaged: Damaged
) -> None:
    path = damaged.path(name)
    if not path.exists():  # a partial one of an older head, which may have been left
        path.write_bytes(b"")
    with path.open("r+b") as file:
        file.truncate(4 * segments.MAX_BODY_BYTES)  # zeros that take no place on the disk
    held = peak_bytes(lambda: audit.verify(damaged.folder))
    assert damaged.fault()[:3] == (kind, name, index)
    assert held < segments.MAX_BODY_BYTES


def test_a_file_that_is_too_long_is_named_with_the_most_that_may_be_in_it(damaged: Damaged) -> None:
    damaged.edit("tile/0/001", lambda data: data.extend(b"\x00"))
    assert "more than 8,192 bytes, the most that may be in it" in audit.verify(damaged.folder).faults[0].describe()


def test_a_bundle_of_very_many_entries_is_not_taken_apart_to_its_end(damaged: Damaged) -> None:
    with damaged.path("tile/entries/001").open("r+b") as file:
        file.truncate(256 * (2 + 65_535))  # as long as a bundle may be, most of it entries without a byte
    held = peak_bytes(lambda: audit.verify(damaged.folder))
    assert damaged.fault()[:3] == ("added", "tile/entries/001", 512)
    assert held < segments.MAX_BODY_BYTES


def test_of_a_key_and_a_schema_no_more_is_held_than_may_be_in_them(damaged: Damaged) -> None:
    schema = damaged.folder / layout.schema_path("0" * 64)
    schema.parent.mkdir(exist_ok=True)
    for path in (damaged.path(layout.VERIFIER_KEY), schema):
        with path.open("ab") as file:
            file.truncate(4 * segments.MAX_BODY_BYTES)
    held = peak_bytes(lambda: audit.verify(damaged.folder))
    assert not audit.verify(damaged.folder).ok
    assert held < segments.MAX_BODY_BYTES


def test_a_record_that_no_segment_takes_is_refused_before_it_is_written() -> None:
    largest = replace(RECORDS[0], key=None, headers=(), value=bytes(segments.MAX_BODY_BYTES))
    with pytest.raises(audit.AuditError, match="a segment takes 67,108,864") as refused:
        segments.encode_frame(largest, b"")
    assert "max.message.bytes" in refused.value.remedy


def _decompresses_to_the_same(kept: bytes, path: Path) -> bool:
    """The one thing in a covered file that no digest covers is the spelling of compression."""
    if path.suffix != layout.COMPRESSED:
        return False
    with quick_folder() as folder:
        other = folder / "000.gz"
        other.write_bytes(kept)
        readers = [segments.SegmentReader.open_file(each, 0) for each in (other, path)]
        try:
            one, two = ([reader.header(), *iter(reader.record, None)] for reader in readers)
            return one == two
        except segments.FrameError:
            return False
        finally:
            for reader in readers:
                reader.close()


def test_folding_a_tile_by_hand_gives_the_hash_above(whole: Path) -> None:
    level_0 = (whole / "0" / "tile" / "0" / "001").read_bytes()
    assert (whole / "0" / "tile" / "1" / "000.p" / "2").read_bytes()[32:] == fold(level_0)
