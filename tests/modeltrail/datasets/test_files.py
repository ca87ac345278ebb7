"""The identity of files and folders is every byte of them."""

import hashlib
import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from modeltrail.datasets.files import RACY_NS, DigestCache, identify_bytes, identify_path
from modeltrail_schemas.event import Strength

LATER_NS = 2**62


def no_cache(folder: Path) -> DigestCache:
    return DigestCache(folder / "no" / "cache")


def test_a_file_is_its_sha_256_size_place_and_format(tmp_path: Path) -> None:
    path = tmp_path / "tx.pq"
    path.write_bytes(b"data" * 1_000_000)
    identity = identify_path(path, no_cache(tmp_path), now_ns=0)
    assert identity.digest == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    assert (identity.bytes, identity.format, identity.location) == (4_000_000, "parquet", path.as_uri())
    assert identity.strength == Strength.CONTENT


def test_bytes_and_a_file_of_them_have_one_digest(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"weights")
    assert identify_path(tmp_path / "a", no_cache(tmp_path), now_ns=0).digest == identify_bytes(b"weights").digest


@given(
    st.dictionaries(st.text("ab", min_size=1, max_size=3), st.binary(max_size=8), min_size=1, max_size=4),
    st.dictionaries(st.text("ab", min_size=1, max_size=3), st.binary(max_size=8), min_size=1, max_size=4),
)
def test_folders_are_equal_where_names_and_contents_are(tmp_path_factory, one, other) -> None:
    digests = []
    for files in (one, other, dict(reversed(one.items()))):
        folder = tmp_path_factory.mktemp("folder")
        for name, content in files.items():
            (folder / f"d{len(name)}").mkdir(exist_ok=True)
            (folder / f"d{len(name)}" / name).write_bytes(content)
        digests.append(identify_path(folder, no_cache(folder.parent), now_ns=0).digest)
    assert (digests[0] == digests[1]) == (one == other)
    assert digests[0] == digests[2]


def test_an_unchanged_file_is_read_once_and_a_changed_one_again(tmp_path: Path) -> None:
    path, cache = tmp_path / "a", DigestCache(tmp_path / "cache")
    path.write_bytes(b"one")
    first = identify_path(path, cache, now_ns=LATER_NS)
    (entry,) = cache.folder.iterdir()
    entry.write_text(entry.read_text().rpartition(" ")[0] + " remembered\n")
    assert identify_path(path, cache, now_ns=LATER_NS).digest == "sha256:remembered"
    path.write_bytes(b"other")
    assert identify_path(path, cache, now_ns=LATER_NS).digest not in (first.digest, "sha256:remembered")


def test_a_file_changed_just_now_is_not_remembered(tmp_path: Path) -> None:
    path, cache = tmp_path / "a", DigestCache(tmp_path / "cache")
    path.write_bytes(b"one")
    identify_path(path, cache, now_ns=path.stat().st_mtime_ns + RACY_NS)
    assert not cache.folder.exists()


def test_a_damaged_cache_entry_is_no_entry(tmp_path: Path) -> None:
    path, cache = tmp_path / "a", DigestCache(tmp_path / "cache")
    path.write_bytes(b"one")
    whole = identify_path(path, cache, now_ns=LATER_NS)
    (entry,) = cache.folder.iterdir()
    entry.write_bytes(b"\xff\xfe\x00")
    assert identify_path(path, cache, now_ns=LATER_NS) == whole


def test_a_file_that_changes_while_it_is_read_is_marked_weak(tmp_path: Path, monkeypatch) -> None:
    import modeltrail.datasets.files as files

    path, cache = tmp_path / "a", DigestCache(tmp_path / "cache")
    path.write_bytes(b"one")
    hash_file = files.hash_file

    def hash_and_append(read: Path) -> str:
        digest = hash_file(read)
        with path.open("ab") as file:
            file.write(b"more")
        return digest

    monkeypatch.setattr(files, "hash_file", hash_and_append)
    assert identify_path(path, cache, now_ns=LATER_NS).strength == Strength.CLAIMED
    assert identify_path(tmp_path, DigestCache(tmp_path / "c2"), now_ns=LATER_NS).strength == Strength.CLAIMED
    assert not cache.folder.exists()


def test_a_home_inside_a_folder_is_not_data(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    before = identify_path(tmp_path, no_cache(tmp_path), now_ns=0)
    (tmp_path / ".modeltrail").mkdir()
    (tmp_path / ".modeltrail" / "log.db").write_bytes(b"x")
    assert identify_path(tmp_path, no_cache(tmp_path), now_ns=0) == before


def test_names_that_are_no_utf_8_are_identified_too(tmp_path: Path) -> None:
    with open(os.path.join(os.fsencode(tmp_path), b"\xff.csv"), "wb") as file:
        file.write(b"x")
    assert identify_path(tmp_path, no_cache(tmp_path), now_ns=0).digest.startswith("sha256-tree:")
