"""The event: one frozen type for each record of avro/lineage_event-1.avsc, same names, same order, same defaults.

Pure values. An empty string means "not recorded". Collections are tuples, and mappings that nobody changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from modeltrail_schemas.names import NO_ENTITY, NO_JOB, EntityRef, JobName

NO_ID = bytes(16)


class Kind(StrEnum):
    """What an event is about. On the wire it is a string: a reader keeps kinds that it does not know."""

    RUN = "run"
    JOB = "job"
    DATASET = "dataset"
    MODEL = "model"
    RETRACTION = "retraction"
    GAP = "gap"


class RunState(StrEnum):
    """The event types of a run (OpenLineage 2-0-2, RunEvent.eventType)."""

    START = "START"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    FAIL = "FAIL"
    ABORT = "ABORT"
    OTHER = "OTHER"


TERMINAL_STATES = frozenset({RunState.COMPLETE, RunState.FAIL, RunState.ABORT})


class Declaration(StrEnum):
    """The event types by which somebody declares something about a run, a dataset or a model version."""

    REGISTERED = "REGISTERED"
    ALIASED = "ALIASED"
    STAGED = "STAGED"
    APPROVED = "APPROVED"
    DEPLOYED = "DEPLOYED"
    RETIRED = "RETIRED"
    RETRACTED = "RETRACTED"
    DESCRIBED = "DESCRIBED"
    ANNOTATED = "ANNOTATED"
    CORRECTED = "CORRECTED"


class Strength(StrEnum):
    """How the identity of a version is known, strongest first."""

    CONTENT = "content"
    PROVIDER = "provider"
    CLAIMED = "claimed"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Emitter:
    """Who wrote the event: one process of one run. ``sequence`` strictly increases per emitter."""

    id: str = ""
    rank: int = 0
    sequence: int = 0
    host: str = ""
    process_id: int = 0


@dataclass(frozen=True, slots=True)
class Metric:
    """One value of one metric; ``dataset`` is the version it was measured on, the empty reference if not recorded."""

    name: str = ""
    value: float = 0.0
    step: int = 0
    time_ns: int = 0
    dataset: EntityRef = NO_ENTITY


@dataclass(frozen=True, slots=True)
class SourceCode:
    """Where the code came from; ``diff`` is redacted and at most 256 kB, its digest is over the whole."""

    repository: str = ""
    commit: str = ""
    branch: str = ""
    dirty: bool = False
    diff: str = ""
    diff_digest: str = ""
    diff_truncated: bool = False
    untracked: tuple[str, ...] = ()
    entry_point: str = ""


@dataclass(frozen=True, slots=True)
class Environment:
    """Software and hardware; content-addressed, described once per digest."""

    digest: str = ""
    python: str = ""
    implementation: str = ""
    os: str = ""
    machine: str = ""
    cpu: str = ""
    cpu_count: int = 0
    memory_bytes: int = 0
    accelerators: tuple[str, ...] = ()
    container_image: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a dataset."""

    name: str = ""
    type: str = ""


@dataclass(frozen=True, slots=True)
class DatasetDetail:
    """What is known of a dataset version; ``strength`` is a :class:`Strength`."""

    entity: EntityRef = NO_ENTITY
    strength: str = ""
    location: str = ""
    format: str = ""
    bytes: int | None = None
    rows: int | None = None
    fields: tuple[Field, ...] = ()
    query: str = ""
    provider: str = ""


@dataclass(frozen=True, slots=True)
class ModelDetail:
    """What is known of a model version."""

    entity: EntityRef = NO_ENTITY
    strength: str = ""
    framework: str = ""
    location: str = ""
    bytes: int | None = None
    base: EntityRef | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """What somebody declared about the subjects. ``assurance`` is ``claimed`` or ``authenticated``."""

    by: str = ""
    why: str = ""
    assurance: str = ""
    alias: str = ""
    stage: str = ""
    target: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Description:
    """Words about a named thing, a job or a version; the last one stands."""

    entity: EntityRef = NO_ENTITY
    text: str = ""
    owners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunError:
    """Why a run failed."""

    type: str = ""
    message: str = ""
    stack_trace: str = ""


@dataclass(frozen=True, slots=True)
class Retraction:
    """An event that should not have been sent."""

    event_id: bytes = NO_ID
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """Events that an emitter could not keep."""

    reason: str = ""
    lost_events: int = 0
    first_sequence: int = 0
    last_sequence: int = 0


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted value and where it belongs."""

    path: str = ""
    key_id: str = ""
    ciphertext: bytes = b""


@dataclass(frozen=True, slots=True)
class Routing:
    """The leading fields of an event: all that the projector needs, decoded without the rest.

    ``event_id``: 16 bytes. ``kind``: a :class:`Kind`. ``type``: a :class:`RunState` or a :class:`Declaration`.
    ``event_time_ns``: UTC, nanoseconds since 1970. ``subjects``: what the event is about when no run uses or
    makes it.
    """

    PREFIX_ENDS_WITH: ClassVar[str] = "environment_digest"

    event_id: bytes = NO_ID
    kind: str = ""
    type: str = ""
    event_time_ns: int = 0
    run_id: str = ""
    parent_run_id: str = ""
    job: JobName = NO_JOB
    inputs: tuple[EntityRef, ...] = ()
    outputs: tuple[EntityRef, ...] = ()
    subjects: tuple[EntityRef, ...] = ()
    commit: str = ""
    environment_digest: str = ""


@dataclass(frozen=True, slots=True)
class LineageEvent(Routing):
    """A whole event.

    ``parameters`` map to JSON text. ``parent_job`` is the job of the parent run. ``document`` holds the OpenLineage
    JSON an event came as, verbatim; the fields after ``environment_digest`` are then a reading of it and do not
    travel.
    """

    producer: str = ""
    parent_job: JobName = NO_JOB
    emitter: Emitter = Emitter()
    parameters: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    code: SourceCode | None = None
    environment: Environment | None = None
    command: tuple[str, ...] = ()
    seeds: Mapping[str, str] = field(default_factory=dict)
    datasets: tuple[DatasetDetail, ...] = ()
    models: tuple[ModelDetail, ...] = ()
    statement: Statement | None = None
    descriptions: tuple[Description, ...] = ()
    error: RunError | None = None
    retraction: Retraction | None = None
    gap: Gap | None = None
    sealed: tuple[Sealed, ...] = ()
    redactions: int = 0
    inferred: bool = False
    imported_from: str = ""
    document: bytes | None = None
