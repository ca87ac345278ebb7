"""Inclusion proofs as text (c2sp.org/tlog-proof): self-contained, checked with the verifier key alone. No writes.

c2sp.org/tlog-proof@v1
extra <the leaf in base64>
index <tree index>
<hash in base64>…

<the checkpoint, verbatim>
"""

from dataclasses import dataclass

from modeltrail.log import Record
from modeltrail_schemas.counting import counted

from modeltrail_server.audit.checkpoint import Checkpoint, verify_checkpoint
from modeltrail_server.audit.errors import AuditError, ProofError
from modeltrail_server.audit.leaf import Leaf
from modeltrail_server.audit.leaf import decode as decode_leaf
from modeltrail_server.audit.log_files import LogFiles
from modeltrail_server.audit.note import VerifierKey, decode_base64, encode_base64
from modeltrail_server.audit.reading import find_bundle
from modeltrail_server.audit.tlog import HASH_BYTES, TILE_WIDTH, Tile, check_inclusion, leaf_hash, prove_inclusion

_FIRST_LINE = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class Proven:
    """What a good proof shows: ``leaf`` is number ``index`` of the log under ``head``."""

    index: int
    leaf: Leaf
    head: Checkpoint

    def require_record(self, record: Record) -> None:
        """Raise ProofError unless ``record`` is the one whose digests the leaf holds."""
        if differing := self.leaf.differences(record):
            raise ProofError(f"the proof is of another record: {' and '.join(differing)} differ")


def prove(files: LogFiles, key: VerifierKey, index: int) -> str:
    """Return the proof that the record at tree ``index`` is in the log. Checked before it is returned."""
    head, note = files.read_note(key)
    if not 0 <= index < head.size:
        raise ProofError(
            f"index {index} is not in the audit log of {counted(head.size, 'record')}",
            remedy="newer records are proved once they are audited: modeltrail audit follow --once",
        )
    bundle, position = divmod(index, TILE_WIDTH)
    entries, _ = files.read_entries(Tile(0, bundle, min(TILE_WIDTH, head.size - bundle * TILE_WIDTH)))
    if position >= len(entries):
        raise ProofError(
            f"the entry of index {index} is not on disk", remedy="modeltrail audit verify says what is wrong"
        )
    hashes = prove_inclusion(index, head.size, files)
    lines = [_FIRST_LINE, f"extra {encode_base64(entries[position])}", f"index {index}", *map(encode_base64, hashes)]
    text = "\n".join(lines) + "\n\n" + note.decode()
    check(text, key)
    return text


def find_index(files: LogFiles, key: VerifierKey, offset: int) -> int:
    """Return the tree index of the record at ``offset``. Raises ProofError when it was never audited."""
    head = files.read_checkpoint(key)
    bundle = find_bundle(files, head, offset)
    first = bundle * TILE_WIDTH
    if first < head.size:
        entries, _ = files.read_entries(Tile(0, bundle, min(TILE_WIDTH, head.size - first)))
        for position, entry in enumerate(entries):
            if decode_leaf(entry).offset == offset:
                return first + position
    raise ProofError(
        f"offset {offset} is not in the audit log of {counted(head.size, 'record')}",
        remedy="newer records are proved once they are audited: modeltrail audit follow --once",
    )


def check(text: str, key: VerifierKey) -> Proven:
    """Return what a proof shows. Raises ProofError, NoteError: it shows nothing."""
    body, blank, note = text.partition("\n\n")
    lines = body.split("\n")
    if not blank or len(lines) < 3 or lines[0] != _FIRST_LINE:
        raise ProofError("this is not a tlog-proof", remedy=f"its first line reads {_FIRST_LINE}")
    entry = decode_base64(lines[1].removeprefix("extra "))
    number = lines[2].removeprefix("index ")
    if not lines[1].startswith("extra ") or entry is None:
        raise ProofError("the proof does not carry its leaf in an extra line")
    if not lines[2].startswith("index ") or not (
        number.isascii() and number.isdecimal() and str(int(number)) == number
    ):
        raise ProofError("the proof does not say its index")
    hashes = [hash for line in lines[3:] if (hash := decode_base64(line)) is not None and len(hash) == HASH_BYTES]  # noqa: A001
    if len(hashes) != len(lines) - 3:
        raise ProofError("a line of the proof is not a hash")
    head = verify_checkpoint(note.encode(), key)
    check_inclusion(int(number), head.size, hashes, leaf_hash(entry), head.root)
    try:
        return Proven(int(number), decode_leaf(entry), head)
    except AuditError as error:
        raise ProofError(str(error), remedy=error.remedy) from error
