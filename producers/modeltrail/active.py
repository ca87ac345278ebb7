"""Which run is meant: the recorder of this process, its open runs, and the one that is active where a call is made.

Active is, in this order: the innermost open run of this thread or asyncio task, else the process's only open root
run, so that worker threads log to the run that their main thread started.
"""

import atexit
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from inspect import iscoroutinefunction, signature
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from modeltrail_schemas.event import RunState
from modeltrail_schemas.identity import canonical_run_id
from modeltrail_schemas.names import NO_JOB, JobName, parse_name

from modeltrail.config import Config, load, working_folder
from modeltrail.ending import Ending, Termination, ending_of
from modeltrail.guard import complain, misuse, never_raises, nothing, warn_once
from modeltrail.handles import DatasetHandle, ModelHandle
from modeltrail.launch import RUN_ID_VARIABLE
from modeltrail.notes import PRESENCE
from modeltrail.recorder import Recorder, Silence, Surroundings
from modeltrail.run import Run
from modeltrail.starting import announce, capture_around, place_run

FLUSH_TIMEOUT_MS = 30_000
LAST_FLUSH_TIMEOUT_MS = 5_000

P = ParamSpec("P")
R = TypeVar("R")
_NO_ACTIVE_RUN = "there is no active run, so nothing was recorded"
_START_ONE = "call modeltrail.start_run(job=…) first"
_NO_VALUES: Mapping[str, Any] = {}


class Process:
    """The recorder and the open runs of this process. ``current`` makes the recorder when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._recorder: Recorder | None = None
        self._open_runs: dict[str, Run] = {}
        self._innermost: ContextVar[Run | None] = ContextVar("modeltrail_run", default=None)
        self._termination = Termination(self._abort_all)

    def recorder(self) -> Recorder:
        """Return the recorder, made from the configuration at the first call; silent where that is impossible."""
        with self._lock:
            if self._recorder is None:
                self._recorder = _open_recorder()
                atexit.register(self._end_all)
            return self._recorder

    @contextmanager
    def recording_to(self, recorder: Recorder) -> Iterator[Recorder]:
        """Record to ``recorder`` instead, within the block: for tests, and for two homes in one process."""
        with self._lock:
            before, self._recorder = self._recorder, recorder
        try:
            yield recorder
        finally:
            with self._lock:
                self._recorder = before

    def active_run(self) -> Run | None:
        """Return the run that a call made here means, None where there is none."""
        run = self._innermost.get()
        while run is not None and not run.is_open:
            run = run.outer
        if run is not None:
            return run
        roots = [run for run in list(self._open_runs.values()) if run.outer is None and run.is_open]
        return roots[0] if len(roots) == 1 else None

    def open_run(self, run_id: str) -> Run | None:
        """Return the open run of this id; None where this process has none."""
        return self._open_runs.get(run_id)

    def enter(self, run: Run, outer: Run | None) -> None:
        """Make ``run`` the active one here."""
        run.outer = outer
        run.on_end = lambda: self._leave(run)
        self._open_runs[run.id] = run
        self._innermost.set(run)
        self._termination.watch()

    def _leave(self, run: Run) -> None:
        self._open_runs.pop(run.id, None)
        if not self._open_runs:
            self._termination.release()
        if self._innermost.get() is run:
            self._innermost.set(run.outer)

    def _end_all(self) -> None:
        """End what was left open when the program ends: failed by the exception that ended it, else complete."""
        is_interactive = hasattr(sys, "ps1")  # there, the last exception may be one long dealt with
        error = None if is_interactive else getattr(sys, "last_value", None)
        ending = ending_of(error)
        if error is None:
            ending = Ending(ending.state, {"inferred": True})
        self._end_open_runs(ending)

    def _abort_all(self) -> None:
        self._end_open_runs(
            Ending(RunState.ABORT, {"error": {"type": "SIGTERM", "message": "terminated"}}, abrupt=True)
        )
        self.recorder().notes.flush(LAST_FLUSH_TIMEOUT_MS, patient=False)

    def _end_open_runs(self, ending: Ending) -> None:
        for run in reversed(list(self._open_runs.values())):
            run.finish(ending)


# The one process that this module is loaded in.
PROCESS = Process()


def _open_recorder() -> Recorder:
    surroundings = Surroundings.of_this_process()
    try:
        config = load(os.environ, working_folder(os.environ))
        from modeltrail.emitter import emitter_for

        return Recorder(config, emitter_for(config), surroundings)
    except Exception as error:  # noqa: BLE001 - training goes on without a record
        warn_once(f"nothing is recorded: {error}. {getattr(error, 'remedy', '')}".strip())
        return _silent_recorder(surroundings)


def _silent_recorder(surroundings: Surroundings) -> Recorder:
    home = surroundings.folder
    return Recorder(Config(home=home, log="", database="", audit=home), Silence(), surroundings)


def _inert_run(*_: Any, **__: Any) -> Run:
    """Return a run that records nothing: what a caller holds when a run could not be started."""
    return Run(_silent_recorder(PROCESS.recorder().surroundings), "", NO_JOB, owned=False)


@never_raises(_inert_run)
def start_run(
    job: str,
    *,
    name: str = "",
    parameters: Mapping[str, Any] = _NO_VALUES,
    tags: Mapping[str, Any] = _NO_VALUES,
    parent: Run | str | None = None,
    run_id: str = "",
    capture: bool = True,
) -> Run:
    """Start a run of ``job`` (``NAMESPACE/NAME``), or join it where this process is not its first rank.

    ``with start_run(…) as run`` ends it: COMPLETE on leaving, FAIL on an exception, ABORT on an interrupt. Without
    ``with``, ``end_run()`` does. Within another run it is nested: ``parent`` is that run unless given. ``name`` is a
    label for people, kept as the tag ``name``. ``capture=False`` leaves out code and environment.
    """
    recorder = PROCESS.recorder()
    job_ref = parse_name(job, kind="job")
    job_name = JobName(job_ref.namespace, job_ref.name)
    outer = PROCESS.active_run()
    parent_run = parent if isinstance(parent, Run) else outer if parent is None else None
    parent_id = parent_run.id if parent_run is not None else str(parent or "")
    new_id, owned = place_run(recorder, job_name, run_id=run_id, parent=parent_run)
    run = Run(recorder, new_id, job_name, owned=owned, parent_run_id=parent_id)
    PROCESS.enter(run, outer)
    announce(run, recorder)
    if parameters:
        run.log_params(parameters)
    if tags or name:
        run.set_tags({**tags, "name": name} if name else tags)
    if capture and not recorder.is_silent:
        capture_around(run, recorder, parent_run)
    return run


@never_raises(_inert_run)
def attach_run(run_id: str = "", *, job: str = "", capture: bool = True) -> Run:
    """Join a run that another process started, by its id or MODELTRAIL_RUN_ID. It is never ended from here.

    ``job`` names the run's job in what this process adds; the run knows it without.
    """
    recorder = PROCESS.recorder()
    joined = run_id or recorder.surroundings.environ.get(RUN_ID_VARIABLE, "")
    if not joined:
        misuse("there is no run to join", f"give its id, or set {RUN_ID_VARIABLE}")
    job_ref = parse_name(job, kind="job") if job else None
    job_name = JobName(job_ref.namespace, job_ref.name) if job_ref is not None else NO_JOB
    run = Run(recorder, canonical_run_id(joined), job_name, owned=False)
    PROCESS.enter(run, PROCESS.active_run())
    run.emit({PRESENCE: True})
    if capture and not recorder.is_silent:
        capture_around(run, recorder, None)
    return run


@never_raises(_inert_run)
def join_run(run_id: str, job: JobName) -> Run:
    """Return the run that was handed to this process by another: the same again where it is open here already.

    How this process ends is its parent's to tell: a worker ends by ``os._exit``, or is killed when it is done.
    """
    run = PROCESS.open_run(run_id)
    if run is None:
        run = Run(PROCESS.recorder(), run_id, job, owned=False)
        PROCESS.enter(run, None)
    return run


def tracked(job: str, **options: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that makes each call of a function, async or not, a run; options as for ``start_run``."""
    signature(start_run).bind(job, **options)  # a wrong option is the programmer's, and raises where it stands

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if iscoroutinefunction(function):

            @wraps(function)
            async def call_async(*args: P.args, **kwargs: P.kwargs) -> Any:
                with start_run(job, **options):
                    return await function(*args, **kwargs)

            return cast("Callable[P, R]", call_async)

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            with start_run(job, **options):
                return function(*args, **kwargs)

        return call

    return decorate


def active_run() -> Run | None:
    """Return the run that a module-level call made here would log to, None where there is none."""
    return PROCESS.active_run()


@never_raises(lambda *_, **__: False)
def flush(timeout_ms: int = FLUSH_TIMEOUT_MS) -> bool:
    """Wait, at most ``timeout_ms``, until all that was recorded is in the log; return whether it is.

    The one call that waits for the log, for those who must know before they go on.
    """
    return PROCESS.recorder().notes.flush(timeout_ms)


def _twin(method: Callable[Concatenate[Run, P], R], fallback: Callable[[], R]) -> Callable[P, R]:
    """Return the module-level form of a run's method: it calls the method of the active run."""

    @wraps(method)
    def on_active_run(*args: P.args, **kwargs: P.kwargs) -> R:
        run = PROCESS.active_run()
        if run is None:
            complain(f"{method.__name__}: {_NO_ACTIVE_RUN}", _START_ONE)
            return fallback()
        return method(run, *args, **kwargs)

    whole = signature(method)
    parameters = list(whole.parameters.values())[1:]
    on_active_run.__signature__ = whole.replace(parameters=parameters)  # type: ignore[attr-defined]
    return on_active_run


log_param = _twin(Run.log_param, nothing)
log_params = _twin(Run.log_params, nothing)
log_metric = _twin(Run.log_metric, nothing)
log_metrics = _twin(Run.log_metrics, nothing)
log_seed = _twin(Run.log_seed, nothing)
set_tags = _twin(Run.set_tags, nothing)
use_dataset = _twin(Run.use_dataset, DatasetHandle)
log_dataset = _twin(Run.log_dataset, DatasetHandle)
use_model = _twin(Run.use_model, ModelHandle)
log_model = _twin(Run.log_model, ModelHandle)
end_run = _twin(Run.end, nothing)
