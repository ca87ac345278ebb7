"""The recipe to make a run again: commit, diff, packages, data, command; and what stands in the way. Pure."""

import posixpath
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from modeltrail_schemas.counting import counted
from modeltrail_schemas.event import LineageEvent, SourceCode

from modeltrail_server.queries.display import display
from modeltrail_server.queries.records import RunView, Use

REDACTED = "[redacted]"
COMMIT_CHARACTERS = 12
_COMMIT = re.compile("[0-9a-f]{7,64}")


@dataclass(frozen=True, slots=True)
class DataNeeded:
    """A dataset the run read. ``location`` is a URI or empty; ``digests``: of its content, any of which will do."""

    name: str
    location: str = ""
    digests: tuple[str, ...] = ()
    retracted: bool = False


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to make a run again. ``folder`` is where in the repository the command ran, as far as can be told."""

    run_id: str
    commit: str = ""
    repository: str = ""
    diff: str = ""
    diff_digest: str = ""
    folder: str = ""
    entry_point: str = ""
    python: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    data: tuple[DataNeeded, ...] = ()
    seeds: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def requirements(self) -> str:
        """Return the packages as pip's requirements file."""
        return "".join(f"{name}=={version}\n" for name, version in sorted(self.packages.items()))


@dataclass(frozen=True, slots=True)
class Step:
    """One step as a person would do it: why, and the command (none where there is nothing to type)."""

    why: str
    command: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """Return the command as one would type it."""
        return shlex.join(self.command)


def recipe_of(run: RunView, events: Iterable[LineageEvent]) -> Recipe:
    """Return the recipe of ``run``; ``events`` are its events, which hold the diff."""
    code = next((event.code for event in events if event.code and event.code.commit), SourceCode())
    environment = run.environment
    packages = environment.packages if environment else {}
    variables = dict(environment.variables) if environment else {}
    variables |= {seed.name: seed.value.strip('"') for seed in run.seeds if seed.name == "PYTHONHASHSEED"}
    return Recipe(
        run_id=run.run_id,
        commit=code.commit,
        repository=code.repository,
        diff=code.diff,
        diff_digest=code.diff_digest,
        folder=folder_of(code.entry_point, run.command),
        entry_point=code.entry_point,
        python=environment.python if environment else "",
        packages=packages,
        variables=variables,
        command=run.command,
        data=tuple(_data_of(use) for use in run.inputs if use.entity.kind == "dataset"),
        seeds=tuple(seed.name for seed in run.seeds),
        obstacles=tuple(_obstacles(run, code)),
        doubts=tuple(_doubts(run, code)),
    )


def folder_of(entry_point: str, command: Sequence[str]) -> str:
    """Return the folder inside the repository from which ``command`` names the entry point; empty for its root."""
    for argument in command[1:]:
        told = posixpath.normpath(argument) if argument else ""
        if posixpath.isabs(told) or not told.endswith(".py"):
            continue
        if entry_point == told:
            return ""
        if entry_point.endswith(f"/{told}"):
            folder = posixpath.normpath(entry_point[: -len(told) - 1])
            return "" if folder.startswith(("..", "/")) else folder
    return ""


def steps_of(recipe: Recipe, *, name: str, folder: str) -> tuple[Step, ...]:
    """Return the steps that a person takes to make ``name`` again in ``folder``."""
    inside = posixpath.join(folder, recipe.folder) if recipe.folder else folder
    steps = [
        Step("the code, in a folder of its own", ("git", "worktree", "add", "--detach", folder, recipe.commit)),
    ]
    if recipe.diff:
        saved = "changes.diff"
        steps.append(
            Step(f"what was not committed, into {saved}", ("modeltrail", "reproduce", name, "--print", "diff"))
        )
        steps.append(Step("and applied", ("git", "-C", folder, "apply", f"../{saved}")))
    if recipe.packages:
        saved = "requirements.txt"
        steps.append(
            Step(f"the packages, into {saved}", ("modeltrail", "reproduce", name, "--print", "requirements"))
        )
        steps.append(Step(f"Python {recipe.python} with them", ("python", "-m", "venv", "env")))
        steps.append(Step("", ("env/bin/python", "-m", "pip", "install", "--no-deps", "-r", saved)))
    for needed in recipe.data:
        if needed.location.startswith("file:") and needed.digests:
            path = needed.location.removeprefix("file://")
            steps.append(Step(f"{needed.name} must be {needed.digests[0]}", ("modeltrail", "whatis", path)))
        else:
            steps.append(Step(f"bring {needed.name}" + (f" from {needed.location}" if needed.location else "")))
    return (*steps, Step(f"the run, in {inside}", recipe.command))


def _data_of(use: Use) -> DataNeeded:
    return DataNeeded(display(use.entity), use.location, use.digests, use.retracted is not None)


def _obstacles(run: RunView, code: SourceCode) -> Iterable[str]:
    if not code.commit:
        yield "no commit is recorded: start the run inside a git repository"
    elif not _COMMIT.fullmatch(code.commit):
        yield f"{code.commit!r} is no commit of git"
    if not run.command:
        yield "no command line is recorded"
    if any(REDACTED in argument for argument in run.command):
        yield "the command line held a secret, which was not recorded"
    if code.dirty and code.diff_truncated:
        yield "the code had changes too large to be recorded in full"
    elif code.dirty and not code.diff:
        yield "the code had changes, which were not recorded"
    if REDACTED in code.diff:
        yield "the changes to the code held a secret, which was not recorded"


def _doubts(run: RunView, code: SourceCode) -> Iterable[str]:
    if not run.seeds:
        yield "no seed is recorded: chance may have had a part"
    if run.environment is None or not run.environment.packages:
        yield "no packages are recorded: others may give another result"
    if code.untracked:
        files = counted(len(code.untracked), "file was", "files were")
        yield f"{files} not in git: {', '.join(code.untracked[:3])}"
    for use in run.inputs:
        if not use.version_known:
            yield f"{display(use.entity)}: which version was read is not recorded"
        elif use.retracted is not None:
            yield f"{display(use.entity)} was retracted since"
        elif not use.digests:
            yield f"{display(use.entity)}: its content cannot be verified, no digest is recorded"
    if run.ranks > 1:
        yield f"{run.ranks} processes took part: launch them as the command does"
