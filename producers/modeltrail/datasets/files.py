"""The identity of files and folders: SHA-256 of every byte, never of a sample, remembered while unchanged.

A folder's digest is the SHA-256 over its files in order of their relative paths: ``path NUL size NUL hex LF`` each.
Symbolic links to files are followed, links to folders are not; a folder's hidden ``.modeltrail`` is not data.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modeltrail_schemas.event import Strength

from modeltrail.datasets.identity import Identity

CHUNK_BYTES = 1 << 20
RACY_NS = 2_000_000_000
"""A file changed this recently may change again within one tick of its clock: its digest is not remembered."""

_FORMATS = {"jsonl": "json", "pq": "parquet", "pkl": "pickle", "yml": "yaml", "tif": "tiff", "jpeg": "jpg"}


@dataclass(frozen=True, slots=True)
class DigestCache:
    """Digests of unchanged files, one small file per path in ``folder``; one that cannot be written is no cache."""

    folder: Path

    def read(self, path: str, state: str) -> str:
        """Return the digest remembered for ``path`` in this ``state``, or an empty string."""
        try:
            remembered, _, digest = self._entry(path).read_text("utf-8").strip().rpartition(" ")
        except (OSError, ValueError):
            return ""
        return digest if remembered == state else ""

    def write(self, path: str, state: str, digest: str) -> None:
        """Remember the digest of ``path`` in this ``state``."""
        entry = self._entry(path)
        temporary = entry.with_suffix(f".{os.getpid()}")
        try:
            entry.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(f"{state} {digest}\n", "utf-8")
            temporary.replace(entry)
        except OSError:
            return

    def _entry(self, path: str) -> Path:
        return self.folder / hashlib.sha256(os.fsencode(path)).hexdigest()


def identify_path(path: Path, cache: DigestCache, *, now_ns: int) -> Identity:
    """Return the identity of the file or folder at ``path``. Raises OSError where it cannot be read."""
    path = Path(os.path.abspath(path))  # resolve() would follow the user's symbolic links
    return _identify_folder(path, cache, now_ns) if path.is_dir() else _identify_file(path, cache, now_ns)


def location_of(path: Path) -> str:
    """Return the ``file://`` URI of ``path``."""
    return Path(os.path.abspath(path)).as_uri()


def format_of(path: Path) -> str:
    """Return the format that the name's ending says, or an empty string."""
    ending = path.suffix.removeprefix(".").lower()
    return _FORMATS.get(ending, ending)


def identify_bytes(data: bytes) -> Identity:
    """Return the identity of bytes in memory."""
    return Identity(digest=_labelled(hashlib.sha256(data).hexdigest()), strength=Strength.CONTENT, bytes=len(data))


def _identify_file(path: Path, cache: DigestCache, now_ns: int) -> Identity:
    before = path.stat()
    state = _state(before)
    digest = cache.read(str(path), state)
    steady = True
    if not digest:
        digest = hash_file(path)
        steady = _state(path.stat()) == state
        if steady and now_ns - before.st_mtime_ns > RACY_NS:
            cache.write(str(path), state, digest)
    return Identity(
        digest=_labelled(digest),
        strength=Strength.CONTENT if steady else Strength.CLAIMED,
        location=location_of(path),
        format=format_of(path),
        bytes=before.st_size,
        provider="file",
    )


def _identify_folder(path: Path, cache: DigestCache, now_ns: int) -> Identity:
    before = _listing(path)
    state = hashlib.sha256(repr(before).encode("utf-8", "surrogatepass")).hexdigest()
    digest = cache.read(str(path), state)
    steady = True
    if not digest:
        whole = hashlib.sha256()
        for name, facts in before:
            whole.update(f"{name}\0{facts[0]}\0{hash_file(path / name)}\n".encode("utf-8", "surrogateescape"))
        digest = whole.hexdigest()
        steady = _listing(path) == before
        newest_ns = max((facts[1] for _, facts in before), default=0)
        if steady and now_ns - newest_ns > RACY_NS:
            cache.write(str(path), state, digest)
    return Identity(
        digest=f"sha256-tree:{digest}",
        strength=Strength.CONTENT if steady else Strength.CLAIMED,
        location=location_of(path),
        format="folder",
        bytes=sum(facts[0] for _, facts in before),
        provider="file",
    )


def _listing(folder: Path) -> list[tuple[str, tuple[int, int, int]]]:
    """Return relative path → (size, mtime_ns, inode) of every file below ``folder``, sorted by path."""
    found = ((path.relative_to(folder).as_posix(), path.stat()) for path in _files_below(folder))
    return sorted((name, (stat.st_size, stat.st_mtime_ns, stat.st_ino)) for name, stat in found)


def _files_below(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder, onerror=_reraise):
        folders[:] = [name for name in folders if name != ".modeltrail"]
        yield from (Path(parent, name) for name in names)


def _reraise(error: OSError) -> None:
    raise error


def hash_file(path: Path) -> str:
    """Return the SHA-256 of the file's bytes as hexadecimal digits."""
    whole = hashlib.sha256()
    buffer = bytearray(CHUNK_BYTES)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(view):
            whole.update(view[:count])
    return whole.hexdigest()


def _state(stat: os.stat_result) -> str:
    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ino}"


def _labelled(digest: str) -> str:
    return f"sha256:{digest}"
