"""Who is who: event ids and the 16-byte keys of runs and named things. Pure.

Sources: RFC 9562 (UUID versions 7 and 8).
"""

import hashlib
import re
import uuid
from functools import lru_cache

from modeltrail_schemas.event import Routing
from modeltrail_schemas.names import EntityRef

KEYS_REMEMBERED = 8_192

# As nearly all run ids are written: making a UUID of one takes five times as long.
_CANONICAL_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_VERSION_AND_VARIANT_CLEAR = ~((0xF << 76) | (0x3 << 62))


def new_event_id(event_time_ns: int, random: bytes) -> bytes:
    """Return a UUIDv7 (16 bytes) for ``event_time_ns``; ``random`` is 8 bytes of entropy.

    The 12 bits after the version hold the fraction of the millisecond (RFC 9562, section 6.2, method 3), so ids
    of one emitter, whose times strictly increase by at least 245 ns, sort as its events do.
    """
    milliseconds, rest_ns = divmod(event_time_ns, 1_000_000)
    fraction = rest_ns * 4096 // 1_000_000
    value = (milliseconds & ((1 << 48) - 1)) << 80 | 0x7 << 76 | fraction << 64 | 0x2 << 62
    value |= int.from_bytes(random[:8], "big") & ((1 << 62) - 1)
    return value.to_bytes(16, "big")


def hashed_id(data: bytes) -> bytes:
    """Return the UUIDv8 (16 bytes) made of the first bits of the SHA-256 of ``data``."""
    value = int.from_bytes(hashlib.sha256(data).digest()[:16], "big")
    return (value & _VERSION_AND_VARIANT_CLEAR | 0x8 << 76 | 0x2 << 62).to_bytes(16, "big")


def canonical_run_id(run_id: str) -> str:
    """Return ``run_id`` as it is compared: a UUID in lower case with hyphens, any other string unchanged."""
    if len(run_id) == 36 and not _CANONICAL_UUID.fullmatch(run_id):
        try:
            return str(uuid.UUID(run_id))
        except ValueError:
            return run_id
    return run_id


def partition_key(event: Routing) -> bytes | None:
    """Return the key of an event's record, so that what belongs together is in one partition, in order.

    It is the run, else the job, else the first dataset or model that the event names; None for an event of nothing.
    """
    text = event.run_id or event.job.format()
    if not text:
        named = next(iter((*event.subjects, *event.outputs, *event.inputs)), None)
        text = named.unversioned.format() if named is not None else ""
    return text.encode("utf-8", "surrogatepass") or None


def run_key(run_id: str) -> bytes:
    """Return the 16-byte key of a run: the UUID itself (so that keys sort by time), else a hash of the text."""
    if _CANONICAL_UUID.fullmatch(run_id):
        return bytes.fromhex(run_id.replace("-", ""))
    if len(run_id) == 36:
        try:
            return uuid.UUID(run_id).bytes
        except ValueError:
            pass
    return _key("run", run_id)


def job_key(namespace: str, name: str) -> bytes:
    """Return the 16-byte key of a job."""
    return _key("job", namespace, name)


def entity_key(kind: str, namespace: str, name: str, version: str = "") -> bytes:
    """Return the 16-byte key of a dataset or model (``version`` empty) or of one version of it."""
    return _key(kind, namespace, name, version)


def ref_key(ref: EntityRef) -> bytes:
    """Return the key of what ``ref`` names: the version if it tells one, else the name."""
    return _key(ref.kind, ref.namespace, ref.name, ref.identity)


@lru_cache(maxsize=KEYS_REMEMBERED)
def _key(*parts: str) -> bytes:
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return hashed_id(b"".join(len(part).to_bytes(4, "big") + part for part in encoded))
