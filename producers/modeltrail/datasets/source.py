"""From what the caller points at (a path, a frame, bytes, a URI) to an identity: which resolver answers, and when."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from modeltrail.datasets.files import DigestCache, format_of, identify_bytes, identify_path, location_of
from modeltrail.datasets.frames import identify_frame
from modeltrail.datasets.identity import Identity
from modeltrail.datasets.stores import identify_local, identify_uri
from modeltrail.guard import complain

FRAME_BUDGET_S = 5.0


@dataclass(frozen=True, slots=True)
class Source:
    """What the caller points at; several at once complete each other (a frame and the file it was read from)."""

    path: Path | None = None
    uri: str = ""
    in_memory: Any = None

    @property
    def default_name(self) -> str:
        """Return the name of the file or the last part of the URI; empty for data in memory."""
        if self.path is not None:
            return Path(os.path.abspath(self.path)).name  # the name the user sees, links not followed
        return urlsplit(self.uri).path.rstrip("/").rpartition("/")[2] if self.uri else ""


def source_of(
    path: str | os.PathLike[str] | None, uri: str, in_memory: Any, data: bytes | bytearray | memoryview | None
) -> Source:
    """Return the source that the arguments of a call name; a ``file://`` URI is a path."""
    if uri and path is None and urlsplit(uri).scheme == "file":
        path, uri = unquote(urlsplit(uri).path), ""
    return Source(None if path is None else Path(path), uri, in_memory if data is None else bytes(data))


def identify_in_memory(source: Source) -> Identity:
    """Return what the data in memory tells, hashed now: the caller may change it next."""
    held = source.in_memory
    if held is None:
        return Identity()
    if isinstance(held, bytes):
        return identify_bytes(held)
    deadline = time.monotonic() + FRAME_BUDGET_S
    identity = identify_frame(held, out_of_time=lambda: time.monotonic() > deadline)
    if identity is None:
        complain(
            f"data of type {type(held).__module__}.{type(held).__qualname__} has no content identity here",
            "give path=, uri= with version=, or data= as bytes",
        )
    elif not identity.digest and source.path is None and not source.uri:
        complain(
            f"a frame of {identity.rows} rows was not hashed: too large, or with cells that have no hash",
            "give path=, or uri= with version=",
        )
    return identity or Identity()


def identify_stored(source: Source, cache: DigestCache) -> Callable[[], Identity] | None:
    """Return the work that identifies what lies at the path; None without one: then ``whereabouts`` tells all."""
    if (path := source.path) is None:
        return None
    return lambda: identify_local(path) or identify_path(path, cache, now_ns=time.time_ns())


def whereabouts(source: Source) -> Identity:
    """Return what is known without reading anything: location and format, and the version that a URI names."""
    if source.path is not None:
        return Identity(location=location_of(source.path), format=format_of(source.path))
    return identify_uri(source.uri) if source.uri else Identity()
