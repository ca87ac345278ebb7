"""The demo tells its story to the end: on the embedded default, and on Kafka and PostgreSQL by two variables."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 900


def _tell(folder: Path, variables: Mapping[str, str]) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MODELTRAIL_")}
    with subprocess.Popen(
        [sys.executable, "examples/demo.py", str(folder)],
        cwd=ROOT,
        env=environment | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as demo:
        try:
            story, _ = demo.communicate(timeout=TIMEOUT_S)
        except BaseException:
            os.killpg(demo.pid, signal.SIGKILL)  # it is not reaped yet, so the group is its own: its projector too
            raise
    assert demo.returncode == 0, story
    return story


def _assert_told(story: str) -> None:
    replayed, served = re.findall(r"sha256:[0-9a-f]{64}\n  at ", story)
    assert replayed == served
    assert "MISSING data clinic/cleaned: version not recorded" in story
    assert "clinic/cleaned@v1 RETRACTED" in story
    assert re.search(r"CHANGED 0/segments/\d+", story)
    assert story.count("verified") == 2


@pytest.mark.slow
def test_the_demo_needs_nothing_but_a_folder(tmp_path: Path) -> None:
    _assert_told(_tell(tmp_path / "demo", {}))


@pytest.mark.service
def test_two_variables_take_the_demo_to_kafka_and_postgresql(
    tmp_path: Path, kafka_bootstrap: str, new_topic: Callable[[], str], new_database: Callable[[], str]
) -> None:
    variables = {
        "MODELTRAIL_LOG": f"kafka://{kafka_bootstrap}/{new_topic()}",
        "MODELTRAIL_DATABASE": new_database(),
    }
    _assert_told(_tell(tmp_path / "demo", variables))
