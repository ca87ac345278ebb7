"""The SDK's own command line: what waits, send it, look at the machine, and where the other commands are."""

import json
import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from modeltrail.command import COMMANDS_GROUP, main, run
from modeltrail.config import Config
from modeltrail.doctor import Level, examine, worst
from modeltrail.emitter import Emitter
from modeltrail.spool.layout import spool_root
from modeltrail.spool.writing import SpoolWriter

MakeNote = Callable[..., dict[str, object]]


@pytest.fixture
def home(config: Config, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MODELTRAIL_HOME", str(config.home))
    monkeypatch.setenv("MODELTRAIL_LOG", config.log)
    return config.home


def call(*argv: str) -> tuple[int, str, str]:
    out: list[str] = []
    err: list[str] = []
    code = run(argv, out=out.append, err=err.append)
    return code, "\n".join(out), "\n".join(err)


def leave_a_spool(config: Config) -> None:
    writer = SpoolWriter.create(spool_root(config.home), "e1", host="h", log=config.log)
    writer.append(b'{"kind":"run","type":"START","run_id":"r","event_time_ns":1000,"emitter":{"id":"e1"}}')
    writer.close()


def test_status_tells_what_waits_and_flush_sends_it(config: Config, home: Path) -> None:
    assert call("spool", "status") == (0, "nothing waits to be sent", "")
    leave_a_spool(config)
    code, out, _ = call("spool", "status")
    assert code == 0
    assert "(gone)  1 note, 0 events" in out
    (status,) = json.loads(call("spool", "status", "--json")[1])
    assert (status["waiting_notes"], status["is_alive"]) == (1, False)
    assert call("spool", "flush") == (0, "2 events are in the log, all that 1 ended process left", "")
    assert json.loads(call("spool", "flush", "--json")[1]) == {
        "spools": 0,
        "events": 0,
        "is_complete": True,
        "fault": "",
        "waiting": [],
    }


def test_a_flush_that_cannot_send_says_so(config: Config, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = config.home.parent / "text"
    blocked.write_text("no log " * 200)
    leave_a_spool(replace(config, log=str(blocked)))
    monkeypatch.setenv("MODELTRAIL_LOG", str(blocked))
    code, out, err = call("spool", "flush", "--timeout", "1")
    assert code == 3
    assert "wait" in out
    assert f"waiting: {blocked} is not a log of modeltrail" in err


def test_a_flush_names_what_waits_for_another_log_and_how_to_send_it(config: Config, home: Path) -> None:
    leave_a_spool(replace(config, log="kafka://h:1/t"))
    code, out, _ = call("spool", "flush")
    assert code == 1
    assert out.startswith("everything is in the log\n")
    assert f"what else waits is for another log than {config.log}:" in out
    assert "MODELTRAIL_LOG=kafka://h:1/t modeltrail spool flush" in out


@pytest.mark.slow
@pytest.mark.parametrize("argv", [("spool", "flush", "--timeout", "1"), ("doctor",)])
def test_a_command_that_waits_for_a_broker_says_so_while_it_waits(
    config: Config, home: Path, monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...]
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:  # takes connections, and never answers
        dead = f"kafka://127.0.0.1:{silent.getsockname()[1]}/t"
        monkeypatch.setenv("MODELTRAIL_LOG", dead)
        leave_a_spool(replace(config, log=dead))
        code, _, err = call(*argv)
    assert code in (1, 3)
    assert f"waiting for the log {dead}, at most" in err


@pytest.mark.parametrize("argv", [("show", "x"), ("--json", "runs"), ("serve",)])
def test_other_commands_name_what_to_install(home: Path, argv: tuple[str, ...]) -> None:
    code, out, err = call(*argv)
    assert (code, out) == (2, "")
    assert "pip install 'modeltrail[server]'" in err


def test_an_interrupt_while_the_commands_are_still_loaded_ends_with_130_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "interrupted_while_loading.py").write_text("raise KeyboardInterrupt")
    monkeypatch.syspath_prepend(tmp_path)
    server = EntryPoint("server", "interrupted_while_loading:main", COMMANDS_GROUP)
    monkeypatch.setattr("modeltrail.command.entry_points", lambda group: [server] if group == COMMANDS_GROUP else [])
    assert main(["runs"]) == 130


def test_wrong_use_ends_with_2_and_help_with_0(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call()[0] == call("spool")[0] == call("spool", "status", "--what")[0] == 2
    assert call("--help")[0] == call("--version")[0] == 0
    assert "modeltrail 0." in capsys.readouterr().out


def test_a_wrong_setting_is_told_without_a_traceback(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELTRAIL_MAX_SPOOL_BYTES", "lots")
    code, _, err = call("doctor")
    assert code == 2
    assert "max_spool_bytes" in err


def test_a_healthy_machine_has_no_findings_but_ok(config: Config, home: Path) -> None:
    assert {finding.level for finding in examine(config)} == {Level.OK}
    code, out, _ = call("doctor")
    assert code == 0
    assert "the first run makes it" in out
    assert {finding["about"] for finding in json.loads(call("doctor", "--json")[1])} == {
        "versions",
        "configuration",
        "home",
        "spool",
        "clock",
        "log",
    }


def test_the_doctor_looks_at_a_log_in_use(config: Config, metric_note: MakeNote) -> None:
    emitter = Emitter(config)
    emitter.emit(metric_note(0))
    emitter.close(60_000)
    findings = examine(config)
    assert worst(findings) is Level.OK
    assert any("answers, 1 partition(s), end 0:1" in finding.what for finding in findings)


def test_the_doctor_names_what_waits_and_what_is_damaged(config: Config) -> None:
    leave_a_spool(config)
    (spool_root(config.home) / "e0.damaged").write_bytes(b"?")
    warnings = [finding for finding in examine(config) if finding.level is Level.WARNING]
    assert [finding.about for finding in warnings] == ["spool", "spool"]
    assert warnings[0].remedy == "modeltrail spool flush"


def test_the_doctor_says_how_to_flush_to_another_log(config: Config) -> None:
    leave_a_spool(replace(config, log="kafka://h:1/t"))
    assert "MODELTRAIL_LOG=kafka://h:1/t modeltrail spool flush" in [each.remedy for each in examine(config)]


def test_no_secret_is_printed(config: Config) -> None:
    told = replace(config, database="postgresql://me:hunter2@db/x", log_options={"password": "hunter2"})
    text = repr(examine(told))
    assert "hunter2" not in text
    assert "postgresql://me:***@db/x" in text
    assert "password" in text


def test_a_home_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path: Path, config: Config) -> None:
    (tmp_path / "file").write_text("")
    broken = replace(config, home=tmp_path / "file" / "home")
    (finding,) = [each for each in examine(broken) if each.about == "home" and each.level is Level.ERROR]
    assert "MODELTRAIL_HOME" in finding.remedy


def test_a_log_that_is_none_is_an_error(config: Config) -> None:
    config.home.mkdir()
    Path(config.log).write_text("no log " * 200)
    assert [each.about for each in examine(config) if each.level is Level.ERROR] == ["log"]
