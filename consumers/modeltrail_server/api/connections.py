"""What one connection may cost the HTTP server: so many at once, each given so long for what is no request yet.

A request under way has bounds of its own, where its body is read.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 512
"""Half of the files that a process may usually open."""
HEADERS_TIMEOUT_S = 20.0
"""From the connection, or the answer before, until all headers of a request are here; its keep-alive is shorter."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many connections there may be, and how long each may be without a request."""

    max_connections: int = MAX_CONNECTIONS
    headers_timeout_s: float = HEADERS_TIMEOUT_S


class Settings(uvicorn.Config):
    """The settings of a server whose connections are bounded; ``on_refused`` hears of each that was one too many.

    ``others`` are uvicorn's.
    """

    def __init__(self, application: Any, bounds: Bounds, on_refused: Callable[[], None], **others: Any) -> None:
        super().__init__(application, http=BoundedConnection, ws="none", **others)
        self.bounds = bounds
        self.on_refused = on_refused


class BoundedConnection(H11Protocol):
    """A connection of uvicorn's that is closed where no request comes in time, or where there are too many.

    uvicorn itself bounds the silence between two requests only, and the size of headers.
    """

    config: Settings
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or end it at once."""
        super().connection_made(transport)
        if len(self.connections) > self.config.bounds.max_connections:
            self.config.on_refused()
            transport.abort()
        else:
            self._set_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Go on with a request, or with its headers."""
        super().data_received(data)
        self._set_timer()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        super().on_response_complete()
        self._set_timer()

    def _set_timer(self) -> None:
        """Let the time run while no request is under way; what was begun of its headers does not set it back."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_timer()
        elif self._timer is None and not self.transport.is_closing():
            self._timer = self.loop.call_later(self.config.bounds.headers_timeout_s, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
