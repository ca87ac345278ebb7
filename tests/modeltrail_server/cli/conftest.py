"""The command line as a user meets it: in this process, or as a program of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from modeltrail.log.embedded import EmbeddedLog
from modeltrail_server.cli import main
from told_history import History, tell_fraud

WIDTH = 80
PROGRAM = (sys.executable, "-m", "modeltrail.command")
Ran = tuple[int, str, str]
Run = Callable[..., Ran]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty home that every command of the test works in."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("MODELTRAIL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MODELTRAIL_HOME", str(folder))
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    return folder


@pytest.fixture
def told(home: Path) -> Iterator[History]:
    """Return the seed case, in an embedded log that nothing was projected from yet."""
    with EmbeddedLog(home / "log.db") as log:
        yield tell_fraud(History(log, ""))


@pytest.fixture
def modeltrail(home: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return ``modeltrail(*arguments) -> (exit code, standard output, standard error)``."""

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    """Return ``start(*arguments, **popen) -> Popen``: the program itself, with pipes; killed when the test ends."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: object, **options: object) -> "subprocess.Popen[str]":
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        defaults = pipes | {"env": dict(os.environ), "text": True}
        process = subprocess.Popen([*PROGRAM, *map(str, arguments)], **(defaults | options))
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
