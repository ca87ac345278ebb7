"""Lists: runs, models, datasets and jobs, a page at a time; and how much there is of each. Bounded."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from modeltrail_schemas.event import Declaration
from modeltrail_schemas.names import EntityRef

from modeltrail_server.projection.facts import EntityRow
from modeltrail_server.queries.answering import run_line
from modeltrail_server.queries.declarations import NOTHING_DECLARED, by_name, standing, words_of
from modeltrail_server.queries.errors import PageTokenError
from modeltrail_server.queries.lifecycle import Timeline
from modeltrail_server.queries.records import RunLine, Step
from modeltrail_server.queries.rows import RunBrief, ref_of
from modeltrail_server.queries.snapshot import Snapshot

PAGE_ROWS = 50
MAX_PAGE_ROWS = 1_000
MAX_RUNS_LOOKED_AT = 20_000
RUNS_PER_STATEMENT = 1_000
MAX_DECLARATIONS = 5_000
MAX_VERSIONS_TRIED = 10
MAX_COUNTED = 100_000
T = TypeVar("T")
RUNNING = "RUNNING"
_RUNNING_STATES = frozenset({"START", "RUNNING"})


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a list. ``next`` asks for what follows; None at the end."""

    items: tuple[T, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class ModelLine:
    """A model in a list; ``latest`` is None while it has no version. Steps tell its aliases and where it runs."""

    model: EntityRef
    latest: EntityRef | None
    latest_ns: int
    aliases: tuple[Step, ...] = ()
    deployed: tuple[Step, ...] = ()
    owners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetLine:
    """A dataset in a list; ``latest`` is None when nobody ever told a version."""

    dataset: EntityRef
    latest: EntityRef | None
    latest_ns: int
    retracted: tuple[EntityRef, ...] = ()


@dataclass(frozen=True, slots=True)
class JobLine:
    """A job in a list."""

    job: EntityRef
    last_run: RunLine | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is; no count goes past ``MAX_COUNTED``, and ``bounded`` names those that were cut there."""

    runs: int
    named: dict[str, int] = field(default_factory=dict)
    bounded: tuple[str, ...] = ()


def list_runs(
    snapshot: Snapshot,
    *,
    job_key: bytes | None = None,
    state: str = "",
    since_ns: int | None = None,
    limit: int = PAGE_ROWS,
    page: str | None = None,
) -> Page[RunLine]:
    """Return runs, the last to begin first. ``state`` RUNNING means those that have not ended.

    A page may hold fewer than ``limit`` and still have a next one: no call looks at more than 20,000 runs.
    """
    limit = min(limit, MAX_PAGE_ROWS)
    after = _parse_run_token(page)
    wanted = _RUNNING_STATES if state == RUNNING else {state}
    found: list[RunBrief] = []
    looked_at = 0
    while looked_at < MAX_RUNS_LOOKED_AT:
        size = RUNS_PER_STATEMENT if state else limit + 1
        rows = snapshot.runs_page(job_key=job_key, since_ns=since_ns, after=after, limit=size)
        looked_at += len(rows)
        for row in rows:
            if state and row.state not in wanted:
                continue
            if len(found) == limit:
                return Page(tuple(map(run_line, found)), _run_token(snapshot.place_in_pages(found[-1])))
            found.append(row)
        if len(rows) < size:
            return Page(tuple(map(run_line, found)))
        after = snapshot.place_in_pages(rows[-1])
    return Page(tuple(map(run_line, found)), _run_token(snapshot.place_in_pages(rows[-1])))


def list_models(snapshot: Snapshot, *, limit: int = PAGE_ROWS, page: str | None = None) -> Page[ModelLine]:
    """Return models by name, each with its latest version, its aliases and where versions of it are deployed."""
    rows, token = _names(snapshot, "model", limit, page)
    names = [ref_of(row) for row in rows]
    words, stands = words_of(snapshot, names), standing(snapshot, names)
    described = _timelines(snapshot, rows, (Declaration.DESCRIBED,))

    def model_line(row: EntityRow) -> ModelLine:
        ref, timeline = ref_of(row), stands.get(ref_of(row), NOTHING_DECLARED)
        latest = _latest(snapshot, row, lambda version: version not in words[ref])
        return ModelLine(
            model=ref,
            latest=ref_of(latest) if latest else None,
            latest_ns=latest.first_time_ns if latest else row.first_time_ns,
            aliases=tuple(timeline.aliases.values()),
            deployed=tuple(timeline.deployed.values()),
            owners=described.get(ref, NOTHING_DECLARED).words_about(ref).owners,
        )

    return Page(tuple(map(model_line, rows)), token)


def list_datasets(snapshot: Snapshot, *, limit: int = PAGE_ROWS, page: str | None = None) -> Page[DatasetLine]:
    """Return datasets by name, each with its latest version and the versions that were retracted."""
    rows, token = _names(snapshot, "dataset", limit, page)
    timelines = _timelines(snapshot, rows, (Declaration.RETRACTED,))

    def dataset_line(row: EntityRow) -> DatasetLine:
        timeline = timelines.get(ref_of(row), NOTHING_DECLARED)
        latest = _latest(snapshot, row, bool)
        retracted = dict.fromkeys(step.subject for step in timeline.steps if step.type == Declaration.RETRACTED)
        return DatasetLine(
            dataset=ref_of(row),
            latest=ref_of(latest) if latest else None,
            latest_ns=latest.first_time_ns if latest else row.first_time_ns,
            retracted=tuple(retracted),
        )

    return Page(tuple(map(dataset_line, rows)), token)


def list_jobs(snapshot: Snapshot, *, limit: int = PAGE_ROWS, page: str | None = None) -> Page[JobLine]:
    """Return jobs by name, each with the run of it that began last."""
    rows, token = _names(snapshot, "job", limit, page)
    last = {row.entity_key: snapshot.last_runs_of_job(row.entity_key, limit=1) for row in rows}
    return Page(tuple(JobLine(ref_of(row), next(map(run_line, last[row.entity_key]), None)) for row in rows), token)


def count_all(snapshot: Snapshot) -> Counts:
    """Return how many runs there are, and how many names and versions of each kind."""
    runs = snapshot.count_runs(MAX_COUNTED)
    named = {kind: snapshot.count_entities(kind, MAX_COUNTED) for kind in ("model", "dataset", "job")}
    cut = tuple(what for what, count in {"runs": runs, **named}.items() if count >= MAX_COUNTED)
    return Counts(runs, named, cut)


def _names(snapshot: Snapshot, kind: str, limit: int, page: str | None) -> tuple[list[EntityRow], str | None]:
    """Return up to ``limit`` names of ``kind``, one seek each however many versions lie between them."""
    name, namespace = _parse_token(page, 2) if page else ("", "")
    rows: list[EntityRow] = []
    while len(rows) < min(limit, MAX_PAGE_ROWS) + 1:
        row = snapshot.next_name(kind, name, namespace)
        if row is None:
            return rows, None
        if snapshot.is_known(row):
            rows.append(row)
        name, namespace = row.name, row.namespace
    last = rows[-2]
    return rows[:-1], _token(last.name, last.namespace)


def _timelines(snapshot: Snapshot, rows: list[EntityRow], roles: Sequence[str]) -> dict[EntityRef, Timeline]:
    """Return what was declared, of these types, about the names ``rows`` and their versions."""
    keys = [row.entity_key for row in rows]
    links = snapshot.declarations((keys, roles), limit=MAX_DECLARATIONS)
    ids = {link.event_id for link in links}
    return by_name(stored.event for stored in snapshot.events_by_id(ids)) if ids else {}


def _latest(snapshot: Snapshot, row: EntityRow, counts: Callable[[str], bool]) -> EntityRow | None:
    versions = snapshot.versions_of_name(row.entity_key, limit=MAX_VERSIONS_TRIED)
    return next((version for version in versions if counts(version.version)), None)


def _run_token(after: tuple[int, bytes]) -> str:
    return _token(str(after[0]), after[1].hex())


def _parse_run_token(page: str | None) -> tuple[int, bytes] | None:
    if page is None:
        return None
    time_ns, key = _parse_token(page, 2)
    try:
        return int(time_ns), bytes.fromhex(key)
    except ValueError:
        raise PageTokenError(page) from None


def _token(*parts: str) -> str:
    encoded = (base64.urlsafe_b64encode(part.encode("utf-8", "surrogatepass")).decode().rstrip("=") for part in parts)
    return ".".join(encoded)


def _parse_token(page: str, parts: int) -> list[str]:
    try:
        words = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in page.split(".")]
        texts = [word.decode("utf-8", "surrogatepass") for word in words]
    except ValueError:
        raise PageTokenError(page) from None
    if len(texts) != parts:
        raise PageTokenError(page)
    return texts
