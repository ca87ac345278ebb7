"""Which version a mention without one meant. Pure.

A run may name data before its digest is known, and again with it (decision 6); a correction may tell later which
version it was. Both times the mention without a version stands for the one of the same name (and role).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from modeltrail_schemas.event import Declaration, LineageEvent
from modeltrail_schemas.names import EntityRef


@dataclass(frozen=True, slots=True)
class VersionsTold:
    """The versions that one run named: by name and role, and by name alone where a correction named them."""

    by_role: dict[tuple[EntityRef, str], set[EntityRef]]
    corrected: dict[EntityRef, set[EntityRef]]

    @classmethod
    def of(cls, mentions: Iterable[tuple[EntityRef, bool]]) -> "VersionsTold":
        """Return what ``mentions`` tell, each a reference and whether a correction made it."""
        by_role: dict[tuple[EntityRef, str], set[EntityRef]] = {}
        corrected: dict[EntityRef, set[EntityRef]] = {}
        for ref, corrects in mentions:
            if ref.identity:
                by_role.setdefault((ref.unversioned, ref.role), set()).add(ref.target)
                if corrects:
                    corrected.setdefault(ref.unversioned, set()).add(ref.target)
        return cls(by_role, corrected)

    def meant_by(self, ref: EntityRef) -> frozenset[EntityRef]:
        """Return the versions that ``ref``, which tells none, may stand for; none where nobody ever told."""
        name = ref.unversioned
        return frozenset(self.by_role.get((name, ref.role), ()) or self.corrected.get(name, ()))


def inputs_told(events: Iterable[LineageEvent]) -> VersionsTold:
    """Return the versions that ``events``, all of one run, say it read."""
    return VersionsTold.of((ref, event.type == Declaration.CORRECTED) for event in events for ref in event.inputs)


def outputs_told(events: Iterable[LineageEvent]) -> VersionsTold:
    """Return the versions that ``events``, all of one run, say it made."""
    return VersionsTold.of((ref, event.type == Declaration.CORRECTED) for event in events for ref in event.outputs)
