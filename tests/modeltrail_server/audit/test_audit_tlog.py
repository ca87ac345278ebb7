"""Hashes, roots and proofs against RFC 6962: its published vectors, its recursive definition, and another library."""

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modeltrail_server.audit import layout
from modeltrail_server.audit.errors import ProofError
from modeltrail_server.audit.tlog import (
    EMPTY_ROOT,
    HASH_BYTES,
    Tile,
    check_consistency,
    check_inclusion,
    edge,
    fold,
    leaf_hash,
    node_hash,
    prove_consistency,
    prove_inclusion,
    root,
    tiles,
)
from modeltrail_server.audit.tree import Tree, decode_bundle, encode_bundle
from pymerkle import InmemoryTree

# The test vectors of Certificate Transparency (RFC 6962's reference implementation): entries, and each prefix's root.
CT_ENTRIES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZES = [0, 1, 2, 3, 255, 256, 257, 511, 512, 1000]
LARGE_SIZES = [65536, 65537, 70000]


class MemoryTiles:
    """Tiles by path."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def read_tile(self, tile: Tile) -> bytes:
        return self.files[layout.tile_path(tile)]


def entries_of(size: int) -> list[bytes]:
    return [b"entry %d" % number for number in range(size)]


def grown(size: int) -> tuple[Tree, MemoryTiles]:
    tree = Tree()
    tree.append(entries_of(size))
    return tree, MemoryTiles(tree.take_files())


def defined_root(hashes: list[bytes]) -> bytes:
    """The recursive definition of RFC 6962, word for word."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return node_hash(defined_root(hashes[:split]), defined_root(hashes[split:]))


def test_roots_are_those_of_the_published_vectors() -> None:
    hashes = [leaf_hash(entry) for entry in CT_ENTRIES]
    assert [fold(b"".join(hashes[: size + 1])).hex() for size in range(8)] == CT_ROOTS
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("size", SIZES)
def test_a_root_from_tiles_is_that_of_the_recursive_definition(size: int) -> None:
    tree, files = grown(size)
    expected = defined_root([leaf_hash(entry) for entry in entries_of(size)])
    assert tree.root() == root(size, files) == expected


@pytest.mark.parametrize("size", [*SIZES, *LARGE_SIZES])
def test_a_root_is_that_of_pymerkle(size: int) -> None:
    tree, files = grown(size)
    other = InmemoryTree(algorithm="sha256")
    for entry in entries_of(size):
        other.append_entry(entry)
    assert tree.root() == root(size, files) == other.get_root(size)


@pytest.mark.parametrize(
    ("size", "names"),
    [
        (0, []),
        (256, ["tile/0/000", "tile/1/000.p/1", "tile/entries/000"]),
        (
            1000,
            [f"tile/{name}" for name in ("0/000", "0/001", "0/002", "0/003.p/232", "1/000.p/3")]
            + [f"tile/entries/{name}" for name in ("000", "001", "002", "003.p/232")],
        ),
    ],
)
def test_the_files_of_a_tree_are_those_of_the_specification(size: int, names: list[str]) -> None:
    assert sorted(grown(size)[0].take_files() | grown(size)[1].files) == names


def test_the_last_files_of_a_large_tree_are_those_of_the_specification() -> None:
    names = grown(70000)[1].files.keys()
    last = {"tile/0/273.p/112", "tile/entries/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"}
    assert last <= names
    assert len(names) == 274 * 2 + 3


@pytest.mark.parametrize(
    ("number", "text"), [(0, "000"), (999, "999"), (1000, "x001/000"), (1234067, "x001/x234/067")]
)
def test_tile_numbers_are_written_in_groups_of_three_digits(number: int, text: str) -> None:
    assert layout.tile_path(Tile(3, number)) == f"tile/3/{text}"
    assert layout.entries_path(Tile(0, number, 7)) == f"tile/entries/{text}.p/7"
    assert layout.segment_path(number) == f"segments/{text}"


@given(st.integers(0, 63), st.integers(0, 10**12), st.integers(1, 256), st.booleans())
def test_a_path_is_parsed_into_what_it_was_made_of(level: int, index: int, width: int, compressed: bool) -> None:
    tile = Tile(level, index, width)
    assert layout.parse_tile_path(layout.tile_path(tile)) == tile
    assert layout.parse_entries_path(layout.entries_path(tile)) == Tile(0, index, width)
    suffix = layout.COMPRESSED if compressed else ""
    assert layout.parse_segment_path(layout.segment_path(index) + suffix) == (index, compressed)


UNWRITTEN = [
    "tile/0/1",
    "tile/64/000",
    "tile/0/000.p/256",
    "tile/0/000.p/0",
    "tile/0/x000/001",
    "tile/00/000",
    "checkpoint",
    "segments/x000/000",
    "segments/0",
    "tile/entries/x000/000",
]


@pytest.mark.parametrize("name", UNWRITTEN)
def test_a_name_nobody_writes_is_not_parsed(name: str) -> None:
    assert layout.parse_tile_path(name) is None
    assert layout.parse_segment_path(name) is None


@given(st.lists(st.binary(max_size=600), max_size=300))
def test_a_bundle_is_decoded_into_its_entries(entries: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(entries)) == (entries, 0)


@given(st.integers(0, 700), st.lists(st.integers(0, 300), max_size=6))
def test_full_tiles_do_not_depend_on_how_entries_come(size: int, cuts: list[int]) -> None:
    entries, tree, files = entries_of(size), Tree(), {}
    for cut in cuts:
        tree.append(entries[:cut])
        entries = entries[cut:]
        files |= tree.take_files()
    tree.append(entries)
    files |= tree.take_files()
    whole, once = grown(size)
    assert tree.root() == whole.root()
    assert {name: files[name] for name in once.files} == once.files


def test_tiles_since_a_size_are_those_that_changed() -> None:
    sizes = [0, 1, 255, 256, 257, 600, 65535, 65536, 65600]
    for old in sizes:
        for new in sizes:
            if old <= new:
                expected = [tile for tile in tiles(new) if tile not in set(tiles(old))]
                assert list(tiles(new, since=old)) == expected
    assert [tile.level for tile in edge(65600)] == [0, 2]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 255, 256, 257, 1000, *LARGE_SIZES])
def test_an_inclusion_proof_shows_its_leaf_and_nothing_else(size: int) -> None:
    tree, files = grown(size)
    chance = random.Random(size)
    for index in {0, size - 1, size // 2, *(chance.randrange(size) for _ in range(20))}:
        proof = prove_inclusion(index, size, files)
        leaf = leaf_hash(b"entry %d" % index)
        check_inclusion(index, size, proof, leaf, tree.root())
        wrong = [
            (index, proof, leaf_hash(b"other")),
            (index, [*proof, leaf], leaf),
            *([(index, proof[:-1], leaf), (index, [leaf, *proof[1:]], leaf)] if proof else []),
            *([((index + 1) % size, proof, leaf)] if size > 1 else []),
        ]
        for other, hashes, shown in wrong:
            with pytest.raises(ProofError):
                check_inclusion(other, size, hashes, shown, tree.root())


@given(st.integers(0, 600), st.integers(0, 600))
def test_a_consistency_proof_shows_a_prefix_and_nothing_else(one: int, other: int) -> None:
    old, new = sorted((one, other))
    tree, files = grown(new)
    old_root = grown(old)[0].root()
    proof = prove_consistency(old, new, files)
    check_consistency(old, new, proof, old_root, tree.root())
    bad = leaf_hash(b"bad")
    assert len(bad) == HASH_BYTES
    wrong = [(old, [*proof, bad], old_root, tree.root()), (old, proof, bad, tree.root()), (old, proof, old_root, bad)]
    if proof:
        wrong += [(old, proof[:-1], old_root, tree.root()), (old, [bad, *proof[1:]], old_root, tree.root())]
    if old == 0 and new:
        wrong.pop(2)  # any tree begins with the empty one
    for size, hashes, before, after in wrong:
        with pytest.raises(ProofError):
            check_consistency(size, new, hashes, before, after)
