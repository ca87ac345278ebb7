"""Kafka's clients as they are started here: quiet, leaving nothing behind when they fail, saying why they failed.

kafka-python 3.0.12 answers a refused password or certificate with "unable to bootstrap", after trying again until its
time is over; the reason goes to its log only. Here it is remembered, and one that no retry can cure ends the attempt.
"""

import logging
from collections.abc import Callable
from typing import Any

from kafka import errors
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

from modeltrail.errors import ModeltrailError
from modeltrail.log.kafka_tls import tls_context, tls_fault

_LASTING = (
    errors.SaslAuthenticationFailedError,
    errors.AuthorizationError,
    errors.UnsupportedSaslMechanismError,
    ModeltrailError,
)
Receive = Callable[[], tuple[bytes, Exception | None]]
_WIRE_LOGGERS = ("kafka.protocol.parser", "kafka.net.connection")


class Connections(KafkaConnectionManager):  # type: ignore[misc]  # kafka-python has no types
    """The connections of one client. ``failure`` is why the last one was not made, None when it was."""

    def __init__(self, net: NetworkSelector, **settings: object) -> None:
        self.failure: Exception | None = None
        super().__init__(net, **settings)

    def get_connection(self, *args: Any, **settings: Any) -> Any:
        """Return a connection being made. While none ever was, raise what makes trying again pointless."""
        if self.failure is not None and not self.bootstrapped and is_lasting(self.failure):
            raise self.failure
        connection = super().get_connection(*args, **settings)
        connection.init_future.add_errback(self._remember)
        connection.init_future.add_callback(self._forget)
        return connection

    async def _build_transport(self, *args: Any, **settings: Any) -> Any:
        """Return a transport that delivers what a broker said before it hung up: why it refuses us, for one."""
        transport = await super()._build_transport(*args, **settings)
        transport._sock_recv = _words_before_end(transport._sock_recv)
        return transport

    def _remember(self, error: Exception) -> None:
        self.failure = error

    def _forget(self, _: object) -> None:
        self.failure = None


def connect(client: Callable[..., Any], **settings: Any) -> Any:
    """Return ``client(**settings)``; when that fails, end the thread and the sockets it had started already.

    Raises what kept it from connecting, where it knows that, else what the client raises; ConfigurationError on files
    that cannot be used for TLS.
    """
    protocol = str(settings.get("security_protocol"))
    _quieten_client(has_credentials=protocol.startswith("SASL"))
    files = [settings.pop(name, None) for name in ("ssl_cafile", "ssl_certfile", "ssl_keyfile")]
    if protocol.endswith("SSL"):
        settings["ssl_context"] = tls_context(*files)
    started: list[tuple[KafkaNetClient, Connections]] = []

    def start(**given: object) -> KafkaNetClient:
        net = NetworkSelector(**given)
        connections = Connections(net, **given)
        started.append((KafkaNetClient(net, connections), connections))
        return started[-1][0]

    try:
        return client(**settings, kafka_client=start)
    except BaseException as error:
        for each, _ in started:
            each.close()
        failure = next((connections.failure for _, connections in started if connections.failure), None)
        if isinstance(error, errors.KafkaTimeoutError) and failure is not None:
            raise failure from error
        raise


def is_lasting(error: Exception) -> bool:
    """Return whether trying again cannot help: somebody must change an option first."""
    return isinstance(error, _LASTING) or tls_fault(error) is not None


def _words_before_end(receive: Receive) -> Receive:
    """Return ``receive`` with an end that came along with data left to the next call, which meets it again."""

    def deliver() -> tuple[bytes, Exception | None]:
        data, error = receive()
        return data, None if data else error

    return deliver


def _quieten_client(*, has_credentials: bool) -> None:
    """Keep kafka-python from telling of each attempt what we tell once, unless its logger was set up on purpose.

    Its debug log of the wire shows what is sent, a password or a token too: with those it stays off in any case.
    """
    if has_credentials:
        for name in _WIRE_LOGGERS:
            logging.getLogger(name).setLevel(logging.INFO)
    logger = logging.getLogger("kafka")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)
