"""An MLflow into the log: each run, model and version that the log was not told of yet; each failure is named."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from modeltrail.errors import RecordTooLargeError
from modeltrail.log.protocol import Log, Outgoing
from modeltrail.mlflow.models import is_prompt
from modeltrail.mlflow.naming import Naming
from modeltrail.mlflow.runs import DESCRIPTION_TAG, NS_PER_MS
from modeltrail_schemas.codec import encode
from modeltrail_schemas.errors import InvalidEventError
from modeltrail_schemas.event import LineageEvent
from modeltrail_schemas.identity import partition_key

from modeltrail_server.mlflow.errors import MlflowStoreError
from modeltrail_server.mlflow.events import (
    NOTHING_TOLD,
    Piece,
    ToldByModels,
    alias_pieces,
    alias_unit,
    job_piece,
    logged_model_piece,
    metric_events,
    metric_key,
    run_piece,
    version_pieces,
)
from modeltrail_server.mlflow.ledger import Ledger
from modeltrail_server.mlflow.source import MlflowSource

MAX_BATCH_RECORDS = 1_000
MAX_BATCH_BYTES = 4 * 1024 * 1024
MAX_FAILURES_IN_A_ROW = 5
"""So many things that the store does not give, one after another, and it is the store that fails."""


class Failure(NamedTuple):
    """What could not be imported, and why."""

    what: str
    reason: str


@dataclass
class MlflowImport:
    """What became of an import: what was new, how much the log had already, and what failed, in order."""

    experiments: int = 0
    runs: int = 0
    models: int = 0
    versions: int = 0
    unchanged: int = 0
    events: int = 0
    failures: list[Failure] = field(default_factory=list)


class MlflowImporter:
    """One import. Without a ``log`` it appends nothing and counts what it would."""

    def __init__(self, source: MlflowSource, log: Log | None, ledger: Ledger, naming: Naming) -> None:
        self._source = source
        self._log = log
        self._ledger = ledger
        self._naming = naming
        self._records: list[Outgoing] = []
        self._told: list[tuple[str, str]] = []
        self._size_bytes = 0
        self._failures_in_a_row = 0
        self.result = MlflowImport()

    def run(self) -> Iterator[MlflowImport]:
        """Import everything; yield the same growing result now and then, and at the end.

        Raises MlflowStoreError where the store does not answer and LogUnavailableError: what was appended before
        is not appended again by the next import. What only fails one run or model is named and gone past.
        """
        for experiment in self._source.experiments():
            self.result.experiments += 1
            yield from self._experiment(experiment)
        for model in self._source.registered_models():
            if not is_prompt(model):
                self._attempt(f"registered model {model.name}", partial(self._registered_model, model))
                yield self.result
        self._flush()
        yield self.result

    def _experiment(self, experiment: Any) -> Iterator[MlflowImport]:
        name, experiment_id = experiment.name, str(experiment.experiment_id)
        if text := dict(experiment.tags or {}).get(DESCRIPTION_TAG, ""):
            self._take(job_piece(self._naming, experiment, text))
        told: dict[str, ToldByModels] = {}
        for model in self._source.logged_models(experiment_id):
            self._attempt(f"logged model {model.model_id}", partial(self._logged_model, model, name, told))
        for run in self._source.runs(experiment_id):
            self._attempt(
                f"run {run.info.run_id}",
                partial(self._run, run, name, told.get(run.info.run_id, NOTHING_TOLD)),
            )
            yield self.result

    def _run(self, run: Any, experiment_name: str, told: ToldByModels) -> None:
        run_id = run.info.run_id
        used = getattr(getattr(run, "inputs", None), "model_inputs", None) or ()
        models = [self._source.model(self._naming, given.model_id) for given in used]
        piece = run_piece(self._naming, run, experiment_name, models, told)
        if self._ledger.value(piece.unit) == piece.value:
            self.result.unchanged += 1
            return
        series = (self._source.metric_history(run_id, name) for name in sorted(run.data.metrics))
        metrics = list(metric_events(self._naming, run_id, series, told))
        self._append(Piece(piece.unit, piece.value, (*piece.events, *metrics)))
        self.result.runs += 1

    def _logged_model(self, model: Any, experiment_name: str, told: dict[str, ToldByModels]) -> None:
        piece = logged_model_piece(self._naming, model, experiment_name)
        if piece is None:
            return
        self.result.models += self._take(piece)
        for metric in model.metrics or ():
            if metric.run_id and metric.dataset_name:
                about = told.setdefault(metric.run_id, ToldByModels())
                about.measured_on[metric_key(metric)] = (metric.dataset_name, metric.dataset_digest or "")
        if model.source_run_id:
            about = told.setdefault(model.source_run_id, ToldByModels())
            about.environment = about.environment or self._source.environment(model.artifact_location)

    def _registered_model(self, model: Any) -> None:
        created_ns: dict[str, int] = {}
        for version in self._source.model_versions(model.name):
            created_ns[str(version.version)] = (version.creation_timestamp or 0) * NS_PER_MS
            stage_unit = f"stage:{version.version}:{model.name}"
            known = {stage_unit: self._ledger.value(stage_unit) or "None"}
            first, *rest = version_pieces(self._naming, version, known)
            self.result.versions += self._take(first)
            for piece in rest:
                self._take(piece)
        known = self._ledger.beginning_with(alias_unit(model.name, ""))
        for piece in alias_pieces(self._naming, model, created_ns, known, time.time_ns()):
            self._take(piece)

    def _attempt(self, what: str, work: Callable[[], None]) -> None:
        """Do ``work``; where only this one thing is at fault, name it and go on."""
        try:
            work()
            self._failures_in_a_row = 0
        except MlflowStoreError as error:
            self._failures_in_a_row += 1
            if self._failures_in_a_row >= MAX_FAILURES_IN_A_ROW:
                self._flush()
                raise
            self.result.failures.append(Failure(what, str(error)))
        except (InvalidEventError, ValueError, TypeError, KeyError, AttributeError) as error:
            self.result.failures.append(Failure(what, str(error) or type(error).__name__))

    def _take(self, piece: Piece) -> bool:
        """Append a piece unless the log was told it in this state; return whether it was new."""
        if self._ledger.value(piece.unit) == piece.value:
            self.result.unchanged += 1
            return False
        self._append(piece)
        return True

    def _append(self, piece: Piece) -> None:
        records = [_record(event) for event in piece.events]
        self._records += records
        self._told.append((piece.unit, piece.value))
        self._size_bytes += sum(len(record.value) for record in records)
        self.result.events += len(records)
        if len(self._records) >= MAX_BATCH_RECORDS or self._size_bytes >= MAX_BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        """Append what waits, then note that it was: a crash between the two appends the same events again."""
        records, told = self._records, self._told
        self._records, self._told, self._size_bytes = [], [], 0
        if self._log is None or not told:
            return
        for start in range(0, len(records), MAX_BATCH_RECORDS):
            self._append_records(records[start : start + MAX_BATCH_RECORDS])
        self._ledger.record(told)

    def _append_records(self, records: list[Outgoing]) -> None:
        assert self._log is not None
        try:
            self._log.append(records)
        except RecordTooLargeError:
            for record in records:
                try:
                    self._log.append([record])
                except RecordTooLargeError as error:
                    about = (record.key or b"").decode("utf-8", "replace")
                    self.result.failures.append(Failure(f"an event of {about}", str(error)))


def _record(event: LineageEvent) -> Outgoing:
    return Outgoing(encode(event), partition_key(event))
