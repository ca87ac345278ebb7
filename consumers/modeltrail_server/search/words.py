"""What a single word finds: things whose name holds it, models that somebody owns, commits that begin so. Bounded."""

import string
from dataclasses import dataclass

from modeltrail_schemas.names import EntityRef

from modeltrail_server.projection.facts import KEPT_CHARACTERS
from modeltrail_server.queries.listing import list_models
from modeltrail_server.queries.named_things import LAST_CHARACTER
from modeltrail_server.queries.names import NAMED_KINDS
from modeltrail_server.queries.rows import ref_of
from modeltrail_server.queries.snapshot import Snapshot

MAX_NAMES_READ = 2_000
MAX_MODELS_ASKED = 200
MAX_FOUND = 100
MIN_COMMIT_CHARACTERS = 4


@dataclass(frozen=True, slots=True)
class Mentioned:
    """A thing that a word finds, and by what: name, owner, commit."""

    entity: EntityRef
    by: str


def find_word(snapshot: Snapshot, word: str) -> tuple[Mentioned, ...]:
    """Return what ``word`` finds, names that begin with it first. Looks at no more than 2,000 names of a kind."""
    wanted, beginning = word.casefold(), word[:KEPT_CHARACTERS]  # of a long name no more stands in the index
    found: dict[EntityRef, Mentioned] = {}
    for low, high in ((beginning, beginning + LAST_CHARACTER), ("", LAST_CHARACTER)):
        for kind in NAMED_KINDS:
            for row in snapshot.names_between(kind, low, high, limit=MAX_NAMES_READ):
                if wanted in f"{row.namespace}/{row.name}".casefold() and snapshot.is_known(row):
                    found.setdefault(ref_of(row), Mentioned(ref_of(row), "name"))
    for line in list_models(snapshot, limit=MAX_MODELS_ASKED).items:
        if wanted in (owner.casefold() for owner in line.owners):
            found.setdefault(line.model, Mentioned(line.model, "owner"))
    if len(word) >= MIN_COMMIT_CHARACTERS and set(wanted) <= set(string.hexdigits):
        for row in snapshot.names_between("commit", wanted, wanted + LAST_CHARACTER, limit=MAX_FOUND):
            if snapshot.is_known(row):
                found.setdefault(ref_of(row), Mentioned(ref_of(row), "commit"))
    return tuple(found.values())[:MAX_FOUND]
