"""Files of events: which are meant by what was named, and their bytes, unpacked where they are gzip."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from modeltrail_schemas.errors import ModeltrailError

SUFFIXES = (".json", ".jsonl", ".ndjson")
_GZIP_MAGIC = b"\x1f\x8b"
_REMEDY = "nothing was imported: correct the name and try again"


class DamagedFileError(ModeltrailError):
    """A packed file ends too early, or is not what its first bytes say."""


def files_meant(paths: Iterable[Path]) -> list[Path]:
    """Return the files that ``paths`` mean: of a folder all JSON files in it and below, by name, also gzipped.

    Raises ModeltrailError, with every name that is nothing, so that nothing is begun that cannot be ended.
    """
    found: list[Path] = []
    wrong: list[str] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if _is_of_events(file))
            found += inside
            wrong += [] if inside else [f"{path} holds no file that ends in {', '.join(SUFFIXES)} (or these and .gz)"]
        elif path.exists():
            found.append(path)
        else:
            wrong.append(f"{path} cannot be read: No such file or directory")
    if wrong:
        raise ModeltrailError("; ".join(wrong), remedy=_REMEDY)
    return found


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Give the bytes of a file, unpacked where it is gzip, whatever its name.

    Raises ModeltrailError where it cannot be read, and DamagedFileError, on reading too, where it is damaged gzip.
    """
    try:
        with path.open("rb") as source:
            packed = source.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)
            with gzip.open(source) if packed else source as stream:
                yield cast(BinaryIO, stream)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DamagedFileError(f"{path} is damaged gzip: {error}") from error
    except OSError as error:
        raise ModeltrailError(f"{path} cannot be read: {error.strerror or error}") from error


def _is_of_events(file: Path) -> bool:
    return file.name.removesuffix(".gz").endswith(SUFFIXES) and file.is_file()
