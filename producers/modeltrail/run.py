"""A run: what a training job holds, and every call on it. No call raises into training or waits on a network.

Calls append a note and return. Those that look at data wait for its hash at most IDENTITY_WAIT_S; a hash that takes
longer is recorded when it is there, and the end of the run waits for it at most FINISH_WAIT_S.
"""

import os
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from modeltrail_schemas.counting import counted
from modeltrail_schemas.event import RunState
from modeltrail_schemas.names import EntityRef, JobName

from modeltrail.background import Task
from modeltrail.datasets.identity import Identity
from modeltrail.datasets.source import Source, identify_in_memory, identify_stored, source_of, whereabouts
from modeltrail.ending import Ending, ending_of
from modeltrail.guard import complain, misuse, never_raises, nothing, warn_once
from modeltrail.handles import DatasetHandle, Handle, ModelHandle, ref_of
from modeltrail.notes import PRESENCE
from modeltrail.parameters import encode_parameter, encode_parameters, metric_value, seeds_among
from modeltrail.recorder import Recorder, time_left_s
from modeltrail.redaction import redact_value
from modeltrail.versions import Mention, identified, mention_note, name_version

IDENTITY_WAIT_S = 2.0
FINISH_WAIT_S = 30.0

Pathlike = str | os.PathLike[str]
Data = bytes | bytearray | memoryview


class Run:
    """A run of a job, in this process. As a context manager it ends when the block does.

    ``owned``: this process starts and ends it; otherwise it only adds to it (``attach_run``, ranks above 0).
    """

    def __init__(
        self, recorder: Recorder, run_id: str, job: JobName, *, owned: bool, parent_run_id: str = ""
    ) -> None:
        self.id = run_id
        self.job = job
        self.parent_run_id = parent_run_id
        self.owned = owned
        self.captured: Task[dict[str, Any]] | None = None
        self.outer: Run | None = None
        self.on_end: Callable[[], None] = nothing
        self._recorder = recorder
        self._process_id = os.getpid()
        self._ended = False
        self._tasks: list[Task[Any]] = []
        self._base = {"kind": "run", "type": RunState.RUNNING.value, "run_id": run_id}
        if job.name:
            self._base["job"] = job.format()

    def __repr__(self) -> str:
        return f"<modeltrail run {self.id} of {self.job.format() or 'an unnamed job'}{', ended' * self._ended}>"

    def __reduce__(self) -> tuple[Callable[[str, JobName], "Run"], tuple[str, JobName]]:
        """Return how a process that is handed the run, as multiprocessing does, comes to it: by joining it."""
        from modeltrail.active import join_run

        return join_run, (self.id, self.job)

    @property
    def is_open(self) -> bool:
        """Return whether the run can still be logged to by this process."""
        return not self._ended

    def __enter__(self) -> "Run":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._ended:
            self.finish(ending_of(error))

    # Parameters, metrics, tags, seeds

    @never_raises(nothing)
    def log_param(self, name: str, value: Any) -> None:
        """Record one parameter: numbers exactly, secrets not at all, any other object as its ``repr``, marked."""
        self.log_params({name: value})

    @never_raises(nothing)
    def log_params(self, parameters: Mapping[str, Any]) -> None:
        """Record parameters. One named ``seed`` or ``random_state`` is recorded as a seed too."""
        self._expect_open()
        encoded, redactions = encode_parameters(parameters)
        self.emit({"parameters": encoded, "seeds": seeds_among(encoded), "redactions": redactions})

    @never_raises(nothing)
    def log_metric(
        self, name: str, value: Any, *, step: int = 0, dataset: Handle | EntityRef | str | None = None
    ) -> None:
        """Record one value of one metric. NaN and infinities are kept; what is no number is warned about once."""
        self._log_metrics({name: value}, step, dataset)

    @never_raises(nothing)
    def log_metrics(
        self, metrics: Mapping[str, Any], *, step: int = 0, dataset: Handle | EntityRef | str | None = None
    ) -> None:
        """Record values of metrics at ``step``; ``dataset`` is the version they were measured on."""
        self._log_metrics(metrics, step, dataset)

    @never_raises(nothing)
    def log_seed(self, name: str, value: Any) -> None:
        """Record a seed that the training code has set, such as ``log_seed("numpy", 42)``."""
        self._expect_open()
        text, _ = encode_parameter(name, value)
        self.emit({"seeds": {str(name): text}})

    @never_raises(nothing)
    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Record tags: short words to find the run by. The last value of a tag stands."""
        self._expect_open()
        clean, redactions = clean_tags(tags)
        self.emit({"tags": clean, "redactions": redactions})

    # Data and models

    @never_raises(lambda *_, **__: DatasetHandle())
    def use_dataset(
        self,
        name: str | None = None,
        *,
        path: Pathlike | None = None,
        df: Any = None,
        data: Data | None = None,
        uri: str = "",
        version: str = "",
        namespace: str = "",
        role: str = "",
        format: str = "",  # noqa: A002 - the field's word, as in pyarrow.dataset and Spark
        query: str = "",
    ) -> DatasetHandle:
        """Record that the run reads a dataset: a file or folder, a frame or array, bytes, or a URI with its version.

        ``role`` is what it is used for (train, test); ``query`` the SQL text it was read with. Without a name it is
        called as its file is.
        """
        self._expect_open()
        source = source_of(path, uri, df, data)
        named = name_version(
            "dataset", name, default_name=source.default_name, namespace=namespace, version=version, role=role
        )
        return DatasetHandle(*self._mention("inputs", named, source, format=format, query=query))

    @never_raises(lambda *_, **__: DatasetHandle())
    def log_dataset(
        self,
        name: str | None = None,
        *,
        path: Pathlike | None = None,
        df: Any = None,
        data: Data | None = None,
        uri: str = "",
        version: str = "",
        namespace: str = "",
        role: str = "",
        format: str = "",  # noqa: A002 - as above
    ) -> DatasetHandle:
        """Record that the run made a dataset; call it when the data is written."""
        self._expect_open()
        source = source_of(path, uri, df, data)
        named = name_version(
            "dataset", name, default_name=source.default_name, namespace=namespace, version=version, role=role
        )
        return DatasetHandle(*self._mention("outputs", named, source, format=format))

    @never_raises(lambda *_, **__: ModelHandle())
    def use_model(
        self,
        name: str | None = None,
        *,
        path: Pathlike | None = None,
        data: Data | None = None,
        uri: str = "",
        version: str = "",
        namespace: str = "",
        role: str = "",
    ) -> ModelHandle:
        """Record that the run uses a model: ``NAME@VERSION`` or ``NAME@ALIAS``, or its file."""
        self._expect_open()
        source = source_of(path, uri, None, data)
        named = name_version(
            "model", name, default_name=source.default_name, namespace=namespace, version=version, role=role
        )
        return ModelHandle(*self._mention("inputs", named, source))

    @never_raises(lambda *_, **__: ModelHandle())
    def log_model(
        self,
        name: str,
        *,
        path: Pathlike | None = None,
        data: Data | None = None,
        uri: str = "",
        version: str = "",
        namespace: str = "",
        framework: str = "",
        base: Handle | EntityRef | str | None = None,
    ) -> ModelHandle:
        """Record that the run made a model version; call it when its file is written.

        Without a version it is known by its content, and without content by this run. ``base`` is the model it was
        made from.
        """
        self._expect_open()
        source = source_of(path, uri, None, data)
        if source == Source() and not version and "@" not in name:
            version = f"run-{self.id}"
        named = name_version("model", name, default_name="", namespace=namespace, version=version, role="")
        made_from = ref_of(base, "model").format() if base is not None else ""
        return ModelHandle(*self._mention("outputs", named, source, framework=framework, base=made_from))

    # The end

    @never_raises(nothing)
    def end(self, state: str = "COMPLETE") -> None:
        """End the run as COMPLETE, FAIL or ABORT. Whoever joined it only stops adding to it."""
        self._expect_open()
        if state not in ("COMPLETE", "FAIL", "ABORT"):
            misuse(f"a run ends as COMPLETE, FAIL or ABORT, not as {state!r}")
        self.finish(Ending(RunState(state)))

    @never_raises(nothing)
    def finish(self, ending: Ending) -> None:
        """End the run as ``ending`` says. In a forked child it is the parent's, and stays open there."""
        if self._ended or self._process_id != os.getpid():
            self._ended = True
            return
        deadline_s = time.monotonic() + (ending.wait_s if ending.wait_s is not None else FINISH_WAIT_S)
        late = [task for task in self._tasks if not task.wait(time_left_s(deadline_s))]
        self._ended = True
        if self.captured is not None and self.captured.error is not None:
            warn_once(f"code and environment could not be recorded: {self.captured.error}")
        if late and not ending.abrupt:
            waited_for = counted(len(late), "digest or capture was", "digests or captures were")
            warn_once(f"run {self.id} ended before {waited_for} ready; what lacks follows if this process lives on")
        if self.owned:
            self._recorder.emit({**self._base, **ending.fields, "type": ending.state.value})
        else:
            error: dict[str, Any] = {
                name: ending.fields[name] for name in ("error", "redactions") if name in ending.fields
            }
            self._recorder.emit({**self._base, **error, PRESENCE: False})
        self.on_end()

    def emit(self, note: Mapping[str, Any], *, durable: bool = False) -> bool:
        """Add a note to this run, what is empty in it left out; return whether it was kept."""
        told = {name: value for name, value in note.items() if value}
        return self._recorder.emit({**self._base, **told}, durable=durable)

    def follow(self, task: Task[Any]) -> None:
        """Let the end of the run wait for ``task``."""
        self._tasks.append(task)

    def _log_metrics(self, metrics: Mapping[str, Any], step: int, dataset: Handle | EntityRef | str | None) -> None:
        if self._ended:
            self._expect_open()
        measured_on = ref_of(dataset, "dataset").format() if dataset is not None else ""
        common: dict[str, Any] = {"step": int(step), "time_ns": time.time_ns()}
        if measured_on:
            common["dataset"] = measured_on
        values: list[dict[str, Any]] = []
        for name, given in metrics.items():
            value = given if type(given) is float else metric_value(given)
            if value is None:
                complain(f"metric {name!r} is not a number but a {type(given).__name__}: not recorded")
            else:
                values.append({"name": str(name), "value": value, **common})
        if values:
            self._recorder.emit({**self._base, "metrics": values})

    def _expect_open(self) -> None:
        if self._ended:
            misuse(f"run {self.id} has ended, so nothing was recorded", "call it before the run ends")

    def _mention(
        self, relation: str, named: EntityRef, source: Source, **details: str
    ) -> tuple[EntityRef, Task[EntityRef] | None]:
        """Record the version that ``source`` is; return its reference, and the task that completes a slow one."""
        mention = Mention(relation, named, tuple(details.items()))
        in_memory = identify_in_memory(source)
        work = identify_stored(source, self._recorder.digests)
        if work is None:
            return self._mentioned(mention, whereabouts(source).completed_by(in_memory)), None

        def identify() -> EntityRef:
            try:
                identity = work()
            except OSError as error:
                warn_once(f"{source.path or source.uri} could not be read, so its content is not recorded: {error}")
                identity = whereabouts(source)
            return self._mentioned(mention, identity.completed_by(in_memory))

        task = self._recorder.hashing.submit(identify)
        if not task.wait(IDENTITY_WAIT_S):
            self.follow(task)
            return self._mentioned(mention, whereabouts(source)), task
        if task.error is not None:
            raise task.error
        return task.value or named, None

    def _mentioned(self, mention: Mention, identity: Identity) -> EntityRef:
        self.emit(mention_note(mention, identity))
        return identified(mention.named, identity)


def clean_tags(tags: Mapping[str, Any]) -> tuple[dict[str, str], int]:
    """Return tags as text without secrets, and how many were redacted."""
    pairs = {str(name): redact_value(str(name), str(value)) for name, value in tags.items()}
    return {name: text for name, (text, _) in pairs.items()}, sum(found for _, found in pairs.values())
