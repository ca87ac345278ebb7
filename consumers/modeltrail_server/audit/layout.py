"""Every path name of an audit folder, and nothing else. Pure.

    key                       the signing key, mode 0600; leaves the machine never
    verifier-key              its public half, to be pinned elsewhere
    schemas/<sha256>.avsc     what the payloads are decoded with
    lock  tmp/                for writing the three above
    <partition>/              one log per partition, a tlog-tiles folder as others' tools read it:
        checkpoint            the signed head, the only file that is replaced
        verifier-key          the public key under this log's own name
        tile/<L>/<N>[.p/<W>]  tile/entries/<N>[.p/<W>]
        segments/<N>[.gz]     the raw records whose digests the entries hold
        lock  tmp/            the auditor's own, no part of the log

Names are relative POSIX paths. ``<N>`` is written in groups of three digits, as c2sp.org/tlog-tiles has it.
"""

import re

from modeltrail_server.audit.tlog import TILE_WIDTH, Tile

KEY = "key"
VERIFIER_KEY = "verifier-key"
SCHEMAS = "schemas"
CHECKPOINT = "checkpoint"
SEGMENTS = "segments"
TILES = "tile"
LOCK = "lock"
SCRATCH = "tmp"
COMPRESSED = ".gz"

_NUMBER = r"(?P<number>(?:x\d{3}/)*\d{3})"
_TILE = re.compile(rf"tile/(?P<level>entries|\d|[1-5]\d|6[0-3])/{_NUMBER}(?:\.p/(?P<width>[1-9]\d{{0,2}}))?")
_SEGMENT = re.compile(rf"segments/{_NUMBER}(?P<compressed>\.gz)?")


def partition_folder(partition: int) -> str:
    """Return the folder of a partition's log, relative to the audit folder."""
    return str(partition)


def parse_partition_folder(name: str) -> int | None:
    """Return the partition that ``partition_folder`` named, None for any other name."""
    return int(name) if name.isascii() and name.isdecimal() and str(int(name)) == name else None


def schema_path(digest: str) -> str:
    """Return the name of a schema by the SHA-256 of its text in hex, relative to the audit folder."""
    return f"{SCHEMAS}/{digest}.avsc"


def tile_path(tile: Tile) -> str:
    """Return the name of a hash tile."""
    return f"{TILES}/{tile.level}/{_format_number(tile.index)}{_format_width(tile.width)}"


def entries_path(tile: Tile) -> str:
    """Return the name of the entry bundle under a level 0 tile."""
    return f"{TILES}/entries/{_format_number(tile.index)}{_format_width(tile.width)}"


def partials_path(path: str) -> str:
    """Return the folder of the partial twins of a full tile or entry bundle."""
    return f"{path}.p"


def segment_path(number: int) -> str:
    """Return the name of a segment, uncompressed; ``COMPRESSED`` added, the name of its compressed form."""
    return f"{SEGMENTS}/{_format_number(number)}"


def parse_tile_path(path: str) -> Tile | None:
    """Return the tile that ``tile_path`` named, None for any other name."""
    match = _TILE.fullmatch(path)
    if match is None or match["level"] == "entries":
        return None
    tile = Tile(int(match["level"]), _parse_number(match["number"]), int(match["width"] or TILE_WIDTH))
    return tile if tile_path(tile) == path else None


def parse_entries_path(path: str) -> Tile | None:
    """Return the level 0 tile that ``entries_path`` was given, None for any other name."""
    match = _TILE.fullmatch(path)
    if match is None or match["level"] != "entries":
        return None
    tile = Tile(0, _parse_number(match["number"]), int(match["width"] or TILE_WIDTH))
    return tile if entries_path(tile) == path else None


def parse_segment_path(path: str) -> tuple[int, bool] | None:
    """Return the number of a segment and whether it is compressed, None for any other name."""
    match = _SEGMENT.fullmatch(path)
    if match is None:
        return None
    number = _parse_number(match["number"])
    return (number, bool(match["compressed"])) if segment_path(number) == path.removesuffix(COMPRESSED) else None


def _format_number(number: int) -> str:
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.append(f"x{number % 1000:03}")
    return "/".join(reversed(groups))


def _parse_number(text: str) -> int:
    return int(text.replace("x", "").replace("/", ""))


def _format_width(width: int) -> str:
    return "" if width == TILE_WIDTH else f".p/{width}"
