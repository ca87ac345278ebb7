"""The audit log as a source of replay: every record proved to be the one that was signed, nothing else needed."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from modeltrail.log.protocol import Position, Record

from modeltrail_server import audit
from modeltrail_server.audit.checkpoint import identity_of
from modeltrail_server.replay.sources import KeptRecords


def open_audited(folder: Path, verifier_key: audit.VerifierKey | None = None) -> KeptRecords:
    """Return the records of all partitions that the signed heads in ``folder`` cover.

    Trusts ``verifier_key``, by default the one in the folder. Raises AuditError where no record is audited;
    reading raises AuditDamagedError at the first record that is not what was signed.
    """
    partitions = audit.status(folder).partitions
    if not partitions:
        raise audit.AuditError(f"nothing is audited in {folder} yet", remedy="modeltrail audit follow --once")
    end = Position()
    for one in partitions:
        end = end.with_offset(one.partition, one.next_offset)
    identity = identity_of(partitions[0].head.origin, name=str(folder))
    present = frozenset(one.partition for one in partitions)
    return KeptRecords(identity, partial(_read, folder, verifier_key, present), end)


def _read(
    folder: Path, verifier_key: audit.VerifierKey | None, present: frozenset[int], number: int, start: int
) -> Iterable[Record]:
    if number not in present:
        return ()
    return audit.read_records(folder, number, start=start, verifier_key=verifier_key)
