"""The program as the system sees it: pipes that close, signals that arrive, kills; nothing accepted is lost."""

import json
import signal
import threading
import time

import psutil
import pytest
from modeltrail.errors import LogNotFoundError
from modeltrail.log.embedded import EmbeddedLog
from ol_documents import line

PATIENCE_S = 120


def wait_until(true, process=None):
    """Wait until ``true()``; fail when it does not come, or ``process`` ends before."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def behind(modeltrail):
    """Return how many records the audit log lacks."""
    partitions = json.loads(modeltrail("audit", "status", "--json")[1])["partitions"]
    return sum(one["behind"] for one in partitions) if partitions else 1


@pytest.fixture
def many(home, modeltrail, tmp_path):
    """A home of many events."""
    path = tmp_path / "many.jsonl"
    path.write_text("".join(line(number, pad="x" * 200) + "\n" for number in range(2_000)))
    assert modeltrail("events", "import", path)[0] == 0
    return home


@pytest.mark.parametrize(
    "arguments",
    [("events", "export"), ("events", "tail", "-n", "2000"), ("runs", "--limit", "1000"), ("runs", "--json")],
    ids=" ".join,
)
def test_a_reader_that_goes_away_ends_the_command_quietly(many, start, arguments):
    process = start(*arguments)
    process.stdout.read(10)
    process.stdout.close()
    err = process.stderr.read()

    assert process.wait(PATIENCE_S) == 0
    assert "Traceback" not in err
    assert "BrokenPipe" not in err


def test_standard_input_is_imported_from_a_pipe(home, start, modeltrail):
    process = start("events", "import", "-")
    out, err = process.communicate(line(1) + "\n" + line(2), timeout=PATIENCE_S)

    assert (process.returncode, out, err) == (0, "-: 2 events imported\n", "")


def test_an_import_that_is_killed_is_finished_by_the_same_import(home, start, modeltrail, tmp_path):
    lines = [line(number) + "\n" for number in range(2_500)]
    (tmp_path / "events.jsonl").write_text("".join(lines))
    process = start("events", "import", "-")
    for text in lines[:1_500]:
        process.stdin.write(text)
    process.stdin.flush()
    wait_until(lambda: records(home) >= 1_000, process)
    process.kill()
    process.wait(PATIENCE_S)

    assert modeltrail("events", "import", tmp_path / "events.jsonl")[0] == 0
    assert start("events", "export").communicate(timeout=PATIENCE_S)[0] == "".join(lines)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_tail_ends_at_a_signal_without_a_word(many, start, number):
    process = start("events", "tail", "-n", "1")
    assert process.stdout.readline()
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE_S)

    assert "Traceback" not in err
    assert process.returncode in (130, -signal.SIGTERM)


def test_a_served_auditor_waits_for_room_where_there_is_none_and_goes_on(home, start, modeltrail):
    with EmbeddedLog(home / "log.db"):
        process = start("serve", "--role", "auditor")
        wait_until(lambda: (home / "audit" / "0" / "checkpoint").exists(), process)
        served = psutil.Process(process.pid)
        limits = served.rlimit(psutil.RLIMIT_FSIZE)
        served.rlimit(psutil.RLIMIT_FSIZE, (0, limits[1]))  # as a full disk: no file takes a byte
        modeltrail("events", "import", written(home, range(10)))
        said, too_late = "", threading.Timer(PATIENCE_S, process.kill)
        too_late.start()
        try:
            while "waiting for room on the disk" not in said:
                said = process.stderr.readline()
                assert said, "it ended, or never said so"
        finally:
            too_late.cancel()
        served.rlimit(psutil.RLIMIT_FSIZE, limits)
        wait_until(lambda: behind(modeltrail) == 0, process)
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert modeltrail("audit", "verify")[0] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_projects_and_audits_and_stops_at_a_signal_having_lost_nothing(home, start, modeltrail, number):
    with EmbeddedLog(home / "log.db") as log:
        process = start("serve", "--port", 0)
        wait_until(lambda: (home / "audit" / "0" / "checkpoint").exists(), process)
        modeltrail("events", "import", written(home, range(500)))
        wait_until(lambda: behind(modeltrail) == 0, process)
        modeltrail("events", "import", written(home, range(500, 1_000)))
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE_S)

        assert process.returncode == 0, err
        logged = [json.loads(text) for text in err.splitlines()]
        assert logged[-1]["event"] == "stopped"
        assert all({"event", "level", "timestamp", "logger"} <= set(each) for each in logged)
        assert log.end()[0] == 1_000
    assert modeltrail("audit", "verify")[0] == 0
    assert modeltrail("audit", "follow", "--once")[0] == 0
    assert behind(modeltrail) == 0
    served = json.loads(modeltrail("digest", "--json")[1])
    assert served["counts"]["event"] == 1_000
    modeltrail("rebuild")
    assert json.loads(modeltrail("digest", "--json")[1])["hex"] == served["hex"]


def test_serve_with_one_role_does_only_that(many, start, modeltrail):
    process = start("serve", "--role", "auditor")
    wait_until(lambda: (many / "audit" / "0" / "checkpoint").exists() and behind(modeltrail) == 0, process)
    process.terminate()

    assert process.wait(PATIENCE_S) == 0
    assert not (many / "read-model.db").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_audit_follow_stops_at_a_signal_with_a_log_that_verifies(many, start, modeltrail, number):
    modeltrail("audit", "init")
    process = start("audit", "follow")
    assert "records signed" in process.stdout.readline()
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE_S)

    assert (process.returncode, err) == (0, "")
    assert modeltrail("audit", "verify")[0] == 0


def test_serve_beside_an_auditor_says_so_and_takes_over_when_that_one_ends(many, start, modeltrail, tmp_path):
    modeltrail("audit", "init")
    first = start("audit", "follow")
    assert "records signed" in first.stdout.readline()
    said = tmp_path / "said"
    with said.open("w") as file:
        process = start("serve", "--port", 0, stderr=file)
    wait_until(lambda: f"another auditor (pid {first.pid})" in said.read_text(), process)
    first.terminate()
    wait_until(lambda: '"auditing"' in said.read_text(), process)
    process.terminate()

    assert process.wait(PATIENCE_S) == 0
    assert "Traceback" not in said.read_text()


@pytest.mark.slow
def test_serve_waits_for_a_broker_that_is_down_and_stops_all_the_same(home, start):
    process = start("--log", "kafka://127.0.0.1:1/x", "serve", "--port", 0)
    assert "serving" in process.stderr.readline()
    process.terminate()
    _, err = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 0
    assert "Traceback" not in err


def test_a_replay_that_is_interrupted_goes_on_where_it_ended(many, start, modeltrail, tmp_path):
    into = f"sqlite:///{tmp_path / 'second.db'}"
    process = start("replay", "--into", into)
    wait_until(lambda: (tmp_path / "second.db").exists() or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_S)

    # It may have been on its way out already, where Python dies of the signal.
    assert process.returncode in (0, 130, -signal.SIGINT)
    code, out, _ = modeltrail("replay", "--into", into, "--json")
    assert code == 0
    assert json.loads(out)["digest"]["hex"] == json.loads(modeltrail("digest", "--json")[1])["hex"]


def records(home):
    try:
        with EmbeddedLog(home / "log.db", create=False) as log:
            return log.end()[0]
    except LogNotFoundError:  # not there yet, or just being made
        return 0


def written(home, numbers):
    path = home.parent / "events.jsonl"
    path.write_text("".join(line(number) + "\n" for number in numbers))
    return path
