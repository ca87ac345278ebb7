"""Every answer that a person reads fits 80 columns, whatever the names, in a pipe as on a terminal."""

import io
import os
import pty
import re
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from modeltrail.log.embedded import EmbeddedLog
from modeltrail_schemas.event import (
    DatasetDetail,
    Description,
    Field,
    Metric,
    ModelDetail,
    RunError,
    SourceCode,
)
from modeltrail_server.cli import main
from rich.cells import cell_len
from told_history import PYTHON_ENVIRONMENT, History, dataset, model

WIDTH = 80
FRAUD = "risk/fraud"
LONG_JOB = "scheduler-of-the-whole-company/" + "train_every_model_of_the_department." * 3
LONG_MODEL = "a-department-with-a-long-name/" + "detector-of-unusual-payments-" * 2 + "x"
LONG_URI = "s3://bucket-of-the-data-platform/" + "year=2026/month=03/day=03/part-of-a-long-path/" * 4 + "f.parquet"
LONG_RUN = "0197f3c1-8a4e-7c21-9d0f-3b5a6c7d8e9f"
QUESTIONS = (
    "runs",
    "models",
    "datasets",
    "jobs",
    "show {model}",
    "show {model} --all",
    "show run:{run}",
    "show dataset:{dataset}",
    "show job:{job}",
    "history {model}",
    "history run:{run}",
    "history {model} --on 2026-03-03",
    "history dataset:{dataset}",
    "what-changed --since 2020-01-01",
    "lineage {model}",
    "lineage {model} --up --down",
    "lineage {model} --format table",
    "lineage {model} --view versions",
    "lineage {model} --view names",
    "lineage {model} --until 2000-01-01",
    "lineage dataset:{dataset} --down",
    "lineage job:{job}",
    "lineage dataset:{dataset} --columns",
    "path dataset:{dataset} {model}",
    "impact dataset:{dataset}",
    "impact package:numpy",
    "compare {model}@1 {model}@2",
    "compare {model}@1 {model}@2 --all",
    "compare {model}@1 {model}@2 {model}@1 {model}@2",
    "check {model}",
    "check --all",
    "inventory",
    "search metrics.auc>0",
    "search {word}",
    "reproduce {model}",
    "whatis {file}",
    "status",
    "dead-letters list",
    "digest",
)
# A command or a token that is copied stays in one piece.
COPIED = re.compile(r"more: --page |    \$ |  run\.|  modeltrail |  git |  env/|  python |    \S+( \\)?$")


@pytest.fixture
def long_names(home) -> Iterator[dict[str, str]]:
    """Return what there is to ask about, in a history in which everything has a long name."""
    with EmbeddedLog(home / "log.db") as log:
        told = History(log, "")
        data = replace(dataset("x"), namespace="s3://bucket-of-the-data-platform", name=LONG_URI)
        other = replace(data, version="a-version-of-the-data-" * 3)
        for number in ("1", "2"):
            run = LONG_RUN[:-1] + number
            made = model(f"{LONG_MODEL}@{number}", digest="sha256:" + number * 64)
            columns = tuple(Field(f"column_of_the_table_{index}", "decimal(38, 9)") for index in range(9))
            code = SourceCode(repository="ssh://git@" + "code.example.org/" * 5, commit=number * 40, dirty=True)
            told.run(run, job=LONG_JOB, code=code, environment=PYTHON_ENVIRONMENT, inputs=(data, other))
            told.run(
                run,
                "RUNNING",
                job=LONG_JOB,
                parameters={f"a.parameter.of.the.training.{index}": f'"{number * 50}"' for index in range(20)},
                metrics=tuple(Metric(f"a_metric_of_the_training_{index}", 0.5, 0) for index in range(9)),
                datasets=(DatasetDetail(data, location=LONG_URI, query="select * from t " * 20, fields=columns),),
                models=(ModelDetail(made, location=LONG_URI),),
                command=("python", "train.py", *(f"--an-option-of-the-training={index}" for index in range(9))),
                outputs=(made,),
                tags={"a-tag-of-the-run": "and its value " * 8},
            )
            told.run(run, "COMPLETE", job=LONG_JOB)
        told.run("f" * 8 + LONG_RUN[8:], "FAIL", job=LONG_JOB, error=RunError("ValueError", "no such column " * 30))
        why = "since the evaluation of last week, of which the report is in the wiki, was better than before " * 2
        told.declare("ALIASED", model(f"{LONG_MODEL}@2"), alias="production", by="somebody@example.org", why=why)
        told.declare(
            "DEPLOYED", model(f"{LONG_MODEL}@2"), target="https://cluster.example.org/" + "a/" * 40, by="ana"
        )
        words = (Description(model(LONG_MODEL), "Finds payments that nobody expected. " * 6, ("ana", "ben" * 30)),)
        told.declare("DESCRIBED", model(LONG_MODEL), descriptions=words)
        told.declare("RETRACTED", other, why=why, by="cem")
    return {
        "model": LONG_MODEL,
        "run": LONG_RUN[:-1] + "2",
        "dataset": data.format(),
        "job": LONG_JOB,
        "word": "unusual",
    }


@pytest.fixture
def seed_case(told) -> dict[str, str]:
    """Return what there is to ask about in the seed case."""
    names = {"model": FRAUD, "run": "run-train", "dataset": "risk/raw@9f1", "job": "risk/train", "word": "fraud"}
    assert told.events
    return names


@pytest.mark.parametrize("names", ["seed_case", "long_names"])
def test_no_line_that_a_person_reads_in_a_pipe_passes_80_columns(names, modeltrail, request, tmp_path):
    asked = request.getfixturevalue(names) | {"file": str(_file(tmp_path))}
    for question in QUESTIONS:
        code, out, err = modeltrail(*_arguments(question, asked))

        assert code in (0, 1), (question, err)
        assert out or err, question
        assert not _too_long(out), question


def test_on_a_terminal_lines_are_in_colour_and_no_longer(long_names, tmp_path, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = 0
    for question in QUESTIONS:
        with _terminal(monkeypatch) as shown:
            main(_arguments(question, long_names | {"file": str(_file(tmp_path))}))
        text = shown()
        coloured += "\x1b[" in text
        assert not _too_long(re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r\n", "\n")), question
    assert coloured > len(QUESTIONS) / 2


def test_an_event_takes_a_line_in_a_pipe_and_is_folded_between_its_parts_on_a_terminal(
    long_names, modeltrail, monkeypatch
):
    tail = ("events", "tail", "--no-follow", "--last", "100")
    piped = modeltrail(*tail)[1].splitlines()
    with _terminal(monkeypatch) as shown:
        main(list(tail))
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown()).replace("\r\n", "\n")

    assert len(piped) == len(re.findall(r"^0:\d+ ", text, re.MULTILINE)) == 11
    assert not [line for line in text.splitlines() if cell_len(line) > WIDTH]
    assert len(text.splitlines()) > len(piped)
    assert re.search(r"\n {10}→ a-department", text)


def test_what_goes_on_below_is_the_whole_name(long_names, modeltrail):
    shown = modeltrail("lineage", LONG_MODEL)[1]

    plain = re.sub(r"\n[ │├└]*", "", shown)
    assert LONG_URI in plain
    assert LONG_JOB in plain


def _arguments(question, names) -> list[str]:
    return [word.format(**names) for word in question.split()]


def _too_long(shown: str) -> list[str]:
    return [line for line in shown.splitlines() if cell_len(line) > WIDTH and not COPIED.match(line)]


def _file(folder):
    file = folder / "some-file"
    file.write_text("which nobody recorded")
    return file


@contextmanager
def _terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Make a terminal of 80 columns the standard output; give what it showed, once it is over."""
    near, far = pty.openpty()
    termios.tcsetwinsize(far, (40, WIDTH))
    pieces: list[bytes] = []
    reader = threading.Thread(target=_read_all, args=(near, pieces))
    reader.start()
    try:
        with open(far, "w", encoding="utf-8") as stdout, monkeypatch.context() as patch:
            patch.setattr("sys.stdout", stdout)
            patch.setattr("sys.stderr", io.StringIO())
            yield lambda: b"".join(pieces).decode("utf-8")
    finally:
        reader.join()
        os.close(near)


def _read_all(terminal: int, pieces: list[bytes]) -> None:
    try:
        while piece := os.read(terminal, 4096):
            pieces.append(piece)
    except OSError:  # how Linux says that the other side was closed
        return
