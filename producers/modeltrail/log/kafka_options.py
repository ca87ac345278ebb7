"""What reaching a Kafka cluster needs besides its address: TLS and SASL, from our names to kafka-python's.

No secret is ever shown: a password prints as ``***``, in errors, in ``repr`` and in the client's own debug log.
Only reading files happens here; what a mechanism needs of kafka-python's classes is in kafka_tokens.py.
"""

import importlib.util
from collections.abc import Mapping
from pathlib import Path

from modeltrail.errors import ConfigurationError
from modeltrail.secret import Secret, read_secret

CONNECT_TIMEOUT_MS = 10_000
"""How long brokers that do not answer are tried before they are taken to be down."""

KNOWN_OPTIONS = (
    "security_protocol",  # PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL; derived from the others when missing
    "sasl_mechanism",  # PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, GSSAPI
    "username",
    "password",
    "password_file",  # the password's file, read when the log is opened
    "token_file",  # OAUTHBEARER: the token's file, read at each connection, so that it may be renewed in place
    "kerberos_service",  # GSSAPI: the service part of the brokers' principal, kafka by default
    "kerberos_domain",  # GSSAPI: its host part, where that is not the broker's host name
    "ca_file",  # PEM files
    "cert_file",
    "key_file",
)
_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_PASSWORD_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_MECHANISM_OPTIONS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(_PASSWORD_MECHANISMS, ("username", "password", "password_file")),
    "OAUTHBEARER": ("token_file",),
    "GSSAPI": ("kerberos_service", "kerberos_domain"),
}
_MECHANISMS = tuple(_MECHANISM_OPTIONS)
_SASL_OPTIONS = frozenset(name for names in _MECHANISM_OPTIONS.values() for name in names)
_FILES = {"ca_file": "ssl_cafile", "cert_file": "ssl_certfile", "key_file": "ssl_keyfile"}


def client_settings(options: Mapping[str, str]) -> dict[str, object]:
    """Return the security settings of kafka-python's clients for ``options``; reads ``password_file``.

    Raises ConfigurationError on an option nobody knows, on a combination that cannot work, on a missing file.
    """
    given = {name: value for name, value in options.items() if value}
    for name in given:
        if name not in KNOWN_OPTIONS:
            raise ConfigurationError(f"the log has no option {name!r}", remedy=f"known: {', '.join(KNOWN_OPTIONS)}")
    protocol = _choose(given, "security_protocol", _PROTOCOLS) or _implied_protocol(given)
    settings: dict[str, object] = {"security_protocol": protocol}
    _add_sasl(settings, given, protocol)
    _add_files(settings, given, protocol)
    return settings


def _implied_protocol(given: Mapping[str, str]) -> str:
    if given.keys() & {"username", "token_file", "sasl_mechanism"}:
        return "SASL_SSL"
    return "SSL" if given.keys() & _FILES.keys() else "PLAINTEXT"


def _choose(given: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str | None:
    value = given.get(name)
    if value is not None and value.upper() not in allowed:
        raise ConfigurationError(f"{name} cannot be {value!r}", remedy=f"choose one of {', '.join(allowed)}")
    return value.upper() if value else None


def _add_sasl(settings: dict[str, object], given: Mapping[str, str], protocol: str) -> None:
    mechanism = _choose(given, "sasl_mechanism", _MECHANISMS)
    if not protocol.startswith("SASL"):
        if mechanism or given.keys() & _SASL_OPTIONS:
            raise ConfigurationError(
                f"a user, a password or a token does nothing with security_protocol {protocol}",
                remedy="set security_protocol to SASL_SSL, or take them away",
            )
        return
    if mechanism is None:
        raise ConfigurationError("sasl_mechanism is missing", remedy=f"choose one of {', '.join(_MECHANISMS)}")
    allowed = _MECHANISM_OPTIONS[mechanism]
    if foreign := sorted(given.keys() & _SASL_OPTIONS - set(allowed)):
        raise ConfigurationError(
            f"{foreign[0]} does nothing with {mechanism}", remedy=f"it takes {', '.join(allowed)}"
        )
    settings["sasl_mechanism"] = mechanism
    if mechanism == "OAUTHBEARER":
        _add_token(settings, given)
    elif mechanism == "GSSAPI":
        _add_kerberos(settings, given)
    else:
        _add_password(settings, given, mechanism)


def _add_password(settings: dict[str, object], given: Mapping[str, str], mechanism: str) -> None:
    if "username" not in given or not given.keys() & {"password", "password_file"}:
        raise ConfigurationError(f"{mechanism} needs a user and a password", remedy="set username and password_file")
    settings |= {"sasl_plain_username": given["username"], "sasl_plain_password": _password(given)}


def _add_token(settings: dict[str, object], given: Mapping[str, str]) -> None:
    if "token_file" not in given:
        raise ConfigurationError("OAUTHBEARER needs a token", remedy="set token_file, and renew that file in time")
    from modeltrail.log.kafka_tokens import TokenFile  # with kafka-python, which this module does without

    settings["sasl_oauth_token_provider"] = TokenFile(Path(given["token_file"]).expanduser())


def _add_kerberos(settings: dict[str, object], given: Mapping[str, str]) -> None:
    if importlib.util.find_spec("gssapi") is None:
        raise ConfigurationError(
            "GSSAPI needs the package gssapi, which is not installed", remedy="pip install gssapi"
        )
    settings["sasl_kerberos_service_name"] = given.get("kerberos_service", "kafka")
    if "kerberos_domain" in given:
        settings["sasl_kerberos_domain_name"] = given["kerberos_domain"]


def _password(given: Mapping[str, str]) -> Secret:
    if "password_file" not in given:
        return Secret(given["password"])
    if "password" in given:
        raise ConfigurationError("password and password_file are both set", remedy="keep password_file")
    return read_secret("password_file", Path(given["password_file"]).expanduser())


def _add_files(settings: dict[str, object], given: Mapping[str, str], protocol: str) -> None:
    for name, setting in _FILES.items():
        if name not in given:
            continue
        if not protocol.endswith("SSL"):
            raise ConfigurationError(
                f"{name} does nothing with security_protocol {protocol}",
                remedy="set security_protocol to SSL or SASL_SSL",
            )
        path = Path(given[name]).expanduser()
        if not path.is_file():
            raise ConfigurationError(f"{name} {path} is not there", remedy="name the PEM file that holds it")
        settings[setting] = str(path)
    if "key_file" in given and "cert_file" not in given:
        raise ConfigurationError("key_file is set without cert_file", remedy="set both: the key is the certificate's")
