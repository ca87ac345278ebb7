"""The signing key's file: made once with mode 0600, never overwritten, refused when others can read it."""

import contextlib
import stat
from collections.abc import Iterator
from pathlib import Path

from modeltrail_server.audit import layout
from modeltrail_server.audit.errors import KeyFileError
from modeltrail_server.audit.files import SECRET_MODE, Files, Store
from modeltrail_server.audit.locking import waiting
from modeltrail_server.audit.note import MAX_NOTE_BYTES, SignerKey, VerifierKey

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def create_key(folder: Path, name: str, files: Files) -> SignerKey:
    """Make the key of an audit folder and its public half. Raises KeyFileError when there is one."""
    path = folder / layout.KEY
    signer = SignerKey.generate(name)
    with root_store(folder, files) as store:
        if path.exists():
            raise KeyFileError(
                f"{path} exists, and a signing key is never overwritten",
                remedy="use it as it is, or choose another folder for another audit log",
            )
        store.write_once({layout.KEY: f"{signer.format()}\n".encode()}, SECRET_MODE)
        publish_verifier(store, signer.verifier)
    return signer


@contextlib.contextmanager
def root_store(folder: Path, files: Files) -> Iterator[Store]:
    """Give the audit folder itself to write to, to one at a time; the partitions have their own locks."""
    store = Store(folder, layout.SCRATCH, files)
    store.make()
    with waiting(folder / layout.LOCK):
        store.clear()
        yield store


def read_key(folder: Path) -> SignerKey:
    """Return the signing key of an audit folder. Raises KeyFileError, which never shows the key."""
    path = folder / layout.KEY
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise KeyFileError(
            f"there is no signing key in {folder}", remedy="start an audit log: modeltrail audit init"
        ) from error
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise KeyFileError(f"{path} is not a key file", remedy="restore it from its backup") from None
    if mode & _OTHERS:
        raise KeyFileError(
            f"{path} can be read or written by others (mode {stat.S_IMODE(mode):04o}): they could sign in its name",
            remedy=f"find out who had access; then chmod 600 {path}, or start a new log with a new key",
        )
    return SignerKey.parse(text.removesuffix("\n"))


def publish_verifier(store: Store, key: VerifierKey) -> None:
    """Write a verifier key beside what it verifies; one that lies there must be the same."""
    store.write_once({layout.VERIFIER_KEY: f"{key.format()}\n".encode()})


def read_verifier(path: Path) -> VerifierKey:
    """Return the key that ``publish_verifier`` wrote. Raises KeyFileError."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_NOTE_BYTES)  # a name that a note can have is shorter
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(
            f"there is no readable verifier key at {path}", remedy="give the one you pinned"
        ) from error
    return VerifierKey.parse(text.removesuffix("\n"))
