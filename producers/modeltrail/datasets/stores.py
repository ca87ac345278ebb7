"""Versions that a store has given: DVC, git LFS, Delta at a local path; S3, GCS, lakeFS, Hugging Face in a URI.

Each function looks for one store's mark and returns None where there is none. Nothing is asked over a network.
Sources: DVC ``.dvc`` files, git-lfs specification v1, Delta protocol (``_delta_log/%020d.json``), S3 ``versionId``.
"""

import hashlib
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from modeltrail_schemas.event import Strength

from modeltrail.datasets.files import CHUNK_BYTES, format_of, location_of
from modeltrail.datasets.identity import Identity
from modeltrail.redaction import redact_url

MAX_POINTER_BYTES = 4096
_LFS_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:.+\n)*?oid sha256:([0-9a-f]{64})\nsize (\d+)\n?"
)
_DVC_HASH = re.compile(r"^\s*-?\s*md5:\s*([0-9a-f]{32}(?:\.dir)?)\s*$", re.MULTILINE)
_DELTA_COMMIT = re.compile(r"(\d{20})\.json")
_COMMIT = re.compile(r"[0-9a-f]{40,64}")


def identify_local(path: Path) -> Identity | None:
    """Return what a store says of the version at ``path``, or None. Raises OSError where it cannot be read."""
    return _delta(path) or _lfs(path) or _dvc(path)


def identify_uri(uri: str) -> Identity:
    """Return what a URI itself tells of a version; strength ``none`` when it tells nothing."""
    location, _ = redact_url(uri)
    parts = urlsplit(uri)
    plain = Identity(location=location, format=format_of(Path(parts.path)))
    version, provider = _version_in(parts.scheme, parts.netloc, parts.path, parts.query, parts.fragment)
    if not version:
        return plain
    return Identity(
        version=version, strength=Strength.PROVIDER, provider=provider, location=location, format=plain.format
    )


def _version_in(scheme: str, authority: str, path: str, query: str, fragment: str) -> tuple[str, str]:
    if scheme in {"s3", "s3a", "s3n"} and (given := parse_qs(query).get("versionId")):
        return f"s3:{given[0]}", "s3"
    if scheme == "gs" and fragment.isdigit():
        return f"gcs:{fragment}", "gcs"
    if scheme == "lakefs" and _COMMIT.fullmatch(reference := path.lstrip("/").partition("/")[0]):
        return f"lakefs:{reference}", "lakefs"
    if scheme == "hf" and _COMMIT.fullmatch(revision := f"{authority}{path}".partition("@")[2].partition("/")[0]):
        return f"hf:{revision}", "huggingface"
    return "", ""


def _delta(path: Path) -> Identity | None:
    log = path / "_delta_log"
    if not log.is_dir():
        return None
    versions = [int(match[1]) for entry in log.iterdir() if (match := _DELTA_COMMIT.fullmatch(entry.name))]
    if not versions:
        return None
    return Identity(
        version=f"delta:{max(versions)}",
        strength=Strength.PROVIDER,
        location=location_of(path),
        format="delta",
        provider="delta",
    )


def _lfs(path: Path) -> Identity | None:
    if not path.is_file() or path.stat().st_size > MAX_POINTER_BYTES:
        return None
    match = _LFS_POINTER.fullmatch(path.read_bytes())
    if match is None:
        return None
    return Identity(
        digest=f"sha256:{match[1].decode()}",
        strength=Strength.PROVIDER,
        location=location_of(path),
        format=format_of(path),
        bytes=int(match[2]),
        provider="git-lfs",
    )


def _dvc(path: Path) -> Identity | None:
    """Return the version in ``PATH.dvc``; for a file only when its bytes still have that MD5."""
    pointer = path.with_name(f"{path.name}.dvc")
    if not pointer.is_file() or pointer.stat().st_size > MAX_POINTER_BYTES:
        return None
    outputs = _DVC_HASH.findall(pointer.read_text("utf-8", "replace"))
    if len(outputs) != 1 or (path.is_file() and _md5(path) != outputs[0]):
        return None
    return Identity(
        version=f"dvc:{outputs[0]}",
        strength=Strength.PROVIDER,
        location=location_of(path),
        format=format_of(path),
        bytes=path.stat().st_size if path.is_file() else None,
        provider="dvc",
    )


def _md5(path: Path) -> str:
    whole = hashlib.md5(usedforsecurity=False)  # DVC's own hash
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            whole.update(chunk)
    return whole.hexdigest()
