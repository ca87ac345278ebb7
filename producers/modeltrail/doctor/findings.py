"""What a look at something found. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what it is, what was found, and what to do (empty when nothing)."""

    level: Level
    about: str
    what: str
    remedy: str = ""


def worst(findings: Iterable[Finding]) -> Level:
    """Return the level of the worst finding."""
    return max((finding.level for finding in findings), key=list(Level).index, default=Level.OK)


def judge_skew(ahead_s: float, whose: str, bound_s: float) -> Finding:
    """Return what it means that this machine's clock is so many seconds ahead of another's (negative: behind)."""
    if abs(ahead_s) <= bound_s:
        return Finding(Level.OK, "clock", f"within {bound_s:.0f} s of {whose} clock")
    where = "ahead of" if ahead_s > 0 else "behind"
    return Finding(
        Level.WARNING,
        "clock",
        f"this machine's clock is about {abs(ahead_s):,.0f} s {where} {whose}",
        "set the clocks, better: run NTP on both; events are ordered by the time of who recorded them",
    )


def judge_rights(operations: Sequence[str] | None, topic: str) -> Finding:
    """Return what a user who may do ``operations`` (Kafka's names; None: not told) with a topic can use it for."""
    if operations is None:
        return Finding(Level.OK, "permissions", f"the brokers do not tell what this user may do with {topic}")
    may_write, may_read = "WRITE" in operations, "READ" in operations
    if may_write:
        also = " and read" if may_read else "; not read: a projector or auditor needs READ"
        return Finding(Level.OK, "permissions", f"this user may write {topic}{also}")
    if may_read:
        return Finding(
            Level.WARNING,
            "permissions",
            f"this user may read {topic}, not write it: nothing can be recorded with it",
            _grant("WRITE", topic) + ", where training uses this user",
        )
    return Finding(
        Level.ERROR,
        "permissions",
        f"this user may neither write nor read {topic}",
        f"{_grant('WRITE', topic)} for training, READ for a projector or auditor",
    )


def _grant(operation: str, topic: str) -> str:
    return f"grant {operation} and DESCRIBE on it (kafka-acls.sh --add --topic {topic} --operation {operation})"
