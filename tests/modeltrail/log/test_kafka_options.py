"""TLS and SASL: from our options to the client's settings, and no secret in sight."""

import pytest
from modeltrail.errors import ConfigurationError
from modeltrail.log.kafka_options import client_settings


@pytest.fixture
def pem(tmp_path):
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / name).write_text("-----BEGIN")
    return tmp_path


def test_without_options_nothing_is_encrypted():
    assert client_settings({}) == {"security_protocol": "PLAINTEXT"}


def test_a_certificate_authority_means_tls(pem):
    assert client_settings({"ca_file": str(pem / "ca.pem")}) == {
        "security_protocol": "SSL",
        "ssl_cafile": str(pem / "ca.pem"),
    }


def test_a_client_certificate_goes_along(pem):
    files = {"ca_file": "ca.pem", "cert_file": "cert.pem", "key_file": "key.pem"}
    settings = client_settings({name: str(pem / file) for name, file in files.items()})
    assert (settings["ssl_certfile"], settings["ssl_keyfile"]) == (str(pem / "cert.pem"), str(pem / "key.pem"))


def test_a_user_means_sasl_over_tls():
    assert client_settings({"username": "ana", "password": "hunter2", "sasl_mechanism": "scram-sha-512"}) == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "ana",
        "sasl_plain_password": "hunter2",
    }


def test_a_password_is_read_from_its_file_without_the_end_of_line(tmp_path):
    (tmp_path / "password").write_text("hunter2\n")
    options = {"username": "ana", "password_file": str(tmp_path / "password"), "sasl_mechanism": "PLAIN"}
    assert client_settings(options)["sasl_plain_password"] == "hunter2"


def test_a_password_does_not_print():
    settings = client_settings({"username": "ana", "password": "hunter2", "sasl_mechanism": "PLAIN"})
    assert "hunter2" not in repr(settings)
    assert settings["sasl_plain_password"].encode() == b"hunter2"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"level": "debug"}, "no option 'level'"),
        ({"security_protocol": "TLS"}, "security_protocol cannot be 'TLS'"),
        ({"sasl_mechanism": "MD5", "username": "a", "password": "hunter2"}, "sasl_mechanism cannot be"),
        ({"username": "a", "password": "hunter2"}, "sasl_mechanism is missing"),
        ({"username": "a", "sasl_mechanism": "PLAIN"}, "needs a user and a password"),
        ({"password": "hunter2", "sasl_mechanism": "PLAIN"}, "needs a user and a password"),
        ({"password": "hunter2"}, "do nothing with security_protocol PLAINTEXT"),
        ({"security_protocol": "SSL", "username": "a", "password": "hunter2"}, "do nothing with"),
        ({"username": "a", "password_file": "/not/there", "sasl_mechanism": "PLAIN"}, "/not/there cannot be read"),
        ({"ca_file": "/not/there.pem"}, "ca_file /not/there.pem is not there"),
        ({"security_protocol": "PLAINTEXT", "ca_file": "/x"}, "ca_file does nothing"),
        (
            {"username": "a", "password": "hunter2", "password_file": "/x", "sasl_mechanism": "PLAIN"},
            "password and password_file",
        ),
    ],
)
def test_options_that_cannot_work_are_refused_without_showing_secrets(options, says):
    with pytest.raises(ConfigurationError, match=says) as refused:
        client_settings(options)
    assert "hunter2" not in str(refused.value) + refused.value.remedy


def test_a_key_without_its_certificate_is_refused(pem):
    with pytest.raises(ConfigurationError, match="key_file is set without cert_file"):
        client_settings({"key_file": str(pem / "key.pem")})
