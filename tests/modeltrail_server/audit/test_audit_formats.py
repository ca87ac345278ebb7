"""Notes, keys, leaves and segments: round trips, golden bytes, and the refusal of everything else."""

import io
import os
import stat
import tracemalloc
from pathlib import Path

import pytest
from audit_logs import IDENTITY, NAME, history, quick_folder
from hypothesis import given
from hypothesis import strategies as st
from modeltrail.log import LogIdentity, Record
from modeltrail_server.audit import leaf, segments
from modeltrail_server.audit.checkpoint import Checkpoint, log_key, origin_of, sign_checkpoint, verify_checkpoint
from modeltrail_server.audit.errors import AuditError, KeyFileError, NoteError
from modeltrail_server.audit.files import Files
from modeltrail_server.audit.keys import create_key, read_key, read_verifier
from modeltrail_server.audit.note import (
    Note,
    SignerKey,
    VerifierKey,
    decode_base64,
    encode_base64,
    sign_note,
    verify_note,
)
from modeltrail_server.audit.tlog import EMPTY_ROOT

SIGNER = SignerKey(NAME, bytes(range(32)))
headers = st.lists(st.tuples(st.text(max_size=8), st.binary(max_size=8)), max_size=3).map(tuple)
records = st.builds(
    Record,
    partition=st.just(0),
    offset=st.integers(0, 2**63 - 1),
    timestamp_ms=st.integers(-1, 2**62),
    key=st.none() | st.binary(max_size=20),
    value=st.binary(max_size=100),
    headers=headers,
)

# The note of the package documentation of golang.org/x/mod/sumdb/note: key, text and signature made by Go.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = """If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""


def test_a_note_that_go_signed_is_accepted() -> None:
    key = VerifierKey.parse(GO_KEY)
    assert verify_note(GO_NOTE.encode(), key) == GO_NOTE.split("\n\n")[0] + "\n"
    assert Note.parse(GO_NOTE.encode()).format() == GO_NOTE.encode()


@given(st.integers(0, len(GO_NOTE.encode()) - 1), st.integers(0, 7))
def test_no_bit_of_a_signed_note_can_be_flipped(at: int, bit: int) -> None:
    data = bytearray(GO_NOTE.encode())
    data[at] ^= 1 << bit
    with pytest.raises(NoteError):
        verify_note(bytes(data), VerifierKey.parse(GO_KEY))


def test_signatures_of_strangers_are_ignored() -> None:
    stranger = SignerKey.generate("stranger.example")
    note = sign_note("text\n\nmore\n", [stranger, SIGNER])
    assert verify_note(note, SIGNER.verifier) == "text\n\nmore\n"
    with pytest.raises(NoteError, match="not signed by"):
        verify_note(sign_note("text\n", [stranger]), SIGNER.verifier)


@given(st.binary(min_size=32, max_size=32), st.text("abcxyz./-_\u00e9", min_size=1))
def test_keys_are_parsed_into_what_was_formatted(seed: bytes, name: str) -> None:
    signer = SignerKey(name, seed)
    assert SignerKey.parse(signer.format()) == signer
    assert VerifierKey.parse(signer.verifier.format()) == signer.verifier
    assert signer.format().startswith(f"PRIVATE+KEY+{name}+{signer.verifier.key_id.hex()}+")


@pytest.mark.parametrize("name", ["", "two words", "a+b", "line\nbreak", "tab\t"])
def test_a_key_has_a_speakable_name(name: str) -> None:
    with pytest.raises(KeyFileError):
        SignerKey.generate(name)


def test_neither_the_key_nor_an_error_about_it_shows_the_secret() -> None:
    assert SIGNER.format() not in repr(SIGNER)
    with pytest.raises(KeyFileError) as refused:
        SignerKey.parse(SIGNER.format()[:-1] + "!")
    assert encode_base64(b"\x01" + SIGNER.seed)[:20] not in str(refused.value)


@given(st.binary(max_size=70))
def test_base64_has_one_spelling(data: bytes) -> None:
    text = encode_base64(data)
    assert decode_base64(text) == data
    assert decode_base64(text + "\n") is None
    assert decode_base64(text.rstrip("=")) == (data if not text.endswith("=") else None)


def test_base64_with_stray_bits_is_refused() -> None:
    assert decode_base64("QQ==") == b"A"
    assert decode_base64("QR==") is None


def test_a_checkpoint_is_bound_to_topic_and_partition() -> None:
    origin = origin_of(NAME, IDENTITY, 3)
    head = Checkpoint(origin, 0, EMPTY_ROOT)
    note = sign_checkpoint(head, SIGNER)
    assert verify_checkpoint(note, SIGNER.verifier) == head
    assert verify_checkpoint(note, SIGNER.verifier.renamed(origin)) == head
    assert note.decode().split(" ")[1] == origin
    other = origin_of(NAME, LogIdentity("other topic+", "lineage"), 3)
    assert other == "example.org/lineage/other%20topic%2B/3"
    with pytest.raises(NoteError):
        verify_checkpoint(note, SIGNER.verifier.renamed(other))
    with pytest.raises(NoteError):
        log_key(SIGNER.verifier, NAME + "-of-somebody-else/1")


@pytest.mark.parametrize(
    "text", ["o\n01\n{}\n", "o\n1\n{}", "o\n1\nAAAA\n", "\n1\n{}\n", "o\n-1\n{}\n", "o\n1\n{}\nextension\n"]
)
def test_a_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        Checkpoint.parse(text.format(encode_base64(EMPTY_ROOT)))


def test_a_key_file_is_private_and_never_overwritten(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        signer = create_key(tmp_path, NAME, Files())
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert read_key(tmp_path) == signer
    assert read_verifier(tmp_path / "verifier-key") == signer.verifier
    with pytest.raises(KeyFileError, match="never overwritten"):
        create_key(tmp_path, NAME, Files())
    assert read_key(tmp_path) == signer


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_key_that_others_can_read_is_refused(mode: int, tmp_path: Path) -> None:
    create_key(tmp_path, NAME, Files())
    (tmp_path / "key").chmod(mode)
    with pytest.raises(KeyFileError, match=f"mode {mode:04o}") as refused:
        read_key(tmp_path)
    assert "chmod 600" in refused.value.remedy


def test_the_bytes_of_a_leaf_are_those_of_version_1() -> None:
    record = Record(7, 42, 1_700_000_000_123, b"run", b"value", (("h", b"1"), ("ü", b"")))
    entry = leaf.encode(record)
    assert entry.hex() == GOLDEN_LEAF
    keyless = leaf.encode(Record(0, 0, -1, None, b""))
    assert keyless.hex() == GOLDEN_KEYLESS_LEAF
    assert len(entry) == len(keyless) == leaf.LEAF_BYTES


GOLDEN_LEAF = (
    "0101000000000000002a0000018bcfe5687b"
    "acba25512100f80b56fc3ccd14c65be55d94800cda77585c5f41a887e398f9be"
    "cd42404d52ad55ccfa9aca4adc828aa5800ad9d385a0671fbcbf724118320619"
    "3a3d5dab55309602c228b4b5a5b83cffd247e308e21a44ff275b8b1e3ce793c8"
)
GOLDEN_KEYLESS_LEAF = (
    "01000000000000000000ffffffffffffffff"
    "0000000000000000000000000000000000000000000000000000000000000000"
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    "df3f619804a92fdb4057192dc43dd748ea778adc52bc498ce80524c014b81119"
)


@given(records)
def test_a_leaf_is_decoded_into_its_digests(record: Record) -> None:
    decoded = leaf.decode(leaf.encode(record))
    assert (decoded.offset, decoded.timestamp_ms) == (record.offset, record.timestamp_ms)
    assert (decoded.key_digest is None) == (record.key is None)
    assert decoded.differences(record) == []


@given(records, records)
def test_different_records_have_different_leaves(one: Record, other: Record) -> None:
    assert (leaf.encode(one) == leaf.encode(other)) == (one == other)


@pytest.mark.parametrize(
    "entry", [b"", b"\x02" + bytes(113), b"\x01\x02" + bytes(112), b"\x01\x00" + bytes(16) + b"k" * 96]
)
def test_what_is_no_leaf_of_this_version_is_refused(entry: bytes) -> None:
    with pytest.raises(AuditError):
        leaf.decode(entry)


@given(headers)
def test_headers_are_decoded_into_what_was_encoded(pairs: tuple[tuple[str, bytes], ...]) -> None:
    data = leaf.encode_headers(pairs)
    assert leaf.decode_headers(data) == pairs
    with pytest.raises(AuditError):
        leaf.decode_headers(data + b"\x00")


@given(st.lists(records, max_size=5), st.booleans())
def test_a_segment_is_read_into_what_was_written(written: list[Record], compressed: bool) -> None:
    data = segment_of(written)
    if compressed:
        data = b"".join(segments.compress(io.BytesIO(data)))
    with quick_folder() as folder:
        path = folder / f"000{'.gz' * compressed}"
        path.write_bytes(data)
        assert content_of(path) == ((3, 17), written)


def segment_of(written: list[Record]) -> bytes:
    frames = [segments.encode_frame(record, leaf.encode_headers(record.headers)) for record in written]
    return segments.encode_header(3, 17) + b"".join(frames)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_no_bit_of_a_segment_can_be_flipped_unnoticed(suffix: str, quick_path: Path) -> None:
    """A flip in the plain form is seen; one in the compressed form is seen or changes nothing that is read."""
    data = plain = segment_of(history(2))
    if suffix:
        data = b"".join(segments.compress(io.BytesIO(plain)))
    path = quick_path / f"000{suffix}"
    for at in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[at] ^= 1 << bit
            path.write_bytes(flipped)
            try:
                content = content_of(path)
            except segments.FrameError:
                continue
            assert (content == content_of_plain(plain)) == bool(suffix), (at, bit)


def content_of(path: Path) -> tuple[tuple[int, int], list[Record]]:
    with segments.SegmentReader.open_file(path, 0) as reader:
        return reader.header(), list(iter(reader.record, None))


def content_of_plain(plain: bytes) -> tuple[tuple[int, int], list[Record]]:
    reader = segments.SegmentReader(Path(), 0, io.BytesIO(plain))
    return reader.header(), list(iter(reader.record, None))


def test_a_damaged_length_makes_no_buffer_of_its_size(tmp_path: Path) -> None:
    path = tmp_path / "000"
    path.write_bytes(segments.encode_header(0, 0) + segments.MAX_BODY_BYTES.to_bytes(4) + bytes(40))
    with segments.SegmentReader.open_file(path, 0) as reader:
        reader.header()
        tracemalloc.start()
        try:
            with pytest.raises(segments.FrameCutError):
                reader.record()
            assert tracemalloc.get_traced_memory()[1] < 1_000_000
        finally:
            tracemalloc.stop()
