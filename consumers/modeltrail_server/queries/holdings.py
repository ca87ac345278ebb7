"""Which version had an alias, or ran somewhere, on a day: by when things happened, within the snapshot's bound."""

from collections.abc import Iterable
from dataclasses import dataclass

from modeltrail_schemas.event import Declaration
from modeltrail_schemas.names import EntityRef

from modeltrail_server.queries.declarations import events_of_words
from modeltrail_server.queries.lifecycle import Timeline
from modeltrail_server.queries.records import Step
from modeltrail_server.queries.snapshot import Snapshot

KINDS = {Declaration.ALIASED: "alias", Declaration.STAGED: "stage", Declaration.DEPLOYED: "target"}


@dataclass(frozen=True, slots=True)
class Holding:
    """``version`` had ``word`` (an alias, a stage, a target it ran at) from ``step`` until ``ended_by``."""

    kind: str
    word: str
    version: EntityRef
    step: Step
    ended_by: Step | None = None


@dataclass(frozen=True, slots=True)
class Holdings:
    """Who held what from ``since_ns`` to ``until_ns`` (inclusive, UTC), by word and then by time.

    ``words`` are all that the model had until then, whoever asked for which.
    """

    model: EntityRef
    since_ns: int
    until_ns: int
    holdings: tuple[Holding, ...] = ()
    words: tuple[str, ...] = ()


def holdings_on(
    snapshot: Snapshot, model: EntityRef, since_ns: int, until_ns: int, *, kind: str = "", word: str = ""
) -> Holdings:
    """Return which versions of ``model`` had which aliases, stages and targets; of one kind or word, if given."""
    events = events_of_words(snapshot, model, since_ns, until_ns)
    found = list(fold_holdings(Timeline.of(events).steps, since_ns, until_ns))
    wanted = [item for item in found if kind in ("", item.kind) and word in ("", item.word)]
    words = dict.fromkeys(f"{item.kind} {item.word}".strip() for item in found)
    return Holdings(model, since_ns, until_ns, tuple(wanted), tuple(words))


def fold_holdings(steps: Iterable[Step], since_ns: int, until_ns: int) -> list[Holding]:
    """Return the holdings that overlap the time, of ``steps``, which are in order. Pure."""
    now: dict[tuple[str, str], Step] = {}
    ended: list[Holding] = []

    def end(key: tuple[str, str], by: Step) -> None:
        given = now.pop(key)
        if by.time_ns > since_ns:
            ended.append(Holding(*key, given.subject, given, by))

    for step in steps:
        if step.time_ns > until_ns or not step.subject.identity:
            continue
        if step.type == Declaration.RETIRED:
            for key, given in list(now.items()):
                if key[0] == "target" and given.subject == step.subject and step.value in ("", key[1]):
                    end(key, step)
        elif step.type in KINDS:
            key = (KINDS[Declaration(step.type)], step.value)
            if key in now and now[key].subject != step.subject:
                end(key, step)
            now.setdefault(key, step)
    standing = [Holding(*key, step.subject, step) for key, step in now.items()]
    return sorted([*ended, *standing], key=lambda item: (item.kind, item.word, item.step.time_ns, item.step.event_id))
