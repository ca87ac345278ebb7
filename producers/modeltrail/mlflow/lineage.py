"""What one process records of its MLflow runs: notes to its emitter, names it has heard, and what is around its runs.

Everything is kept for the sender and nothing is waited for, until the process exits: then the captures of code and
environment that still go on are waited for, at most EXIT_WAIT_S.
"""

import atexit
import getpass
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from modeltrail_schemas.names import EntityRef

from modeltrail.active import PROCESS
from modeltrail.background import Task
from modeltrail.capture.command import capture_command
from modeltrail.capture.seeds import capture_seeds
from modeltrail.datasets.files import identify_path
from modeltrail.guard import never_raises, nothing
from modeltrail.mlflow.naming import DEFAULT_MLFLOW_NAMESPACE, NAMESPACE_VARIABLE, Naming
from modeltrail.mlflow.runs import Note, running
from modeltrail.recorder import Recorder, time_left_s
from modeltrail.starting import capture

MAX_NAMES = 10_000
EXIT_WAIT_S = 5.0
_SERVER_VARIABLE = "_MLFLOW_SERVER_FILE_STORE"


class Lineage:
    """The recorder of a process as MLflow's stores see it. ``surroundings``: whether runs made here also run here."""

    def __init__(self, recorder: Recorder, naming: Naming, *, surroundings: bool) -> None:
        self.naming = naming
        self.surroundings = surroundings
        self._recorder = recorder
        self._experiments: OrderedDict[str, str] = OrderedDict()
        self._models: OrderedDict[str, EntityRef] = OrderedDict()
        self._locations: OrderedDict[str, str] = OrderedDict()
        self._captures: OrderedDict[str, Task[Note]] = OrderedDict()
        self._pending: list[Task[Any]] = []

    def emit(self, note: Note, *, durable: bool = False) -> bool:
        """Keep a note; return whether that went well.

        MLflow knows no ranks: what any process says of a run is said of the whole of it.
        """
        return self._recorder.notes.emit(note, durable=durable)

    def remember_experiment(self, experiment_id: str, name: str) -> None:
        """Keep what an experiment is called."""
        _remember(self._experiments, str(experiment_id), name)

    def experiment_name(self, experiment_id: str, ask: Callable[[str], Any]) -> str:
        """Return what an experiment is called, from ``ask`` (the store) where it was not heard of before."""
        if str(experiment_id) not in self._experiments:
            self.remember_experiment(experiment_id, ask(experiment_id).name)
        return self._experiments[str(experiment_id)]

    def remember_model(self, model_id: str, ref: EntityRef, location: str) -> None:
        """Keep what a logged model is called and where its files lie."""
        _remember(self._models, model_id, ref)
        _remember(self._locations, model_id, location)

    def model(self, model_id: str, ask: Callable[[str], tuple[EntityRef, str]]) -> EntityRef:
        """Return what a logged model is called, from ``ask`` where it was not heard of before."""
        if model_id not in self._models:
            self.remember_model(model_id, *ask(model_id))
        return self._models[model_id]

    def location(self, model_id: str) -> str:
        """Return where the files of a logged model lie; empty where it was not heard of."""
        return self._locations.get(model_id, "")

    def start(self, note: Note) -> None:
        """Keep the START of a run; if it runs here, with command and seeds, and soon with what is around it.

        A nested run stands on what its parent stands on.
        """
        if not self.surroundings:
            self.emit(note, durable=True)
            return
        around = self._recorder.surroundings
        command, redactions = capture_command(around.arguments)
        note = {name: value for name, value in note.items() if name != "code"}
        note |= {"command": command, "seeds": note.get("seeds", {}) | capture_seeds(around.environ)}
        self.emit(note | {"redactions": note.get("redactions", 0) + redactions}, durable=True)
        self._capture_around(note["run_id"], self._captures.get(note.get("parent_run_id", "")))

    def hash_model(self, run_id: str, ref: EntityRef, location: str) -> None:
        """Record in the background the digest of a model whose files lie on this machine."""
        folder = Path(location.removeprefix("file://"))
        if not run_id or not self.surroundings or not folder.is_absolute():
            return

        def identify() -> None:
            if not folder.exists():
                return
            identity = identify_path(folder, self._recorder.digests, now_ns=time.time_ns())
            named = EntityRef(ref.kind, ref.namespace, ref.name, ref.version, identity.digest)
            detail = {"entity": named.format(), "strength": identity.strength.value, "bytes": identity.bytes}
            self.emit(running(run_id, {"outputs": [named.format()], "models": [detail]}))

        self._follow(self._recorder.hashing.submit(identify))

    @never_raises(nothing)
    def wait(self, timeout_s: float) -> None:
        """Wait for captures and hashes that still go on."""
        deadline_s = time.monotonic() + timeout_s
        for task in list(self._pending):
            task.wait(time_left_s(deadline_s))

    def _capture_around(self, run_id: str, outer: Task[Note] | None) -> None:
        def capture_and_add() -> Note:
            found = outer.value if outer is not None and outer.value is not None else capture(self._recorder)
            if self.emit(running(run_id, found)):
                self._recorder.described_environments.mark_described(found["environment_digest"])
            return {name: value for name, value in found.items() if name not in ("environment", "redactions")}

        task = self._recorder.capturing.submit(capture_and_add)
        _remember(self._captures, run_id, task)
        self._follow(task)

    def _follow(self, task: Task[Any]) -> None:
        self._pending = [*(pending for pending in self._pending if not pending.done), task]


_LOCK = threading.Lock()
_OF_RECORDER: dict[int, Lineage] = {}


def process_lineage() -> Lineage:
    """Return what this process records with; one for all stores that it opens."""
    recorder = PROCESS.recorder()
    with _LOCK:
        if id(recorder) not in _OF_RECORDER:
            lineage = _lineage(recorder, os.environ)
            # Registered after the emitter's own, and so called before it.
            atexit.register(lineage.wait, EXIT_WAIT_S)
            _OF_RECORDER[id(recorder)] = lineage
        return _OF_RECORDER[id(recorder)]


def user() -> str:
    """Return the user of this process; empty where the system does not know one."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def _lineage(recorder: Recorder, environ: Mapping[str, str]) -> Lineage:
    """Return it by the environment: a tracking server keeps runs that others run."""
    namespace = environ.get(NAMESPACE_VARIABLE) or DEFAULT_MLFLOW_NAMESPACE
    return Lineage(recorder, Naming(namespace), surroundings=_SERVER_VARIABLE not in environ)


def _remember(names: "OrderedDict[str, Any]", name: str, value: Any) -> None:
    names[name] = value
    if len(names) > MAX_NAMES:
        names.popitem(last=False)
