"""What can be replayed: a log, or records that were kept of one (an audit log), read alike and up to an end."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice

from modeltrail.log.protocol import LogIdentity, Position, Reader, Record
from modeltrail.log.reading import Silence

from modeltrail_server.projection.projector import Source

READ_RECORDS = 4_000
POLL_WAIT_MS = 100

ReadRecords = Callable[[int, int], Iterable[Record]]


class KeptRecords:
    """Records kept of the log ``identity``: ``read(partition, start)`` gives those from offset ``start`` on."""

    def __init__(self, identity: LogIdentity, read: ReadRecords, end: Position) -> None:
        self._identity, self._read, self._end = identity, read, end

    @property
    def identity(self) -> LogIdentity:
        """Return which log the records are of."""
        return self._identity

    def reader(self, *, group: str | None = None) -> "KeptRecordsReader":
        """Return a reader of all partitions: there is no group to share them."""
        del group
        return KeptRecordsReader(self._read, self._end)

    def start(self) -> Position:
        """Return the offset of the first record of each partition."""
        start = Position()
        for partition in range(len(self._end.offsets)):
            for record in islice(iter(self._read(partition, 0)), 1):
                start = start.with_offset(partition, record.offset)
        return start

    def end(self) -> Position:
        """Return the offset after the last record, per partition."""
        return self._end


class KeptRecordsReader:
    """A cursor over kept records, one partition after the other. What ``read`` raises comes out of ``poll``."""

    def __init__(self, read: ReadRecords, end: Position) -> None:
        self._read, self._end = read, end
        self._cursors: dict[int, Iterator[Record] | None] = dict.fromkeys(range(len(end.offsets)))
        self._next: dict[int, int] = {}

    def assignment(self) -> frozenset[int]:
        """Return the partitions; none after ``close``."""
        return frozenset(self._cursors)

    def unpositioned(self) -> frozenset[int]:
        """Return the partitions that wait for a ``seek``."""
        return frozenset(partition for partition, cursor in self._cursors.items() if cursor is None)

    def seek(self, partition: int, offset: int) -> None:
        """Read ``partition`` from ``offset`` on."""
        if partition in self._cursors:
            self._cursors[partition] = iter(self._read(partition, offset))
            self._next[partition] = offset

    def position(self, partition: int) -> int:
        """Return the offset that is read next: the end where nothing more was kept."""
        return self._next.get(partition, 0)

    def poll(self, *, max_records: int, wait_ms: int) -> Mapping[int, Sequence[Record]]:
        """Return up to ``max_records`` records of one partition; empty at the end of all, for nothing will come."""
        del wait_ms
        for partition, cursor in self._cursors.items():
            if cursor is not None:
                if records := list(islice(cursor, max_records)):
                    self._next[partition] = records[-1].offset + 1
                    return {partition: records}
                self._next[partition] = max(self._next[partition], self._end[partition])
        return {}

    def close(self) -> None:
        """Forget the cursors."""
        self._cursors = {}


def read_all(source: Source, *, start: Position, end: Position) -> Iterator[Sequence[Record]]:
    """Yield the records of each partition from ``start`` up to ``end``, some of one partition at a time.

    A partition that ``start`` does not name begins with its first record; an end may lie behind the last one
    (transaction markers). Raises what the source's reader does, and LogUnavailableError where nothing comes for
    MAX_SILENCE_S that is due.
    """
    reader, reached = source.reader(), source.start()
    for partition, offset in enumerate(start.offsets):
        reached = reached.with_offset(partition, max(offset, reached[partition]))
    silence = Silence(source.identity.name, end)
    try:
        while not reached.covers(end):
            for partition, records in _poll(reader, reached).items():
                if wanted := [record for record in records if record.offset < end[partition]]:
                    yield wanted
                silence.broken()
            for partition in range(len(end.offsets)):
                reached = reached.with_offset(partition, max(reached[partition], reader.position(partition)))
            silence.check()
    finally:
        reader.close()


def position_at(source: Source, time_ms: int) -> Position:
    """Return the position as of ``time_ms`` (UTC): before the first record whose time, or an earlier one's, is later.

    Reads the records up to there, without decoding them. Raises what the source's reader does.
    """
    end = source.end()
    position, ended = source.start(), set[int]()
    for record in chain.from_iterable(read_all(source, start=Position(), end=end)):
        if record.partition in ended:
            continue
        if record.timestamp_ms > time_ms:
            ended.add(record.partition)
            if len(ended) == sum(1 for offset in end.offsets if offset):
                break
        else:
            position = position.with_offset(record.partition, record.offset + 1)
    return position


def _poll(reader: Reader, reached: Position) -> Mapping[int, Sequence[Record]]:
    for partition in reader.unpositioned():
        reader.seek(partition, reached[partition])
    return reader.poll(max_records=READ_RECORDS, wait_ms=POLL_WAIT_MS)
