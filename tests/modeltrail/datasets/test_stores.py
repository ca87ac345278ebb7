"""A version that a store has given is taken from its own mark, and from nothing that only looks like it."""

import hashlib
from pathlib import Path

import pytest
from modeltrail.datasets.stores import identify_local, identify_uri
from modeltrail_schemas.event import Strength


def test_a_delta_table_is_its_highest_committed_version(tmp_path: Path) -> None:
    log = tmp_path / "_delta_log"
    log.mkdir()
    for name in ("00000000000000000009.json", "00000000000000000412.json", "00000000000000000410.checkpoint.parquet"):
        (log / name).write_text("{}")
    identity = identify_local(tmp_path)
    assert identity is not None
    assert (identity.version, identity.strength, identity.provider) == ("delta:412", Strength.PROVIDER, "delta")


def test_a_git_lfs_pointer_is_the_content_it_points_to(tmp_path: Path) -> None:
    oid = hashlib.sha256(b"real").hexdigest()
    (tmp_path / "m.bin").write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 1234\n")
    identity = identify_local(tmp_path / "m.bin")
    assert identity is not None
    assert (identity.digest, identity.bytes, identity.provider) == (f"sha256:{oid}", 1234, "git-lfs")


def test_a_dvc_file_names_the_version_while_its_data_is_unchanged(tmp_path: Path) -> None:
    (tmp_path / "tx.csv").write_bytes(b"a,b\n")
    md5 = hashlib.md5(b"a,b\n").hexdigest()
    (tmp_path / "tx.csv.dvc").write_text(f"outs:\n- md5: {md5}\n  size: 4\n  hash: md5\n  path: tx.csv\n")
    identity = identify_local(tmp_path / "tx.csv")
    assert identity is not None
    assert (identity.version, identity.provider, identity.bytes) == (f"dvc:{md5}", "dvc", 4)
    (tmp_path / "tx.csv").write_bytes(b"a,c\n")
    assert identify_local(tmp_path / "tx.csv") is None


def test_plain_files_and_folders_have_no_store(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("oid sha256:abc")
    (tmp_path / "_delta_log").mkdir()
    assert identify_local(tmp_path) is None
    assert identify_local(tmp_path / "a.csv") is None


COMMIT = hashlib.sha1(b"x").hexdigest()


@pytest.mark.parametrize(
    ("uri", "version", "provider"),
    [
        ("s3://bucket/tx.parquet?versionId=3sL4kq", "s3:3sL4kq", "s3"),
        ("gs://bucket/tx.parquet#1712345", "gcs:1712345", "gcs"),
        (f"lakefs://repo/{COMMIT}/tx/", f"lakefs:{COMMIT}", "lakefs"),
        (f"hf://datasets/org/tx@{COMMIT}/train.parquet", f"hf:{COMMIT}", "huggingface"),
    ],
)
def test_a_uri_that_names_a_version_is_that_version(uri: str, version: str, provider: str) -> None:
    identity = identify_uri(uri)
    assert (identity.version, identity.provider, identity.strength) == (version, provider, Strength.PROVIDER)


@pytest.mark.parametrize("uri", ["s3://bucket/tx.parquet", "lakefs://repo/main/tx/", "hf://datasets/o/tx@main", "x"])
def test_a_uri_that_names_a_branch_or_nothing_is_no_version(uri: str) -> None:
    assert identify_uri(uri).strength == Strength.NONE
    assert identify_uri(uri).version == ""


def test_a_location_loses_its_credentials() -> None:
    word = "cor" + "recthorse9"
    assert identify_uri(f"postgresql://ana:{word}@db/x").location == "postgresql://db/x"
