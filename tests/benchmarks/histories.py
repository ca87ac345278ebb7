"""Seeded histories as a team leaves them behind: the same seed and size give the same events, byte for byte.

The distribution, each figure a constant below:

* Models: ``runs ** 0.6`` of them; runs fall on models by a Zipf law (exponent 1.1), so a few models have most runs.
* A run is START (commit, environment, two inputs, twenty parameters) and COMPLETE (five metrics, one output). One run
  in ten reports metric curves between them; 5 % FAIL, 1 % ABORT, 1 % never end.
* One finished run in three makes a model version, the others a dataset of scores. One model version in five is
  registered, one in ten approved, one in twenty takes the alias ``production`` and is deployed.
* Features are shared: every training run reads one of 64 feature datasets, skewed too, and a test set.
* Chains: every fiftieth run is a preparation instead, which reads the newest version of one feature and the raw data
  and makes the next version: at 1,000,000 runs chains of some hundred versions.
* Sweeps: one run in two hundred opens a sweep of 30 runs with one parent.
* Commits change every 20 runs, environments every 500. One input in fifty has no version recorded.
* Delivery: 2 % of events come up to 500 positions late, 1 % come twice.
"""

import heapq
import json
import random
from collections.abc import Iterator
from dataclasses import replace

from modeltrail_schemas.event import Declaration, Kind, LineageEvent, Metric, RunError, RunState, Statement
from modeltrail_schemas.identity import hashed_id, new_event_id
from modeltrail_schemas.names import EntityRef, JobName

START_TIME_NS = 1_735_689_600_000_000_000  # 2025-01-01T00:00:00Z
MEAN_SECONDS_BETWEEN_RUNS = 25
FEATURES = 64
SWEEP_RUNS = 30
LATE_POSITIONS = 500


class _History:
    """The state of the generator: who exists so far. One method for each kind of happening."""

    def __init__(self, seed: int, runs: int) -> None:
        self.random = random.Random(seed)
        self.time_ns = START_TIME_NS
        models = max(3, int(runs**0.6))
        self.models = [EntityRef("model", f"team{i % 12}", f"model{i}") for i in range(models)]
        self.model_weights = [1 / (i + 1) ** 1.1 for i in range(models)]
        self.feature_weights = [1 / (i + 1) for i in range(FEATURES)]
        self.feature_versions = [1] * FEATURES
        self.versions_of: dict[str, int] = {}
        self.parent, self.sweep_left, self.number = "", 0, 0

    def event(self, **values: object) -> LineageEvent:
        """Return an event that happens a little later than the one before."""
        self.time_ns += self.random.randrange(1_000_000, 900_000_000)
        event_id = new_event_id(self.time_ns, self.random.randbytes(8))
        return LineageEvent(event_id=event_id, event_time_ns=self.time_ns, producer="bench", **values)  # type: ignore[arg-type]

    def feature(self, index: int) -> EntityRef:
        """Return the newest version of a feature; one in fifty forgets to say which."""
        version = "" if self.random.random() < 0.02 else f"v{self.feature_versions[index]}"
        return EntityRef("dataset", "features", f"feature{index}", version, role="train")

    def next_run(self) -> Iterator[LineageEvent]:
        """Yield the events of the next run, in the order in which they happen."""
        self.number += 1
        self.time_ns += int(self.random.expovariate(1 / MEAN_SECONDS_BETWEEN_RUNS) * 1e9)
        if self.sweep_left:
            self.sweep_left -= 1
        else:
            self.parent = ""
            if self.random.random() < 1 / 200:
                self.parent, self.sweep_left = self._run_id(), SWEEP_RUNS - 1
        yield from self._preparation() if self.number % 50 == 0 else self._training()

    def _run_id(self) -> str:
        value = new_event_id(self.time_ns, self.random.randbytes(8)).hex()
        return f"{value[:8]}-{value[8:12]}-{value[12:16]}-{value[16:20]}-{value[20:]}"

    def _start(self, job: JobName, inputs: tuple[EntityRef, ...], parameters: dict[str, str]) -> LineageEvent:
        return self.event(
            kind=Kind.RUN,
            type=RunState.START,
            run_id=self._run_id(),
            parent_run_id=self.parent,
            job=job,
            inputs=inputs,
            commit=hashed_id(b"commit%d" % (self.number // 20)).hex() + "00000000",
            environment_digest="sha256:" + hashed_id(b"environment%d" % (self.number // 500)).hex(),
            parameters=parameters,
        )

    def _preparation(self) -> Iterator[LineageEvent]:
        index = self.random.choices(range(FEATURES), self.feature_weights)[0]
        raw = EntityRef("dataset", "lake", f"raw{index % 8}", f"day{self.number // 2_000}")
        start = self._start(JobName("features", f"prepare{index}"), (self.feature(index), raw), {"rows": "100000"})
        yield start
        self.feature_versions[index] += 1
        made = replace(self.feature(index), role="", version=f"v{self.feature_versions[index]}")
        yield self.event(kind=Kind.RUN, type=RunState.COMPLETE, run_id=start.run_id, job=start.job, outputs=(made,))

    def _training(self) -> Iterator[LineageEvent]:
        chance = self.random.random
        model = self.random.choices(self.models, self.model_weights)[0]
        feature = self.random.choices(range(FEATURES), self.feature_weights)[0]
        test = EntityRef("dataset", "features", f"test{feature % 8}", f"v{self.number // 5_000}", role="test")
        parameters = {f"parameter_{i}": json.dumps(round(chance(), 4)) for i in range(20)}
        start = self._start(
            JobName(model.namespace, f"train-{model.name}"), (self.feature(feature), test), parameters
        )
        yield start
        about = {"kind": Kind.RUN, "run_id": start.run_id, "job": start.job}
        if self.number % 10 == 1:
            curve = tuple(Metric("loss", 1 / (step + 1), step, self.time_ns) for step in range(20))
            yield self.event(type=RunState.RUNNING, metrics=curve, **about)
        fate = chance()
        if fate < 0.01:
            return
        if fate < 0.07:
            state = RunState.FAIL if fate < 0.06 else RunState.ABORT
            yield self.event(type=state, error=RunError("ValueError", "bad value"), **about)
            return
        metrics = tuple(Metric(f"metric_{i}", chance(), 0, self.time_ns, replace(test, role="")) for i in range(5))
        if chance() < 2 / 3:
            scores = EntityRef("dataset", model.namespace, f"scores-{model.name}", f"run{self.number}")
            yield self.event(type=RunState.COMPLETE, metrics=metrics, outputs=(scores,), **about)
            return
        ordinal = self.versions_of[model.name] = self.versions_of.get(model.name, 0) + 1
        digest = "sha256:" + hashed_id(self.number.to_bytes(8, "big")).hex() * 2
        version = replace(model, version=f"1.{ordinal}", digest=digest)
        yield self.event(type=RunState.COMPLETE, metrics=metrics, outputs=(version,), **about)
        yield from self._lifecycle(replace(version, digest=""), ordinal)

    def _lifecycle(self, version: EntityRef, ordinal: int) -> Iterator[LineageEvent]:
        steps = [(5, Declaration.REGISTERED, {}), (10, Declaration.APPROVED, {})]
        steps += [(20, Declaration.ALIASED, {"alias": "production"}), (20, Declaration.DEPLOYED, {"target": "eu"})]
        for every, declaration, words in steps:
            if ordinal % every == 0:
                statement = Statement(by="ana", why="benchmark", assurance="claimed", **words)
                subject = replace(version, role=next(iter(words.values()), ""))
                yield self.event(kind=Kind.MODEL, type=declaration, subjects=(subject,), statement=statement)


def generate(seed: int, runs: int) -> Iterator[LineageEvent]:
    """Yield the events of ``runs`` runs in the order in which a log receives them, late ones and doubles included."""
    history, delivery = _History(seed, runs), random.Random(seed + 1)
    late: list[tuple[int, int, LineageEvent]] = []
    position = 0
    for _ in range(runs):
        for event in history.next_run():
            while late and late[0][0] <= position:
                yield heapq.heappop(late)[2]
            fate = delivery.random()
            if fate < 0.02:
                heapq.heappush(late, (position + delivery.randrange(1, LATE_POSITIONS), position, event))
            else:
                yield event
            if fate > 0.99:
                heapq.heappush(late, (position + delivery.randrange(1, LATE_POSITIONS), position, event))
            position += 1
    yield from (event for _, _, event in sorted(late, key=lambda entry: entry[:2]))
