"""Everything that is recorded of one thing: fetches its events and rows, folds them into a view.

A handful of statements for an answer, however much else is recorded.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from modeltrail_schemas.event import Environment, LineageEvent
from modeltrail_schemas.identity import canonical_run_id, ref_key, run_key
from modeltrail_schemas.names import EntityRef
from modeltrail_schemas.openlineage.symlinks import read_symlinks

from modeltrail_server.queries.declarations import Usage, meanings, timelines_about
from modeltrail_server.queries.errors import NotFoundError
from modeltrail_server.queries.fold import fold_details, fold_run, merge_uses
from modeltrail_server.queries.lifecycle import Timeline
from modeltrail_server.queries.names import Subject, latest_version
from modeltrail_server.queries.records import (
    REPRODUCES_TAG,
    Answer,
    CommitView,
    DatasetVersionView,
    JobView,
    ModelVersionView,
    RunLine,
    RunView,
    Use,
)
from modeltrail_server.queries.rows import ActivityLink, RunBrief, ref_of
from modeltrail_server.queries.snapshot import Snapshot

LAST_ID = b"\xff" * 16
NOTHING_DECLARED = Timeline((), ())
MAX_MAKERS = 20
MAX_LAST_RUNS = 10
MAX_LAST_LINKS = 40
MAX_USERS_COUNTED = 1_000
MAX_DECLARATIONS = 2_000
MAX_VERSIONS_NAMED = 10


def answer(snapshot: Snapshot, subject: Subject) -> Answer:
    """Return what is recorded of ``subject``; of a model or dataset without version, its latest version."""
    if subject.kind == "run":
        return view_run(snapshot, subject)
    if subject.kind == "model":
        return view_model(snapshot, latest_version(snapshot, subject))
    if subject.kind == "dataset":
        return view_dataset(snapshot, latest_version(snapshot, subject))
    if subject.kind == "job":
        return view_job(snapshot, subject)
    return view_commit(snapshot, subject)


def view_run(snapshot: Snapshot, subject: Subject) -> RunView:
    """Return all that is recorded of a run. Raises NotFoundError when nothing was, as of then."""
    runs = view_runs(snapshot, [subject.key])
    if not runs:
        raise NotFoundError(f"nothing was known of {subject.text} then", remedy="ask as of a later time")
    parts = snapshot.parts_of_runs([subject.key], limit=MAX_LAST_RUNS)
    return replace(runs[0], parts=tuple(run_line(part) for part in reversed(parts)))


def view_runs(snapshot: Snapshot, keys: Collection[bytes]) -> list[RunView]:
    """Return these runs, oldest first, with what other events tell of the versions and environments they name."""
    return with_environments(snapshot, _with_details(snapshot, folded_runs(snapshot, keys)))


def folded_runs(snapshot: Snapshot, keys: Collection[bytes]) -> list[RunView]:
    """Return these runs, oldest first, by their own events alone."""
    by_run: dict[str, list[LineageEvent]] = {}
    for stored in snapshot.events_of_runs(keys):
        by_run.setdefault(canonical_run_id(stored.event.run_id), []).append(stored.event)
    runs = [fold_run(run_id, events) for run_id, events in by_run.items()]
    return sorted(runs, key=lambda run: run.started_ns)


def view_model(snapshot: Snapshot, subject: Subject) -> ModelVersionView:
    """Return what made a model version and what became of it; of a model without any version, what is said of it."""
    snapshot.look_up([subject.ref])
    rows = snapshot.entities([subject.key])
    timeline = timelines_about(snapshot, [subject.ref]).get(subject.ref.unversioned, NOTHING_DECLARED)
    makers = snapshot.links_of_entities([subject.key], ["output"], limit=MAX_MAKERS)
    everyone = view_runs(snapshot, dict.fromkeys(link.activity_key for link in makers if link.activity_key))
    runs, again = origins_of(everyone)
    told = [use for run in runs for use in run.outputs if use.entity == subject.ref]
    detail = _merged([*fold_details(timeline.events).values(), *told], subject.ref)
    digests = _digests(snapshot, [subject.key], told_by_none_of=again).get(subject.key, [])
    return ModelVersionView(
        model=subject.ref,
        first_ns=rows[0].first_time_ns if rows else 0,
        detail=replace(detail, digests=tuple(digests)),
        made_by=tuple(runs),
        lifecycle=timeline.lifecycle_of(subject.ref),
        words=timeline.words_about(subject.ref),
        used_by=snapshot.count_activities(subject.key, "input", limit=MAX_USERS_COUNTED),
        asked_as=subject.asked_as,
        reproduced_by=tuple(
            RunLine(run.run_id, run.state, run.job, run.started_ns, run.ended_ns or run.started_ns) for run in again
        ),
    )


def origins_of(runs: Sequence[RunView]) -> tuple[list[RunView], list[RunView]]:
    """Return the runs that made a version, and those that only repeat one of them, by their own word."""
    makers = {run.run_id for run in runs}
    again = [run for run in runs if run.tags.get(REPRODUCES_TAG) in makers - {run.run_id}]
    return [run for run in runs if run not in again], again


def view_dataset(snapshot: Snapshot, subject: Subject) -> DatasetVersionView:
    """Return what is recorded of a dataset version, or of a dataset that has none."""
    snapshot.look_up([subject.ref])
    rows = snapshot.entities([subject.key])
    timeline = timelines_about(snapshot, [subject.ref]).get(subject.ref.unversioned, NOTHING_DECLARED)
    makers = snapshot.last_activities(subject.key, "output", limit=MAX_MAKERS)
    users = snapshot.last_activities(subject.key, "input", limit=MAX_LAST_LINKS)
    telling = {link.link.event_id for link in (*makers[:1], *users[:1])} | {row.first_event_id for row in rows}
    events = (*timeline.events, *(stored.event for stored in snapshot.events_by_id(telling)))
    told = fold_details(events)
    versions = snapshot.versions_of_name(subject.name_key, limit=MAX_VERSIONS_NAMED + 1)
    return DatasetVersionView(
        dataset=subject.ref,
        first_ns=rows[0].first_time_ns if rows else 0,
        detail=_with_digests(snapshot, [told.get(subject.ref, Use(subject.ref))])[0],
        made_by=_lines(makers),
        used_by=snapshot.count_activities(subject.key, "input", limit=MAX_USERS_COUNTED),
        last_used_by=_lines(users),
        retracted=timeline.retraction_of(subject.ref),
        words=timeline.words_about(subject.ref),
        other_versions=tuple(ref_of(row) for row in versions if row.entity_key != subject.key),
        also_called=tuple(
            dict.fromkeys(
                link.other
                for event in events
                for link in (read_symlinks(event.document) if event.document else ())
                if link.dataset == subject.ref.unversioned
            )
        ),
    )


def view_job(snapshot: Snapshot, subject: Subject) -> JobView:
    """Return the last runs of a job, what was said of it, and what it reads and writes by its own description."""
    declarations = snapshot.events_about([subject.key], "subject", limit=MAX_DECLARATIONS)
    linked = snapshot.entities_of_activities([subject.key], ["input", "output"])
    return JobView(
        job=subject.ref,
        words=Timeline.of(stored.event for stored in declarations).words_about(subject.ref),
        last_runs=tuple(run_line(run) for run in snapshot.last_runs_of_job(subject.key, limit=MAX_LAST_RUNS)),
        inputs=tuple(dict.fromkeys(item.entity for item in linked if item.link.relation == "input")),
        outputs=tuple(dict.fromkeys(item.entity for item in linked if item.link.relation == "output")),
    )


def view_commit(snapshot: Snapshot, subject: Subject) -> CommitView:
    """Return the last runs that ran from a commit."""
    runs = snapshot.last_activities(subject.key, "commit", limit=MAX_LAST_LINKS)
    return CommitView(subject.ref, _lines(runs))


def run_line(run: RunBrief) -> RunLine:
    """Return the row of a run as a line of a list."""
    return RunLine(run.run_id, run.state, run.job, run.first_time_ns, run.last_time_ns)


def _lines(links: Iterable[ActivityLink]) -> tuple[RunLine, ...]:
    lines = {
        link.link.activity_key: RunLine(
            link.run_id or "", link.state, link.job, link.first_time_ns or link.link.event_time_ns, link.last_time_ns
        )
        for link in links
    }
    return tuple(sorted(lines.values(), key=lambda line: (-line.started_ns, line.run_id))[:MAX_LAST_RUNS])


def _merged(told: Iterable[Use], entity: EntityRef) -> Use:
    merged = Use(entity)
    for use in told:
        if use.entity == entity:
            merged = merge_uses(merged, use)
    return merged


def _with_details(snapshot: Snapshot, runs: Sequence[RunView]) -> list[RunView]:
    """Return ``runs`` with what other events tell of their versions: digests, strength, retractions.

    A version is described where it first appears, and later only referred to.
    """
    used = [use for run in runs for use in (*run.inputs, *run.outputs)]
    keys = {ref_key(use.entity) for use in used if use.version_known}
    untold = {ref_key(use.entity) for use in used if use.version_known and not use.strength}
    snapshot.look_up((use.entity for use in used), and_first_of=untold | _bare_environments(runs))
    timelines = timelines_about(snapshot, {use.entity for use in used}, only=("RETRACTED", "DESCRIBED"))
    meant = meanings(
        snapshot, {_usage(run, use) for run in runs for use in (*run.inputs, *run.outputs) if _may_be_alias(use)}
    )
    details = fold_details(stored.event for stored in snapshot.events_naming_first(untold))
    digests = _digests(snapshot, keys)

    def complete(run: RunView, use: Use) -> Use:
        known = merge_uses(details.get(use.entity, Use(use.entity)), use)
        name = use.entity.unversioned
        version = meant.get(_usage(run, use))
        return replace(
            known,
            digests=tuple(dict.fromkeys((*use.digests, *digests.get(ref_key(use.entity), ())))),
            retracted=timelines.get(name, NOTHING_DECLARED).retraction_of(use.entity),
            meant=None if version == use.entity else version,
        )

    def completed(run: RunView, uses: tuple[Use, ...]) -> tuple[Use, ...]:
        return tuple(complete(run, use) for use in uses)

    return [replace(run, inputs=completed(run, run.inputs), outputs=completed(run, run.outputs)) for run in runs]


def _usage(run: RunView, use: Use) -> Usage:
    return Usage(use.entity, (run.started_ns, LAST_ID))


def _may_be_alias(use: Use) -> bool:
    """Return whether a model was used by a word and nothing else: who knows the digest named a version."""
    return use.entity.kind == "model" and use.version_known and not use.digests


def _with_digests(snapshot: Snapshot, uses: Sequence[Use]) -> list[Use]:
    digests = _digests(snapshot, [ref_key(use.entity) for use in uses])
    return [
        replace(use, digests=tuple(dict.fromkeys((*use.digests, *digests.get(ref_key(use.entity), ())))))
        for use in uses
    ]


def _digests(
    snapshot: Snapshot, keys: Collection[bytes], *, told_by_none_of: Sequence[RunView] = ()
) -> dict[bytes, list[str]]:
    """Return the digests of the contents of these entities, but for what only these runs tell."""
    leaving_out = [run_key(run.run_id) for run in told_by_none_of]
    ids = {stored.event.event_id for stored in snapshot.events_of_runs(leaving_out)} if leaving_out else set()
    digests: dict[bytes, list[str]] = {}
    for row in snapshot.contents(keys):
        if row.first_event_id in ids:
            continue
        digests.setdefault(row.entity_key, []).append(row.digest)
    return digests


def with_environments(snapshot: Snapshot, runs: Sequence[RunView]) -> list[RunView]:
    """Return ``runs`` with their environments described, wherever the description travelled."""
    described: dict[str, Environment] = {}
    for stored in snapshot.events_naming_first(_bare_environments(runs)):
        if stored.event.environment:
            described[stored.event.environment.digest] = stored.event.environment
    return [
        replace(run, environment=described.get(run.environment.digest, run.environment)) if run.environment else run
        for run in runs
    ]


def _bare_environments(runs: Sequence[RunView]) -> set[bytes]:
    """Return the keys of the environments of which a run knows the digest alone."""
    bare = {run.environment.digest for run in runs if run.environment and not is_described(run.environment)}
    return {ref_key(EntityRef("environment", "", digest)) for digest in bare}


def is_described(environment: Environment) -> bool:
    """Return whether more than the digest of ``environment`` is at hand."""
    return bool(environment.python or environment.packages or environment.container_image or environment.os)
