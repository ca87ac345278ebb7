"""Replay into another log: the same bytes in the same order, each with where it came from in its headers."""

import threading
from collections.abc import Sequence

from modeltrail.log.protocol import Headers, Log, Outgoing, Position, Record
from modeltrail.log.reading import Silence

from modeltrail_server.projection.projector import Source
from modeltrail_server.replay.replaying import Meter, OnProgress, ReplayProgress
from modeltrail_server.replay.sources import POLL_WAIT_MS, read_all

ORIGIN_TOPIC_ID = "modeltrail-original-topic-id"
ORIGIN_TOPIC = "modeltrail-original-topic"
ORIGIN_PARTITION = "modeltrail-original-partition"
ORIGIN_OFFSET = "modeltrail-original-offset"
ORIGIN_TIMESTAMP = "modeltrail-original-timestamp-ms"
_ORIGIN = frozenset({ORIGIN_TOPIC_ID, ORIGIN_TOPIC, ORIGIN_PARTITION, ORIGIN_OFFSET, ORIGIN_TIMESTAMP})

MAX_APPEND_RECORDS = 1_000


def replay_to_log(
    source: Source,
    target: Log,
    *,
    until: Position | None = None,
    on_progress: OnProgress | None = None,
    stop: threading.Event | None = None,
) -> ReplayProgress:
    """Append what ``source`` holds up to ``until`` (its end by default) to ``target``; return how much that was.

    An interrupted one goes on where it ended, found from the last records of ``target``, as long as both have the
    same number of partitions; else a record goes where its key says and a second call appends all again, which
    readers drop. Raises what the source's reader and ``target.append`` raise.
    """
    stop, end = stop or threading.Event(), source.end() if until is None else until
    same_partitions = target.partitions() == len(end.offsets)
    start = _continue_from(source, target) if same_partitions else Position()
    meter = Meter(start.records_behind(end), on_progress)
    for records in read_all(source, start=start, end=end):
        for first in range(0, len(records), MAX_APPEND_RECORDS):
            if stop.is_set():
                return meter.progress()
            part = records[first : first + MAX_APPEND_RECORDS]
            target.append([_outgoing(source, record, same_partitions) for record in part])
            meter.add(len(part))
    return meter.progress()


def _outgoing(source: Source, record: Record, same_partitions: bool) -> Outgoing:
    origin: Headers = (
        (ORIGIN_TOPIC_ID, source.identity.topic_id.encode()),
        (ORIGIN_TOPIC, source.identity.name.encode()),
        (ORIGIN_PARTITION, b"%d" % record.partition),
        (ORIGIN_OFFSET, b"%d" % record.offset),
        (ORIGIN_TIMESTAMP, b"%d" % record.timestamp_ms),
    )
    kept = tuple(header for header in record.headers if header[0] not in _ORIGIN)
    return Outgoing(record.value, record.key, kept + origin, record.partition if same_partitions else None)


def _continue_from(source: Source, target: Log) -> Position:
    """Return the position in ``source`` after the last records that ``target`` has of it."""
    position, end, start = Position(), target.end(), target.start()
    for partition, offset in enumerate(end.offsets):
        if offset > start[partition]:
            for record in _last_records(target, partition, offset - 1):
                headers = dict(record.headers)
                if headers.get(ORIGIN_TOPIC_ID) == source.identity.topic_id.encode():
                    position = position.with_offset(partition, int(headers[ORIGIN_OFFSET]) + 1)
    return position


def _last_records(target: Log, partition: int, offset: int) -> Sequence[Record]:
    """Return the record at the last offset; none where that is a transaction marker."""
    reader, silence = target.reader(), Silence(target.identity.name, target.end())
    try:
        while True:
            for assigned in reader.unpositioned():
                reader.seek(assigned, offset if assigned == partition else target.end()[assigned])
            if records := reader.poll(max_records=1, wait_ms=POLL_WAIT_MS).get(partition):
                return records
            if reader.position(partition) > offset:
                return []
            silence.check()
    finally:
        reader.close()
