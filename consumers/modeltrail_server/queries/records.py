"""The answers, as frozen values: what a run was, what made a version, who said so. Pure; no folding, no rendering.

Every value that somebody asserted keeps the event that asserted it. ``*_ns`` are nanoseconds since 1970, UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from modeltrail_schemas.event import Environment, RunError
from modeltrail_schemas.names import NO_ENTITY, EntityRef
from modeltrail_schemas.openlineage.nominal_time import NominalTime

REPRODUCES_TAG = "reproduces"
"""The tag by which a run says which run it repeats."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One event says that a value is this. ``corrects``: it was said to mend what was said before."""

    value: str
    event_id: bytes
    time_ns: int
    rank: int = 0
    corrects: bool = False


@dataclass(frozen=True, slots=True)
class Claimed:
    """A named value and everyone who said it, oldest first, each distinct value once. Values are JSON text."""

    name: str
    claims: tuple[Claim, ...]

    @property
    def standing(self) -> tuple[Claim, ...]:
        """Return the claims that stand: those from the last correction on, all of them if nobody corrected."""
        corrections = [index for index, claim in enumerate(self.claims) if claim.corrects]
        return self.claims[corrections[-1] :] if corrections else self.claims

    @property
    def value(self) -> str:
        """Return the last value that stands."""
        return self.standing[-1].value

    @property
    def contradicting(self) -> bool:
        """Return whether claims that stand differ."""
        return len({claim.value for claim in self.standing}) > 1


@dataclass(frozen=True, slots=True)
class MetricCurve:
    """One metric of one rank on one dataset: its last value, and its steps summarised (NaN is left out of those)."""

    name: str
    value: float
    step: int
    dataset: EntityRef = NO_ENTITY
    rank: int = 0
    steps: int = 1
    first: float = 0.0
    minimum: float = 0.0
    maximum: float = 0.0


@dataclass(frozen=True, slots=True)
class Code:
    """A state of the source that some rank of the run saw."""

    repository: str = ""
    commit: str = ""
    branch: str = ""
    dirty: bool = False
    diff_kept: bool = False
    diff_truncated: bool = False
    diff_digest: str = ""
    untracked: tuple[str, ...] = ()
    entry_point: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that somebody declared. ``type`` is a Declaration; ``value`` its alias, stage or target."""

    type: str
    time_ns: int
    event_id: bytes
    subject: EntityRef = NO_ENTITY
    value: str = ""
    by: str = ""
    why: str = ""
    assurance: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Use:
    """A version that a run used or made, with all that is known of it. Two ``digests`` contradict each other.

    ``format`` is a dataset's format or a model's framework. ``strength`` is empty when nobody told. ``meant``: the
    version is an alias, which stood for this when it was used.
    """

    entity: EntityRef
    roles: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    strength: str = ""
    location: str = ""
    format: str = ""
    bytes: int | None = None
    rows: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    provider: str = ""
    base: EntityRef | None = None
    retracted: Step | None = None
    meant: EntityRef | None = None

    @property
    def version_known(self) -> bool:
        """Return whether it is recorded which version this is."""
        return bool(self.entity.identity)


@dataclass(frozen=True, slots=True)
class Lost:
    """Events of the run that an emitter could not keep."""

    reason: str
    lost_events: int
    time_ns: int
    event_id: bytes
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Trouble:
    """What befell a process of the run that neither started nor ended it: it failed, was lost, or outlived the run.

    ``who`` is its rank or, without one, its process; ``after_ns`` how long after the run's end it still recorded.
    """

    who: str
    time_ns: int
    error: RunError | None = None
    lost: bool = False
    after_ns: int = 0

    @property
    def what(self) -> str:
        """Return it in words."""
        if self.lost:
            return f"{self.who} was lost: its process ended without leaving the run"
        if self.error is not None:
            return f"{self.who} failed: {self.error.type}: {self.error.message}"
        return f"{self.who} recorded for {self.after_ns / 1e9:.0f} s after the run had ended"


@dataclass(frozen=True, slots=True)
class RunView:
    """All that is recorded of a run. ``environment`` may carry no more than its digest.

    ``parts`` are the last runs that name this one as their parent. ``ended_ns`` is None while it runs.
    ``withdrawn`` are events that a later one retracted: they do not count. ``nominal``: which time a scheduled run is
    about.
    """

    run_id: str
    state: str = ""
    state_inferred: bool = False
    job: EntityRef = NO_ENTITY
    parent_run_id: str = ""
    parts: tuple["RunLine", ...] = ()
    started_ns: int = 0
    ended_ns: int | None = None
    nominal: NominalTime | None = None
    parameters: tuple[Claimed, ...] = ()
    metrics: tuple[MetricCurve, ...] = ()
    codes: tuple[Code, ...] = ()
    environment: Environment | None = None
    other_environments: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    seeds: tuple[Claimed, ...] = ()
    inputs: tuple[Use, ...] = ()
    outputs: tuple[Use, ...] = ()
    error: RunError | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Step, ...] = ()
    description: str = ""
    owners: tuple[str, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    gaps: tuple[Lost, ...] = ()
    withdrawn: tuple[Step, ...] = ()
    redactions: int = 0
    sealed: int = 0
    hosts: tuple[str, ...] = ()
    ranks: int = 1
    imported_from: str = ""
    producers: tuple[str, ...] = ()
    events: int = 0

    @property
    def duration_seconds(self) -> float | None:
        """Return how long it ran; None while it runs."""
        return None if self.ended_ns is None else (self.ended_ns - self.started_ns) / 1e9

    @property
    def code(self) -> Code | None:
        """Return the source it ran from, as the first rank saw it."""
        return self.codes[0] if self.codes else None


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run in a list."""

    run_id: str
    state: str
    job: EntityRef
    started_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Where a model version stands now, each by the event that put it there; ``steps`` are all, oldest first."""

    aliases: tuple[Step, ...] = ()
    stage: Step | None = None
    registered: Step | None = None
    approved: Step | None = None
    deployed: tuple[Step, ...] = ()
    retired: Step | None = None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Words:
    """What was said about a thing in words: the last description and owners, and every note."""

    text: str = ""
    owners: tuple[str, ...] = ()
    notes: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelVersionView:
    """A version of a model and how it came to be. ``asked_as`` is the alias or stage it was asked for by.

    ``reproduced_by``: runs that made it again, and say which run they repeat; they are none of its origins.
    """

    model: EntityRef
    first_ns: int = 0
    detail: Use | None = None
    made_by: tuple[RunView, ...] = ()
    lifecycle: Lifecycle = Lifecycle()
    words: Words = Words()
    used_by: int = 0
    asked_as: str = ""
    reproduced_by: tuple[RunLine, ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetVersionView:
    """A version of a dataset, or a dataset that nobody versioned. ``used_by`` counts runs, up to a bound.

    ``also_called``: other names of the dataset, by the OpenLineage events that tell of this version.
    """

    dataset: EntityRef
    first_ns: int = 0
    detail: Use | None = None
    made_by: tuple[RunLine, ...] = ()
    used_by: int = 0
    last_used_by: tuple[RunLine, ...] = ()
    retracted: Step | None = None
    words: Words = Words()
    other_versions: tuple[EntityRef, ...] = ()
    also_called: tuple[EntityRef, ...] = ()


@dataclass(frozen=True, slots=True)
class JobView:
    """A job: its last runs, and what it reads and writes by its own description."""

    job: EntityRef
    words: Words = Words()
    last_runs: tuple[RunLine, ...] = ()
    inputs: tuple[EntityRef, ...] = ()
    outputs: tuple[EntityRef, ...] = ()


@dataclass(frozen=True, slots=True)
class CommitView:
    """A commit and the last runs that ran from it."""

    commit: EntityRef
    last_runs: tuple[RunLine, ...] = ()


Answer = RunView | ModelVersionView | DatasetVersionView | JobView | CommitView
