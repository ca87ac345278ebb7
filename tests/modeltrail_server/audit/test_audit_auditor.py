"""The auditor: what it writes is a function of the log, it goes on where it was, and it is alone."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from audit_logs import IDENTITY, NAME, files_of, go_on, history, lasting_files, quick_folder, start
from hypothesis import given, settings
from hypothesis import strategies as st
from modeltrail.errors import LogIdentityError
from modeltrail.log import LogIdentity
from modeltrail_server import audit
from modeltrail_server.audit import layout, leaf, segments
from modeltrail_server.audit.files import Files
from modeltrail_server.audit.keys import read_key
from modeltrail_server.audit.tlog import edge, tiles
from modeltrail_server.audit.tree import decode_bundle, encode_bundle

RECORDS = history(1100)


def test_init_makes_a_key_and_an_empty_signed_head(tmp_path: Path) -> None:
    status = audit.init(tmp_path, NAME, IDENTITY, partitions=2)
    assert [each.head.size for each in status.partitions] == [0, 0]
    assert [each.head.origin for each in status.partitions] == [f"{NAME}/{IDENTITY.topic_id}/{at}" for at in (0, 1)]
    assert audit.verify(tmp_path, audit.VerifierKey.parse(status.verifier_key)).ok
    with pytest.raises(audit.KeyFileError, match="never overwritten"):
        audit.init(tmp_path, NAME, IDENTITY)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 400), max_size=8), st.booleans())
def test_two_auditors_with_different_batches_write_the_same(batches: list[int], restarted: bool) -> None:
    with quick_folder() as parent:
        one, other = parent / "one", parent / "other"
        start(one, RECORDS)
        if restarted:
            start(other, [])
            at = 0
            for batch in batches:
                go_on(other, RECORDS[at : at + batch])
                at += batch
            go_on(other, RECORDS[at:])
        else:
            start(other, RECORDS, batches)
        assert lasting_files(one) == lasting_files(other)
        heads = [audit.status(folder).partitions[0].head for folder in (one, other)]
        assert heads[0] == heads[1]
        assert audit.verify(other).ok


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 1000])
def test_a_head_of_any_size_has_all_its_files_and_verifies(size: int, tmp_path: Path) -> None:
    start(tmp_path, RECORDS[:size])
    report = audit.verify(tmp_path)
    assert report.ok
    assert report.partitions[0].records == size
    names = {f"0/{layout.tile_path(tile)}" for tile in tiles(size)}
    names |= {f"0/{layout.entries_path(tile)}" for tile in tiles(size) if tile.level == 0}
    assert {name for name in files_of(tmp_path) if name.startswith("0/tile/")} == names


def test_each_published_head_has_its_partial_tiles_until_the_full_ones_are_there(tmp_path: Path) -> None:
    audit.init(tmp_path, NAME, IDENTITY)
    published = []
    with audit.Auditor(tmp_path, read_key(tmp_path), IDENTITY, 0) as auditor:
        for at in range(0, 300, 50):
            auditor.append(RECORDS[at : at + 50])
            published.append(auditor.publish().size)
            for size in published:
                for tile in edge(size):
                    partial = tmp_path / "0" / layout.tile_path(tile)
                    full = tmp_path / "0" / layout.tile_path(replace(tile, width=256))
                    assert partial.exists() != full.exists()
    assert published == [50, 100, 150, 200, 250, 300]


def test_records_come_back_from_any_offset(tmp_path: Path) -> None:
    start(tmp_path, RECORDS, [100, 300])
    for at in (0, 1, 255, 256, 700, 1099):
        assert list(audit.read_records(tmp_path, start=RECORDS[at].offset)) == RECORDS[at:]
    assert list(audit.read_records(tmp_path, start=RECORDS[-1].offset + 1)) == []


def test_a_bundle_that_lies_cannot_hide_records_from_a_reader(tmp_path: Path) -> None:
    """Reading from an offset searches the bundles: one that claims lower offsets would send the search too far."""
    start(tmp_path, RECORDS)
    bundle = tmp_path / "0" / "tile" / "entries" / "001"
    entries, _ = decode_bundle(bundle.read_bytes())
    entries[-1] = leaf.encode(RECORDS[0])
    bundle.write_bytes(encode_bundle(entries))
    with pytest.raises(audit.AuditDamagedError, match="tile/entries/001, index 511"):
        list(audit.read_records(tmp_path, start=RECORDS[400].offset))


def test_records_out_of_order_are_refused(tmp_path: Path) -> None:
    audit.init(tmp_path, NAME, IDENTITY)
    with audit.Auditor(tmp_path, read_key(tmp_path), IDENTITY, 0) as auditor:
        auditor.append(RECORDS[:10])
        for wrong in (RECORDS[9], replace(RECORDS[10], partition=1)):
            with pytest.raises(audit.AuditError, match="cannot follow"):
                auditor.append([wrong])


def test_a_second_auditor_is_told_who_the_first_is(tmp_path: Path) -> None:
    """Two processes: the first holds the lock until it is gone, however it goes."""
    start(tmp_path, RECORDS[:10])
    script = (
        "import sys, pathlib; from modeltrail.log import LogIdentity; from modeltrail_server import audit;"
        "from modeltrail_server.audit.keys import read_key; folder = pathlib.Path(sys.argv[1]);"
        "auditor = audit.Auditor(folder, read_key(folder), LogIdentity(sys.argv[2], 'x'), 0).open();"
        "print('open', flush=True); sys.stdin.read()"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), IDENTITY.topic_id],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == "open\n"
        at_work = tmp_path / "0" / "tmp" / "7"
        at_work.touch()
        with pytest.raises(audit.AuditorRunningError, match=f"pid {first.pid}\\)") as refused:
            go_on(tmp_path, RECORDS[10:20])
        assert at_work.exists()
        assert str(first.pid) in refused.value.remedy
    finally:
        first.kill()
        first.communicate()
    go_on(tmp_path, RECORDS[10:20])
    assert audit.verify(tmp_path).partitions[0].records == 20


def test_another_topic_of_the_same_name_is_refused(tmp_path: Path) -> None:
    start(tmp_path, RECORDS[:10])
    recreated = LogIdentity("another-topic-id", IDENTITY.name)
    with pytest.raises(LogIdentityError, match="another-topic-id"):
        audit.Auditor(tmp_path, read_key(tmp_path), recreated, 0).open()
    assert audit.verify(tmp_path).ok


@pytest.mark.parametrize("name", ["tile/0/000.p/100", "tile/entries/000.p/100", "segments/000", "checkpoint"])
def test_an_auditor_does_not_go_on_from_damaged_files(name: str, tmp_path: Path) -> None:
    start(tmp_path, RECORDS[:100])
    path = tmp_path / "0" / name
    data = bytearray(path.read_bytes())
    data[-30] ^= 1
    path.write_bytes(data)
    before = files_of(tmp_path / "0")
    with pytest.raises(audit.AuditDamagedError, match=name):
        go_on(tmp_path, RECORDS[100:200])
    assert files_of(tmp_path / "0") == before


def test_an_auditor_does_not_go_on_from_another_last_record(tmp_path: Path) -> None:
    start(tmp_path, RECORDS[:100])
    path = tmp_path / "0" / "segments" / "000"
    last, other = RECORDS[99], replace(RECORDS[99], timestamp_ms=0)
    frames = [segments.encode_frame(each, leaf.encode_headers(each.headers)) for each in (last, other)]
    assert path.read_bytes().endswith(frames[0])
    path.write_bytes(path.read_bytes().removesuffix(frames[0]) + frames[1])
    with pytest.raises(audit.AuditDamagedError, match="does not end in the last signed record"):
        go_on(tmp_path, RECORDS[100:200])


def test_what_a_crash_left_behind_the_signed_records_is_cut_off(tmp_path: Path) -> None:
    start(tmp_path, RECORDS[:100])
    path = tmp_path / "0" / "segments" / "000"
    path.write_bytes(path.read_bytes() + bytes(1_000_000))
    go_on(tmp_path, [*RECORDS[100:110], replace(RECORDS[110], offset=9000)])
    assert audit.verify(tmp_path).ok


def test_a_full_tile_is_never_overwritten(tmp_path: Path) -> None:
    start(tmp_path, RECORDS[:100])
    planted = tmp_path / "0" / "tile" / "0" / "000"
    planted.write_bytes(bytes(8192))
    with pytest.raises(audit.AuditDamagedError, match="FORKED tile/0/000"):
        go_on(tmp_path, RECORDS[100:400])
    assert planted.read_bytes() == bytes(8192)
    assert audit.status(tmp_path).partitions[0].head.size == 100


def test_completed_segments_are_compressed_and_read_the_same(tmp_path: Path) -> None:
    gaps = [replace(record, offset=record.offset * 15) for record in RECORDS]
    plain, compressed = start(tmp_path / "plain", gaps), start(tmp_path / "compressed", [])
    with audit.Auditor(compressed, read_key(compressed), IDENTITY, 0) as auditor:
        for at in range(0, len(gaps), 300):
            auditor.append(gaps[at : at + 300])
            auditor.publish()
            auditor.compress_closed()
    assert [name for name in sorted(files_of(compressed)) if "segments" in name] == [
        "0/segments/000.gz",
        "0/segments/001.gz",
        "0/segments/002",
    ]
    assert list(audit.read_records(compressed)) == list(audit.read_records(plain)) == gaps
    assert audit.verify(compressed).ok


def test_a_disk_that_refuses_is_named_and_nothing_is_signed(tmp_path: Path) -> None:
    """A real one: a read-only folder where a tile should go (root may write anywhere: then a file in its place)."""
    start(tmp_path, RECORDS[:100])
    (tmp_path / "0" / "tile" / "1").write_bytes(b"in the way")
    with pytest.raises(audit.AuditWriteError, match="cannot be written"):
        go_on(tmp_path, RECORDS[100:600])
    assert audit.status(tmp_path).partitions[0].head.size == 100
    assert audit.verify(tmp_path).ok
    (tmp_path / "0" / "tile" / "1").unlink()
    go_on(tmp_path, RECORDS[100:600])
    assert audit.verify(tmp_path).partitions[0].records == 600


class LyingFiles(Files):
    """Writes one bit wrong in the file of one name, and says all is well."""

    def __init__(self, name: str) -> None:
        self._name = name

    def link(self, source: Path, target: Path) -> None:
        self._spoil(source, target.as_posix())
        super().link(source, target)

    def extend(self, path: Path, at: int, data: bytes) -> None:
        super().extend(path, at, data)
        self._spoil(path, path.as_posix())

    def _spoil(self, path: Path, name: str) -> None:
        if name.endswith(self._name):
            data = bytearray(path.read_bytes())
            data[-1] ^= 1
            path.write_bytes(data)


@pytest.mark.fault
@pytest.mark.parametrize(
    "name",
    ["segments/000", "tile/0/000", "0/001.p/44", "tile/1/000.p/1", "entries/000", "entries/001.p/44"],
)
def test_nothing_is_signed_that_does_not_read_back(name: str, tmp_path: Path) -> None:
    audit.init(tmp_path, NAME, IDENTITY)
    with audit.Auditor(tmp_path, read_key(tmp_path), IDENTITY, 0, files=LyingFiles(name)) as auditor:
        auditor.append(RECORDS[:300])
        with pytest.raises(audit.AuditDamagedError):
            auditor.publish()
    assert audit.status(tmp_path).partitions[0].head.size == 0
