"""Checkpoints: the signed heads of a log (c2sp.org/tlog-checkpoint), and the names of logs. No I/O."""

from dataclasses import dataclass
from urllib.parse import quote, unquote

from modeltrail.log.protocol import LogIdentity

from modeltrail_server.audit.errors import NoteError
from modeltrail_server.audit.note import SignerKey, VerifierKey, decode_base64, encode_base64, sign_note, verify_note
from modeltrail_server.audit.tlog import HASH_BYTES

_BODY_LINES = 3


def origin_of(name: str, identity: LogIdentity, partition: int) -> str:
    """Return the name of the log of one partition of one topic: it is signed, so no other log can take its place."""
    return f"{name}/{quote(identity.topic_id, safe='')}/{partition}"


def identity_of(origin: str, *, name: str) -> LogIdentity:
    """Return which log ``origin`` is of, a partition of; ``name`` is what to call it, which is not in the origin."""
    return LogIdentity(unquote(origin.rsplit("/", 2)[1]), name)


def log_key(key: VerifierKey, origin: str) -> VerifierKey:
    """Return the key that signs the log ``origin``: ``key`` itself, or the audit folder's under the log's name.

    Raises NoteError when ``origin`` is neither.
    """
    if origin == key.name:
        return key
    if origin.startswith(f"{key.name}/"):
        return key.renamed(origin)
    raise NoteError(f"the checkpoint is of the log {origin}, not of {key.name}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of log ``origin``: ``size`` leaves under ``root``."""

    origin: str
    size: int
    root: bytes

    def format(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Return the checkpoint of a note's text; extension lines are refused, we write none. Raises NoteError."""
        lines = text.split("\n")
        if len(lines) == _BODY_LINES + 1 and lines[1].isascii() and lines[1].isdecimal():
            root = decode_base64(lines[2])
            if root is not None and len(root) == HASH_BYTES and lines[0]:
                checkpoint = cls(lines[0], int(lines[1]), root)
                if checkpoint.format() == text:
                    return checkpoint
        raise NoteError("the text of the note is not a checkpoint: origin, size, root")


def sign_checkpoint(checkpoint: Checkpoint, signer: SignerKey) -> bytes:
    """Return the checkpoint as a note signed under the log's name."""
    return sign_note(checkpoint.format(), [signer.renamed(checkpoint.origin)])


def verify_checkpoint(data: bytes, key: VerifierKey) -> Checkpoint:
    """Return the checkpoint that ``key``, under its own name or the log's, has signed. Raises NoteError."""
    origin = data.split(b"\n", 1)[0].decode("utf-8", "replace")
    return Checkpoint.parse(verify_note(data, log_key(key, origin)))
