"""Signed notes and their keys (c2sp.org/signed-note), Ed25519 only. No I/O.

A note is text and signature lines, split at the last blank line; what is signed is the text with its last newline.
Everything is parsed strictly: what ``parse`` accepts, ``format`` writes again byte by byte.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from modeltrail_server.audit.errors import KeyFileError, NoteError

KEY_BYTES = 32
KEY_ID_BYTES = 4
MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100
_ED25519 = b"\x01"
_SIGNER_PREFIX = "PRIVATE+KEY+"
_LINE_PREFIX = "\u2014 "


def key_id(name: str, public_key: bytes) -> bytes:
    """Return the four bytes by which a signature line says whose it is."""
    return sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:KEY_ID_BYTES]


def is_key_name(name: str) -> bool:
    """Return whether ``name`` may name a key: not empty, printable, without spaces and plus signs."""
    return bool(name) and name.isprintable() and "+" not in name and not any(char.isspace() for char in name)


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public half of a key. Text form: ``<name>+<key ID in hex>+<base64>``."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """Return the key ID."""
        return key_id(self.name, self.public_key)

    def renamed(self, name: str) -> "VerifierKey":
        """Return the same key under another name, hence with another key ID."""
        return VerifierKey(name, self.public_key)

    def accepts(self, text: bytes, signature: bytes) -> bool:
        """Return whether ``signature`` is this key's over ``text``."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, text)
        except InvalidSignature:
            return False
        return True

    def format(self) -> str:
        """Return the text form."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(_ED25519 + self.public_key)}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Return the key that ``format`` wrote. Raises KeyFileError on anything else."""
        parts = text.split("+", 2)
        if len(parts) == 3 and is_key_name(parts[0]):
            raw = decode_base64(parts[2])
            if raw is not None and len(raw) == 1 + KEY_BYTES and raw[:1] == _ED25519:
                key = cls(parts[0], raw[1:])
                if key.format() == text:
                    return key
        raise KeyFileError(
            f"not an Ed25519 verifier key: {text[:100]!r}",
            remedy="it reads name+8 hex digits+base64, all on one line",
        )


@dataclass(frozen=True, slots=True)
class SignerKey:
    """The private half. Text form, that of Go's sumdb/note: ``PRIVATE+KEY+<name>+<key ID in hex>+<base64>``."""

    name: str
    seed: bytes = field(repr=False)

    @property
    def verifier(self) -> VerifierKey:
        """Return the public half."""
        return VerifierKey(self.name, Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw())

    def renamed(self, name: str) -> "SignerKey":
        """Return the same key under another name."""
        return SignerKey(name, self.seed)

    def sign(self, text: bytes) -> bytes:
        """Return the signature over ``text``; the same text always gets the same."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(text)

    def format(self) -> str:
        """Return the text form. It is the secret itself."""
        return f"{_SIGNER_PREFIX}{self.name}+{self.verifier.key_id.hex()}+{encode_base64(_ED25519 + self.seed)}"

    @classmethod
    def parse(cls, text: str) -> "SignerKey":
        """Return the key that ``format`` wrote. Raises KeyFileError, which never shows the text, on anything else."""
        parts = text.removeprefix(_SIGNER_PREFIX).split("+", 2)
        if text.startswith(_SIGNER_PREFIX) and len(parts) == 3 and is_key_name(parts[0]):
            raw = decode_base64(parts[2])
            if raw is not None and len(raw) == 1 + KEY_BYTES and raw[:1] == _ED25519:
                key = cls(parts[0], raw[1:])
                if key.format() == text:
                    return key
        raise KeyFileError("not an Ed25519 signer key", remedy="restore the key file from its backup")

    @classmethod
    def generate(cls, name: str) -> "SignerKey":
        """Return a new key. Raises KeyFileError when nothing can be named so."""
        if not is_key_name(name):
            raise KeyFileError(
                f"a key cannot be named {name!r}",
                remedy="use a name without spaces and plus signs: example.org/lineage",
            )
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw())


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line."""

    name: str
    key_id: bytes
    signature: bytes

    def format(self) -> str:
        """Return the line, with its newline."""
        return f"{_LINE_PREFIX}{self.name} {encode_base64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """``text`` ends in a newline. The signatures are as found, nobody has checked them."""

    text: str
    signatures: tuple[Signature, ...]

    def format(self) -> bytes:
        """Return the note as bytes."""
        return "".join([self.text, "\n", *(signature.format() for signature in self.signatures)]).encode()

    @classmethod
    def parse(cls, data: bytes) -> "Note":
        """Return the note that ``format`` wrote. Raises NoteError on anything else."""
        if len(data) > MAX_NOTE_BYTES:
            raise NoteError(f"the note is longer than {MAX_NOTE_BYTES} bytes")
        try:
            whole = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise NoteError("the note is not UTF-8") from error
        if any(char < " " and char != "\n" for char in whole):
            raise NoteError("the note contains a control character")
        text, blank, lines = whole.rpartition("\n\n")
        if not blank or not lines.endswith("\n"):
            raise NoteError("the note has no signature lines after a blank line")
        rows = lines[:-1].split("\n")
        if len(rows) > MAX_SIGNATURES:
            raise NoteError(f"the note has more than {MAX_SIGNATURES} signatures")
        return cls(text + "\n", tuple(_parse_line(row) for row in rows))


def sign_note(text: str, signers: Sequence[SignerKey]) -> bytes:
    """Return the note of ``text`` (ends in a newline, no other rule) signed by each of ``signers``."""
    if not text.endswith("\n"):
        raise NoteError("the text of a note ends in a newline")
    data = text.encode()
    signatures = tuple(Signature(key.name, key.verifier.key_id, key.sign(data)) for key in signers)
    return Note(text, signatures).format()


def verify_note(data: bytes, key: VerifierKey) -> str:
    """Return the text of a note that ``key`` signed. Other keys' lines are ignored. Raises NoteError."""
    note = Note.parse(data)
    own = [line for line in note.signatures if (line.name, line.key_id) == (key.name, key.key_id)]
    if not own:
        raise NoteError(f"the note is not signed by {key.name} (key ID {key.key_id.hex()})")
    if len(own) > 1 or not key.accepts(note.text.encode(), own[0].signature):
        raise NoteError(f"the signature in the name of {key.name} (key ID {key.key_id.hex()}) is forged")
    return note.text


def encode_base64(data: bytes) -> str:
    """Return standard base64 with padding."""
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str) -> bytes | None:
    """Return what ``encode_base64`` was given, None for any text it never writes (stray bits included)."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return data if encode_base64(data) == text else None


def _parse_line(row: str) -> Signature:
    name, space, blob = row.removeprefix(_LINE_PREFIX).partition(" ")
    raw = decode_base64(blob)
    if not row.startswith(_LINE_PREFIX) or not space or not is_key_name(name) or raw is None:
        raise NoteError(f"not a signature line: {row[:100]!r}")
    if len(raw) <= KEY_ID_BYTES:
        raise NoteError(f"the signature of {name} is too short")
    return Signature(name, raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:])
