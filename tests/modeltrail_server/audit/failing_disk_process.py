"""The process of failing_disk.Laboratory: for each line on standard input it audits once, in a child that may fail.

It has imported everything, so that a child costs milliseconds. An answer is one JSON line.
"""

import ctypes
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from audit_logs import IDENTITY, NAME, ListLog, history
from modeltrail.errors import ModeltrailError
from modeltrail_server import audit
from modeltrail_server.audit import layout

# Three rounds: within a tile, over the ends of a tile and of a segment, in the new segment.
GAP_AT, GAP = 258, 9000
RECORDS = [replace(each, offset=each.offset + (GAP if at >= GAP_AT else 0)) for at, each in enumerate(history(390))]
PACE = audit.Pace(max_records=130, wait_ms=0)
REFUSED = 3


def audit_once(folder: Path, report: int) -> None:
    """Audit all records, as a process that starts does; report each signed size, and what refuses it."""
    try:
        if not (folder / layout.KEY).exists():
            audit.init(folder, NAME, IDENTITY)
        audit.follow(
            folder,
            ListLog(RECORDS),
            once=True,
            compress=True,
            pace=PACE,
            on_publish=lambda _, head: _say(report, str(head.size)),
        )
    except ModeltrailError as error:
        _say(report, f"{type(error).__name__}: {error}")
        os._exit(REFUSED)
    os._exit(0)


def main() -> None:
    """Answer until standard input ends."""
    begin = ctypes.CDLL(None).failing_disk_begin
    for line in sys.stdin:
        folder, journal, *fault = json.loads(line)
        heard, report = os.pipe()
        child = os.fork()
        if not child:
            mode, at, refusal = fault
            os.close(heard)
            assert begin(folder.encode(), journal.encode(), ctypes.c_long(at), mode, refusal) == 0
            audit_once(Path(folder), report)
        os.close(report)
        with open(heard, encoding="utf-8") as pipe:
            said = pipe.read().splitlines()
        _, status = os.waitpid(child, 0)
        signed = max((int(word) for word in said if word.isdecimal()), default=0)
        print(json.dumps([os.waitstatus_to_exitcode(status), "\n".join(said), signed]), flush=True)


def _say(report: int, what: str) -> None:
    os.write(report, f"{what}\n".encode())


if __name__ == "__main__":
    main()
