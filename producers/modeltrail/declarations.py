"""What people declare about models, data and runs, as notes. Pure.

One verb per declaration; ``by`` is who says so and ``why`` is in their words. Nobody checks ``by`` here: its
assurance is ``claimed``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from modeltrail_schemas.event import Declaration, Kind
from modeltrail_schemas.names import EntityRef

from modeltrail.redaction import redact_text

MAX_TEXT_CHARACTERS = 65_536
WORDS = ("alias", "stage", "target")

Note = dict[str, Any]


def declaration(declared: Declaration, subject: EntityRef, *, by: str, why: str = "", **more: str) -> Note:
    """Return the note by which ``by`` declares something about a dataset or a model version.

    An alias, stage or target in ``more`` is the subject's role too.
    """
    statement, redactions = _clean({"by": by, "why": why, "assurance": "claimed", **more})
    # What the declaration gives, said in the leading fields too, is found without decoding the rest (decision 9).
    word = next((statement[name] for name in WORDS if name in statement), "")
    about = EntityRef(subject.kind, subject.namespace, subject.name, subject.version, subject.digest, word)
    note = {"kind": subject.kind, "type": declared.value, "subjects": [about.format()], "statement": statement}
    return note | _counted(redactions)


def run_declaration(
    declared: Declaration, run_id: str, *, by: str, why: str = "", text: str = "", **fields: Any
) -> Note:
    """Return the note by which ``by`` annotates or corrects a run; ``fields`` are the event's own, such as inputs."""
    statement, redactions = _clean({"by": by, "why": why, "assurance": "claimed", "text": text})
    note = {"kind": Kind.RUN.value, "type": declared.value, "run_id": run_id, "statement": statement}
    redactions += fields.pop("redactions", 0)
    return note | {name: value for name, value in fields.items() if value} | _counted(redactions)


def description(entity: EntityRef, text: str, owners: Sequence[str]) -> Note:
    """Return the note that describes a dataset, a model, a version or a job."""
    about = EntityRef(entity.kind, entity.namespace, entity.name, entity.version, entity.digest).format()
    clean, redactions = redact_text(text[:MAX_TEXT_CHARACTERS])
    described = {"entity": about, "text": clean, "owners": [str(owner) for owner in owners]}
    note: Note = {"kind": entity.kind, "type": Declaration.DESCRIBED.value, "descriptions": [described]}
    if entity.kind == Kind.JOB:
        note["job"] = about.partition(":")[2]
    else:
        note["subjects"] = [about]
    return note | _counted(redactions)


def _clean(statement: Mapping[str, str]) -> tuple[dict[str, str], int]:
    clean: dict[str, str] = {}
    redactions = 0
    for name, value in statement.items():
        if value:
            clean[name], found = redact_text(str(value)[:MAX_TEXT_CHARACTERS])
            redactions += found
    return clean, redactions


def _counted(redactions: int) -> Note:
    return {"redactions": redactions} if redactions else {}
