"""Every command and example in the README and in docs/ works as written."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from documents import Step, matches, steps

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
STEP_TIMEOUT_S = 300
SENT_TIMEOUT_S = 60


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_example_runs_as_written(document: Path, tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MODELTRAIL_")}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "GIT_CEILING_DIRECTORIES": str(tmp_path.parent),
        "COLUMNS": "80",
        "PROJECT": str(ROOT),
    }
    for step in steps(document):
        done = subprocess.run(
            ["bash", "-c", _remembering(step, tmp_path)],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=STEP_TIMEOUT_S,
            check=False,
        )
        place = f"{document.name}:{step.line}: {step.command}"
        assert done.returncode == step.code, f"{place}\nended with {done.returncode}:\n{done.stdout}"
        if step.output:
            assert matches(step.output, done.stdout), f"{place}\nprinted\n{done.stdout}\ninstead of\n{step.output}"
        _wait_until_sent(tmp_path)


def _wait_until_sent(folder: Path) -> None:
    """Wait for what a busy machine left to the senders when the step's process ended; readers ask at once."""
    deadline = time.monotonic() + SENT_TIMEOUT_S
    while any(folder.glob("**/.modeltrail/spool/*/owner")):
        assert time.monotonic() < deadline, "what was recorded does not reach the log"
        time.sleep(0.02)


def _remembering(step: Step, folder: Path) -> str:
    """Return the command so that what it exports, and where it goes, is there for the next."""
    kept = folder.parent / f"{folder.name}.environment"
    remember = f'export -p > {kept}; echo cd "$PWD" >> {kept}'
    return f"test -f {kept} && . {kept}\n{step.command}\ncode=$?\n{remember}\nexit $code"


def test_an_ellipsis_stands_for_anything_and_nothing_else_does() -> None:
    assert matches("a … c\n…", "a b c\nmore\nlines")
    assert matches("sha256:…", "sha256:3f9c  ")
    assert not matches("a b", "a  b")
    assert not matches("a", "a\nb")
