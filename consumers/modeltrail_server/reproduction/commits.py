"""The commits that lie between two, as a git repository at hand tells them."""

from pathlib import Path

from modeltrail_server.reproduction.workshop import repository_at, run_git

MAX_COMMITS = 20


def commits_between(folder: Path, old: str, new: str) -> list[str]:
    """Return the commits from ``old`` to ``new``, latest first, each as its short id and subject, at most twenty.

    Where ``new`` does not follow ``old``, those that ``old`` has alone come last, with a minus before them. Empty
    where ``folder`` is in no repository that has both.
    """
    repository = repository_at(folder)
    if repository is None or old.startswith("-") or new.startswith("-"):
        return []
    form = ("--format=%h %s", f"--max-count={MAX_COMMITS}")
    ahead, behind = (
        run_git(repository, "log", *form, "--end-of-options", span, "--")
        for span in (f"{old}..{new}", f"{new}..{old}")
    )
    if ahead.returncode or behind.returncode:
        return []
    told = [done.stdout.decode("utf-8", "replace").splitlines() for done in (ahead, behind)]
    return [*told[0], *(f"- {line}" for line in told[1])][:MAX_COMMITS]
