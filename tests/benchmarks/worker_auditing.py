"""An auditor in a process of its own: LOG FOLDER. Reading the log is outside its clock; syncing to disk is inside."""

import json
import sys
import time
from hashlib import sha256
from itertools import chain, islice
from pathlib import Path

from benchmarks.measuring import timed
from benchmarks.workloads import records_of
from modeltrail.log import open_log
from modeltrail_server import audit
from modeltrail_server.audit.auditor import Auditor
from modeltrail_server.audit.keys import read_key

CHUNKS_A_ROUND = 4
"""So that a round is about as long as the one of ``follow``: 16,384 records."""


def audit_all(address: str, folder: Path) -> dict[str, float]:
    """Append round by round, each as large as ``follow`` makes them; hash the same bytes to compare."""
    audit.init(folder, "benchmark")
    count, append_s, append_cpu_s, hash_s, payload_bytes = 0, 0.0, 0.0, 0.0, 0
    with open_log(address) as log, Auditor(folder, read_key(folder), log.identity, 0) as auditor:
        chunks = records_of(log)
        while round_ := list(chain.from_iterable(islice(chunks, CHUNKS_A_ROUND))):
            started = time.perf_counter()
            for record in round_:
                sha256(record.key or b"").digest()
                sha256(record.value).digest()
            hash_s += time.perf_counter() - started
            with timed() as span:
                auditor.append(round_)
                auditor.publish()
            append_s, append_cpu_s, count = append_s + span.wall_s, append_cpu_s + span.cpu_s, count + len(round_)
            payload_bytes += sum(len(record.value) + len(record.key or b"") for record in round_)
    written = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {
        "records": count,
        "per_s": count / append_s,
        "per_cpu_s": count / append_cpu_s,
        "hashed_per_s": count / hash_s,
        "payload_bytes": payload_bytes,
        "written_bytes": written,
    }


if __name__ == "__main__":
    print(json.dumps(audit_all(sys.argv[1], Path(sys.argv[2]))))
