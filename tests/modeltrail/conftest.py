"""A folder to train in, with a real spool and a real embedded log; whole scripts in processes of their own."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import pytest
from modeltrail.active import PROCESS
from modeltrail.config import load
from modeltrail.emitter import Emitter
from modeltrail.guard import warn_once
from modeltrail.launch import Launch
from modeltrail.log.opening import open_log
from modeltrail.recorder import Recorder, Surroundings
from modeltrail_schemas.codec import decode
from modeltrail_schemas.event import LineageEvent

SCRIPT_TIMEOUT_S = 60
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
            process.wait()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def train(self, script: str, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        return self.finish(self.start(script, *arguments, **environ))

    def events(self) -> list[LineageEvent]:
        """Return every event of the log, in log order."""
        found: list[LineageEvent] = []
        with open_log(load({"MODELTRAIL_HOME": str(self.home)}, self.folder).log) as log:
            reader, end = log.reader(), log.end()
            reader.poll(max_records=1, wait_ms=0)
            for partition in range(log.partitions()):
                reader.seek(partition, 0)
            while len(found) < sum(end.offsets):
                batch = [
                    record for records in reader.poll(max_records=1000, wait_ms=0).values() for record in records
                ]
                if not batch:
                    break
                found += [decode(record.value) for record in batch]
            reader.close()
        return found

    def states(self) -> list[str]:
        """Return the types of the events about runs, without RUNNING."""
        return [event.type for event in self.events() if event.kind == "run" and event.type != "RUNNING"]


@dataclass(frozen=True)
class Bench(Workshop):
    """A workshop whose recorder is that of this test's process."""

    recorder: Recorder | None = None

    def events(self) -> list[LineageEvent]:
        assert self.recorder is not None
        assert self.recorder.notes.flush(30_000)
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
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    config = load({"MODELTRAIL_HOME": str(tmp_path / ".modeltrail")}, tmp_path)
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
