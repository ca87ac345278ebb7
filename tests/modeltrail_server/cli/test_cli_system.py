"""What looks after the whole, and the command line itself: help, version, near names, status, digest."""

import json
import os
import subprocess
import sys

import pytest
from modeltrail.log.embedded import EmbeddedLog
from modeltrail.log.protocol import Outgoing
from modeltrail_server.cli.commands import COMMANDS, load

MODULES = sorted({listed.module for listed in COMMANDS.values()})
GROUPS = {
    name: list(command.commands)
    for module in MODULES
    for name, command in load(module).items()
    if hasattr(command, "commands")
}


def uncovered():
    """Return an environment in which coverage does not load modules of its own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


def test_every_command_is_listed_in_the_module_that_defines_it():
    defined = {(name, module) for module in MODULES for name in load(module)}

    assert defined == {(name, listed.module) for name, listed in COMMANDS.items()}


@pytest.mark.parametrize("group", ["", *GROUPS])
def test_help_lists_commands_on_one_whole_line_each(home, modeltrail, group):
    code, out, err = modeltrail(*[group] * bool(group), "--help")

    assert (code, err) == (0, "")
    assert not [text for text in out.splitlines() if text.endswith("...") and "ARGS" not in text]
    assert max(map(len, out.splitlines())) <= 80
    for name in GROUPS[group] if group else COMMANDS:
        assert f"\n  {name} " in out


@pytest.mark.parametrize(
    "name", [name for name in COMMANDS if name not in GROUPS and name not in ("doctor", "spool")]
)
def test_every_command_explains_itself(home, modeltrail, name):
    code, out, err = modeltrail(name, "--help")

    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: modeltrail {name} ")


def test_the_version_is_printed_without_a_home(modeltrail, home):
    home.rmdir()

    code, out, _ = modeltrail("--version")
    assert code == 0
    assert out.startswith("modeltrail 0.")
    assert not home.exists()


def test_help_loads_neither_the_database_nor_kafka_nor_the_keys():
    program = (
        "import sys; from modeltrail_server.cli import main; main(['--help']);"
        "heavy = {'sqlalchemy', 'kafka', 'cryptography', 'fastapi', 'psycopg', 'structlog', 'fastavro', 'rich'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0


def test_an_answer_loads_only_the_database_it_asks(told, home):
    program = (
        "import sys; from modeltrail_server.cli import main; main(['show', 'fraud']);"
        "heavy = {'sqlalchemy.dialects.postgresql', 'kafka', 'cryptography', 'fastapi', 'psycopg', 'structlog',"
        " 'pydantic', 'modeltrail_server.cli.rendering.html', 'modeltrail_server.reproduction', 'tomllib'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, env=uncovered())
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_collector_leaves_alone_what_was_imported(told, home):
    program = (
        "import gc, sys; from modeltrail_server.cli import main; main(['runs']);"
        "sys.exit(not gc.isenabled() or gc.get_freeze_count() < len(gc.get_objects()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, env=uncovered())
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (("shw",), "show"),
        (("linage", "x"), "lineage"),
        (("events", "exprt"), "export"),
        (("audit", "verfy"), "verify"),
    ],
)
def test_a_word_that_is_no_command_is_answered_with_near_ones(home, modeltrail, arguments, near):
    code, out, err = modeltrail(*arguments)

    assert (code, out) == (2, "")
    assert "id you mean" in err
    assert near in err.splitlines()[-1]


def test_status_of_an_empty_home_says_so_and_makes_nothing(home, modeltrail):
    code, out, err = modeltrail("status")

    assert (code, err) == (0, "")
    assert "there is no log" in out
    assert not list(home.iterdir())


def test_status_tells_positions_counts_and_what_waits(told, modeltrail, home):
    with EmbeddedLog(home / "log.db") as log:
        log.append([Outgoing(b"nonsense")])
    code, out, _ = modeltrail("status")

    assert code == 0
    assert f"ends at 0:{len(told.events) + 1}" in out
    assert "up to date" in out
    assert "2 runs" in out
    assert "1 dead letter (modeltrail dead-letters list)" in out
    assert "not kept here: modeltrail audit init" in out
    assert "nothing waits" in out


def test_status_tells_how_far_the_search_index_is(told, modeltrail):
    modeltrail("runs")
    assert "no index yet: the first search makes it" in modeltrail("status")[1]
    assert modeltrail("search", "state = 'COMPLETE'")[0] == 0
    assert "index up to date" in modeltrail("status")[1]
    told.run("run-later")
    modeltrail("runs")
    assert "index 1 record behind: the next search catches up" in modeltrail("status")[1]
    assert json.loads(modeltrail("status", "--json")[1])["read_model"]["indexed"]


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--log", "kafka://127.0.0.1:1/x", ("no broker of x answers", "→ start one")),
        ("--database", "postgresql://nobody@127.0.0.1:1/none", ("does not answer", "→ start it")),
    ],
)
def test_status_with_a_part_down_shows_the_rest_and_ends_with_3(told, modeltrail, option, value, words):
    modeltrail("digest")
    code, out, err = modeltrail(option, value, "status")

    assert (code, err) == (3, "")
    assert all(each in " ".join(out.split()) for each in words)
    assert "nothing waits" in out
    code, out, _ = modeltrail(option, value, "status", "--json")
    assert code == 3
    assert [part for part in json.loads(out).values() if isinstance(part, dict) and part.get("is_down")]


def test_status_never_shows_the_password_of_a_database(home, modeltrail, told):
    _, out, err = modeltrail("--database", "postgresql://nobody:hunter2@127.0.0.1:1/none", "status")

    assert "hunter2" not in out + err


@pytest.mark.parametrize(
    "command", ["status", "digest", "dead-letters list", "replay --dry-run", "spool status", "doctor"]
)
def test_what_a_command_says_as_json_parses(told, modeltrail, command):
    code, out, _ = modeltrail(*command.split(), "--json")

    assert code == 0
    json.loads(out)


def test_the_digest_is_of_the_set_of_events(told, modeltrail, home):
    before = json.loads(modeltrail("digest", "--json")[1])
    with EmbeddedLog(home / "log.db") as log:
        reader = log.reader()
        reader.seek(0, 0)
        records = reader.poll(max_records=100, wait_ms=0)[0]
        log.append([Outgoing(record.value) for record in reversed(records)])
    after = json.loads(modeltrail("digest", "--json")[1])

    assert after["hex"] == before["hex"]
    assert after["position"] != before["position"]


def test_a_level_of_logs_that_there_is_not_is_wrong_use(home, modeltrail):
    code, out, err = modeltrail("serve", "--log-level", "loud")
    assert (code, out) == (2, "")
    assert "--log-level" in err


def test_a_configuration_file_with_an_unknown_setting_is_named(home, modeltrail):
    (home / "config.toml").write_text('lgo = "x"\n')

    code, out, err = modeltrail("runs")
    assert (code, out) == (2, "")
    assert "config.toml" in err
    assert "lgo" in err


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("kafka:/broker/x", "neither a topic nor a file"),
        ("kafka://broker", "names no topic"),
        ("s3://x/y", "cannot be"),
    ],
)
def test_an_address_that_is_no_log_is_explained(home, modeltrail, address, words):
    code, out, err = modeltrail("--log", address, "events", "tail")

    assert (code, out) == (2, "")
    assert words in err
    assert "→ write kafka://HOST:PORT/TOPIC" in err


@pytest.mark.parametrize("command", ["runs", "digest", "dead-letters list", "search lr"])
def test_where_no_projector_ran_it_is_said_that_one_has_to(home, modeltrail, command):
    code, out, err = modeltrail("--log", "kafka://127.0.0.1:1/x", *command.split())

    assert (code, out) == (1, "")
    assert "nothing of kafka://127.0.0.1:1/x was projected" in err
    assert "→ let a projector run: modeltrail serve" in err


def test_a_database_that_is_none_is_explained_and_left_alone(told, home, modeltrail):
    (home / "read-model.db").write_text("my shopping list, which is long enough to be no database")

    code, out, err = modeltrail("runs")
    assert (code, out) == (2, "")
    assert "is not a SQLite database" in err
    assert (home / "read-model.db").read_text().startswith("my shopping list")


def test_topics_are_kafkas(home, modeltrail):
    code, out, err = modeltrail("topic", "check")

    assert (code, out) == (2, "")
    assert "there is no topic" in err
