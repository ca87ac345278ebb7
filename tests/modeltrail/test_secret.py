"""What is secret does not print."""

from pathlib import Path

import pytest
from modeltrail.config import load
from modeltrail.secret import Secret, without_password


def test_a_secret_is_its_text_and_prints_as_stars():
    assert Secret("hunter2") == "hunter2"
    assert "hunter2" not in repr({"password": Secret("hunter2")})


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://ana:hunter2@db/x",
        "postgresql://ana:hunter2/with@slash@db:5432/x",
        "postgresql://:hunter2@db/x",
        "postgresql://db/x?user=ana&password=hunter2&sslmode=require",
        "not a url ://u:hunter2@",
    ],
)
def test_an_address_is_shown_without_its_password(address: str):
    shown = without_password(address)
    assert "hunter2" not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "address", ["sqlite:////home/a@b/read-model.db", "postgresql://ana@db:5432/x", "kafka://h:1/t"]
)
def test_an_address_without_a_password_is_shown_as_it_is(address: str):
    assert without_password(address) == address


def test_a_configuration_prints_without_its_secrets(tmp_path: Path):
    environ = {"MODELTRAIL_LOG_PASSWORD": "hunter2", "MODELTRAIL_DATABASE": "postgresql://ana:hunter2@db/x"}
    config = load(environ, tmp_path)
    assert config.log_options["password"] == "hunter2"
    assert "hunter2" not in repr(config) + repr(config.log_options)
