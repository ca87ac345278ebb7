"""From an address to an open log. Only the implementation that the address names is imported."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from modeltrail.errors import ConfigurationError
from modeltrail.log.protocol import Log

_NO_OPTIONS: Mapping[str, str] = MappingProxyType({})
_FORM = "write kafka://HOST:PORT/TOPIC (several brokers: kafka://HOST:PORT,HOST:PORT/TOPIC) or the path of a file"
_BROKER = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[^\s:/@\[\]]+):[0-9]{1,5}")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


@dataclass(frozen=True, slots=True)
class KafkaAddress:
    """Which topic of which cluster. ``bootstrap`` are ``HOST:PORT`` of brokers that lead to the others."""

    bootstrap: tuple[str, ...]
    topic: str


def parse_address(address: str) -> KafkaAddress | Path:
    """Return the topic or the file that ``address`` names. Raises ConfigurationError that says how to write one."""
    if "://" not in address:
        if address.startswith("kafka:"):
            raise ConfigurationError(f"{address} is neither a topic nor a file", remedy=_FORM)
        if not address.strip() or "\0" in address:
            raise ConfigurationError(f"the log's address is empty or no path: {address!r}", remedy=_FORM)
        return Path(address).expanduser().absolute()
    scheme, _, rest = address.partition("://")
    if scheme != "kafka":
        raise ConfigurationError(f"a log cannot be at {scheme}://", remedy=_FORM)
    brokers, slash, topic = rest.partition("/")
    if "@" in brokers:
        raise ConfigurationError(
            "the log's address has a user or password in it, where it would be shown",
            remedy="set MODELTRAIL_LOG_USERNAME and MODELTRAIL_LOG_PASSWORD_FILE instead",
        )
    if not slash or not topic:
        raise ConfigurationError(f"{address} names no topic", remedy=_FORM)
    if not _TOPIC.fullmatch(topic) or topic in (".", ".."):
        raise ConfigurationError(
            f"{topic!r} cannot be a topic", remedy="a topic's name has 1 to 249 of the characters a-z A-Z 0-9 . _ -"
        )
    bootstrap = tuple(brokers.split(","))
    for broker in bootstrap:
        if not _BROKER.fullmatch(broker) or not 0 < int(broker.rpartition(":")[2]) < 65_536:
            raise ConfigurationError(f"{broker!r} in {address} is no broker", remedy=_FORM)
    return KafkaAddress(bootstrap, topic)


def open_log(address: str, *, options: Mapping[str, str] = _NO_OPTIONS, create: bool = True) -> Log:
    """Return the open log at ``address``; ``options`` are what Kafka needs besides (kafka_options.py lists them).

    A missing file is made when ``create`` is set; a topic is never made here. Raises LogNotFoundError,
    ConfigurationError (a malformed address, a file that is no log), LogUnavailableError (no broker answers).
    """
    where = parse_address(address)
    if isinstance(where, Path):
        from modeltrail.log.embedded import EmbeddedLog

        return EmbeddedLog(where, create=create)
    from modeltrail.log.kafka import KafkaLog

    return KafkaLog(where.bootstrap, where.topic, options=options)
