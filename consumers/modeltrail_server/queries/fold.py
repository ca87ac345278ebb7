"""From the events of a run to what the run was. Pure: any order, any event given twice, the same answer."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from modeltrail_schemas.event import (
    TERMINAL_STATES,
    DatasetDetail,
    Declaration,
    Environment,
    Kind,
    LineageEvent,
    ModelDetail,
    RunState,
    Strength,
)
from modeltrail_schemas.identity import canonical_run_id
from modeltrail_schemas.names import NO_ENTITY, EntityRef
from modeltrail_schemas.openlineage.nominal_time import NominalTime, read_nominal_time
from modeltrail_schemas.order import order_key, state_precedence

from modeltrail_server.queries.display import display, natural_order
from modeltrail_server.queries.lifecycle import steps_of
from modeltrail_server.queries.mentions import VersionsTold, inputs_told, outputs_told
from modeltrail_server.queries.records import Claim, Claimed, Code, Lost, MetricCurve, RunView, Step, Trouble, Use

LATE_NS = 1_000_000_000
"""The processes of a run end it together, give or take this."""

_STATES = frozenset(RunState)
_NOTES = frozenset({Declaration.ANNOTATED, Declaration.CORRECTED})
_STRONGEST_FIRST = {strength.value: rank for rank, strength in enumerate(Strength)}


def fold_run(run_id: str, events: Iterable[LineageEvent]) -> RunView:
    """Return what ``events``, all of one run, say together."""
    everything = sorted({event.event_id: event for event in events}.values(), key=order_key)
    withdrawn = {event.retraction.event_id: event for event in everything if event.retraction}
    counting = [event for event in everything if event.event_id not in withdrawn]
    if not counting:
        return RunView(canonical_run_id(run_id), withdrawn=_withdrawals(withdrawn), events=len(everything))
    told = [event for event in counting if event.kind == Kind.RUN and event.type in _STATES]
    deciding = max(told, key=state_precedence, default=None)
    environments = _environments(_at_hand(counting))
    return RunView(
        run_id=canonical_run_id(run_id),
        state=deciding.type if deciding else "",
        state_inferred=deciding.inferred if deciding else False,
        job=next((event.job.ref for event in counting if event.job.name), NO_ENTITY),
        parent_run_id=next((event.parent_run_id for event in counting if event.parent_run_id), ""),
        started_ns=next((event for event in told if event.type == RunState.START), counting[0]).event_time_ns,
        ended_ns=deciding.event_time_ns if deciding and deciding.type in TERMINAL_STATES else None,
        nominal=next((time for event in reversed(counting) for time in _nominal(event)), None),
        parameters=_claimed((event, event.parameters) for event in counting),
        metrics=fold_metrics(counting),
        codes=_codes(_at_hand(counting)),
        environment=environments[0] if environments else None,
        other_environments=tuple(environment.digest for environment in environments[1:]),
        command=next((event.command for event in counting if event.command), ()),
        seeds=_claimed((event, event.seeds) for event in counting),
        inputs=fold_uses(counting, [event.inputs for event in counting], inputs_told(counting)),
        outputs=fold_uses(counting, [event.outputs for event in counting], outputs_told(counting)),
        error=next((event.error for event in reversed(counting) if event.error and not _is_a_ranks(event)), None),
        troubles=fold_troubles(counting, deciding),
        tags=_last_of_each(event.tags for event in counting),
        notes=tuple(_note(event) for event in counting if event.type in _NOTES),
        description=next((text for event in reversed(counting) for text in _texts(event)), ""),
        owners=next((owners for event in reversed(counting) for owners in _owners(event)), ()),
        gaps=tuple(_lost(event) for event in counting if event.kind == Kind.GAP or event.gap),
        withdrawn=_withdrawals(withdrawn),
        redactions=sum(event.redactions for event in counting),
        sealed=sum(len(event.sealed) for event in counting),
        hosts=tuple(dict.fromkeys(event.emitter.host for event in counting if event.emitter.host)),
        ranks=len({event.emitter.rank for event in counting}),
        imported_from=next((event.imported_from for event in counting if event.imported_from), ""),
        producers=tuple(dict.fromkeys(event.producer for event in counting if event.producer)),
        events=len(everything),
    )


def fold_troubles(events: Sequence[LineageEvent], deciding: LineageEvent | None) -> tuple[Trouble, ...]:
    """Return what befell the run's other processes, in order; ``deciding`` is the event that gives the run its state.

    What the process that ended the run adds later is its own. Within LATE_NS all end together.
    """
    troubles = []
    late: dict[str, Trouble] = {}
    end_ns = deciding.event_time_ns if deciding and deciding.type in TERMINAL_STATES else None
    for event in events:
        emitter = event.emitter
        if event.kind != Kind.RUN or event.type != RunState.RUNNING or not emitter.id or event.imported_from:
            continue
        who = f"rank {emitter.rank}" if emitter.rank else f"process {emitter.process_id} on {emitter.host}"
        if event.error is not None:
            troubles.append(Trouble(who, event.event_time_ns, event.error, lost=event.inferred))
        elif deciding and end_ns is not None and emitter.id != deciding.emitter.id and _asserts(event):
            after_ns = max((metric.time_ns for metric in event.metrics), default=event.event_time_ns) - end_ns
            if after_ns > LATE_NS:
                late[who] = Trouble(who, event.event_time_ns, after_ns=after_ns)
    return (*troubles, *late.values())


def fold_metrics(events: Sequence[LineageEvent]) -> tuple[MetricCurve, ...]:
    """Return each metric's curve, in the order of names; of one step told twice the later event's value stands."""
    points: dict[tuple[str, str, int], dict[int, float]] = {}
    datasets: dict[str, EntityRef] = {}
    told = (inputs_told(events), outputs_told(events))
    for event in events:
        for metric in event.metrics:
            dataset = _measured_on(metric.dataset, told)
            on = dataset.format()
            datasets[on] = dataset
            points.setdefault((metric.name, on, event.emitter.rank), {})[metric.step] = metric.value
    ordered = sorted(points, key=lambda point: (natural_order(point[0]), *point[1:]))
    return tuple(_curve(name, datasets[on], rank, points[name, on, rank]) for name, on, rank in ordered)


def fold_uses(
    events: Sequence[LineageEvent], mentions: Iterable[Sequence[EntityRef]], told: VersionsTold
) -> tuple[Use, ...]:
    """Return each version that is mentioned, in order of first mention, with what ``events`` tell of it.

    A mention without a version stands for those that ``told`` knows for it: what it tells is added to theirs.
    """
    details = fold_details(events)
    uses: dict[EntityRef, Use] = {}
    for refs in mentions:
        for ref in refs:
            for target in (ref.target,) if ref.identity else sorted(told.meant_by(ref), key=_text) or (ref.target,):
                known = uses.get(target) or details.get(target) or Use(target)
                roles = dict.fromkeys((*known.roles, ref.role) if ref.role else known.roles)
                digests = dict.fromkeys((*known.digests, ref.digest) if ref.digest else known.digests)
                uses[target] = replace(known, roles=tuple(roles), digests=tuple(digests))
    return tuple(uses.values())


def fold_details(events: Iterable[LineageEvent]) -> dict[EntityRef, Use]:
    """Return what ``events`` tell of each version: the last to tell a thing stands, the strongest identity wins."""
    details: dict[EntityRef, Use] = {}
    for event in events:
        told_of: tuple[DatasetDetail | ModelDetail, ...] = (*event.datasets, *event.models)
        for told in told_of:
            target = told.entity.target
            details[target] = merge_uses(details.get(target, Use(target)), _use_of(told))
    return details


def merge_uses(earlier: Use, later: Use) -> Use:
    """Return both together: what ``later`` tells stands, what it leaves open is taken from ``earlier``."""
    strengths = [strength for strength in (earlier.strength, later.strength) if strength]
    return Use(
        entity=earlier.entity,
        roles=tuple(dict.fromkeys(earlier.roles + later.roles)),
        digests=tuple(dict.fromkeys(earlier.digests + later.digests)),
        strength=min(strengths, key=lambda strength: _STRONGEST_FIRST.get(strength, 99), default=""),
        location=later.location or earlier.location,
        format=later.format or earlier.format,
        bytes=earlier.bytes if later.bytes is None else later.bytes,
        rows=earlier.rows if later.rows is None else later.rows,
        columns=later.columns or earlier.columns,
        query=later.query or earlier.query,
        provider=later.provider or earlier.provider,
        base=later.base or earlier.base,
        retracted=later.retracted or earlier.retracted,
        meant=later.meant or earlier.meant,
    )


def _is_a_ranks(event: LineageEvent) -> bool:
    """Return whether an error is one process's, which did not end the run."""
    return event.type == RunState.RUNNING and bool(event.emitter.id)


def _asserts(event: LineageEvent) -> bool:
    return bool(event.metrics or event.parameters or event.inputs or event.outputs or event.seeds)


def _measured_on(dataset: EntityRef, told: Iterable[VersionsTold]) -> EntityRef:
    """Return the version that a metric was measured on, where the run told it apart from the metric."""
    if dataset.identity or not dataset.name:
        return dataset.target
    meant = frozenset[EntityRef]().union(*(versions.meant_by(dataset) for versions in told))
    return next(iter(meant)) if len(meant) == 1 else dataset.target


def _text(ref: EntityRef) -> str:
    return ref.format()


def _use_of(told: DatasetDetail | ModelDetail) -> Use:
    digests = (told.entity.digest,) if told.entity.digest else ()
    use = Use(told.entity.target, digests=digests, strength=told.strength, location=told.location, bytes=told.bytes)
    if isinstance(told, ModelDetail):
        return replace(use, format=told.framework, base=told.base)
    columns = {column.name: column.type for column in told.fields}
    return replace(use, format=told.format, rows=told.rows, columns=columns, query=told.query, provider=told.provider)


def _claimed(assertions: Iterable[tuple[LineageEvent, Mapping[str, str]]]) -> tuple[Claimed, ...]:
    """Return each name with its distinct values, oldest first; a correction always counts as a claim of its own."""
    claims: dict[str, list[Claim]] = {}
    for event, values in assertions:
        corrects = event.type == Declaration.CORRECTED
        for name, value in values.items():
            said = claims.setdefault(name, [])
            if corrects or all(
                claim.value != value for claim in (Claimed(name, tuple(said)).standing if said else ())
            ):
                said.append(Claim(value, event.event_id, event.event_time_ns, event.emitter.rank, corrects))
    return tuple(Claimed(name, tuple(claims[name])) for name in sorted(claims, key=natural_order))


def _curve(name: str, dataset: EntityRef, rank: int, values: Mapping[int, float]) -> MetricCurve:
    last_step = max(values)
    numbers = [value for value in values.values() if not math.isnan(value)] or [math.nan]
    return MetricCurve(
        name=name,
        value=values[last_step],
        step=last_step,
        dataset=dataset,
        rank=rank,
        steps=len(values),
        first=values[min(values)],
        minimum=min(numbers),
        maximum=max(numbers),
    )


def _at_hand(events: Sequence[LineageEvent]) -> Sequence[LineageEvent]:
    """Return the events that tell of code and environment: those of the run itself, else what another system kept."""
    own = [event for event in events if not event.imported_from]
    return own if any(event.code or event.commit or event.environment_digest for event in own) else events


def _codes(events: Iterable[LineageEvent]) -> tuple[Code, ...]:
    """Return each state of the source that was seen; a bare commit adds nothing to a fuller account."""
    full: dict[tuple[str, str], Code] = {}
    for event in events:
        if event.code is not None and (event.code.commit or event.code.repository or event.code.diff_digest):
            code = event.code
            full.setdefault(
                (code.commit, code.diff_digest),
                Code(
                    repository=code.repository,
                    commit=code.commit,
                    branch=code.branch,
                    dirty=code.dirty,
                    diff_kept=bool(code.diff),
                    diff_truncated=code.diff_truncated,
                    diff_digest=code.diff_digest,
                    untracked=code.untracked,
                    entry_point=code.entry_point,
                ),
            )
    commits = {commit for commit, _ in full}
    bare = dict.fromkeys(event.commit for event in events if event.commit and event.commit not in commits)
    return (*full.values(), *(Code(commit=commit) for commit in bare))


def _environments(events: Sequence[LineageEvent]) -> list[Environment]:
    """Return each environment that was named, in order of first mention; described where an event describes it."""
    described = {event.environment.digest: event.environment for event in events if event.environment}
    digests = (event.environment_digest or (event.environment or Environment()).digest for event in events)
    return [described.get(digest) or Environment(digest=digest) for digest in dict.fromkeys(digests) if digest]


def _note(event: LineageEvent) -> Step:
    """Return what was noted about the run; of a correction, what it set right."""
    step = steps_of(event)[0]
    if event.type != Declaration.CORRECTED:
        return step
    right = [f"{name} {value}" for name, value in sorted(event.parameters.items())]
    right += [f"read {display(ref.target)}" for ref in event.inputs]
    right += [f"made {display(ref.target)}" for ref in event.outputs]
    return replace(step, text="; ".join(word for word in (step.text, *right) if word))


def _last_of_each(mappings: Iterable[Mapping[str, str]]) -> dict[str, str]:
    merged: dict[str, str] = {}
    for mapping in mappings:
        merged.update(mapping)
    return {name: merged[name] for name in sorted(merged, key=natural_order)}


def _nominal(event: LineageEvent) -> Iterator[NominalTime]:
    time = read_nominal_time(event.document) if event.document else None
    if time is not None:
        yield time


def _texts(event: LineageEvent) -> Iterator[str]:
    """Yield descriptions of the run itself: those that name no other thing."""
    yield from (about.text for about in event.descriptions if about.entity == NO_ENTITY and about.text)


def _owners(event: LineageEvent) -> Iterator[tuple[str, ...]]:
    yield from (about.owners for about in event.descriptions if about.entity == NO_ENTITY and about.owners)


def _lost(event: LineageEvent) -> Lost:
    gap = event.gap
    reason, lost_events = (gap.reason, gap.lost_events) if gap else ("not told", 0)
    return Lost(reason, lost_events, event.event_time_ns, event.event_id, event.emitter.rank)


def _withdrawals(withdrawn: Mapping[bytes, LineageEvent]) -> tuple[Step, ...]:
    return tuple(
        Step(event.type, event.event_time_ns, event_id, why=event.retraction.reason if event.retraction else "")
        for event_id, event in withdrawn.items()
    )
