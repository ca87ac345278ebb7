"""What reaching a Kafka cluster needs besides its address: TLS and SASL, from our names to kafka-python's.

No secret is ever shown: a password prints as ``***``, in errors, in ``repr`` and in the client's own debug log.
"""

from collections.abc import Mapping
from pathlib import Path

from modeltrail.errors import ConfigurationError

KNOWN_OPTIONS = (
    "security_protocol",  # PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL; derived from the others when missing
    "sasl_mechanism",  # PLAIN, SCRAM-SHA-256, SCRAM-SHA-512
    "username",
    "password",
    "password_file",  # the password's file, read when the log is opened
    "ca_file",  # PEM files
    "cert_file",
    "key_file",
)
_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_FILES = {"ca_file": "ssl_cafile", "cert_file": "ssl_certfile", "key_file": "ssl_keyfile"}


class Secret(str):
    """A string that does not print itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


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
    if "username" in given or "sasl_mechanism" in given:
        return "SASL_SSL"
    return "SSL" if given.keys() & _FILES.keys() else "PLAINTEXT"


def _choose(given: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str | None:
    value = given.get(name)
    if value is not None and value.upper() not in allowed:
        raise ConfigurationError(f"{name} cannot be {value!r}", remedy=f"choose one of {', '.join(allowed)}")
    return value.upper() if value else None


def _add_sasl(settings: dict[str, object], given: Mapping[str, str], protocol: str) -> None:
    mechanism = _choose(given, "sasl_mechanism", _MECHANISMS)
    credentials = given.keys() & {"username", "password", "password_file"}
    if not protocol.startswith("SASL"):
        if mechanism or credentials:
            raise ConfigurationError(
                f"a user and a password do nothing with security_protocol {protocol}",
                remedy="set security_protocol to SASL_SSL, or take them away",
            )
        return
    if mechanism is None:
        raise ConfigurationError("sasl_mechanism is missing", remedy=f"choose one of {', '.join(_MECHANISMS)}")
    if "username" not in given or credentials == {"username"}:
        raise ConfigurationError(f"{mechanism} needs a user and a password", remedy="set username and password_file")
    settings |= {
        "sasl_mechanism": mechanism,
        "sasl_plain_username": given["username"],
        "sasl_plain_password": _password(given),
    }


def _password(given: Mapping[str, str]) -> Secret:
    if "password_file" not in given:
        return Secret(given["password"])
    if "password" in given:
        raise ConfigurationError("password and password_file are both set", remedy="keep password_file")
    try:
        return Secret(Path(given["password_file"]).expanduser().read_text(encoding="utf-8").rstrip("\r\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"password_file {given['password_file']} cannot be read: {getattr(error, 'strerror', 'not UTF-8')}"
        ) from error


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
