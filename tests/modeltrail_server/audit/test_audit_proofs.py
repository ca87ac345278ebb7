"""Proofs, pins and exports: what is handed to somebody who has nothing else."""

import base64
import resource
from dataclasses import replace
from pathlib import Path

import pytest
from audit_logs import NAME, go_on, history, start
from modeltrail_server import audit
from modeltrail_server.audit.note import SignerKey, VerifierKey

RECORDS = history(600)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return start(tmp_path_factory.mktemp("proved") / "audit", RECORDS, [257])


@pytest.fixture(scope="module")
def key(folder: Path) -> VerifierKey:
    return VerifierKey.parse(audit.status(folder).verifier_key)


@pytest.mark.parametrize("index", [0, 1, 255, 256, 511, 512, 599])
def test_a_proof_by_index_or_offset_shows_the_record_to_whoever_has_the_key(
    index: int, folder: Path, key: VerifierKey
) -> None:
    text = audit.prove(folder, index=index)
    assert audit.prove(folder, offset=RECORDS[index].offset) == text
    proven = audit.check_proof(text, key)
    assert (proven.index, proven.leaf.offset, proven.head.size) == (index, RECORDS[index].offset, 600)
    proven.require_record(RECORDS[index])
    with pytest.raises(audit.ProofError, match="value differ"):
        proven.require_record(replace(RECORDS[index], value=b"other"))


def test_no_character_of_a_proof_can_be_changed(folder: Path, key: VerifierKey) -> None:
    text = audit.prove(folder, index=300)
    for at in range(len(text)):
        changed = text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]
        with pytest.raises((audit.ProofError, audit.NoteError)):
            audit.check_proof(changed, key)


def test_a_proof_under_another_key_shows_nothing(folder: Path) -> None:
    with pytest.raises(audit.NoteError):
        audit.check_proof(audit.prove(folder, index=3), SignerKey.generate(NAME).verifier)


def test_what_is_not_audited_cannot_be_proved(folder: Path) -> None:
    gaps = sorted(set(range(RECORDS[-1].offset)) - {record.offset for record in RECORDS})
    for wanted in ({"index": 600}, {"index": -1}, {"offset": RECORDS[-1].offset + 1}, {"offset": gaps[0]}):
        with pytest.raises(audit.ProofError) as refused:
            audit.prove(folder, **wanted)
        assert "audit follow --once" in refused.value.remedy


def test_a_damaged_log_gives_no_proof(folder: Path, tmp_path: Path) -> None:
    copy = audit.export(folder, tmp_path / "copy").folder
    bundle = copy / "0" / "tile" / "entries" / "000"
    data = bytearray(bundle.read_bytes())
    data[50] ^= 1
    bundle.write_bytes(data)
    with pytest.raises(audit.ProofError):
        audit.prove(copy, index=0)


def test_a_proof_is_a_tlog_proof(folder: Path) -> None:
    lines = audit.prove(folder, index=7).split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert len(base64.b64decode(lines[1].removeprefix("extra "))) == 114
    assert lines[2] == "index 7"
    assert "\n".join(lines[lines.index("") + 1 :]) == (folder / "0" / "checkpoint").read_text(encoding="utf-8")


def test_a_log_descends_from_its_own_pins(tmp_path: Path) -> None:
    log = start(tmp_path / "audit", [])
    pins = []
    for number, at in enumerate((0, 1, 255, 256, 300, 600)):
        if at:
            go_on(log, RECORDS[audit.status(log).partitions[0].head.size : at])
        pins.append(tmp_path / f"pin-{number}")
        assert audit.pin(log, pins[-1]).size == at
    assert audit.verify(log, pins=pins).ok
    for pinned in pins:
        assert audit.check_pin(log, pinned).size == 600


def test_a_pin_moves_forward_only(tmp_path: Path) -> None:
    one, other = start(tmp_path / "one", RECORDS[:300]), tmp_path / "other"
    audit.export(one, other)
    audit.pin(one, tmp_path / "pin")
    go_on(one, RECORDS[300:400])
    assert audit.pin(one, tmp_path / "pin").size == 400
    kept = (tmp_path / "pin").read_bytes()
    with pytest.raises(audit.AuditDamagedError, match="had 400 records when it was pinned, and has 300 now"):
        audit.pin(other, tmp_path / "pin")
    assert (tmp_path / "pin").read_bytes() == kept


def test_a_pin_that_cannot_be_written_leaves_the_older_one_and_is_named(tmp_path: Path) -> None:
    log, pin = start(tmp_path / "audit", RECORDS[:300]), tmp_path / "pins" / "pin"
    pin.parent.mkdir()
    audit.pin(log, pin)
    kept = pin.read_bytes()
    go_on(log, RECORDS[300:400])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))  # as a full disk: no file takes a byte
    try:
        with pytest.raises(OSError, match="File too large") as error:
            audit.pin(log, pin)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.value.filename == str(pin)
    assert {path: path.read_bytes() for path in pin.parent.iterdir()} == {pin: kept}
    assert audit.pin(log, pin).size == 400


def test_an_export_is_complete_without_the_key_and_without_what_is_not_signed(folder: Path, tmp_path: Path) -> None:
    ahead = tmp_path / "ahead"
    audit.export(folder, ahead)
    (ahead / "0" / "segments" / "000").write_bytes((folder / "0" / "segments" / "000").read_bytes() + b"torn")
    (ahead / "0" / "segments" / "007").write_bytes(b"not signed yet")
    made = audit.export(ahead, tmp_path / "copy")
    assert made.report.ok
    assert made.report.partitions[0].uncovered == ()
    assert made.report.partitions[0].records == 600
    assert not (made.folder / "key").exists()
    assert list(audit.read_records(made.folder)) == RECORDS
    assert made.files == sum(1 for path in made.folder.rglob("*") if path.is_file())


def test_an_export_does_not_go_into_a_used_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    with pytest.raises(audit.AuditError, match="not empty"):
        audit.export(folder, tmp_path)
