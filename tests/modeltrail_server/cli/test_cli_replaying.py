"""Replaying from the command line: into a database, a log, counts only; from the log or the audit log alone."""

import json
import shutil

import pytest
from modeltrail.log.embedded import EmbeddedLog
from modeltrail.log.protocol import Outgoing
from modeltrail_schemas import codec
from sqlalchemy import create_engine, text


def digest(modeltrail, *options):
    return json.loads(modeltrail(*options, "digest", "--json")[1])["hex"]


def test_a_replay_from_the_log_ends_with_the_digest_of_the_read_model(told, modeltrail, tmp_path):
    code, out, _ = modeltrail("replay", "--into", f"sqlite:///{tmp_path / 'second.db'}")

    assert code == 0
    assert f"{len(told.events)} records replayed" in out
    assert f"sha256:{digest(modeltrail)}" in out


def test_the_audit_log_alone_suffices(told, modeltrail, tmp_path, home):
    before = digest(modeltrail)
    modeltrail("audit", "init")
    modeltrail("audit", "follow", "--once")
    shutil.move(home / "audit", tmp_path / "kept")
    shutil.rmtree(home)
    source = f"audit:{tmp_path / 'kept'}"
    code, out, _ = modeltrail("replay", "--from", source, "--into", f"sqlite:///{tmp_path / 'second.db'}", "--json")

    assert code == 0
    assert json.loads(out)["digest"]["hex"] == before


def test_a_damaged_audit_log_is_not_replayed_past_its_fault(told, modeltrail, tmp_path, home):
    modeltrail("audit", "init")
    modeltrail("audit", "follow", "--once")
    victim = max((home / "audit/0/segments").rglob("*"), key=lambda path: path.stat().st_size * path.is_file())
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.chmod(0o644)
    victim.write_bytes(data)

    code, out, err = modeltrail("replay", "--from", "audit", "--into", f"sqlite:///{tmp_path / 'second.db'}")
    assert (code, out) == (1, "")
    assert victim.relative_to(home / "audit").as_posix() in err


def test_a_replay_as_of_a_position_is_the_past(told, modeltrail, tmp_path):
    into = f"sqlite:///{tmp_path / 'past.db'}"
    code, _, _ = modeltrail("replay", "--into", into, "--as-of", "0:3")

    assert code == 0
    past = ("--log", tmp_path / "none.db", "--database", into)
    assert "fraud" not in modeltrail(*past, "models")[1]
    assert "run-clean" in modeltrail(*past, "runs")[1]


def test_a_replay_into_a_log_is_the_same_events_and_a_second_one_adds_nothing(told, modeltrail, tmp_path):
    target = tmp_path / "copy.db"
    assert modeltrail("replay", "--to-topic", target)[0] == 0
    assert modeltrail("replay", "--to-topic", target)[0] == 0

    copied = ("--log", target, "--database", f"sqlite:///{tmp_path / 'copied.db'}")
    assert digest(modeltrail, *copied) == digest(modeltrail)
    with EmbeddedLog(target) as log:
        assert log.end()[0] == len(told.events)


def test_a_dry_run_counts_and_writes_nothing(told, modeltrail, home):
    before = {path.name for path in home.iterdir()}
    code, out, _ = modeltrail("replay", "--dry-run")

    assert code == 0
    assert f"{len(told.events)} records hold {len(told.events)} different events" in out
    assert "model APPROVED" in out
    assert {path.name for path in home.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "say where to"),
        (("--dry-run", "--into", "sqlite:///x.db"), "say where to"),
        (("--from", "nowhere", "--dry-run"), "write log, audit, or audit:FOLDER"),
        (("--from", "audit", "--dry-run"), "no audit log"),
        (("--dry-run", "--as-of", "0:999"), "past the end"),
        (("--dry-run", "--as-of", "soon"), "is no time"),
        (("--into", "garbage"), "not the address of a database"),
    ],
)
def test_wrong_use_is_explained(told, modeltrail, arguments, words):
    code, out, err = modeltrail("replay", *arguments)

    assert (code, out) == (2, "")
    assert words in err.replace("\n", " ")


def test_a_rebuild_serves_the_same_state(told, modeltrail):
    before = digest(modeltrail)
    code, out, _ = modeltrail("rebuild")

    assert code == 0
    assert f"sha256:{before}" in out
    assert json.loads(modeltrail("status", "--json")[1])["read_model"]["generation"] == 2


def test_a_read_model_of_another_projection_says_rebuild_which_mends_it(told, modeltrail, home):
    before = digest(modeltrail)
    engine = create_engine(f"sqlite:///{home / 'read-model.db'}")
    with engine.begin() as connection:
        table = connection.scalar(text("SELECT name FROM sqlite_master WHERE name LIKE '%generation'"))
        connection.execute(text(f'UPDATE "{table}" SET projection_version = 99'))
    engine.dispose()

    code, out, err = modeltrail("show", "fraud")
    assert (code, out) == (3, "")
    assert "version 99" in err
    assert "→ build it anew: modeltrail rebuild" in err
    assert modeltrail("rebuild")[0] == 0
    assert digest(modeltrail) == before


def test_a_record_that_is_no_event_is_listed_shown_and_kept_to_the_byte(told, modeltrail, home, start):
    with EmbeddedLog(home / "log.db") as log:
        log.append([Outgoing(b"\xff nonsense", b"key")])
    at = f"0:{len(told.events)}"

    code, out, _ = modeltrail("dead-letters", "list")
    assert code == 0
    assert out.startswith(at)
    assert json.loads(modeltrail("dead-letters", "list", "--json")[1])[0]["offset"] == len(told.events)
    code, out, _ = modeltrail("dead-letters", "show", at)
    assert code == 0
    assert "ff 20 6e 6f 6e" in out
    assert start("dead-letters", "show", at, "--raw", text=False).communicate() == (b"\xff nonsense", b"")
    code, out, _ = modeltrail("dead-letters", "requeue")
    assert (code, out) == (1, "0 read now, 1 remain\n")


def test_all_is_well_without_dead_letters(told, modeltrail):
    assert modeltrail("dead-letters", "list") == (0, "every record could be read\n", "")
    assert modeltrail("dead-letters", "requeue")[0] == 0
    assert modeltrail("dead-letters", "show", "0:1")[0] == 1
    for no_place in ("x", f"0:{2**63}", f"{2**31}:1", "0:" + "9" * 5_000):
        assert modeltrail("dead-letters", "show", no_place)[0] == 2


def test_an_event_of_a_newer_modeltrail_stops_reading_and_says_upgrade(told, modeltrail, home):
    unknown = codec.encode(told.events[0])[:2] + b"\x00" * 8 + codec.encode(told.events[0])[10:]
    modeltrail("digest")
    with EmbeddedLog(home / "log.db") as log:
        log.append([Outgoing(unknown)])

    code, _, err = modeltrail("show", "fraud")
    assert code == 3
    assert "newer modeltrail" in err
    assert "pip install --upgrade modeltrail" in err
