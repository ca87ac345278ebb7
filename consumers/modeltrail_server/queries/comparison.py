"""Two or more runs or model versions side by side. Pure; states differences, claims nothing about causes."""

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from modeltrail_server.queries.display import display, natural_order
from modeltrail_server.queries.records import MetricCurve, ModelVersionView, RunView, Use

MAX_SUBJECTS = 20
CONTRADICTION = " ≠ "
MAX_SUBTRACTED = 1e300
SECTIONS = ("metrics", "curves", "params", "data", "code", "seeds", "env", "run")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Row:
    """One thing compared. ``values`` are texts in the order of the subjects, None where nothing is recorded.

    ``delta``: by how much the last differs from the first, where both are numbers.
    """

    section: str
    name: str
    values: tuple[str | None, ...]
    delta: float | None = None

    @property
    def differs(self) -> bool:
        """Return whether not all values are the same."""
        return len(set(self.values)) > 1


@dataclass(frozen=True, slots=True)
class CommitLine:
    """A commit as a list tells it."""

    sha: str
    author: str
    date_ns: int
    subject: str


@dataclass(frozen=True, slots=True)
class CommitsBetween:
    """What lies between the commits of two subjects that follow each other, latest first.

    ``added``: what ``new`` has and ``old`` has not; ``left_out``: what ``old`` alone has, where ``new`` does not
    follow it. ``cut``: there are more. ``unknown`` says why nothing is told.
    """

    old: str
    new: str
    added: tuple[CommitLine, ...] = ()
    left_out: tuple[CommitLine, ...] = ()
    cut: bool = False
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All rows, in the order metrics, how they went, parameters, data, code, environment, rest.

    ``commits`` are those between, wherever a subject ran from another commit than the one before it.
    """

    subjects: tuple[str, ...]
    rows: tuple[Row, ...]
    commits: tuple[CommitsBetween, ...] = ()

    @property
    def differences(self) -> tuple[Row, ...]:
        """Return the rows that differ."""
        return tuple(row for row in self.rows if row.differs)

    @property
    def commit_steps(self) -> tuple[tuple[str, str], ...]:
        """Return (commit, next commit) wherever the code of two subjects that follow each other differs."""
        row = next((row for row in self.rows if (row.section, row.name) == ("code", "commit")), None)
        commits = [value for value in row.values if value and CONTRADICTION not in value] if row else []
        return tuple(dict.fromkeys((old, new) for old, new in pairwise(commits) if old != new))


def compare(views: Sequence[RunView | ModelVersionView]) -> Comparison:
    """Return ``views`` side by side; a model version is compared by the run that made it last."""
    runs = [_run_of(view) for view in views]
    subjects = tuple(
        f"run:{view.run_id}" if isinstance(view, RunView) else f"model:{display(view.model)}" for view in views
    )
    return Comparison(subjects, tuple(compare_runs(runs)) + tuple(_identities(views)))


def compare_runs(runs: Sequence[RunView]) -> Iterator[Row]:
    """Yield a row for everything that one of ``runs`` records."""
    return compare_recorded([recorded_by(run) for run in runs])


def recorded_by(run: RunView) -> tuple[Mapping[str, str], ...]:
    """Return what a run records, by name, one mapping for each of SECTIONS: what is compared of it."""
    params = {item.name: _claims(item.standing) for item in run.parameters}
    seeds = {item.name: _claims(item.standing) for item in run.seeds}
    told = (params, _uses(run.inputs), _code(run), seeds, _environment(run), _outcome(run))
    return _metrics(run), _summaries(run), *told


def compare_recorded(recorded: Sequence[Sequence[Mapping[str, str]]]) -> Iterator[Row]:
    """Yield a row for everything that one of several runs records, each given as ``recorded_by`` returns it."""
    for section, columns in zip(SECTIONS, zip(*recorded, strict=True), strict=True):
        yield from _rows(section, columns)


def differences_from(
    before: Sequence[Mapping[str, str]], after: Sequence[Mapping[str, str]], *, leaving_out: Collection[str]
) -> Iterator[Row]:
    """Yield the rows of ``compare_recorded`` for these two that differ, but for some SECTIONS."""
    for section, old, new in zip(SECTIONS, before, after, strict=True):
        if section not in leaving_out and old != new:
            names = dict.fromkeys([*old, *new])
            differing = [name for name in names if old.get(name) != new.get(name)]
            yield from _rows(
                section, [{name: told[name] for name in differing if name in told} for told in (old, new)]
            )


def _run_of(view: RunView | ModelVersionView) -> RunView:
    if isinstance(view, RunView):
        return view
    return view.made_by[-1] if view.made_by else RunView("")


def _rows(section: str, columns: Sequence[Mapping[str, str]]) -> Iterator[Row]:
    names = dict.fromkeys(name for column in columns for name in column)
    for name in sorted(names, key=natural_order) if section in ("params", "env", "seeds") else names:
        values = tuple(column.get(name) for column in columns)
        yield Row(section, name, values, _delta(values))


def _delta(values: Sequence[str | None]) -> float | None:
    if values[0] == values[-1]:
        return None  # most are: not worth reading as numbers
    first, last = (_number(value) for value in (values[0], values[-1]))
    return None if first is None or last is None or first == last else last - first


def _number(text: str | None) -> float | None:
    value = float(text) if text and _JSON_NUMBER.fullmatch(text) else math.inf
    return value if abs(value) < MAX_SUBTRACTED else None


def _claims(claims: Iterable[object]) -> str:
    values = dict.fromkeys([str(getattr(claim, "value", "")) for claim in claims])
    return CONTRADICTION.join(values)


def _metrics(run: RunView) -> dict[str, str]:
    """Return each metric's last value, and after it the data it was measured on."""
    shown: dict[str, str] = {}
    for label, curve in _curves(run):
        shown[label] = f"{curve.value!r}"
        if curve.dataset.name:
            shown[f"{label} on"] = display(curve.dataset)
    return shown


def _summaries(run: RunView) -> dict[str, str]:
    """Return between which values each metric of several steps lay, and how many steps there were."""
    shown: dict[str, str] = {}
    for label, curve in _curves(run):
        if curve.steps > 1:
            summary = {"least": curve.minimum, "most": curve.maximum, "steps": curve.steps}
            shown |= {f"{label} {word}": f"{value!r}" for word, value in summary.items()}
    return shown


def _curves(run: RunView) -> Iterator[tuple[str, MetricCurve]]:
    """Yield each metric as it is labelled: with its data where it was measured on several; of ranks the first."""
    by_name: dict[str, list[MetricCurve]] = {}
    for curve in run.metrics:
        by_name.setdefault(curve.name, []).append(curve)
    for metric, curves in by_name.items():
        several = len({curve.dataset.unversioned for curve in curves}) > 1
        labelled: dict[str, MetricCurve] = {}
        for curve in sorted(curves, key=lambda curve: curve.rank):
            labelled.setdefault(f"{metric} ({curve.dataset.name or 'no data told'})" if several else metric, curve)
        yield from labelled.items()


def _uses(uses: Sequence[Use]) -> dict[str, str]:
    """Return the versions used: by role where a role tells one thing, else by name."""
    roles = [role for use in uses for role in use.roles]
    found: dict[str, list[str]] = {}
    for use in uses:
        role = next((role for role in use.roles if roles.count(role) == 1), None)
        if role:
            found.setdefault(role, []).append(display(use.entity))
        else:
            name = use.entity.unversioned
            found.setdefault(f"{name.kind} {display(name)}", []).append(use.entity.version or "version not recorded")
    return {label: ", ".join(versions) for label, versions in found.items()}


def _code(run: RunView) -> dict[str, str]:
    if run.code is None:
        return {}
    code = run.code
    told = {
        "commit": CONTRADICTION.join(dict.fromkeys(code.commit for code in run.codes)),
        "branch": code.branch,
        "repository": code.repository,
        "uncommitted": (code.diff_digest or "dirty") if code.dirty else "none",
    }
    return {name: value for name, value in told.items() if value}


def _environment(run: RunView) -> dict[str, str]:
    environment = run.environment
    if environment is None:
        return {}
    told = {
        "digest": environment.digest,
        "python": environment.python,
        "os": environment.os,
        "machine": environment.machine,
        "cpu": environment.cpu,
        "cores": str(environment.cpu_count or ""),
        "memory bytes": str(environment.memory_bytes or ""),
        "image": environment.container_image,
        "accelerators": ", ".join(environment.accelerators),
    }
    packages = {f"package {name}": version for name, version in environment.packages.items()}
    return {name: value for name, value in told.items() if value} | packages


def _outcome(run: RunView) -> dict[str, str]:
    told = {"job": display(run.job) if run.job.name else "", "state": run.state, "command": " ".join(run.command)}
    if run.duration_seconds is not None:
        told["seconds"] = f"{run.duration_seconds:.3f}"
    return {name: value for name, value in told.items() if value}


def _identities(views: Sequence[RunView | ModelVersionView]) -> Iterator[Row]:
    columns = []
    for view in views:
        detail = view.detail if isinstance(view, ModelVersionView) else None
        base = display(detail.base) if detail and detail.base else ""
        told = {"digest": CONTRADICTION.join(detail.digests) if detail else "", "base": base}
        columns.append({name: value for name, value in told.items() if value})
    yield from _rows("model", columns)
