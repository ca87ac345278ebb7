"""A run records what the training code says, and nothing it says wrongly stops the training."""

import asyncio
import json
import logging
import math
import threading
from dataclasses import replace

import modeltrail
import pytest
from modeltrail.active import PROCESS
from modeltrail.emitter import Emitter
from modeltrail.guard import MisuseError
from modeltrail.recorder import Recorder


def test_a_run_records_data_parameters_metrics_and_model_in_one_story(bench) -> None:
    (bench.folder / "tx.csv").write_text("a,b\n1,2\n")
    with modeltrail.start_run(job="risk/fraud-train", name="first", parameters={"depth": 6}) as run:
        train = run.use_dataset("tx", path=bench.folder / "tx.csv", role="train")
        run.log_params({"lr": 0.1})
        run.log_metrics({"auc": 0.91}, step=3, dataset=train)
        model = run.log_model(
            "risk/fraud", data=b"weights", version="1.2", framework="none", base="embedder@production"
        )
    event = bench.together()[run.id]
    assert event.type == "COMPLETE"
    assert event.job.format() == "risk/fraud-train"
    assert event.parameters == {"depth": "6", "lr": "0.1"}
    assert event.tags == {"name": "first"}
    assert event.inputs == (train.ref,)
    assert event.outputs == (model.ref,)
    assert train.ref.digest.startswith("sha256:")
    assert (model.ref.namespace, model.ref.version) == ("risk", "1.2")
    (metric,) = event.metrics
    assert (metric.name, metric.value, metric.step, metric.dataset) == ("auc", 0.91, 3, train.ref)
    (detail,) = event.datasets
    assert (detail.strength, detail.bytes, detail.format) == ("content", 8, "csv")
    assert event.models[0].base.format() == "model:default/embedder@production"
    assert event.environment.packages["fastavro"]
    assert event.environment_digest == event.environment.digest


def test_start_goes_first_and_the_end_last(bench) -> None:
    with modeltrail.start_run(job="train") as run:
        run.log_metric("loss", 1.0)
    types = [event.type for event in bench.events()]
    assert (types[0], types[-1]) == ("START", "COMPLETE")
    assert bench.events()[0].job.namespace == "default"


def test_an_exception_fails_the_run_and_goes_on_to_the_caller(bench) -> None:
    secret = "hun" + "ter22"
    with pytest.raises(ValueError, match="cannot"), modeltrail.start_run(job="train") as run:
        raise ValueError(f"cannot connect with password={secret}")
    event = bench.together()[run.id]
    assert (event.type, event.error.type) == ("FAIL", "ValueError")
    assert "in test_an_exception_fails" in event.error.stack_trace
    assert secret not in event.error.message + event.error.stack_trace
    assert event.redactions >= 1


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (KeyboardInterrupt(), "ABORT"),
        (SystemExit(3), "ABORT"),
        (SystemExit(0), "COMPLETE"),
        (asyncio.CancelledError(), "ABORT"),
    ],
)
def test_an_interrupt_aborts_and_a_clean_exit_completes(bench, error: BaseException, state: str) -> None:
    with pytest.raises(type(error)), modeltrail.start_run(job="train", capture=False):
        raise error
    assert bench.states() == ["START", state]


def test_nested_runs_name_their_parent_and_the_outer_one_is_active_again(bench) -> None:
    with modeltrail.start_run(job="sweep", capture=False) as outer:
        with modeltrail.start_run(job="trial", capture=False) as inner:
            modeltrail.log_metric("loss", 1.0)
            assert modeltrail.active_run() is inner
        assert modeltrail.active_run() is outer
        modeltrail.log_metric("best", 0.5)
    assert modeltrail.active_run() is None
    runs = bench.together()
    assert runs[inner.id].parent_run_id == outer.id
    assert [metric.name for metric in runs[inner.id].metrics] == ["loss"]
    assert [metric.name for metric in runs[outer.id].metrics] == ["best"]


def test_a_nested_run_stands_on_the_code_and_environment_of_its_parent(bench) -> None:
    with modeltrail.start_run(job="sweep") as outer, modeltrail.start_run(job="trial") as inner:
        pass
    runs = bench.together()
    assert runs[inner.id].environment_digest == runs[outer.id].environment_digest != ""


def test_threads_log_to_the_run_that_was_started_for_them(bench) -> None:
    with modeltrail.start_run(job="train", capture=False) as run:
        threads = [
            threading.Thread(target=lambda n=n: [modeltrail.log_metric(f"m{n}", i, step=i) for i in range(100)])
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    metrics = {(metric.name, metric.step) for metric in bench.together()[run.id].metrics}
    assert metrics == {(f"m{n}", i) for n in range(4) for i in range(100)}


def test_concurrent_tasks_and_threads_each_have_a_run_of_their_own(bench) -> None:
    async def trial(n: int) -> str:
        with modeltrail.start_run(job=f"trial-{n}", capture=False) as run:
            await asyncio.sleep(0)
            modeltrail.log_param("n", n)
            await asyncio.sleep(0)
            assert modeltrail.active_run() is run
        return run.id

    async def trials() -> list[str]:
        return await asyncio.gather(*(trial(n) for n in range(5)))

    ids = asyncio.run(trials())
    runs = bench.together()
    assert [runs[run_id].parameters["n"] for run_id in ids] == ["0", "1", "2", "3", "4"]


def test_a_tracked_function_is_a_run_each_time_it_is_called(bench) -> None:
    @modeltrail.tracked("clean", capture=False)
    def clean(rows: int) -> int:
        modeltrail.log_param("rows", rows)
        return rows

    @modeltrail.tracked("evaluate", capture=False)
    async def evaluate() -> str:
        modeltrail.log_metric("auc", 0.9)
        return "done"

    assert clean(3) == 3
    assert clean(rows=4) == 4
    assert asyncio.run(evaluate()) == "done"
    assert bench.states() == ["START", "COMPLETE"] * 3


def test_numbers_are_exact_and_other_values_are_marked(bench) -> None:
    numpy = pytest.importorskip("numpy")
    with modeltrail.start_run(job="train", capture=False) as run:
        run.log_params(
            {
                "big": 2**70, "third": 1 / 3, "yes": True, "none": None, "nan": math.nan, "np": numpy.float32(0.5),
                "np_int": numpy.int64(7), "list": [1, "a"], "nested": {"token": "to" + "k3nto", "n": 1},
                "object": object, "long": "x" * 100_000,
            }
        )  # fmt: skip
    values = {name: json.loads(text) for name, text in bench.together()[run.id].parameters.items()}
    assert values["big"] == 2**70
    assert values["third"] == 1 / 3
    assert values["yes"] is True
    assert values["none"] is None
    assert (values["nan"], values["np"], values["np_int"], values["list"]) == ("NaN", 0.5, 7, [1, "a"])
    assert values["object"] == {"repr": "<class 'object'>", "type": "builtins.type"}
    assert values["long"]["bytes"] == 100_002
    assert len(values["long"]["truncated"]) < 5_000


def test_metrics_that_are_not_finite_are_kept_and_those_that_are_no_numbers_warned_of_once(bench, caplog) -> None:
    with modeltrail.start_run(job="train", capture=False) as run:
        for step in range(3):
            run.log_metrics({"loss": math.nan, "worst": math.inf, "name": "high", "ok": 1}, step=step)
    metrics = bench.together()[run.id].metrics
    assert len(metrics) == 9
    assert {metric.name for metric in metrics} == {"loss", "worst", "ok"}
    warned = [record.message for record in caplog.records if record.name == "modeltrail"]
    assert warned == ["metric 'name' is not a number but a str: not recorded"]


def test_values_whose_own_code_fails_lose_nothing_else(bench) -> None:
    class Broken:
        def __repr__(self) -> str:
            raise KeyError("repr")

        def __float__(self) -> float:
            raise KeyError("float")

    with modeltrail.start_run(job="train", capture=False) as run:
        run.log_params({"broken": Broken(), "lr": 0.1})
        run.log_metrics({"broken": Broken(), "auc": 0.9, "none": None})
    event = bench.together()[run.id]
    assert json.loads(event.parameters["broken"])["repr"] == "its repr raised KeyError"
    assert event.parameters["lr"] == "0.1"
    assert [metric.name for metric in event.metrics] == ["auc"]


def test_arrays_of_one_value_are_numbers_and_longer_ones_are_not(bench) -> None:
    numpy = pytest.importorskip("numpy")
    with modeltrail.start_run(job="train", capture=False) as run:
        run.log_metrics({"one": numpy.array([0.5]), "scalar": numpy.float32(0.25), "two": numpy.array([1.0, 2.0])})
    values = {metric.name: metric.value for metric in bench.together()[run.id].metrics}
    assert values == {"one": 0.5, "scalar": 0.25}


def test_text_that_utf_8_cannot_carry_loses_no_event(bench) -> None:
    with modeltrail.start_run(job="a\udcff", tags={"t": "\udcff"}, capture=False) as run:
        run.log_params({"p\udcff": "v\udcff"})
        run.use_dataset("d\udcff")
    event = bench.together()[run.id]
    assert (event.type, event.job.name, event.inputs[0].name) == ("COMPLETE", "a\udcff", "d\udcff")


def test_seeds_are_recorded_from_names_and_by_call(bench) -> None:
    with modeltrail.start_run(job="train", parameters={"model.random_state": 7}, capture=False) as run:
        run.log_param("seed", 3)
        run.log_seed("numpy", 42)
    assert bench.together()[run.id].seeds == {"model.random_state": "7", "seed": "3", "numpy": "42"}


def test_secrets_in_parameters_and_tags_never_reach_the_spool(bench) -> None:
    secret = "cor" + "recthorse9"
    with modeltrail.start_run(job="train", tags={"api_key": secret}, capture=False) as run:
        run.log_params({"db": {"password": secret}, "dsn": f"postgresql://ana:{secret}@db/x"})
        assert secret.encode() not in b"".join(p.read_bytes() for p in bench.home.rglob("*") if p.is_file())
    event = bench.together()[run.id]
    assert event.redactions == 3
    assert secret not in repr(event)


MISUSES = {
    "no run": lambda: modeltrail.log_metric("loss", 1.0),
    "no run, data": lambda: modeltrail.use_dataset("tx", data=b"x"),
    "no run to end": lambda: modeltrail.end_run(),
    "nothing to attach": lambda: modeltrail.attach_run(),
    "job of the wrong type": lambda: modeltrail.start_run(job=5).end("ABORT"),
    "empty job": lambda: modeltrail.start_run(job=""),
    "no version": lambda: modeltrail.approve_model_version("fraud"),
    "no kind": lambda: modeltrail.describe("risk/tx", "words"),
}


@pytest.mark.parametrize("misuse", MISUSES.values(), ids=MISUSES)
def test_wrong_use_is_one_clear_warning_and_no_exception(bench, caplog, monkeypatch, misuse) -> None:
    misuse()
    (told,) = [record for record in caplog.records if record.name == "modeltrail"]
    assert told.levelno == logging.WARNING
    first, _, rest = told.getMessage().partition(": ")
    assert not rest.startswith(f"{first}: ")
    monkeypatch.setenv("MODELTRAIL_STRICT", "1")
    with pytest.raises((MisuseError, TypeError, ValueError, AttributeError)):
        misuse()


def test_wrong_use_of_a_run_is_a_warning_too(bench, caplog) -> None:
    with modeltrail.start_run(job="train", capture=False) as run:
        run.log_params([1, 2])
        run.log_metrics({"loss": 1.0}, step="three")
        run.log_metrics({"loss": 1.0}, dataset=3)
        handle = run.use_dataset()
        assert handle.ref.format() == ""
        run.end("DONE")
    run.log_metric("late", 1.0)
    run.end()
    told = [record.getMessage() for record in caplog.records if record.name == "modeltrail"]
    assert len(told) == 7
    assert any(message.startswith(f"log_metric: run {run.id} has ended") for message in told)
    assert bench.states() == ["START", "COMPLETE"]
    assert bench.together()[run.id].metrics == ()


def test_arguments_that_fit_no_signature_raise_as_for_any_function(bench) -> None:
    with pytest.raises(TypeError, match="job"):
        modeltrail.start_run()
    with pytest.raises(TypeError, match="tgas"):
        modeltrail.tracked("train", tgas={})
    with modeltrail.start_run(job="train", capture=False) as run:
        with pytest.raises(TypeError, match="stp"):
            run.log_metrics({"loss": 1.0}, stp=3)
        with pytest.raises(TypeError, match="stp"):
            modeltrail.log_metrics({"loss": 1.0}, stp=3)


def test_a_missing_file_is_warned_of_and_recorded_without_content(bench, caplog) -> None:
    with modeltrail.start_run(job="train", capture=False) as run:
        handle = run.use_dataset("tx", path=bench.folder / "nowhere.csv")
    assert "could not be read" in caplog.text
    event = bench.together()[run.id]
    assert event.inputs == (handle.ref,)
    assert handle.ref.identity == ""
    assert event.datasets[0].strength == "none"
    assert event.datasets[0].location.endswith("/nowhere.csv")


def test_a_model_without_version_or_content_is_known_by_its_run(bench) -> None:
    with modeltrail.start_run(job="train", capture=False) as run:
        handle = run.log_model("fraud")
    assert handle.ref.version == f"run-{run.id}"


def test_a_slow_hash_is_completed_before_the_run_ends(bench, monkeypatch) -> None:
    monkeypatch.setattr("modeltrail.run.IDENTITY_WAIT_S", 0.0)
    gate = threading.Event()
    assert bench.recorder is not None
    for _ in range(4):
        bench.recorder.hashing.submit(gate.wait)
    (bench.folder / "tx.csv").write_text("a\n")
    with modeltrail.start_run(job="train", capture=False) as run:
        handle = run.use_dataset("tx", path=bench.folder / "tx.csv", role="train")
        assert handle.ref.digest == ""
        before = handle.ref
        gate.set()
    event = bench.together()[run.id]
    assert handle.ref.digest != ""
    assert event.inputs == (before, handle.ref)
    assert bench.states()[-1] == bench.events()[-1].type == "COMPLETE"


def test_a_full_environment_travels_once_and_its_digest_with_every_run(bench) -> None:
    for _ in range(2):
        with modeltrail.start_run(job="train"):
            pass
    described = [event for event in bench.events() if event.environment is not None]
    digests = {event.environment_digest for event in bench.events() if event.environment_digest}
    assert len(described) == 1
    assert digests == {described[0].environment_digest}


def test_an_environment_that_could_not_be_kept_is_told_in_full_with_the_next_run(bench) -> None:
    emitter = Emitter(replace(bench.recorder.config, max_spool_bytes=2_000))
    short_of_space = Recorder(bench.recorder.config, emitter, bench.recorder.surroundings)
    with PROCESS.recording_to(short_of_space), modeltrail.start_run(job="train"):
        pass
    emitter.close(0)
    assert emitter.dropped_notes
    with modeltrail.start_run(job="train") as run:
        pass
    assert [event.run_id for event in bench.events() if event.environment is not None] == [run.id]


def test_module_level_calls_have_the_signature_of_the_methods_without_self() -> None:
    import inspect

    assert list(inspect.signature(modeltrail.log_metric).parameters) == ["name", "value", "step", "dataset"]
    assert inspect.getdoc(modeltrail.use_dataset) == inspect.getdoc(modeltrail.Run.use_dataset)


def test_every_public_name_exists() -> None:
    for name in modeltrail.__all__:
        assert getattr(modeltrail, name).__doc__
    assert callable(modeltrail.subscribe)
    assert callable(modeltrail.subscribe)  # importing its module has not put a module in its place
    with pytest.raises(AttributeError, match="log_metrix"):
        _ = modeltrail.log_metrix


def test_a_run_starts_though_its_parameters_make_no_sense(bench, caplog) -> None:
    with modeltrail.start_run(job="train", parameters=[1], tags=3, capture=False) as run:
        run.log_metric("loss", 1.0)
    assert bench.states() == ["START", "COMPLETE"]
    assert len([record for record in caplog.records if record.name == "modeltrail"]) == 2


def test_how_well_the_identity_of_a_dataset_is_known_is_recorded_with_it(bench) -> None:
    with modeltrail.start_run(job="train", capture=False) as run:
        run.use_dataset("tx")
        run.use_dataset("ty@v3", role="test")
        run.use_dataset(uri="s3://bucket/tz.parquet?versionId=a1")
        run.use_dataset("tq", uri="postgresql://db/x", query="select 1", version="3 March")
    event = bench.together()[run.id]
    told = [(detail.entity.name, detail.entity.version, detail.strength) for detail in event.datasets]
    assert told == [
        ("tx", "", "none"), ("ty", "v3", "claimed"), ("tz.parquet", "s3:a1", "provider"),
        ("tq", "3 March", "claimed"),
    ]  # fmt: skip
    assert event.datasets[3].query == "select 1"


def test_a_frame_read_from_a_file_has_the_identity_of_the_file_and_the_columns_of_the_frame(bench) -> None:
    pandas = pytest.importorskip("pandas")
    path = bench.folder / "tx.csv"
    frame = pandas.DataFrame({"a": [1, 2]})
    frame.to_csv(path, index=False)
    with modeltrail.start_run(job="train", capture=False) as run:
        from_file = run.use_dataset("tx", path=path, df=frame)
        in_memory = run.log_dataset("scores", df=frame)
    event = bench.together()[run.id]
    assert from_file.ref.digest.startswith("sha256:")
    assert in_memory.ref.digest.startswith("pandas:")
    assert [(detail.rows, detail.fields[0].name) for detail in event.datasets] == [(2, "a"), (2, "a")]
