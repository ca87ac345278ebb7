"""Addresses of logs."""

import subprocess
import sys
from pathlib import Path

import pytest
from modeltrail.errors import ConfigurationError, LogNotFoundError
from modeltrail.log import Outgoing, open_log
from modeltrail.log.opening import KafkaAddress, parse_address


@pytest.mark.parametrize(
    ("address", "where"),
    [
        ("kafka://a:9092/t", KafkaAddress(("a:9092",), "t")),
        (
            "kafka://a.example:1,b-2:65535/lineage.events_v1",
            KafkaAddress(("a.example:1", "b-2:65535"), "lineage.events_v1"),
        ),
        ("kafka://127.0.0.1:9092/t", KafkaAddress(("127.0.0.1:9092",), "t")),
        ("kafka://[::1]:9092/t", KafkaAddress(("[::1]:9092",), "t")),
        ("/var/log.db", Path("/var/log.db")),
    ],
)
def test_an_address_is_a_topic_or_a_file(address, where):
    assert parse_address(address) == where


def test_a_relative_path_is_taken_from_the_working_directory(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert parse_address("x/log.db") == tmp_path / "x" / "log.db"


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("", "empty"),
        ("kafka://a:9092", "names no topic"),
        ("kafka://a:9092/", "names no topic"),
        ("kafka:///t", "is no broker"),
        ("kafka://a/t", "'a' in kafka://a/t is no broker"),
        ("kafka://a:0/t", "is no broker"),
        ("kafka://a:65536/t", "is no broker"),
        ("kafka://a:1,/t", "'' in"),
        ("kafka://a:1/t u", "cannot be a topic"),
        ("kafka://a:1/..", "cannot be a topic"),
        ("kafka://a:1/t/u", "cannot be a topic"),
        ("http://a:1/t", "cannot be at http://"),
        ("postgresql://u:hunter2@a/t", "cannot be at postgresql://"),
    ],
)
def test_a_malformed_address_is_refused_and_says_how_to_write_one(address, says):
    with pytest.raises(ConfigurationError, match=says) as refused:
        parse_address(address)
    assert refused.value.remedy
    assert "hunter2" not in str(refused.value) + refused.value.remedy


def test_a_password_in_an_address_is_refused_and_not_shown():
    with pytest.raises(ConfigurationError) as refused:
        parse_address("kafka://ana:hunter2@a:9092/t")
    assert "hunter2" not in str(refused.value) + refused.value.remedy
    assert "MODELTRAIL_LOG_PASSWORD_FILE" in refused.value.remedy


def test_a_file_is_opened_and_made_with_its_folder(tmp_path):
    address = str(tmp_path / "new" / "log.db")
    with pytest.raises(LogNotFoundError, match="there is no log"):
        open_log(address, create=False)
    assert not (tmp_path / "new").exists()
    with open_log(address) as log:
        log.append([Outgoing(b"a")])
    with open_log(address, create=False) as log:
        assert log.end().format() == "0:1"


def test_the_log_is_imported_without_kafka_and_without_sqlite(monkeypatch):
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)  # measuring coverage loads sqlite3
    program = (
        "import sys, modeltrail, modeltrail.log; print(sorted({'kafka', 'sqlite3', 'fastavro'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
