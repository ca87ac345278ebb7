"""Replay or rebuild in a process of its own: replay|rebuild LOG DATABASE [AUDIT FOLDER to replay from]."""

import json
import sys
from pathlib import Path

from benchmarks.measuring import timed
from modeltrail.log import open_log
from modeltrail_server import audit
from modeltrail_server.projection.digest import compute_digest
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.projector import Source
from modeltrail_server.projection.rebuilding import rebuild
from modeltrail_server.replay.replaying import replay
from modeltrail_server.replay.sources import KeptRecords


def do(what: str, address: str, database: str, audit_folder: str | None) -> dict[str, float | str]:
    engine = open_engine(database)
    with open_log(address) as log:
        source: Source = log
        if audit_folder is not None:
            folder = Path(audit_folder)
            source = KeptRecords(log.identity, lambda p, start: audit.read_records(folder, p, start=start), log.end())
        records = log.end().offsets[0] - log.start()[0]
        with timed() as span:
            digest = rebuild(source, engine) if what == "rebuild" else replay(source, engine).digest
        with timed() as digest_span:
            again = compute_digest(engine)
    assert digest is not None
    assert digest.hex == again.hex
    engine.dispose()
    return {
        "records": records,
        "wall_s": span.wall_s,
        "cpu_s": span.cpu_s,
        "digest_s": digest_span.wall_s,
        "digest": digest.hex,
    }


if __name__ == "__main__":
    print(json.dumps(do(*sys.argv[1:4], sys.argv[4] if len(sys.argv) > 4 else None)))
