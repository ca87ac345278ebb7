"""What every log decides before it appends: which partition a record goes to, and whether it may be taken at all.

Pure: no I/O, no state.
"""

from collections.abc import Sequence

from modeltrail.errors import RecordTooLargeError
from modeltrail.log.protocol import Outgoing

MAX_RECORD_BYTES = 8 * 1024 * 1024
"""The largest key, value and headers together that any log of ours takes; topics are created to take it."""

_HASH_SEED = 0x9747B28C
_HASH_MULTIPLIER = 0x5BD1E995
_32_BITS = 0xFFFFFFFF


def record_bytes(record: Outgoing) -> int:
    """Return the bytes of key, value and headers together, without what a log adds around them."""
    headers = sum(len(name.encode()) + len(value) for name, value in record.headers)
    return len(record.value) + len(record.key or b"") + headers


def check_sizes(records: Sequence[Outgoing], max_record_bytes: int) -> None:
    """Raise RecordTooLargeError, naming the first record of the batch that no log would take."""
    for index, record in enumerate(records):
        size = record_bytes(record)
        if size > max_record_bytes:
            raise RecordTooLargeError(
                f"record {index} of the batch has {size:,} bytes; the log takes {max_record_bytes:,}",
                remedy="store what is large elsewhere and record its location and digest",
            )


def choose_partition(key: bytes, partitions: int) -> int:
    """Return the partition of ``key`` as Apache Kafka's default partitioner chooses it: murmur2, sign bit off."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Return the 32-bit murmur2 hash with Kafka's seed (org.apache.kafka.common.utils.Utils.murmur2), unsigned."""
    state = _HASH_SEED ^ len(data)
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * _HASH_MULTIPLIER & _32_BITS
        word = (word ^ word >> 24) * _HASH_MULTIPLIER & _32_BITS
        state = state * _HASH_MULTIPLIER & _32_BITS ^ word
    if whole < len(data):
        state = (state ^ int.from_bytes(data[whole:], "little")) * _HASH_MULTIPLIER & _32_BITS
    state = (state ^ state >> 13) * _HASH_MULTIPLIER & _32_BITS
    return state ^ state >> 15
