"""TLS and SASL: from our options to the client's settings, and no secret in sight."""

import importlib.util
import sys
import traceback
from importlib.machinery import ModuleSpec

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
        ({"password": "hunter2"}, "does nothing with security_protocol PLAINTEXT"),
        ({"security_protocol": "SSL", "username": "a", "password": "hunter2"}, "does nothing with"),
        ({"username": "a", "password_file": "/not/there", "sasl_mechanism": "PLAIN"}, "/not/there cannot be read"),
        ({"ca_file": "/not/there.pem"}, "ca_file /not/there.pem is not there"),
        ({"security_protocol": "PLAINTEXT", "ca_file": "/x"}, "ca_file does nothing"),
        ({"sasl_mechanism": "OAUTHBEARER"}, "needs a token"),
        ({"sasl_mechanism": "OAUTHBEARER", "token_file": "/not/there"}, "token_file /not/there cannot be read"),
        ({"sasl_mechanism": "OAUTHBEARER", "password": "hunter2"}, "password does nothing with OAUTHBEARER"),
        ({"sasl_mechanism": "PLAIN", "token_file": "/x"}, "token_file does nothing with PLAIN"),
        ({"sasl_mechanism": "GSSAPI", "username": "a"}, "username does nothing with GSSAPI"),
        ({"kerberos_service": "kafka"}, "does nothing with security_protocol PLAINTEXT"),
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


def test_a_token_is_read_anew_for_each_connection_and_does_not_print(tmp_path):
    (tmp_path / "token").write_text("hunter2\n")
    settings = client_settings({"sasl_mechanism": "oauthbearer", "token_file": str(tmp_path / "token")})
    assert (settings["security_protocol"], settings["sasl_mechanism"]) == ("SASL_SSL", "OAUTHBEARER")
    provider = settings["sasl_oauth_token_provider"]
    assert provider.token() == "hunter2"
    (tmp_path / "token").write_text("hunter3\n")
    assert provider.token() == "hunter3"
    assert "hunter" not in repr(settings) + repr(provider.token())


def test_kerberos_names_the_brokers_principal(monkeypatch):
    monkeypatch.setitem(sys.modules, "gssapi", importlib.util.module_from_spec(ModuleSpec("gssapi", None)))
    settings = client_settings({"sasl_mechanism": "GSSAPI", "kerberos_domain": "kafka.example.org"})
    assert settings == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "GSSAPI",
        "sasl_kerberos_service_name": "kafka",
        "sasl_kerberos_domain_name": "kafka.example.org",
    }


def test_kerberos_without_its_package_says_which(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="the package gssapi, which is not installed"):
        client_settings({"sasl_mechanism": "GSSAPI"})


@pytest.mark.parametrize(("content", "says"), [(b"", "is empty"), (b"hunter2\xff", "is not UTF-8")])
def test_a_secrets_file_that_holds_none_is_refused_without_showing_it(tmp_path, content, says):
    (tmp_path / "password").write_bytes(content)
    options = {"username": "a", "password_file": str(tmp_path / "password"), "sasl_mechanism": "PLAIN"}
    with pytest.raises(ConfigurationError, match=says) as refused:
        client_settings(options)
    shown = "".join(traceback.format_exception(refused.value))
    assert "hunter2" not in shown


def test_a_key_without_its_certificate_is_refused(pem):
    with pytest.raises(ConfigurationError, match="key_file is set without cert_file"):
        client_settings({"key_file": str(pem / "key.pem")})
