"""Importing, exporting and following events, as a user does."""

import io
import json
from pathlib import Path

import fastavro
import pytest
from modeltrail.log.embedded import EmbeddedLog
from modeltrail.log.protocol import Outgoing
from ol_documents import document, line

PAST_64_BITS = 2**64


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """Return a file of three events, a broken line among them."""
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join([line(1), '{"eventType": oops}', line(2), line(3)]) + "\n")
    return path


def test_a_broken_line_is_named_with_its_place_the_good_ones_are_kept_and_the_answer_is_no(events, modeltrail):
    code, out, err = modeltrail("events", "import", events)

    assert (code, err) == (1, "")
    assert out.splitlines() == [
        f"{events}: 3 events imported, 1 refused",
        "  line 2, column 15: not JSON: Expecting value",
    ]
    runs = json.loads(modeltrail("runs", "--json")[1])["items"]
    assert {run["run_id"] for run in runs} == {"run-1", "run-2", "run-3"}


def test_refusals_as_json_say_the_same(events, modeltrail):
    code, out, _ = modeltrail("events", "import", events, "--json")

    assert code == 1
    assert json.loads(out)[str(events)] == {
        "accepted": 3,
        "refusals": [{"line": 2, "column": 15, "reason": "not JSON: Expecting value"}],
    }


@pytest.mark.parametrize(
    "data",
    [
        line(1).encode() + b"\n",
        json.dumps(document(1), indent=4).encode(),
        json.dumps([document(1)]).encode(),
        b"\xef\xbb\xbf" + line(1).encode() + b"\r\n",
    ],
    ids=["a line", "a document", "an array", "with a mark and CRLF"],
)
def test_standard_input_takes_any_layout(data, modeltrail, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))

    assert modeltrail("events", "import", "-") == (0, "-: 1 events imported\n", "")


def test_an_integer_past_64_bits_is_an_event_like_any_other(tmp_path, modeltrail):
    path = tmp_path / "one.json"
    path.write_text(line(1, rows=PAST_64_BITS))

    assert modeltrail("events", "import", path)[0] == 0
    assert json.loads(modeltrail("events", "export")[1])["rows"] == PAST_64_BITS
    assert modeltrail("show", "run-1")[0] == 0


def test_import_again_changes_nothing_and_export_import_gives_the_same_digest(events, modeltrail, tmp_path):
    modeltrail("events", "import", events)
    digest = modeltrail("digest", "--json")[1]
    modeltrail("events", "import", events)
    again = modeltrail("digest", "--json")[1]
    code, out, err = modeltrail("events", "export", "-o", tmp_path / "out.jsonl")
    elsewhere = ("--home", tmp_path / "elsewhere")
    modeltrail(*elsewhere, "events", "import", tmp_path / "out.jsonl")

    assert (code, out, err) == (0, "", "3 events, 3 repetitions left out\n")
    assert (tmp_path / "out.jsonl").read_text().splitlines() == [line(1), line(2), line(3)]
    hexes = [json.loads(text)["hex"] for text in (digest, again, modeltrail(*elsewhere, "digest", "--json")[1])]
    assert hexes[0] == hexes[1] == hexes[2]


def test_the_avro_export_is_a_container_file(events, modeltrail, tmp_path):
    modeltrail("events", "import", events)

    assert modeltrail("events", "export", "--format", "avro", "-o", tmp_path / "out.avro")[0] == 0
    with (tmp_path / "out.avro").open("rb") as file:
        assert [record["run_id"] for record in fastavro.reader(file)] == ["run-1", "run-2", "run-3"]


def test_many_files_are_one_line_and_those_with_faults(tmp_path, modeltrail, events):
    files = [tmp_path / f"{number}.json" for number in range(20)]
    for number, path in enumerate(files):
        path.write_text(line(number + 10))

    code, out, _ = modeltrail("events", "import", *files, events)

    assert code == 1
    assert out.splitlines()[0] == f"{events}: 3 events imported, 1 refused"
    assert out.splitlines()[-1] == "23 events of 21 files imported"
    assert len(out.splitlines()) == 3


@pytest.mark.parametrize("path", ["missing.json", "."])
def test_a_file_that_cannot_be_read_is_wrong_use(path, tmp_path, modeltrail):
    code, out, err = modeltrail("events", "import", tmp_path / path)

    assert (code, out) == (2, "")
    assert "cannot be read" in err


def test_tail_shows_the_last_events_a_line_each(told, modeltrail, home):
    with EmbeddedLog(home / "log.db") as log:
        log.append([Outgoing(b"nonsense")])
    code, out, _ = modeltrail("events", "tail", "--no-follow", "-n", 3)

    assert code == 0
    lines = out.splitlines()
    assert [text.split()[0] for text in lines] == ["0:7", "0:8", "0:9"]
    assert "DEPLOYED" in lines[1]
    assert "risk/fraud@1.2" in lines[1]
    assert "not an event: 8 bytes" in lines[2]


def test_tail_as_json_is_openlineage_a_line_each(told, modeltrail):
    _, out, _ = modeltrail("events", "tail", "--no-follow", "-n", 100, "--json")

    assert len(out.splitlines()) == len(told.events)
    assert all("eventTime" in json.loads(text) for text in out.splitlines())


@pytest.mark.parametrize("command", [["tail"], ["export"]])
def test_where_no_log_is_the_answer_says_how_to_get_one(command, modeltrail, home):
    code, out, err = modeltrail("events", *command)

    assert (code, out) == (2, "")
    assert "there is no log" in err
    assert "→ record a run first" in err
    assert not list(home.iterdir())
