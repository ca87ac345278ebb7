"""A Kafka that wants TLS and a user: the SDK and the server reach it alike, and say clearly what keeps them out."""

import logging
import os
import subprocess
import sys
import time
import traceback
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from modeltrail.command import run as run_command
from modeltrail.config import Config, load
from modeltrail.emitter import Emitter
from modeltrail.errors import ConfigurationError, LogUnavailableError
from modeltrail.log.opening import open_log
from modeltrail.log.topic import create
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.projector import catch_up
from modeltrail_server.serving.status import collect
from services.certificates import Authority
from services.secure_kafka import PASSWORD, USER, SecureKafka, unsigned_token

pytestmark = pytest.mark.service

WRONG = "wr0ng-passw0rd"
COMMAND_TIMEOUT_S = 120
WAIT_S = 120
Configured = Callable[[dict[str, str]], Config]


@pytest.fixture
def configured(secure_kafka: SecureKafka, tmp_path: Path) -> Configured:
    """Return ``configured(options) -> Config``: a topic of this test's own at the secure listener."""
    topic = f"test-{uuid.uuid4().hex}"
    create([secure_kafka.secure_bootstrap], topic, options=secure_kafka.options())

    def make(options: dict[str, str]) -> Config:
        environ = {f"MODELTRAIL_LOG_{name.upper()}": value for name, value in options.items()}
        environ |= {
            "MODELTRAIL_HOME": str(tmp_path / "home"),
            "MODELTRAIL_LOG": f"kafka://{secure_kafka.secure_bootstrap}/{topic}",
        }
        return load(environ, tmp_path)

    return make


def token_options(secure_kafka: SecureKafka, folder: Path, **token: int) -> dict[str, str]:
    token_file = folder / "token"
    token_file.write_text(unsigned_token(USER, **token) + "\n")
    return {
        "sasl_mechanism": "OAUTHBEARER",
        "token_file": str(token_file),
        "ca_file": str(secure_kafka.authority.ca_file),
    }


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512", "OAUTHBEARER"])
def test_what_the_sdk_emits_is_projected_through_one_set_of_options(
    secure_kafka: SecureKafka, configured: Configured, tmp_path: Path, mechanism: str
) -> None:
    options = secure_kafka.options(mechanism)
    (tmp_path / "password").write_text(options.pop("password") + "\n")
    options["password_file"] = str(tmp_path / "password")
    config = configured(token_options(secure_kafka, tmp_path) if mechanism == "OAUTHBEARER" else options)
    emitter = Emitter(config)
    emitter.emit({"kind": "run", "type": "COMPLETE", "run_id": "r1", "job": "a/b"})
    assert emitter.flush(60_000)
    emitter.close()
    engine = open_engine(config.database)
    with open_log(config.log, options=config.log_options) as log:
        assert catch_up(log, engine).records == 1
    status = collect(config, engine)
    engine.dispose()
    assert status.read_model.counts.runs == 1
    assert run_command(["doctor"], config=config, out=lambda _: None) == 0


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_wrong_password_is_one_message_without_the_password(
    secure_kafka: SecureKafka, configured: Configured, mechanism: str, caplog: pytest.LogCaptureFixture
) -> None:
    config = configured(secure_kafka.options(mechanism) | {"password": WRONG})
    with (
        caplog.at_level(logging.DEBUG, "kafka"),
        pytest.raises(ConfigurationError, match="refuse this user") as error,
    ):
        open_log(config.log, options=config.log_options)
    assert "password_file" in error.value.remedy
    shown = "".join(traceback.format_exception(error.value)) + error.value.remedy + caplog.text
    assert WRONG not in shown
    assert PASSWORD not in shown


def test_the_clients_debug_log_does_not_show_a_right_password(
    secure_kafka: SecureKafka, configured: Configured, caplog: pytest.LogCaptureFixture
) -> None:
    config = configured(secure_kafka.options("PLAIN"))
    with caplog.at_level(logging.DEBUG, "kafka"), open_log(config.log, options=config.log_options) as log:
        log.end()
    assert "kafka" in caplog.text
    assert PASSWORD not in caplog.text


def test_an_expired_token_is_refused_and_a_renewed_one_taken(
    secure_kafka: SecureKafka, configured: Configured, tmp_path: Path
) -> None:
    config = configured(token_options(secure_kafka, tmp_path, lifetime_s=-30))
    with pytest.raises(ConfigurationError, match="refuse this user"):
        open_log(config.log, options=config.log_options)
    (tmp_path / "token").write_text(unsigned_token(USER))
    with open_log(config.log, options=config.log_options) as log:
        assert log.partitions() == 1


def test_brokers_signed_by_an_authority_not_known_here_are_not_trusted(
    secure_kafka: SecureKafka, configured: Configured, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "stranger", "somebody else")
    config = configured(secure_kafka.options() | {"ca_file": str(stranger.ca_file)})
    with pytest.raises(ConfigurationError, match=r"no trust .* local issuer certificate") as error:
        open_log(config.log, options=config.log_options)
    assert "ca_file" in error.value.remedy


@pytest.mark.parametrize("option", ["ca_file", "cert_file"])
def test_a_file_that_holds_no_certificate_is_named(
    secure_kafka: SecureKafka, configured: Configured, tmp_path: Path, option: str
) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    config = configured(secure_kafka.options() | {option: str(tmp_path / "no.pem")})
    with pytest.raises(ConfigurationError, match=rf"{option} .*no\.pem cannot be used"):
        open_log(config.log, options=config.log_options)


def test_a_mechanism_that_the_brokers_do_not_have_is_named(secure_kafka: SecureKafka, configured: Configured) -> None:
    config = configured(secure_kafka.options("SCRAM-SHA-256"))
    with pytest.raises(ConfigurationError, match="UnsupportedSaslMechanism"):
        open_log(config.log, options=config.log_options)


def test_without_tls_the_secure_listener_cannot_be_reached(secure_kafka: SecureKafka, configured: Configured) -> None:
    config = configured({})
    with pytest.raises(LogUnavailableError) as error:
        open_log(config.log, options=config.log_options)
    assert "TLS" in error.value.remedy


def test_training_goes_on_with_a_wrong_password_and_is_recorded_when_it_is_right(
    secure_kafka: SecureKafka, configured: Configured, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = secure_kafka.options()
    del options["password"]
    (tmp_path / "password").write_text(WRONG)
    config = configured(options | {"password_file": str(tmp_path / "password")})
    with caplog.at_level(logging.DEBUG, "modeltrail"):
        emitter = Emitter(config)
        # No START alone: the run of an emitter that closes is ended by whoever sends.
        emitter.emit({"kind": "run", "type": "COMPLETE", "run_id": "r1", "job": "a/b"})
        deadline = time.monotonic() + WAIT_S
        while "refuse this user" not in caplog.text:
            assert not emitter.flush(500)
            assert time.monotonic() < deadline
        (tmp_path / "password").write_text(PASSWORD)
        assert emitter.flush(WAIT_S * 1000)
        emitter.close()
    refusals = [each for each in caplog.records if "refuse this user" in each.getMessage()]
    assert len(refusals) == 1
    assert WRONG not in caplog.text
    with open_log(config.log, options=config.log_options) as log:
        assert log.end()[0] == 1


@pytest.mark.parametrize("command", [["serve", "--role", "projector"], ["status"], ["doctor"], ["topic", "check"]])
def test_the_command_line_says_what_is_wrong_and_no_secret(
    secure_kafka: SecureKafka, configured: Configured, command: list[str]
) -> None:
    config = configured(secure_kafka.options() | {"password": WRONG})
    environ = {f"MODELTRAIL_LOG_{name.upper()}": str(value) for name, value in config.log_options.items()}
    environ |= {
        "MODELTRAIL_HOME": str(config.home),
        "MODELTRAIL_LOG": config.log,
        "MODELTRAIL_DATABASE": "postgresql://ana:hunter2@127.0.0.1:1/nowhere",
    }
    done = subprocess.run(
        [sys.executable, "-m", "modeltrail.command", *command],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
    )
    shown = done.stdout + done.stderr
    assert "refuse this user" in " ".join(shown.split())
    assert done.returncode == (3 if command == ["status"] else 1 if command == ["doctor"] else 2)
    assert "Traceback" not in shown
    assert WRONG not in shown
    assert "hunter2" not in shown
