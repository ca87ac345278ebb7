"""The tables of the read model, one set for each generation; and the few that tell which generation is live.

A generation's tables are named ``g<number>_<table>``: nothing is ever renamed or migrated. Times are nanoseconds or
milliseconds since 1970, UTC, as their names say. Text may be any Python string, so what PostgreSQL's text
refuses is escaped.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from modeltrail_schemas.event import Declaration
from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    event,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

PROJECTION_VERSION = 4

ESCAPE = "\ufffe"
_REFUSED = re.compile("[\x00\ud800-\udfff\ufffe]")
_ESCAPED = re.compile(ESCAPE + "([0-9a-f]{4})")


def escape_text(text: str) -> str:
    """Return ``text`` with what databases refuse (U+0000, lone surrogates) as U+FFFE and four hex digits."""
    return _REFUSED.sub(lambda match: f"{ESCAPE}{ord(match[0]):04x}", text)


def unescape_text(text: str) -> str:
    """Return what ``escape_text`` was given."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if ESCAPE in text else text


class AnyText(TypeDecorator[str]):
    """Any Python string, stored as text, ordered by code point on every database."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        """Return text compared byte by byte, whatever the database's locale."""
        return dialect.type_descriptor(Text(collation="C") if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Return what the database stores."""
        return None if value is None else escape_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Return what was bound."""
        return None if value is None else unescape_text(value)


@dataclass(frozen=True)
class Tables:
    """The tables of one generation. Columns of run, entity, link and content are those of the rows in facts.py."""

    generation: int
    metadata: MetaData
    event: Table
    run: Table
    entity: Table
    link: Table
    content: Table
    position: Table
    dead_letter: Table
    conflict: Table


@dataclass(frozen=True)
class ControlTables:
    """What stands above the generations."""

    metadata: MetaData
    generation: Table
    pointer: Table


MARKS = (Declaration.RETRACTED, Declaration.DEPLOYED, Declaration.RETIRED)
"""Declarations that a lineage marks a version for."""
# Put so that no planner takes these indices for a question about other declarations of one thing.
IS_RETRACTION = "relation || role = 'subjectRETRACTED'"
IS_MARK = "relation || role IN ('subjectRETRACTED', 'subjectDEPLOYED', 'subjectRETIRED')"


def _key(name: str, *, primary_key: bool = False, nullable: bool = False) -> Column[bytes]:
    return Column(name, LargeBinary(16), primary_key=primary_key, nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _text(name: str, *, primary_key: bool = False) -> Column[str]:
    return Column(name, AnyText, primary_key=primary_key, nullable=False)


def _declarations_by_role(prefix: str) -> DDL:
    """Return what indexes the declarations about a thing by their type, with all that is asked of them.

    A model may have very many of another type. An Index with a condition would always load PostgreSQL's dialect.
    """
    columns = "entity_key, role, event_time_ns, event_id, activity_key"
    statement = f"CREATE INDEX {prefix}link_by_role ON {prefix}link ({columns}) WHERE relation = 'subject'"
    return DDL(statement)  # type: ignore[no-untyped-call]


def _marks(prefix: str) -> DDL:
    """Return what indexes the MARKS of a thing, found at once among whatever else was declared: most have none."""
    columns = "entity_key, role, event_time_ns, event_id, activity_key"
    statement = f"CREATE INDEX {prefix}link_marks ON {prefix}link ({columns}) WHERE {IS_MARK}"
    return DDL(statement)  # type: ignore[no-untyped-call]


def _retractions(prefix: str) -> DDL:
    """Return what tells at once whether anything was ever retracted: mostly nothing was."""
    statement = f"CREATE INDEX {prefix}link_retracted ON {prefix}link (event_id) WHERE {IS_RETRACTION}"
    return DDL(statement)  # type: ignore[no-untyped-call]


class _Generation:
    """Makes tables, and names for their indexes, of one generation."""

    def __init__(self, number: int) -> None:
        self.metadata, self.prefix = MetaData(), f"g{number}_"

    def table(
        self, name: str, *columns: Column[Any] | Index | PrimaryKeyConstraint, clustered: bool = False
    ) -> Table:
        """Return a table of its; ``clustered``: SQLite keeps the rows in the order of the primary key."""
        return Table(self.prefix + name, self.metadata, *columns, sqlite_with_rowid=not clustered)

    def index(self, name: str, *columns: str) -> Index:
        """Return an index of a table of its."""
        return Index(self.prefix + name, *columns)


@lru_cache(maxsize=16)
def tables_of(generation: int) -> Tables:
    """Return the tables of ``generation``."""
    made = _Generation(generation)
    return Tables(
        generation=generation,
        metadata=made.metadata,
        event=_event_table(made),
        run=_run_table(made),
        entity=_entity_table(made),
        link=_link_table(made),
        content=_content_table(made),
        position=_position_table(made),
        dead_letter=_dead_letter_table(made),
        conflict=_conflict_table(made),
    )


def _event_table(made: _Generation) -> Table:
    """Return the table of every event, each once. The payload is the message as it stood in the log."""
    return made.table(
        "event",
        _key("event_id", primary_key=True),
        _number("partition"),
        _number("offset"),
        _number("recorded_ms"),
        _number("event_time_ns"),
        _text("kind"),
        _text("type"),
        _key("run_key", nullable=True),
        _key("job_key", nullable=True),
        Column("payload", LargeBinary, nullable=False),
        made.index("event_by_run", "run_key", "event_time_ns"),
        # Who first named a job, once another payload has taken the place of that event.
        made.index("event_by_job", "job_key", "event_time_ns"),
        # What was recorded since, and where in the log a time lies.
        made.index("event_by_record", "partition", "recorded_ms", "offset"),
    )


def _run_table(made: _Generation) -> Table:
    """Return the table of what runs are: each value with the time and the event that told it."""
    return made.table(
        "run",
        _key("run_key", primary_key=True),
        _text("run_id"),
        _text("state"),
        Column("state_terminal", Boolean, nullable=False),
        _number("state_time_ns", nullable=True),
        _key("state_event_id", nullable=True),
        _key("job_key", nullable=True),
        _number("job_time_ns", nullable=True),
        _key("job_event_id", nullable=True),
        _key("parent_key", nullable=True),
        _number("parent_time_ns", nullable=True),
        _key("parent_event_id", nullable=True),
        _number("first_time_ns"),
        _key("first_event_id"),
        _number("last_time_ns"),
        _key("last_event_id"),
        made.index("run_by_job", "job_key", "first_time_ns"),
        made.index("run_by_time", "first_time_ns"),
        made.index("run_by_parent", "parent_key"),
        clustered=True,
    )


def _entity_table(made: _Generation) -> Table:
    """Return the table of datasets, models and their versions."""
    return made.table(
        "entity",
        _key("entity_key", primary_key=True),
        _text("kind"),
        _text("namespace"),
        _text("name"),
        _text("version"),
        _key("name_key"),
        _number("first_time_ns"),
        _key("first_event_id"),
        made.index("entity_by_name", "kind", "name", "namespace", "version"),
        made.index("entity_by_name_key", "name_key", "first_time_ns"),
        clustered=True,
    )


def _link_table(made: _Generation) -> Table:
    """Return the table of who used, made or said something of what."""
    link = made.table(
        "link",
        _key("entity_key"),
        _number("event_time_ns"),
        _key("event_id"),
        _text("relation"),
        _text("role"),
        _key("activity_key", nullable=True),
        # Relation second: who made a dataset is found at once, however many runs used it; then by time.
        PrimaryKeyConstraint("entity_key", "relation", "event_time_ns", "event_id", "role"),
        made.index("link_by_activity", "activity_key"),
        clustered=True,
    )
    event.listen(link, "after_create", _declarations_by_role(made.prefix))
    event.listen(link, "after_create", _marks(made.prefix))
    event.listen(link, "after_create", _retractions(made.prefix))
    return link


def _content_table(made: _Generation) -> Table:
    """Return the table of contents, by digest."""
    return made.table(
        "content",
        _text("digest", primary_key=True),
        _key("entity_key", primary_key=True),
        _number("first_time_ns"),
        _key("first_event_id"),
        made.index("content_by_entity", "entity_key"),
        clustered=True,
    )


def _position_table(made: _Generation) -> Table:
    """Return the table of how far each partition was projected."""
    return made.table(
        "position",
        Column("partition", Integer, primary_key=True, autoincrement=False),
        _number("next_offset"),
        _number("recorded_ms"),
    )


def _dead_letter_table(made: _Generation) -> Table:
    """Return the table of what could not be read, kept as it came: decoded again in place after a fix."""
    return made.table(
        "dead_letter",
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("offset", BigInteger, primary_key=True, autoincrement=False),
        _number("recorded_ms"),
        _text("reason"),
        Column("key", LargeBinary, nullable=True),
        Column("value", LargeBinary, nullable=False),
        clustered=True,
    )


def _conflict_table(made: _Generation) -> Table:
    """Return the table of payloads that lost: of one event id the smallest SHA-256 stands."""
    return made.table(
        "conflict",
        _key("event_id", primary_key=True),
        Column("payload_sha256", LargeBinary(32), primary_key=True),
        Column("partition", Integer, nullable=False),
        _number("offset"),
        clustered=True,
    )


@lru_cache(maxsize=1)
def control_tables() -> ControlTables:
    """Return the tables that tell which generations there are and which one readers use."""
    metadata = MetaData()
    return ControlTables(
        metadata=metadata,
        generation=Table(
            "modeltrail_generation",
            metadata,
            Column("number", Integer, primary_key=True, autoincrement=False),
            Column("projection_version", Integer, nullable=False),
            Column("topic_id", AnyText, nullable=False),
            Column("log_name", AnyText, nullable=False),
            _number("created_ms"),
            _number("dropped_ms", nullable=True),  # numbers are never used twice, so rows stay when tables go
        ),
        pointer=Table(
            "modeltrail_pointer",
            metadata,
            Column("id", Integer, primary_key=True, autoincrement=False),  # always 1
            Column("generation", Integer, nullable=False),
        ),
    )
