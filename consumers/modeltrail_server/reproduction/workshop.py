"""The folder in which a run is made again: code, packages and data are brought there, and the command is run.

Nothing goes through a shell. The original work tree is not touched; git's list of work trees is put in order again.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit

from modeltrail.datasets.files import DigestCache, identify_path
from modeltrail_schemas.errors import ModeltrailError

from modeltrail_server.reproduction.recipe import DataNeeded, Recipe

GIT_TIMEOUT_S = 120
INSTALL_TIMEOUT_S = 3_600
MAX_REASON_CHARACTERS = 2_000


class NotReproducibleError(ModeltrailError):
    """A step before the run failed: the answer is no, for this reason."""

    exit_code: ClassVar[int] = 1


@dataclass(frozen=True)
class Workshop:
    """``folder`` holds the work tree ``code`` and, unless one is reused, the environment ``env``."""

    folder: Path
    repository: Path
    cache: DigestCache

    @property
    def code(self) -> Path:
        """Return the work tree."""
        return self.folder / "code"

    def bring_code(self, recipe: Recipe) -> None:
        """Make the work tree at the commit, with the recorded diff. Raises NotReproducibleError."""
        known = self._git("cat-file", "-e", f"{recipe.commit}^{{commit}}")
        if known.returncode:
            where = f" of {recipe.repository}" if recipe.repository else ""
            raise NotReproducibleError(
                f"the commit {recipe.commit} is not in {self.repository}",
                remedy=f"fetch it, or name a clone{where} with --repository",
            )
        self._must(self._git("worktree", "add", "--quiet", "--detach", os.fspath(self.code), recipe.commit))
        if recipe.diff:
            applied = run_git(self.code, "apply", "--whitespace=nowarn", "-", given=recipe.diff.encode())
            if applied.returncode:
                reason = applied.stderr.decode("utf-8", "replace")[:MAX_REASON_CHARACTERS].strip()
                raise NotReproducibleError(f"the recorded changes do not apply to {recipe.commit[:12]}: {reason}")

    def verify_data(self, needed: Sequence[DataNeeded]) -> list[str]:
        """Verify the content of what is in files; bring what is outside git. Return what could not be verified.

        Raises NotReproducibleError for what is gone or has changed.
        """
        unverified = []
        for data in needed:
            location = urlsplit(data.location)
            if location.scheme != "file" or not data.digests:
                unverified.append(f"{data.name}: not verified" + (f" ({data.location})" if data.location else ""))
                continue
            self._bring(data, Path(unquote(location.path)))
        return unverified

    def make_environment(self, recipe: Recipe, python: str) -> Path:
        """Return the Python of a new environment with the recorded packages. Raises NotReproducibleError."""
        folder = self.folder / "env"
        self._must(_done([python, "-m", "venv", os.fspath(folder)], timeout_s=INSTALL_TIMEOUT_S))
        requirements = self.folder / "requirements.txt"
        requirements.write_text(_installable(recipe), encoding="utf-8")
        interpreter = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
        command = [
            os.fspath(interpreter),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "-r",
            os.fspath(requirements),
        ]
        self._must(_done(command, timeout_s=INSTALL_TIMEOUT_S))
        return interpreter

    def run(self, recipe: Recipe, python: Path, variables: Mapping[str, str]) -> int:
        """Run the recorded command with ``python`` and ``variables``; return what it ended with."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("MODELTRAIL_")}
        environ |= {**recipe.variables, **variables}
        environ["PATH"] = f"{python.parent}{os.pathsep}{environ.get('PATH', os.defpath)}"
        command = self.command_of(recipe, python)
        return subprocess.run(command, cwd=self.code / recipe.folder, env=environ, check=False).returncode  # noqa: S603

    def command_of(self, recipe: Recipe, python: Path) -> list[str]:
        """Return the command as it is run here: with this Python, and the work tree's program."""
        first, *rest = recipe.command
        program = os.fspath(python) if os.path.basename(first).startswith("python") else first
        entry = recipe.entry_point
        here = os.fspath(self.code / entry)
        return [
            program,
            *(here if entry and os.path.isabs(word) and word.endswith(f"/{entry}") else word for word in rest),
        ]

    def clear(self) -> None:
        """Take the folder away, and the work tree off git's list."""
        self._git("worktree", "remove", "--force", os.fspath(self.code))
        shutil.rmtree(self.folder, ignore_errors=True)
        self._git("worktree", "prune")

    def _bring(self, data: DataNeeded, path: Path) -> None:
        here = self._place_of(path)
        at_hand = here if here is not None and here.exists() else path
        if not at_hand.exists():
            raise NotReproducibleError(
                f"{data.name} is gone: there is no {path}", remedy="bring it back to its place"
            )
        digest = identify_path(at_hand, self.cache, now_ns=time.time_ns()).digest
        if digest not in data.digests:
            raise NotReproducibleError(
                f"the data has changed: {data.name} at {at_hand} is {digest}, and was {', '.join(data.digests)}",
                remedy="bring back the version that was read",
            )
        if here is not None and not here.exists():
            here.parent.mkdir(parents=True, exist_ok=True)
            here.symlink_to(path, target_is_directory=path.is_dir())

    def _place_of(self, path: Path) -> Path | None:
        """Return where in the work tree lies what lay at ``path`` in the repository; None for what lay outside."""
        try:
            return self.code / path.resolve().relative_to(self.repository.resolve())
        except ValueError:
            return None

    def _git(self, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        return run_git(self.repository, "-c", "core.hooksPath=/dev/null", *arguments)

    def _must(self, done: "subprocess.CompletedProcess[bytes]") -> None:
        if done.returncode:
            reason = (done.stderr or done.stdout).decode("utf-8", "replace").strip()[-MAX_REASON_CHARACTERS:]
            raise NotReproducibleError(f"{' '.join(map(str, done.args[:4]))} … failed: {reason}")


def repository_at(folder: Path) -> Path | None:
    """Return the root of the git repository that ``folder`` is in."""
    try:
        done = run_git(folder, "rev-parse", "--show-toplevel")
    except OSError:
        return None
    return Path(os.fsdecode(done.stdout.strip())) if done.returncode == 0 else None


def differing_packages(recipe: Recipe) -> list[str]:
    """Return which recorded packages this environment has in another version, or not at all."""
    differing = []
    for name, wanted in sorted(recipe.packages.items()):
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "not installed"
        if found != wanted:
            differing.append(f"{name} {wanted} → {found}")
    return differing


def _installable(recipe: Recipe) -> str:
    """Return the requirements; modeltrail itself from where it is installed, if that is a folder of this machine."""
    try:
        origin = json.loads(distribution("modeltrail").read_text("direct_url.json") or "{}").get("url", "")
    except (PackageNotFoundError, ValueError):
        origin = ""
    if not origin.startswith("file:"):
        return recipe.requirements
    others = {name: version for name, version in recipe.packages.items() if name.lower() != "modeltrail"}
    return "".join(f"{name}=={version}\n" for name, version in sorted(others.items())) + f"modeltrail @ {origin}\n"


def this_python() -> Path:
    """Return the Python that runs this."""
    return Path(sys.executable)


def run_git(folder: Path, *arguments: str, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    """Return what git said of the repository at ``folder``, without a shell and without asking for anything."""
    return _done(["git", "-C", os.fspath(folder), *arguments], given=given, timeout_s=GIT_TIMEOUT_S)


def _done(command: Sequence[str], *, timeout_s: int, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    environ = _git_environ()
    return subprocess.run(command, input=given, capture_output=True, env=environ, timeout=timeout_s, check=False)  # noqa: S603


def _git_environ() -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return environ | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
