"""The log: an append-only sequence of records, in memory, in one local file, or in Kafka."""

from modeltrail.log.opening import open_log
from modeltrail.log.protocol import Headers, Log, LogIdentity, Outgoing, Position, Reader, Record
from modeltrail.log.reading import merged, read

__all__ = ["Headers", "Log", "LogIdentity", "Outgoing", "Position", "Reader", "Record", "merged", "open_log", "read"]
