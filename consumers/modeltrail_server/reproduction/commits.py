"""The commits that lie between two, as a git repository at hand tells them."""

from dataclasses import replace
from pathlib import Path

from modeltrail_server.queries.comparison import CommitLine, CommitsBetween, Comparison
from modeltrail_server.reproduction.workshop import repository_at, run_git

MAX_COMMITS = 20
NS_PER_S = 1_000_000_000


def with_commits(comparison: Comparison, folder: Path) -> Comparison:
    """Return ``comparison`` with the commits between its subjects, as the repository around ``folder`` has them."""
    steps = comparison.commit_steps
    repository = repository_at(folder) if steps else None
    return replace(comparison, commits=tuple(commits_between(repository, old, new) for old, new in steps))


def commits_between(repository: Path | None, old: str, new: str) -> CommitsBetween:
    """Return the commits between two, latest first, at most twenty to either side."""
    if repository is None:
        return CommitsBetween(old, new, unknown="no git repository is at hand")
    if old.startswith("-") or new.startswith("-"):
        return CommitsBetween(old, new, unknown="what is recorded is no commit")
    form = ("--no-show-signature", "--format=%H%x00%aN%x00%at%x00%s", f"--max-count={MAX_COMMITS + 1}")
    ahead, behind = (
        run_git(repository, "log", *form, "--end-of-options", span, "--")
        for span in (f"{old}..{new}", f"{new}..{old}")
    )
    if ahead.returncode or behind.returncode:
        return CommitsBetween(old, new, unknown="the repository at hand does not have both")
    added, left_out = (_commit_lines(done.stdout) for done in (ahead, behind))
    cut = max(len(added), len(left_out)) > MAX_COMMITS
    return CommitsBetween(old, new, added[:MAX_COMMITS], left_out[:MAX_COMMITS], cut)


def _commit_lines(told: bytes) -> tuple[CommitLine, ...]:
    lines = (line.split("\0", 3) for line in told.decode("utf-8", "replace").split("\n") if line)
    return tuple(CommitLine(sha, author, int(time_s) * NS_PER_S, subject) for sha, author, time_s, subject in lines)
