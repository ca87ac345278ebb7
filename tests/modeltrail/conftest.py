"""A home, a spool and an embedded log of a test's own, what the log holds, and scripts in processes of their own."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import pytest
from modeltrail.active import PROCESS
from modeltrail.config import Config, load
from modeltrail.emitter import Emitter
from modeltrail.guard import warn_once
from modeltrail.launch import Launch
from modeltrail.log import open_log, read
from modeltrail.recorder import Recorder, Surroundings
from modeltrail.sending.flushing import flush_spools
from modeltrail_schemas.codec import decode
from modeltrail_schemas.event import LineageEvent

SCRIPT_TIMEOUT_S = 120
FLUSH_MS = 120_000
_LAUNCH_VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_", "TORCHELASTIC_", "SLURM_", "OMPI_", "PMI", "MODELTRAIL_", "GIT_")


@dataclass(frozen=True)
class Workshop:
    """A folder with a home in it. ``train`` runs a script there; ``events`` is what its log then holds."""

    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / ".modeltrail"

    def start(self, script: str, *arguments: str, **environ: str) -> "subprocess.Popen[str]":
        path = self.folder / "train.py"
        text = textwrap.dedent(script)
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_LAUNCH_VARIABLES)}
        return subprocess.Popen(
            [sys.executable, "-X", "faulthandler", str(path), *arguments],
            cwd=self.folder,
            env={**inherited, "MODELTRAIL_HOME": str(self.home), **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, process: "subprocess.Popen[str]") -> "subprocess.CompletedProcess[str]":
        try:
            out, err = process.communicate(timeout=SCRIPT_TIMEOUT_S)
        finally:
            process.kill()
            process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def train(self, script: str, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        return self.finish(self.start(script, *arguments, **environ))

    def events(self) -> list[LineageEvent]:
        """Return every event of the log, in log order, once what dead processes left is sent."""
        config = load({"MODELTRAIL_HOME": str(self.home)}, self.folder)
        assert flush_spools(config, timeout_ms=FLUSH_MS).is_complete
        with open_log(config.log) as log:
            return [decode(record.value) for record in read(log, log.start(), log.end())]

    def states(self) -> list[str]:
        """Return the types of the events about runs, without RUNNING."""
        return [event.type for event in self.events() if event.kind == "run" and event.type != "RUNNING"]


def _complaints(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """Return what a script wrote to stderr, but for the word that a busy machine left the last notes in the spool."""
    return [line for line in done.stderr.splitlines() if not line.startswith("what was recorded last")]


@dataclass(frozen=True)
class Bench(Workshop):
    """A workshop whose recorder is that of this test's process."""

    recorder: Recorder | None = None

    def events(self) -> list[LineageEvent]:
        assert self.recorder is not None
        assert self.recorder.notes.flush(FLUSH_MS)
        return super().events()

    def together(self) -> dict[str, LineageEvent]:
        """Return, for each run, its events in one: collections joined, a single value from wherever it stands."""
        runs: dict[str, LineageEvent] = {}
        for event in self.events():
            if event.run_id:
                runs[event.run_id] = joined(runs.get(event.run_id), event)
        return runs


def joined(one: LineageEvent | None, other: LineageEvent) -> LineageEvent:
    """Return two events of one run as one; of single values the first that is set stands, of types the last."""
    if one is None:
        return other
    values = {}
    for name in (f.name for f in fields(LineageEvent)):
        left, right = getattr(one, name), getattr(other, name)
        if name in ("type", "event_id", "event_time_ns", "emitter"):
            values[name] = right
        elif isinstance(left, tuple):
            values[name] = left + tuple(item for item in right if item not in left)
        elif isinstance(left, dict):
            values[name] = {**left, **right}
        elif name == "redactions":
            values[name] = left + right
        else:
            values[name] = left or right
    return LineageEvent(**values)


@pytest.fixture
def complaints() -> "Callable[[subprocess.CompletedProcess[str]], list[str]]":
    return _complaints


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr("modeltrail.run.IDENTITY_WAIT_S", 60.0)  # else a busy machine tells a digest later
    # A thread, because a process each would take most of these tests' time.
    config = load({"MODELTRAIL_HOME": str(tmp_path / ".modeltrail"), "MODELTRAIL_SENDER": "thread"}, tmp_path)
    surroundings = Surroundings(
        environ={"PATH": os.environ["PATH"]}, arguments=("train.py",), folder=tmp_path, script=None, launch=Launch()
    )
    emitter = Emitter(config)
    recorder = Recorder(config, emitter, surroundings)
    warn_once.cache_clear()
    try:
        with PROCESS.recording_to(recorder):
            yield Bench(tmp_path, recorder=recorder)
            while (run := PROCESS.active_run()) is not None:
                run.end("ABORT")
    finally:
        emitter.close(5_000)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    home = tmp_path / "home"
    return Config(home=home, log=str(home / "log.db"), database="", audit=home / "audit")


@pytest.fixture
def logged() -> Callable[[Config], list[LineageEvent]]:
    """Every event in the log, a resent one counted once, after a check that it was resent with the same bytes."""

    def events(config: Config) -> list[LineageEvent]:
        found: dict[bytes, bytes] = {}
        with open_log(config.log) as log:
            for record in read(log, log.start(), log.end()):
                event_id = decode(record.value).event_id
                assert found.setdefault(event_id, record.value) == record.value
        return [decode(value) for value in found.values()]

    return events


@pytest.fixture
def metric_note() -> Callable[..., dict[str, object]]:
    def note(step: int, run_id: str = "r1", **more: object) -> dict[str, object]:
        metric = {"name": "auc", "value": step / 7, "step": step}
        return {"kind": "run", "type": "RUNNING", "run_id": run_id, "metrics": [metric]} | more

    return note
