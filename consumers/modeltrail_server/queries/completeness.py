"""Is everything recorded that it takes to tell, and repeat, how a model was made? Pure.

Each needed piece is OK, WEAK (recorded, but not so that it proves much), MISSING, CONTRADICTING (several values are
claimed) or RETRACTED. The answer is yes when no piece is missing, contradicting or retracted, or as a policy says.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from modeltrail_schemas.counting import counted
from modeltrail_schemas.event import Strength
from modeltrail_schemas.names import EntityRef

from modeltrail_server.queries.display import display
from modeltrail_server.queries.policy import ALWAYS_COUNTED, DEFAULT_POLICY, MAX_POINTS, POINTS, Policy
from modeltrail_server.queries.records import Answer, Code, ModelVersionView, RunView, Step, Use

MAX_RANKS_SHOWN = 4
MAX_TROUBLES_SHOWN = 8


class Level(StrEnum):
    """How well a piece is recorded, worst first."""

    CONTRADICTING = "CONTRADICTING"
    RETRACTED = "RETRACTED"
    MISSING = "MISSING"
    WEAK = "WEAK"
    OK = "OK"


FAILING = frozenset({Level.CONTRADICTING, Level.RETRACTED, Level.MISSING})
_WORST_FIRST = {level: rank for rank, level in enumerate(Level)}


@dataclass(frozen=True, slots=True)
class Finding:
    """One piece: how well it is recorded, why that matters, and the line of SDK code that would have recorded it.

    ``mend`` is the line that says it now, for what can still be said. ``absent``: nothing at all is recorded, though
    not every record needs it.
    """

    level: Level
    piece: str
    what: str
    why: str = ""
    remedy: str = ""
    mend: str = ""
    absent: bool = False

    @property
    def worth(self) -> float:
        """Return what part of its piece's points this earns."""
        return 1.0 if self.level == Level.OK else 0.5 if self.level == Level.WEAK and not self.absent else 0.0


@dataclass(frozen=True, slots=True)
class PieceScore:
    """The points of one piece: the mean of what its findings earn."""

    piece: str
    points: float
    of: int


@dataclass(frozen=True, slots=True)
class Report:
    """All findings about a model version or a run, worst first. ``subject`` is its name, with kind."""

    subject: str
    findings: tuple[Finding, ...]
    policy: Policy = DEFAULT_POLICY

    @property
    def complete(self) -> bool:
        """Return the answer: whether nothing is missing, contradicting or retracted."""
        return not any(finding.level in FAILING for finding in self.findings)

    def count(self, level: Level) -> int:
        """Return how many findings are of ``level``."""
        return sum(finding.level == level for finding in self.findings)

    def with_findings(self, more: Iterable[Finding]) -> "Report":
        """Return the report with ``more`` findings in their places."""
        return Report(self.subject, sort_findings((*self.findings, *more)), self.policy)

    @property
    def scores(self) -> tuple[PieceScore, ...]:
        """Return the points of each piece that counts."""
        earned: dict[str, list[float]] = {piece: [] for piece in ALWAYS_COUNTED}
        for finding in self.findings:
            earned.setdefault(finding.piece, []).append(finding.worth)
        means = {piece: sum(worths) / len(worths) if worths else 0.0 for piece, worths in earned.items()}
        return tuple(PieceScore(piece, means[piece] * of, of) for piece, of in POINTS.items() if piece in means)

    @property
    def score(self) -> int:
        """Return the points of 100, rounded down: 100 is all there and sure."""
        scores = self.scores
        return int(MAX_POINTS * sum(score.points for score in scores) / sum(score.of for score in scores))

    @property
    def refusals(self) -> tuple[str, ...]:
        """Return why the policy says no; empty when it says yes."""
        policy = self.policy
        deciding = set(policy.require) or set(POINTS)
        found = {finding.piece for finding in self.findings}
        said = {piece: f"{piece} is not recorded" for piece in policy.require if _is_untold(piece, found)}
        for finding in self.findings:
            if finding.piece in deciding and finding.level in FAILING:
                said.setdefault(finding.piece, f"{finding.piece} is {finding.level.lower()}")
            elif finding.piece in policy.require and finding.absent:
                said.setdefault(finding.piece, f"{finding.piece} is not recorded")
            elif finding.piece in policy.strict and finding.level != Level.OK:
                said.setdefault(finding.piece, f"{finding.piece} is {finding.level.lower()}")
        points = counted(self.score, "point is", "points are")
        few = [f"{points} under {policy.fail_under}"] if self.score < policy.fail_under else []
        return (*said.values(), *few)

    @property
    def passed(self) -> bool:
        """Return the answer by the policy; without one, whether it is complete."""
        return not self.refusals


@dataclass(frozen=True, slots=True)
class InventoryLine:
    """A model version as an inventory lists it: ``purpose`` is its description; ``deployed`` is where it runs.

    ``risk``: the line ``risk: WORD`` of the description, else the tag ``risk`` of the run that made it. ``report`` is
    None for a model that has no version.
    """

    model: EntityRef
    owners: tuple[str, ...] = ()
    purpose: str = ""
    risk: str = ""
    deployed: tuple[Step, ...] = ()
    latest: bool = False
    report: Report | None = None

    @property
    def passed(self) -> bool:
        """Return whether the version's record passes."""
        return self.report is not None and self.report.passed


def check_view(view: Answer) -> Report | None:
    """Return the report on a model version or a run, None for anything else."""
    if isinstance(view, ModelVersionView):
        return check_model(view)
    return check_run(view) if isinstance(view, RunView) else None


def check_model(view: ModelVersionView) -> Report:
    """Return the report on a model version: its own record and that of the runs which made it."""
    findings = [*_check_identity(view)]
    for run in view.made_by:
        findings.extend(_check_run(run))
    return Report(f"model:{display(view.model)}", sort_findings(findings))


def check_run(run: RunView) -> Report:
    """Return the report on a run."""
    return Report(f"run:{run.run_id}", sort_findings(_check_run(run)))


def sort_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return each finding once, worst first."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: _WORST_FIRST[finding.level]))


def _is_untold(piece: str, found: Collection[str]) -> bool:
    return piece in ALWAYS_COUNTED and piece not in found


def _check_identity(view: ModelVersionView) -> Iterator[Finding]:
    name, version = view.model.name, view.model.version
    logged = f'run.log_model("{name}", path=…, version="{version or "…"}")'
    if not view.made_by:
        why = "nothing tells which data, code and parameters it was made from"
        yield Finding(Level.MISSING, "run", "no run is recorded that made this version", why, logged)
    if len(view.made_by) > 1:
        runs = ", ".join(run.run_id for run in view.made_by[:MAX_RANKS_SHOWN])
        why = "a version has one origin, or its name stands for several things"
        yield Finding(Level.CONTRADICTING, "run", f"{len(view.made_by)} runs made it: {runs}", why, logged)
    digests = view.detail.digests if view.detail else ()
    if len(digests) > 1:
        what = f"{len(digests)} different contents under one version: {', '.join(digests)}"
        yield Finding(Level.CONTRADICTING, "model", what, "it is not known which of them is meant", logged)
    elif digests:
        yield Finding(Level.OK, "model", digests[0])
    else:
        why = "a file at hand cannot be told to be this version"
        yield Finding(Level.WEAK, "model", "no digest of its content", why, logged)


def _check_run(run: RunView) -> Iterator[Finding]:
    yield from _check_end(run)
    yield from _check_inputs(run)
    yield from _check_code(run)
    yield from _check_parameters(run)
    yield from check_metrics(run)
    yield from _check_environment(run)
    yield from _check_repetition(run)
    for gap in run.gaps:
        why = "what was in them is not known, and may be any piece of this list"
        lost = counted(gap.lost_events, "event was", "events were")
        yield Finding(Level.WEAK, "events", f"{lost} lost: {gap.reason}", why)


def _check_end(run: RunView) -> Iterator[Finding]:
    if run.state in ("FAIL", "ABORT"):
        what = f"the run ended with {run.state}" + (" (inferred: its process died)" if run.state_inferred else "")
        yield Finding(Level.WEAK, "run", what, "what it made may be unfinished")
    elif run.ended_ns is None:
        yield Finding(Level.WEAK, "run", "the run has not ended", "there may be more to come", "run.end()")
    for trouble in run.troubles[:MAX_TROUBLES_SHOWN]:
        why = "what was made may be from before" if trouble.after_ns else "its part of the work may be unfinished"
        yield Finding(Level.WEAK, "run", trouble.what, why)
    if (more := len(run.troubles) - MAX_TROUBLES_SHOWN) > 0:
        processes = counted(more, "more process", "more processes")
        yield Finding(Level.WEAK, "run", f"{processes} failed, got lost, or outlived the run")


def _check_inputs(run: RunView) -> Iterator[Finding]:
    datasets = [use for use in run.inputs if use.entity.kind == "dataset"]
    if not datasets:
        why = "the same code on other data makes another model"
        yield Finding(Level.MISSING, "data", "no data is recorded", why, 'run.use_dataset("…", path=…)')
    for use in run.inputs:
        yield _check_input(use, run.run_id)


def _string(text: str) -> str:
    """Return ``text`` as Python writes a string, in double quotes."""
    return json.dumps(text, ensure_ascii=False)


def _check_input(use: Use, run_id: str) -> Finding:
    name = display(use.entity)
    if use.entity.kind == "model":
        piece, call = "model", f"run.use_model({_string(f'{display(use.entity.unversioned)}@…')})"
    else:
        piece, call = "data", f"run.use_dataset({_string(display(use.entity.unversioned))}, version=…)"
    if use.retracted is not None:
        what = f"{name} was retracted" + (f" by {use.retracted.by}" if use.retracted.by else "")
        return Finding(Level.RETRACTED, piece, what, use.retracted.why or "no reason is given")
    if not use.version_known:
        why = "it may have changed since: nobody can tell what the run read"
        kind = "model:" if piece == "model" else ""
        mend = f'modeltrail.correct_run({_string(run_id)}, inputs=[{_string(f"{kind}{name}@…")}], why="…")'
        return Finding(Level.MISSING, piece, f"{name}: version not recorded", why, call, mend)
    if len(use.digests) > 1:
        why = "one version has one content, or its name stands for several things"
        return Finding(Level.CONTRADICTING, piece, f"{name} has {len(use.digests)} different digests", why, call)
    if use.meant is not None:
        what = f"{name} is an alias; it stood for {display(use.meant)} then"
        return Finding(Level.WEAK, piece, what, "that is concluded from when it was given, not recorded by the run")
    if use.strength in (Strength.CONTENT, Strength.PROVIDER) or use.digests or piece == "model":
        return Finding(Level.OK, piece, name)
    if use.strength == Strength.CLAIMED:
        what = f"{name}: the version is claimed, its content was not looked at"
    else:
        what = f"{name}: nothing tells how the version is known"
    path_call = f"run.use_dataset({_string(display(use.entity.unversioned))}, path=…)"
    return Finding(Level.WEAK, piece, what, "a wrong word would go unnoticed", path_call)


def _check_code(run: RunView) -> Iterator[Finding]:
    started = "start_run(…) inside the git repository, after a commit"
    commits = dict.fromkeys(code.commit for code in run.codes if code.commit)
    if not commits:
        why = "the program that made it cannot be found again"
        yield Finding(Level.MISSING, "code", "no commit is recorded", why, started)
        return
    if len(commits) > 1:
        what = f"{len(commits)} commits: {', '.join(commits)}"
        yield Finding(Level.CONTRADICTING, "code", what, "ranks ran different programs", started)
    if run.code is not None:
        yield _check_tree(run.code, started)


def _check_tree(code: Code, started: str) -> Finding:
    if code.dirty:
        state = "diff cut off" if code.diff_truncated else "diff kept" if code.diff_kept else "diff not kept"
        why = "the commit alone is not what ran" + ("" if code.diff_kept else ", and the difference is gone")
        return Finding(Level.WEAK, "code", f"dirty, {state}", why, started)
    if code.untracked:
        why = "the program may have read them"
        return Finding(Level.WEAK, "code", counted(len(code.untracked), "untracked file"), why, started)
    return Finding(Level.OK, "code", code.commit)


def _check_parameters(run: RunView) -> Iterator[Finding]:
    remedy = "run.log_params({…})"
    if not run.parameters:
        yield Finding(Level.MISSING, "params", "no parameters are recorded", "another try would guess them", remedy)
        return
    contradicting = [claimed for claimed in run.parameters if claimed.contradicting]
    for claimed in contradicting:
        said = ", ".join(f"{claim.value} (rank {claim.rank})" for claim in claimed.standing[:MAX_RANKS_SHOWN])
        why = "it is not known which value the model was made with"
        mend = f'modeltrail.correct_run({_string(run.run_id)}, parameters={{{_string(claimed.name)}: …}}, why="…")'
        yield Finding(Level.CONTRADICTING, "params", f"{claimed.name} is {said}", why, remedy, mend)
    if not contradicting:
        yield Finding(Level.OK, "params", f"{len(run.parameters)}")


def check_metrics(run: RunView) -> Iterator[Finding]:
    """Yield whether metrics are recorded of a run, and on which data."""
    remedy = "run.log_metrics({…}, dataset=test)"
    if not run.metrics:
        yield Finding(Level.MISSING, "metrics", "no metrics are recorded", "nothing tells how good it is", remedy)
        return
    bare = dict.fromkeys(metric.name for metric in run.metrics if not metric.dataset.name)
    unversioned = dict.fromkeys(
        metric.name for metric in run.metrics if metric.dataset.name and not metric.dataset.identity
    )
    why = "a figure without its data cannot be compared with another"
    if bare:
        yield Finding(Level.WEAK, "metrics", f"{', '.join(bare)}: evaluation data not recorded", why, remedy)
    if unversioned:
        yield Finding(
            Level.WEAK,
            "metrics",
            f"{', '.join(unversioned)}: version of the evaluation data not recorded",
            why,
            remedy,
        )
    if not bare and not unversioned:
        yield Finding(Level.OK, "metrics", f"{len(run.metrics)}")


def _check_environment(run: RunView) -> Iterator[Finding]:
    if run.environment is None:
        why = "another version of a library may give another model"
        yield Finding(Level.WEAK, "env", "no environment is recorded", why, "start_run(…) records it", absent=True)
    elif run.other_environments:
        what = f"{1 + len(run.other_environments)} different environments"
        yield Finding(Level.CONTRADICTING, "env", what, "ranks ran with different packages")
    elif not (run.environment.packages or run.environment.container_image):
        what = "only its digest is recorded: no event lists the packages"
        yield Finding(Level.WEAK, "env", what, "it can be compared, not built again", "start_run(…) records it")
    else:
        yield Finding(Level.OK, "env", run.environment.digest)


def _check_repetition(run: RunView) -> Iterator[Finding]:
    differing = [
        claimed
        for claimed in run.seeds
        if len({claim.rank for claim in claimed.standing}) == 1 and claimed.contradicting
    ]
    if not run.seeds:
        why = "chance cannot be repeated"
        yield Finding(Level.WEAK, "seed", "no seed is recorded", why, 'run.log_seed("numpy", 42)', absent=True)
    elif differing:
        yield Finding(
            Level.CONTRADICTING, "seed", f"{differing[0].name} was set to several values", "which one counted?"
        )
    else:
        yield Finding(Level.OK, "seed", ", ".join(claimed.name for claimed in run.seeds))
    if run.command:
        yield Finding(Level.OK, "command", " ".join(run.command))
    else:
        what, why = "no command line is recorded", "nobody knows how it was started"
        yield Finding(Level.WEAK, "command", what, why, "start_run(…) records it", absent=True)
