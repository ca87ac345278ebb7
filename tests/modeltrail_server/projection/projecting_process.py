"""A projector as a process of its own, to be killed: LOG DATABASE GROUP BATCH_RECORDS. A line a committed batch."""

import sys
import threading

from modeltrail.log.opening import open_log
from modeltrail_schemas.errors import ModeltrailError
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.projector import BatchStats, Projector


class Printing:
    """Says what happened."""

    def batch_written(self, stats: BatchStats) -> None:
        print("batch", stats.partition, stats.first_offset, stats.next_offset, flush=True)

    def retrying(self, error: ModeltrailError, delay_s: float) -> None:
        print("retry", error, flush=True)


def main() -> None:
    address, database, group, batch_records = sys.argv[1:]
    projector = Projector(
        open_log(address),
        open_engine(database),
        group=group or None,
        observer=Printing(),
        max_batch_records=int(batch_records),
    )
    print("ready", flush=True)
    projector.run(threading.Event())


if __name__ == "__main__":
    main()
