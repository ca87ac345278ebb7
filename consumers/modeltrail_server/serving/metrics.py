"""What Prometheus is told: counted as it happens, or taken from the watch's latest observation."""

import time
from collections.abc import Iterator

from modeltrail_schemas.errors import ModeltrailError
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from modeltrail_server.projection.projector import BatchStats, LoggingObserver
from modeltrail_server.serving.watching import Watch

BATCH_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)
PARTITION = ("partition",)
PARTS = ("log", "database", "audit", "spool")


class Metrics(LoggingObserver):
    """Counts what a projector and an HTTP server tell of; ``expose`` gives all metrics of this process as text."""

    def __init__(self, watch: Watch) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._records = self._counter("records", "Records projected", PARTITION)
        self._events = self._counter("events", "Events that were new", PARTITION)
        self._duplicates = self._counter("duplicates", "Events that were there already", PARTITION)
        self._conflicts = self._counter("conflicts", "Payloads that contradict another of their event id", PARTITION)
        self._dead_letters = self._counter("dead_letters", "Records that could not be read", PARTITION)
        self._retries = self._counter("retries", "Times that something was down and tried again later", ())
        self._refused = Counter(
            "modeltrail_http_connections_refused",
            "Connections closed at once because there were too many",
            registry=self._registry,
        )
        self._seconds = Histogram(
            "modeltrail_projector_batch_seconds",
            "Seconds that a batch took",
            ("stage",),
            buckets=BATCH_SECONDS,
            registry=self._registry,
        )
        self._registry.register(_Observed(watch))

    def batch_written(self, stats: BatchStats) -> None:
        """Count a committed batch, and log it."""
        super().batch_written(stats)
        partition = str(stats.partition)
        self._records.labels(partition).inc(stats.records)
        self._events.labels(partition).inc(stats.new_events)
        self._duplicates.labels(partition).inc(stats.duplicates)
        self._conflicts.labels(partition).inc(stats.conflicts)
        self._dead_letters.labels(partition).inc(stats.dead_letters)
        self._seconds.labels("decode").observe(stats.decode_s)
        self._seconds.labels("write").observe(stats.write_s)

    def retrying(self, error: ModeltrailError, delay_s: float) -> None:
        """Count that something is down, and log it."""
        super().retrying(error, delay_s)
        self._retries.inc()

    def connection_refused(self) -> None:
        """Count a connection over HTTP that was one too many."""
        self._refused.inc()

    def expose(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, what: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"modeltrail_projector_{name}", what, labels, registry=self._registry)


class _Observed(Collector):
    """The gauges of the latest observation. What was not seen is left out, and ``modeltrail_up`` says so."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges."""
        seen = self._watch.latest
        if not seen.taken_s:
            return
        up = GaugeMetricFamily("modeltrail_up", "Whether the part answered at the last look", labels=("part",))
        for part in PARTS:
            up.add_metric((part,), float(part not in seen.faults))
        yield up
        if seen.log_end is not None:
            ends = enumerate(seen.log_end.offsets)
            yield _by_partition("log_end_offset", "The offset after the log's last record", dict(ends))
        if seen.log_end is not None and seen.projected is not None:
            yield from self._projector()
        if seen.projected is not None:
            yield _gauge("dead_letters", "Records in the read model that could not be read", seen.dead_letters)
        if seen.projected is not None and seen.indexed is not None:
            behind = {each: max(0, at - seen.indexed[each]) for each, at in enumerate(seen.projected.offsets)}
            yield _by_partition("index_lag_records", "Projected records that search does not find yet", behind)
        if seen.signed:
            yield _by_partition("audit_signed_size", "Records under the last signature", dict(seen.signed))
            yield from self._audit_lag()
        if seen.spool is not None:
            yield _gauge("spool_notes", "Notes that wait to be made to events", seen.spool.waiting_notes)
            yield _gauge("spool_events", "Events that wait to be sent", seen.spool.waiting_events)
            yield _gauge("spool_bytes", "Bytes that wait to be sent", seen.spool.waiting_bytes)

    def _projector(self) -> Iterator[Metric]:
        seen, now_s = self._watch.latest, time.monotonic()
        assert seen.log_end is not None
        assert seen.projected is not None
        records, seconds = {}, {}
        for partition, end in enumerate(seen.log_end.offsets):
            records[partition] = max(0, end - seen.projected[partition])
            behind_s = self._watch.projected_since.behind_s(partition, now_s)
            # Both bounds hold: a quiet log's last record may be old, and a busy one may never be seen caught up with.
            recorded_ms = seen.recorded_ms.get(partition, 0)
            age_s = max(0.0, time.time() - recorded_ms / 1000) if recorded_ms else behind_s
            seconds[partition] = min(behind_s, age_s) if records[partition] else 0.0
        yield _by_partition("projector_lag_records", "Records that the read model lacks", records)
        yield _by_partition("projector_lag_seconds", "Seconds that the read model is behind", seconds)

    def _audit_lag(self) -> Iterator[Metric]:
        seen = self._watch.latest
        if seen.log_end is not None:
            lag = {each: max(0, end - seen.audited.get(each, 0)) for each, end in enumerate(seen.log_end.offsets)}
            yield _by_partition("audit_lag_records", "Records that are not signed yet", lag)


def _by_partition(name: str, what: str, values: dict[int, float] | dict[int, int]) -> Metric:
    metric = GaugeMetricFamily(f"modeltrail_{name}", what, labels=PARTITION)
    for partition, value in sorted(values.items()):
        metric.add_metric((str(partition),), float(value))
    return metric


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(f"modeltrail_{name}", what, value=value)
