"""The commit that runs, asked of git itself. No git, no work tree, or too slow: the run says so by absence.

git is asked without locks, prompts, hooks, external diff programs and file system monitors: reading must change
nothing and start nothing. The diff is against the last commit, redacted, and cut at 256 kB; its digest is over all
of it.
"""

import hashlib
import os
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from modeltrail_schemas.event import SourceCode

from modeltrail.redaction import redact_text, redact_url

GIT_TIMEOUT_S = 10.0
MAX_DIFF_BYTES = 256_000
MAX_DIFF_READ_BYTES = 32_000_000
MAX_UNTRACKED = 1_000
MAX_OUTPUT_BYTES = 8_000_000


def capture_code(
    folders: tuple[Path, ...], script: Path | None, environ: Mapping[str, str]
) -> tuple[SourceCode, int]:
    """Return what is committed and what is not in the first of ``folders`` that is in a work tree.

    ``script`` is the program that runs; its path inside the repository is the entry point. The second value is how
    many secrets were redacted. Outside any repository: the empty SourceCode.
    """
    for folder in folders:
        git = _Git(folder, environ)
        if root := git.ask("rev-parse", "--show-toplevel"):
            return _capture(_Git(Path(root), environ), Path(root), script)
    return SourceCode(), 0


def _capture(git: "_Git", root: Path, script: Path | None) -> tuple[SourceCode, int]:
    commit = git.ask("rev-parse", "--verify", "HEAD")
    remote, found_in_remote = redact_url(git.ask("remote", "get-url", "origin"))
    diff, whole = git.read("diff", "HEAD", max_bytes=MAX_DIFF_READ_BYTES) if commit else (b"", True)
    text, found_in_diff = redact_text(diff.decode("utf-8", "replace"))
    redacted = text.encode("utf-8", "replace")
    listed, _ = git.read(
        "ls-files", "--others", "--exclude-standard", "--directory", "-z", max_bytes=MAX_OUTPUT_BYTES
    )
    names = [name.decode("utf-8", "replace") for name in listed.split(b"\0") if name]
    untracked = [name for name in names if not name.startswith(".modeltrail")]
    return SourceCode(
        repository=remote,
        commit=commit,
        branch=git.ask("symbolic-ref", "--short", "-q", "HEAD"),
        dirty=bool(diff) or not whole,
        diff=redacted[:MAX_DIFF_BYTES].decode("utf-8", "ignore"),
        diff_digest=f"sha256:{hashlib.sha256(redacted).hexdigest()}" if diff and whole else "",
        diff_truncated=len(redacted) > MAX_DIFF_BYTES or not whole,
        untracked=tuple(untracked[:MAX_UNTRACKED]),
        entry_point=_inside(root, script),
    ), found_in_remote + found_in_diff


def _inside(root: Path, script: Path | None) -> str:
    if script is None:
        return ""
    try:
        return script.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return ""


class _Git:
    """Questions to git in one folder."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = {
            **{name: value for name, value in environ.items() if not name.startswith("GIT_")},
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
        }

    def ask(self, *question: str) -> str:
        """Return git's answer on one line; empty when it has none."""
        answer, _ = self.read(*question, max_bytes=MAX_OUTPUT_BYTES)
        return answer.decode("utf-8", "replace").strip()

    def read(self, *question: str, max_bytes: int) -> tuple[bytes, bool]:
        """Return git's answer, at most ``max_bytes`` of it, and whether that is all. No answer is an empty one."""
        command = ["git", "-C", os.fspath(self._folder), "-c", "core.fsmonitor=false", "-c", "core.quotePath=false"]
        command += ["-c", "diff.autoRefreshIndex=false"]  # that is no lock that git thinks optional
        command += [question[0], *(_DIFF_OPTIONS if question[0] == "diff" else ()), *question[1:]]
        try:
            process = subprocess.Popen(  # noqa: S603 - fixed arguments
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._environ,
            )
        except OSError:
            return b"", True
        timer = threading.Timer(GIT_TIMEOUT_S, process.kill)
        timer.start()
        try:
            with process:
                assert process.stdout is not None
                answer = process.stdout.read(max_bytes + 1)
                if len(answer) > max_bytes:
                    process.kill()
                    return answer[:max_bytes], False
            if process.returncode < 0:
                return answer, False  # too slow: what came is not all there is
            return (answer, True) if process.returncode == 0 else (b"", True)
        finally:
            timer.cancel()


_DIFF_OPTIONS = ("--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--src-prefix=a/", "--dst-prefix=b/")
