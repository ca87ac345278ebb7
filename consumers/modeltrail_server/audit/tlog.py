"""Merkle trees and their tiles: hashes, roots, proofs. Pure: the only door to the world is ``TileReader``.

Hashes and proofs are those of RFC 6962 section 2.1 (checked as in RFC 9162 section 2.1), tiles those of
c2sp.org/tlog-tiles. A list of hashes is one ``bytes``, 32 bytes each. Indexes, sizes, widths count leaves or hashes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from modeltrail_schemas.counting import counted

from modeltrail_server.audit.errors import ProofError

HASH_BYTES = 32
TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
MAX_LEVEL = 63
EMPTY_ROOT = sha256(b"").digest()


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """``width`` hashes (1 to 256; 256 is a full tile) of ``level``, starting at hash ``index * 256``."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def full(self) -> bool:
        """Return whether the tile can never grow."""
        return self.width == TILE_WIDTH


class TileReader(Protocol):
    """Where tiles come from."""

    def read_tile(self, tile: Tile) -> bytes:
        """Return ``tile.width`` hashes."""
        ...


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of the leaf that holds ``entry``."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node over two hashes."""
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: bytes) -> bytes:
    """Return the root of the tree whose leaf hashes are ``hashes``.

    Pairing neighbours and carrying an odd last one upward splits where RFC 6962 does: at the largest power of two.
    """
    if not hashes:
        return EMPTY_ROOT
    while len(hashes) > HASH_BYTES:
        paired = len(hashes) // (2 * HASH_BYTES) * (2 * HASH_BYTES)
        parents = [
            sha256(b"\x01" + hashes[at : at + 2 * HASH_BYTES]).digest() for at in range(0, paired, 2 * HASH_BYTES)
        ]
        hashes = b"".join(parents) + hashes[paired:]
    return hashes


def hash_at(hashes: bytes, position: int) -> bytes:
    """Return the hash number ``position`` of a list of hashes."""
    return hashes[position * HASH_BYTES : (position + 1) * HASH_BYTES]


def tiles(size: int, *, since: int = 0) -> Iterator[Tile]:
    """Yield the tiles of a tree of ``size`` leaves, level by level, that a tree of ``since`` leaves lacks."""
    for level in range(MAX_LEVEL + 1):
        count, had = size >> (TILE_HEIGHT * level), since >> (TILE_HEIGHT * level)
        if not count:
            return
        if count == had:
            continue
        for index in range(had // TILE_WIDTH, -(-count // TILE_WIDTH)):
            yield Tile(level, index, min(TILE_WIDTH, count - index * TILE_WIDTH))


def edge(size: int) -> list[Tile]:
    """Return the partial tiles of a tree, lowest level first. Together they determine the root."""
    return [tile for level in range(MAX_LEVEL + 1) if (tile := edge_tile(level, size)) is not None]


def edge_tile(level: int, size: int) -> Tile | None:
    """Return the partial tile of ``level``, None if there is none."""
    index, width = divmod(size >> (TILE_HEIGHT * level), TILE_WIDTH)
    return Tile(level, index, width) if width else None


def root(size: int, reader: TileReader) -> bytes:
    """Return the root of the tree of ``size`` leaves, from its partial tiles alone."""
    right = b""
    for tile in edge(size):
        right = fold(reader.read_tile(tile) + right)
    return right or EMPTY_ROOT


def prove_inclusion(index: int, size: int, reader: TileReader) -> list[bytes]:
    """Return the hashes from the leaf's sibling up to the root's child (RFC 6962 section 2.1.1)."""
    if not 0 <= index < size:
        raise ProofError(f"index {index} is not in a tree of {counted(size, 'leaf', 'leaves')}")
    path = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(_range_root(middle, high, size, reader))
            high = middle
        else:
            path.append(_range_root(low, middle, size, reader))
            low = middle
    return path[::-1]


def check_inclusion(index: int, size: int, proof: Sequence[bytes], leaf: bytes, root: bytes) -> None:
    """Raise ProofError unless ``proof`` shows that leaf hash ``leaf`` is number ``index`` under ``root``."""
    if not 0 <= index < size:
        raise ProofError(f"index {index} is not in a tree of {counted(size, 'leaf', 'leaves')}")
    node, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofError("the inclusion proof is too long")
        if node & 1 or node == last:
            computed = node_hash(sibling, computed)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise ProofError("the inclusion proof is too short")
    if computed != root:
        raise ProofError("the inclusion proof leads to another root than the signed one")


def prove_consistency(old: int, new: int, reader: TileReader) -> list[bytes]:
    """Return the proof that the tree of ``old`` leaves is a prefix of that of ``new`` (RFC 6962 section 2.1.2)."""
    if not 0 <= old <= new:
        raise ProofError(f"a tree of {counted(old, 'leaf', 'leaves')} is no prefix of one of {new}")
    if old in (0, new):
        return []
    path = []
    low, high = 0, new
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            path.append(_range_root(middle, high, new, reader))
            high = middle
        else:
            path.append(_range_root(low, middle, new, reader))
            low = middle
    if low:
        path.append(_range_root(low, high, new, reader))
    return path[::-1]


def check_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Raise ProofError unless ``proof`` shows the tree under ``old_root`` to begin the one under ``new_root``."""
    if not 0 <= old <= new:
        raise ProofError(f"a tree of {counted(old, 'leaf', 'leaves')} is no prefix of one of {new}")
    if old in (0, new):
        if proof:
            raise ProofError("the consistency proof is too long")
        if old_root != (new_root if old == new else EMPTY_ROOT):
            raise ProofError(
                "two heads of one size have different roots" if old else "an empty tree has one root only"
            )
        return
    hashes = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not hashes:
        raise ProofError("the consistency proof is too short")
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    first, second = hashes[0], hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise ProofError("the consistency proof is too long")
        if node & 1 or node == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise ProofError("the consistency proof is too short")
    if (first, second) != (old_root, new_root):
        raise ProofError("the consistency proof leads to other roots than the signed ones")


def _split(count: int) -> int:
    """Return the largest power of two below ``count`` (> 1)."""
    return 1 << ((count - 1).bit_length() - 1)


def _range_root(low: int, high: int, size: int, reader: TileReader) -> bytes:
    """Return the root over leaves ``low`` to ``high``, a subtree of the tree of ``size`` leaves."""
    subtrees = []
    while low < high:
        height = (high - low).bit_length() - 1
        subtrees.append(_subtree_root(height, low >> height, size, reader))
        low += 1 << height
    computed = subtrees.pop()
    while subtrees:
        computed = node_hash(subtrees.pop(), computed)
    return computed


def _subtree_root(height: int, number: int, size: int, reader: TileReader) -> bytes:
    """Return the root of the perfect subtree ``number`` among those of 2**height leaves."""
    level, rest = divmod(height, TILE_HEIGHT)
    index, position = divmod(number << rest, TILE_WIDTH)
    width = min(TILE_WIDTH, (size >> (TILE_HEIGHT * level)) - index * TILE_WIDTH)
    hashes = reader.read_tile(Tile(level, index, width))
    return fold(hashes[position * HASH_BYTES : (position + (1 << rest)) * HASH_BYTES])
