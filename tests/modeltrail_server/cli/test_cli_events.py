"""Importing, exporting and following events, as a user does."""

import gzip
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

    assert modeltrail("events", "import", "-") == (0, "-: 1 event imported\n", "")


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


def test_a_file_that_cannot_be_read_is_wrong_use(tmp_path, modeltrail):
    code, out, err = modeltrail("events", "import", tmp_path / "missing.json")

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


def test_a_folder_means_the_json_files_in_it_and_below_packed_or_not(tmp_path, modeltrail):
    below = tmp_path / "events" / "below"
    below.mkdir(parents=True)
    (tmp_path / "events" / "a.json").write_text(json.dumps(document(1), indent=2))
    (below / "b.jsonl.gz").write_bytes(gzip.compress(f"{line(2)}\n{line(3)}\n".encode()))
    (below / "notes.txt").write_text("no events")

    code, out, _ = modeltrail("events", "import", tmp_path / "events")

    assert code == 0
    assert out.splitlines()[-1] == "3 events of 2 files imported"


def test_what_is_packed_and_cut_off_is_refused_and_the_other_files_are_kept(tmp_path, modeltrail):
    (tmp_path / "cut.json.gz").write_bytes(gzip.compress(line(1).encode())[:-9])
    (tmp_path / "good.json").write_text(line(2))

    code, out, _ = modeltrail("events", "import", tmp_path / "cut.json.gz", tmp_path / "good.json")

    assert code == 1
    assert "damaged gzip" in out
    assert out.splitlines()[-1] == "1 event of 2 files imported"


@pytest.mark.parametrize("data", [b"", b"\n\n", b"[]", gzip.compress(b"")], ids=["empty", "blank", "array", "packed"])
def test_a_file_without_events_says_so(data, tmp_path, modeltrail):
    (tmp_path / "none.json").write_bytes(data)

    assert modeltrail("events", "import", tmp_path / "none.json")[:2] == (
        0,
        f"{tmp_path / 'none.json'}: 0 events imported: there is no event in it\n",
    )


def test_before_anything_is_imported_every_name_that_means_nothing_is_named(tmp_path, modeltrail):
    (tmp_path / "good.json").write_text(line(1))
    (tmp_path / "folder").mkdir()

    code, _, err = modeltrail("events", "import", tmp_path / "good.json", tmp_path / "no.json", tmp_path / "folder")

    assert code == 2
    assert f"{tmp_path / 'no.json'} cannot be read" in err
    assert f"{tmp_path / 'folder'} holds no file" in err
    assert modeltrail("runs")[1] == ""


def test_one_event_in_two_layouts_is_no_contradiction(tmp_path, modeltrail):
    (tmp_path / "line.json").write_text(line(1))
    (tmp_path / "pretty.json").write_text(json.dumps(document(1), indent=2))
    modeltrail("events", "import", tmp_path / "line.json")
    modeltrail("runs")
    modeltrail("events", "import", tmp_path / "pretty.json")

    assert json.loads(modeltrail("status", "--json")[1])["read_model"]["conflicts"] == 0


def test_nominal_time_and_other_names_of_imported_events_are_shown(home, modeltrail, tmp_path):
    nominal = {"nominalStartTime": "2026-03-02T00:00:00Z", "nominalEndTime": "2026-03-03T00:00:00Z"}
    catalog = {"identifiers": [{"namespace": "glue", "name": "db.tx", "type": "TABLE"}]}
    told = document(
        1,
        run={"runId": "run-1", "facets": {"nominalTime": nominal}},
        inputs=[{"namespace": "s3://lake", "name": "warehouse/tx", "facets": {"symlinks": catalog}}],
    )
    (tmp_path / "told.json").write_text(json.dumps(told))
    modeltrail("events", "import", tmp_path / "told.json")

    assert "nominal 2026-03-02 00:00Z to 2026-03-03 00:00Z" in modeltrail("show", "run-1")[1]
    shown = json.loads(modeltrail("show", "run-1", "--json")[1])["nominal"]
    assert shown == {"start": "2026-03-02T00:00:00.000000000Z", "end": "2026-03-03T00:00:00.000000000Z"}
    modeltrail("show", "run-1", "--html", tmp_path / "run.html")
    assert "for 2026-03-02 00:00Z to 2026-03-03 00:00Z" in (tmp_path / "run.html").read_text()
    assert "also    glue/db.tx" in modeltrail("show", "s3://lake/warehouse/tx")[1]
