"""The HTTP server: an application on an address, until it is told to stop."""

import os
import socket
import threading
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI
from modeltrail.errors import ConfigurationError

from modeltrail_server.api.connections import Bounds, Settings

BOUNDS = Bounds()
BACKLOG = 128
KEEP_ALIVE_S = 5
STOP_TIMEOUT_S = 10


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there. Raises ConfigurationError when the port is taken, the host not ours.

    Its connections send at once what they are given. An answer is given in two parts, and the second would wait until
    the client acknowledges the first: 40 ms, where it has nothing to say. asyncio sees to that for sockets of its own
    making only.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"nothing can listen on {host}:{port}: {os.strerror(error.errno) if error.errno else error}",
            remedy="choose another with --host and --port",
        ) from error
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def run_application(
    application: FastAPI,
    listener: socket.socket,
    stop: threading.Event,
    *,
    on_refused: Callable[[], None],
    bounds: Bounds = BOUNDS,
) -> None:
    """Serve until ``stop``; requests under way are finished. Runs in any thread; signals are the caller's.

    ``on_refused`` is called, in that thread, for each connection that is closed because there are too many.
    """
    settings = Settings(
        application,
        bounds,
        on_refused,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
    )
    server = uvicorn.Server(settings)
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set() and not stop.wait(0.2):
            pass
        server.should_exit = True

    watcher = threading.Thread(target=watch, name="modeltrail-api-stop")
    watcher.start()
    try:
        server.run(sockets=[listener])
    finally:
        ended.set()
        watcher.join()
        listener.close()
