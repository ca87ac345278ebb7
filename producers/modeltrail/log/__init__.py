"""The log: an append-only sequence of records, in memory, in one local file, or in Kafka."""

from modeltrail.log.protocol import Headers, Log, LogIdentity, Outgoing, Position, Reader, Record

__all__ = ["Headers", "Log", "LogIdentity", "Outgoing", "Position", "Reader", "Record"]
