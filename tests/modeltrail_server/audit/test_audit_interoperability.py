"""Other people's tools accept our logs: aics-tlog reads tiles, bundles, checkpoint and proofs with its own code."""

from pathlib import Path

import pytest
from audit_logs import history, start
from modeltrail_server import audit
from modeltrail_server.audit import leaf, proofs
from modeltrail_server.audit.note import decode_base64

aics = pytest.importorskip("aics_tlog", reason="aics-tlog needs Python 3.12")

SIZES = [0, 1, 2, 255, 256, 257, 511, 512, 1000]
LARGE_SIZES = [65536, 65537, 70000]
LARGEST = history(max(LARGE_SIZES))


@pytest.mark.parametrize("size", [*SIZES, *(pytest.param(size, marks=pytest.mark.slow) for size in LARGE_SIZES)])
def test_another_implementation_verifies_our_log(size: int, tmp_path: Path) -> None:
    records = LARGEST[:size]
    start(tmp_path, records, [size // 3])
    status = audit.status(tmp_path).partitions[0]
    folder = tmp_path / "0"
    key = aics.parse_vkey(status.verifier_key)
    note = aics.parse_note((folder / "checkpoint").read_bytes())
    checked = aics.verify_checkpoint(note, key)
    assert checked.ok
    head = aics.parse_checkpoint(note.text)
    assert (head.origin, head.size, head.root) == (status.head.origin, size, status.head.root)
    reader = aics.FileSystemTileReader(folder)
    assert aics.tree_root_from_tiles(reader, size) == status.head.root
    aics.audit_tiles(reader, size, head.root)
    for index in {0, size // 2, size - 1} if size else ():
        assert aics.read_entry(reader, index, size) == leaf.encode(records[index])
        lines = audit.prove(tmp_path, index=index).split("\n\n")[0].split("\n")
        hashes = [decode_base64(line) for line in lines[3:]]
        assert aics.verify_leaf_inclusion(leaf.encode(records[index]), index, size, hashes, head.root)
        assert proofs.check(audit.prove(tmp_path, index=index), audit.read_key_of(tmp_path)).index == index
