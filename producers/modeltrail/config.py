"""The one configuration: read once at the edge, frozen, passed down.

Each setting comes from, in this order: an explicit option, the environment, ``config.toml`` in the home, a default.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from modeltrail.errors import ConfigurationError
from modeltrail.secret import Secret

HOME_NAME = ".modeltrail"
CONFIG_NAME = "config.toml"
_SETTINGS = ("log", "database", "audit", "max_spool_bytes", "sender", "sender_stay_s")
MAX_SPOOL_BYTES = 1024**3
SENDER_STAY_S = 30
SENDERS = ("process", "thread")
ROOT = Path("/")
"""Where a process is taken to work whose own folder was removed."""
_NO_OPTIONS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Config:
    """Where things are. ``home`` need not exist yet: whoever writes first makes it.

    ``log`` is ``kafka://HOST:PORT[,HOST:PORT]/TOPIC`` or the path of an embedded log; ``database`` a SQLAlchemy
    URL; ``audit`` the folder of the audit log; ``log_options`` what a log needs besides its address (TLS, SASL), the
    password among them as a Secret; ``max_spool_bytes`` what may wait in the home to be sent; ``sender`` what sends
    it, a "process" beside training or a "thread" in it; ``sender_stay_s`` how long that process goes on trying a log
    that takes nothing, in seconds, when no process is left whose events it sends.
    """

    home: Path
    log: str
    database: str = field(repr=False)  # its password
    audit: Path
    log_options: Mapping[str, str] = field(default_factory=lambda: _NO_OPTIONS)
    max_spool_bytes: int = MAX_SPOOL_BYTES
    sender: str = SENDERS[0]
    sender_stay_s: int = SENDER_STAY_S


def find_home(environ: Mapping[str, str], cwd: Path) -> Path:
    """Return MODELTRAIL_HOME, else the nearest ``.modeltrail`` upward from ``cwd``, else ``cwd/.modeltrail``."""
    if explicit := environ.get("MODELTRAIL_HOME"):
        return Path(explicit).expanduser().absolute()
    for folder in (cwd, *cwd.parents):
        if (folder / HOME_NAME).is_dir():
            return folder / HOME_NAME
    return cwd / HOME_NAME


def load(environ: Mapping[str, str], cwd: Path, *, options: Mapping[str, str | None] = _NO_OPTIONS) -> Config:
    """Return the configuration; ``options`` (keys log, database, audit) win over everything else.

    Raises ConfigurationError when the TOML file is malformed or has a setting nobody knows.
    """
    home = find_home(environ, cwd)
    stored = _read_file(home / CONFIG_NAME)

    def setting(name: str, default: str) -> str:
        value = options.get(name) or environ.get(f"MODELTRAIL_{name.upper()}") or stored.get(name)
        return str(value) if value else default

    prefix = "MODELTRAIL_LOG_"
    log_options = {key: str(value) for key, value in stored.get("log_options", {}).items()}
    log_options |= {key[len(prefix) :].lower(): value for key, value in environ.items() if key.startswith(prefix)}
    return Config(
        home=home,
        log=setting("log", str(home / "log.db")),
        database=setting("database", f"sqlite:///{home / 'read-model.db'}"),
        audit=Path(setting("audit", str(home / "audit"))).expanduser(),
        log_options=hidden(log_options),
        max_spool_bytes=_number("max_spool_bytes", "bytes", setting("max_spool_bytes", str(MAX_SPOOL_BYTES))),
        sender=_sender(setting("sender", SENDERS[0])),
        sender_stay_s=_number("sender_stay_s", "seconds", setting("sender_stay_s", str(SENDER_STAY_S))),
    )


def working_folder_if_there() -> Path | None:
    """Return the working directory, None where somebody removed it."""
    try:
        return Path.cwd()
    except OSError:
        return None


def working_folder(environ: Mapping[str, str]) -> Path:
    """Return the working directory; where somebody removed it, the root, if ``environ`` says where the home is.

    Raises ConfigurationError where it does not.
    """
    folder = working_folder_if_there()
    if folder is None and not Path(environ.get("MODELTRAIL_HOME", "")).is_absolute():
        raise ConfigurationError(
            "the working directory was removed",
            remedy="go to one that is there, or say where the home is: MODELTRAIL_HOME",
        )
    return folder or ROOT


def hidden(log_options: Mapping[str, str]) -> Mapping[str, str]:
    """Return the options with what is secret among them as a Secret, which nothing prints by accident."""
    return MappingProxyType(
        {key: Secret(value) if key == "password" else value for key, value in log_options.items()}
    )


def _number(name: str, unit: str, text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise ConfigurationError(f"{name} is no number of {unit}: {text!r}", remedy="write digits only")
    return int(text)


def _sender(text: str) -> str:
    if text not in SENDERS:
        raise ConfigurationError(f"sender is {text!r}", remedy=f"write {' or '.join(SENDERS)}")
    return text


def _read_file(path: Path) -> dict[str, dict[str, str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8", remedy="save it in that encoding") from error
    import tomllib

    try:
        stored = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}", remedy="correct that line") from error
    unknown = sorted(set(stored) - {*_SETTINGS, "log_options"})
    if unknown:
        raise ConfigurationError(
            f"{path} has a setting nobody knows: {unknown[0]}",
            remedy=f"known: {', '.join(_SETTINGS)}, log_options",
        )
    if not isinstance(stored.get("log_options", {}), dict):
        raise ConfigurationError(f"{path}: log_options is no table", remedy="write its options below [log_options]")
    return stored
