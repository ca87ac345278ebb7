"""What only the embedded log has: one file, many processes, and everything that can be wrong with a file."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from modeltrail.errors import ConfigurationError, LogIdentityError, LogNotFoundError, LogUnavailableError
from modeltrail.log import Outgoing, read
from modeltrail.log.embedded import EmbeddedLog

WRITER = """
import sys
from modeltrail.log import Outgoing
from modeltrail.log.embedded import EmbeddedLog
path, name, batches = sys.argv[1], sys.argv[2], int(sys.argv[3])
with EmbeddedLog(path) as log:
    for number in range(batches):
        for _, offset in log.append([Outgoing(f"{name}-{number}-{part}".encode()) for part in range(3)]):
            print(offset, flush=True)
"""


def start_writer(path, name, batches, **kwargs):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name, str(batches)], stdout=subprocess.PIPE, text=True, **kwargs
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.db"


def values(log):
    return [record.value for record in read(log, log.start(), log.end())]


def test_processes_that_make_and_append_at_once_lose_nothing_and_share_no_offset(path):
    writers = [start_writer(path, name, batches=20) for name in "abcd"]
    printed = [writer.communicate()[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 4
    offsets = [int(line) for text in printed for line in text.split()]
    assert sorted(offsets) == list(range(4 * 20 * 3))
    with EmbeddedLog(path) as log:
        held = [value.decode() for value in values(log)]
    for name in "abcd":
        expected = [f"{name}-{number}-{part}" for number in range(20) for part in range(3)]
        assert [value for value in held if value.startswith(name)] == expected
    batches = [held[start : start + 3] for start in range(0, len(held), 3)]
    assert all(len({value.rsplit("-", 1)[0] for value in batch}) == 1 for batch in batches)


@pytest.mark.fault
def test_what_a_killed_process_was_told_is_durable_is_there(path):
    writer = start_writer(path, "a", batches=1_000_000)
    seen = [int(writer.stdout.readline()) for _ in range(30)]
    writer.send_signal(signal.SIGKILL)
    seen += [int(line) for line in writer.communicate()[0].split()]
    with EmbeddedLog(path) as log:
        offsets = [record.offset for record in read(log, log.start(), log.end())]
        assert offsets == list(range(len(offsets)))
        assert set(seen) <= set(offsets)
        assert len(offsets) % 3 == 0
        assert log.append([Outgoing(b"next")]) == [(0, len(offsets))]


def test_each_commit_reaches_the_disk(path):
    with EmbeddedLog(path) as log, log._file.used() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_time_does_not_run_backwards_when_the_clock_does(path, monkeypatch):
    with EmbeddedLog(path) as log:
        log.append([Outgoing(b"a")])
        monkeypatch.setattr("time.time_ns", lambda: 1_000_000)
        log.append([Outgoing(b"b")])
        first, second = read(log, log.start(), log.end())
        assert second.timestamp_ms == first.timestamp_ms > 1


def test_reading_a_log_that_nobody_made_makes_nothing_and_says_what_to_do(path):
    with pytest.raises(LogNotFoundError, match="there is no log at") as missing:
        EmbeddedLog(path, create=False)
    assert missing.value.remedy
    assert not path.exists()


def test_a_log_that_is_only_being_made_is_not_there_yet(path):
    path.touch()
    with pytest.raises(LogNotFoundError):
        EmbeddedLog(path, create=False)
    EmbeddedLog(path).close()
    EmbeddedLog(path, create=False).close()


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(path):
    path.write_text("my diary, not a log\n" * 100)
    for create in (True, False):
        with pytest.raises(ConfigurationError, match="is not a log of modeltrail"):
            EmbeddedLog(path, create=create)
    assert path.read_text() == "my diary, not a log\n" * 100


def test_a_database_of_somebody_else_is_refused_and_left_as_it_is(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE record (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="is not a log of modeltrail"):
        EmbeddedLog(path)
    assert path.read_bytes() == before


def test_a_newer_format_asks_for_an_upgrade(path):
    EmbeddedLog(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ConfigurationError, match="format 99") as newer:
        EmbeddedLog(path)
    assert "upgrade" in newer.value.remedy


def test_a_folder_is_no_log(tmp_path):
    with pytest.raises(ConfigurationError):
        EmbeddedLog(tmp_path)


@pytest.mark.fault
def test_a_damaged_file_says_so(path):
    with EmbeddedLog(path) as log:
        log.append([Outgoing(bytes(1000)) for _ in range(200)])
    content = bytearray(path.read_bytes())
    content[4096 * 2 :] = b"\xff" * (len(content) - 4096 * 2)
    path.write_bytes(content)
    with EmbeddedLog(path) as log, pytest.raises(ConfigurationError, match="damaged") as damaged:
        values(log)
    assert "replay" in damaged.value.remedy


def test_another_writer_that_does_not_end_makes_the_log_unavailable_not_broken(path):
    with EmbeddedLog(path) as log:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LogUnavailableError, match="another process"):
            log.append([Outgoing(b"a")], timeout_ms=50)
        other.execute("ROLLBACK")
        other.close()
        assert log.append([Outgoing(b"a")]) == [(0, 0)]


@pytest.mark.fault
def test_a_full_disk_is_said_to_be_full_and_loses_nothing_acknowledged(path):
    with EmbeddedLog(path) as log:
        log.append([Outgoing(b"kept")])
        with log._file.used() as connection:
            connection.execute("PRAGMA max_page_count = 20")  # SQLite's own answer to a disk without room
        with pytest.raises(LogUnavailableError, match="full") as full:
            log.append([Outgoing(bytes(100_000))])
        assert "MODELTRAIL_HOME" in full.value.remedy
        assert values(log) == [b"kept"]
        with log._file.used() as connection:
            connection.execute("PRAGMA max_page_count = 1000000")
        assert log.append([Outgoing(bytes(100_000))]) == [(0, 1)]


@pytest.mark.skipif(not Path("/sys").is_dir(), reason="no read-only file system at hand")
def test_a_place_that_cannot_be_written_says_so():
    with pytest.raises(ConfigurationError) as refused:
        EmbeddedLog("/sys/modeltrail/log.db")
    assert "MODELTRAIL_HOME" in refused.value.remedy


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_says_so(path):
    EmbeddedLog(path).close()
    path.chmod(0o400)
    path.parent.chmod(0o500)
    try:
        with pytest.raises(ConfigurationError, match="cannot be opened for writing"):
            EmbeddedLog(path)
    finally:
        path.parent.chmod(0o700)


def test_a_file_made_anew_under_an_open_log_is_noticed(embedded_place):
    log = embedded_place.open()
    log.append([Outgoing(b"old")])
    reader = log.reader()
    reader.seek(0, 0)
    embedded_place.recreate()
    calls = (
        lambda: log.append([Outgoing(b"lost")]),
        log.end,
        log.reader,
        lambda: reader.poll(max_records=1, wait_ms=0),
    )
    for call in calls:
        with pytest.raises(LogIdentityError, match="not the one that was opened"):
            call()
    reader.close()


def test_a_file_that_was_removed_is_noticed(path):
    log = EmbeddedLog(path)
    path.unlink()
    with pytest.raises(LogIdentityError):
        log.append([Outgoing(b"lost")])
    log.close()


def test_a_closed_log_says_so_and_does_nothing(path):
    log = EmbeddedLog(path)
    log.close()
    with pytest.raises(ValueError, match="closed"):
        log.append([Outgoing(b"a")])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_log_does_not_cross_a_fork(path):
    with EmbeddedLog(path) as log:
        child = os.fork()
        if not child:
            try:
                log.append([Outgoing(b"from the child")])
            except ValueError:
                os._exit(0)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert values(log) == []


def test_a_path_with_every_odd_character_is_a_file_of_that_name(tmp_path):
    odd = tmp_path / "a b?mode=ro&x=%41#Ü" / "log.db"
    with EmbeddedLog(odd) as log:
        log.append([Outgoing(b"a")])
        assert odd.is_file()
