"""What git says of real repositories, made here."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from modeltrail.capture.git import MAX_DIFF_BYTES, capture_code
from modeltrail_schemas.event import SourceCode

WORD = "cor" + "recthorse9"


def git(folder: Path, *arguments: str) -> str:
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    environ = {**os.environ, **identity, "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True, env=environ
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    (folder / "src").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "trunk")
    (folder / "src" / "train.py").write_text("lr = 0.1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    return folder


def capture(folder: Path, script: Path | None = None) -> SourceCode:
    code, _ = capture_code((folder,), script, os.environ)
    return code


def test_a_clean_repository_is_its_commit_branch_and_entry_point(repository: Path) -> None:
    code = capture(repository / "src", repository / "src" / "train.py")
    assert code == SourceCode(commit=git(repository, "rev-parse", "HEAD"), branch="trunk", entry_point="src/train.py")


def test_a_dirty_tree_keeps_its_redacted_diff_with_a_digest_over_all_of_it(repository: Path) -> None:
    (repository / "src" / "train.py").write_text(f"lr = 0.2\napi_key = '{WORD}'\n")
    (repository / "new.py").write_text("")
    (repository / ".modeltrail").mkdir()
    (repository / ".modeltrail" / "log.db").write_text("x")
    code, redactions = capture_code((repository,), None, os.environ)
    assert code.dirty
    assert "+lr = 0.2" in code.diff
    assert WORD not in code.diff
    assert redactions == 1
    assert code.diff_digest == f"sha256:{hashlib.sha256(code.diff.encode()).hexdigest()}"
    assert not code.diff_truncated
    assert code.untracked == ("new.py",)


def test_a_long_diff_is_cut_and_says_so_while_its_digest_covers_the_rest(repository: Path) -> None:
    digests = set()
    for last in ("a", "b"):
        (repository / "src" / "train.py").write_text("word word\n" * 40_000 + last)
        code = capture(repository)
        assert len(code.diff.encode()) <= MAX_DIFF_BYTES
        assert code.diff_truncated
        digests.add(code.diff_digest)
    assert len(digests) == 2


def test_staged_changes_are_in_the_diff_and_untracked_files_do_not_make_it_dirty(repository: Path) -> None:
    (repository / "other.py").write_text("x = 1\n")
    assert not capture(repository).dirty
    git(repository, "add", "other.py")
    assert "+x = 1" in capture(repository).diff


def test_the_remote_is_kept_without_credentials(repository: Path) -> None:
    git(repository, "remote", "add", "origin", f"https://ana:{WORD}@git.example/team/a.git")
    code, redactions = capture_code((repository,), None, os.environ)
    assert (code.repository, redactions) == ("https://git.example/team/a.git", 1)


def test_a_repository_without_a_commit_has_a_branch_and_no_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "trunk")
    code = capture(tmp_path)
    assert (code.commit, code.branch, code.dirty) == ("", "trunk", False)


def test_a_detached_head_has_no_branch(repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    code = capture(repository)
    assert code.branch == ""
    assert code.commit


def test_outside_a_repository_and_without_git_nothing_is_said(tmp_path: Path, repository: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    assert capture(tmp_path / "elsewhere") == SourceCode()
    assert capture_code((repository,), None, {"PATH": str(tmp_path)})[0] == SourceCode()


def test_the_first_folder_in_a_repository_counts(tmp_path: Path, repository: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    code, _ = capture_code((tmp_path / "elsewhere", repository), None, os.environ)
    assert code.branch == "trunk"


def test_capturing_runs_no_program_that_the_repository_names(tmp_path: Path, repository: Path) -> None:
    marker = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {marker}\n")
    program.chmod(0o755)
    for setting in ("core.fsmonitor", "diff.external", "core.pager"):
        git(repository, "config", setting, str(program))
    (repository / "src" / "train.py").write_text("lr = 0.3\n")
    assert "+lr = 0.3" in capture(repository).diff
    assert not marker.exists()


def test_capturing_changes_nothing_in_the_repository(repository: Path) -> None:
    os.utime(repository / "src" / "train.py", (1_700_000_000, 1_700_000_000))  # another second, the same content
    index = (repository / ".git" / "index").read_bytes()
    capture(repository)
    assert (repository / ".git" / "index").read_bytes() == index
