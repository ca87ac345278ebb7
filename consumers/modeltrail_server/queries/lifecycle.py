"""Declarations about versions, folded: which alias meant which version when, what is deployed, who approved. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from modeltrail_schemas.event import Declaration, Kind, LineageEvent, Statement
from modeltrail_schemas.names import NO_ENTITY, EntityRef
from modeltrail_schemas.order import OrderKey, order_key

from modeltrail_server.queries.records import Lifecycle, Step, Words

END_OF_TIME: OrderKey = (2**63 - 1, b"\xff" * 16)
_LIFECYCLE = frozenset(
    {
        Declaration.REGISTERED,
        Declaration.ALIASED,
        Declaration.STAGED,
        Declaration.APPROVED,
        Declaration.DEPLOYED,
        Declaration.RETIRED,
    }
)
_NOTES = frozenset({Declaration.ANNOTATED, Declaration.CORRECTED})


def steps_of(event: LineageEvent) -> list[Step]:
    """Return what ``event`` declares, one step for each subject (one without subject when it has none)."""
    statement = event.statement or Statement()
    value = statement.alias or statement.stage or statement.target
    about = (event.event_time_ns, event.event_id)
    words = (value, statement.by, statement.why, statement.assurance, statement.text)
    return [Step(event.type, *about, subject.target, *words) for subject in event.subjects or (NO_ENTITY,)]


@dataclass(frozen=True)
class Timeline:
    """All that was declared about one model or dataset and its versions, oldest first."""

    steps: tuple[Step, ...]
    events: tuple[LineageEvent, ...]

    @classmethod
    def of(cls, events: Iterable[LineageEvent]) -> "Timeline":
        """Return the timeline of ``events``, in any order, any of them given twice."""
        ordered = sorted({event.event_id: event for event in events}.values(), key=order_key)
        retracted = {event.retraction.event_id for event in ordered if event.retraction}
        counting = tuple(event for event in ordered if event.event_id not in retracted)
        declared = (event for event in counting if event.kind != Kind.RUN)
        return cls(tuple(step for event in declared for step in steps_of(event)), counting)

    def version_called(self, alias: str, *, before: OrderKey = END_OF_TIME) -> EntityRef | None:
        """Return the version that had this alias, or else was last put into this stage, just before ``before``."""
        for kind in (Declaration.ALIASED, Declaration.STAGED):
            for step in reversed(self.steps):
                if step.type == kind and step.value == alias and (step.time_ns, step.event_id) < before:
                    return step.subject if step.subject.identity else None
        return None

    @cached_property
    def aliases(self) -> dict[str, Step]:
        """Return each alias with the step that gave it to the version that has it now."""
        return {step.value: step for step in self.steps if step.type == Declaration.ALIASED and step.subject.identity}

    @cached_property
    def names_of_versions(self) -> frozenset[str]:
        """Return every word that was ever an alias or a stage."""
        named = (Declaration.ALIASED, Declaration.STAGED)
        return frozenset(step.value for step in self.steps if step.type in named)

    @cached_property
    def deployed(self) -> dict[str, Step]:
        """Return each target with the step that deployed there what runs there now."""
        running: dict[str, Step] = {}
        for step in self.steps:
            if step.type == Declaration.DEPLOYED:
                running[step.value] = step
            elif step.type == Declaration.RETIRED:
                running = {
                    target: earlier
                    for target, earlier in running.items()
                    if earlier.subject != step.subject or step.value not in ("", target)
                }
        return running

    def lifecycle_of(self, version: EntityRef) -> Lifecycle:
        """Return where ``version`` stands now."""
        own = tuple(step for step in self.steps if step.subject == version and step.type in _LIFECYCLE)
        last = {step.type: step for step in own if step.type != Declaration.RETIRED or not step.value}
        retired = last.get(Declaration.RETIRED)
        later = (Declaration.DEPLOYED, Declaration.STAGED, Declaration.ALIASED)
        back = retired and any(step.type in later and step.time_ns > retired.time_ns for step in own)
        return Lifecycle(
            aliases=tuple(step for step in self.aliases.values() if step.subject == version),
            stage=last.get(Declaration.STAGED),
            registered=last.get(Declaration.REGISTERED),
            approved=last.get(Declaration.APPROVED),
            deployed=tuple(step for step in self.deployed.values() if step.subject == version),
            retired=None if back else retired,
            steps=own,
        )

    def retraction_of(self, version: EntityRef) -> Step | None:
        """Return the last step that retracted ``version``, or the whole thing it is a version of."""
        about = (version, version.unversioned)
        retracting = [step for step in self.steps if step.type == Declaration.RETRACTED and step.subject in about]
        return retracting[-1] if retracting else None

    def words_about(self, entity: EntityRef) -> Words:
        """Return description, owners and notes of ``entity``; a version without its own has its model's."""
        text, specific = "", False
        owners: tuple[str, ...] = ()
        for event in self.events:
            for description in event.descriptions:
                about = description.entity.target
                if about == entity or (about == entity.unversioned and not specific):
                    specific = specific or about == entity
                    text, owners = description.text or text, description.owners or owners
        notes = tuple(step for step in self.steps if step.subject == entity and step.type in _NOTES)
        return Words(text, owners, notes)
