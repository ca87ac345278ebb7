"""Connections are bounded in number, and in the time that each may be without a request; requests are not hurt."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from http_client import get
from modeltrail.config import load
from modeltrail_server.api.application import Vitals, make_application
from modeltrail_server.api.connections import Bounds
from modeltrail_server.api.server import listen, run_application
from modeltrail_server.serving.metrics import Metrics
from modeltrail_server.serving.watching import Watch

WAIT_S = 60
SHORT = Bounds(headers_timeout_s=0.3)
FEW = Bounds(max_connections=3, headers_timeout_s=10 * WAIT_S)
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def nothing() -> None:
    """Hear of a refused connection, and leave it at that."""


@contextmanager
def serving(
    bounds: Bounds, application: FastAPI | None = None, on_refused: Callable[[], None] = nothing
) -> Iterator[int]:
    """Give the port of a server: of ``application``, or of one that answers GET, and POST once the body is there."""
    application, listener, stop = application or answering(), listen("127.0.0.1", 0), threading.Event()
    options = {"bounds": bounds, "on_refused": on_refused}
    server = threading.Thread(target=run_application, args=(application, listener, stop), kwargs=options)
    server.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stop.set()
        server.join()


def answering() -> FastAPI:
    application = FastAPI()

    @application.get("/")
    async def answer() -> str:
        return "ok"

    @application.post("/")
    async def count(request: Request) -> int:
        return len(await request.body())

    return application


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), WAIT_S)


def answer_of(connection: socket.socket) -> bytes:
    """Return an answer of this server's, whose body is a JSON text or a number; empty where it closes before."""
    received = b""
    with suppress(ConnectionError):
        while b"\r\n\r\n" not in received or received.endswith(b"\r\n\r\n"):
            more = connection.recv(1_000)
            if not more:
                return b""
            received += more
    return received


def begun(port: int, request: bytes) -> tuple[socket.socket, bytes]:
    """Return a connection on which ``request`` was sent in time, and what was said to it first.

    Where this thread stood still for longer than the server waits, it is tried again.
    """
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        connection = connect(port)
        with suppress(ConnectionError):
            connection.sendall(request)
            if said := connection.recv(1_000):
                return connection, said
        connection.close()
    raise AssertionError("it was never answered")


def wait_until_closed(connection: socket.socket) -> None:
    """Wait until the other end closes; what it still says is passed over."""
    with suppress(ConnectionError):
        while connection.recv(1_000):
            pass


def everything_of(connection: socket.socket) -> bytes:
    """Return what the other end says until it closes."""
    return b"".join(iter(lambda: connection.recv(10_000), b""))


def drip(connection: socket.socket, data: bytes) -> None:
    """Send ``data`` again and again, slowly, until the other end closes."""
    deadline = time.monotonic() + WAIT_S
    connection.settimeout(0.02)
    while time.monotonic() < deadline:
        try:
            connection.sendall(data)
            if not connection.recv(1_000):
                return
        except TimeoutError:
            continue
        except ConnectionError:
            return
    raise AssertionError("it was never closed")


@pytest.mark.parametrize(
    "begin",
    [
        lambda _: None,
        lambda connection: connection.sendall(REQUEST[:-4]),
        lambda connection: drip(connection, b"a: b\r\n"),
    ],
    ids=["silent", "stops", "drips"],
)
def test_a_connection_on_which_no_request_comes_is_closed(begin: Callable[[socket.socket], object]) -> None:
    with serving(SHORT) as port, closing(connect(port)) as connection:
        with suppress(ConnectionError):
            begin(connection)
        wait_until_closed(connection)


@pytest.mark.parametrize(
    ("more_headers", "then"),
    [(b"", b"a: b\r\n"), (b"Content-Length: 1000000\r\n", b"x")],
    ids=["the next request", "a body that nobody reads"],
)
def test_a_connection_on_which_something_drips_after_an_answer_is_closed(more_headers: bytes, then: bytes) -> None:
    with serving(SHORT) as port:
        connection, said = begun(port, REQUEST[:-2] + more_headers + b"\r\n")
        with closing(connection):
            assert said.startswith(b"HTTP/1.1 200")
            drip(connection, then)


def test_a_request_whose_body_takes_longer_than_headers_may_is_answered() -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    with serving(SHORT) as port:
        slow, said = begun(port, head)
        with closing(slow):
            assert said.startswith(b"HTTP/1.1 100")
            with closing(connect(port)) as silent:
                wait_until_closed(silent)  # so the time that headers have is over for the other, too
            slow.sendall(b"abc")
            answer = answer_of(slow)
            assert answer.startswith(b"HTTP/1.1 200")
            assert answer.endswith(b"3")


def test_one_connection_more_than_the_bound_is_closed_at_once_and_one_that_ends_makes_place() -> None:
    with serving(FEW) as port, ExitStack() as opened:
        held = [opened.enter_context(closing(connect(port))) for _ in range(FEW.max_connections)]
        with closing(connect(port)) as one_more:
            wait_until_closed(one_more)
        held[0].close()
        deadline = time.monotonic() + WAIT_S
        while get(f"http://127.0.0.1:{port}/").status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_each_connection_that_was_one_too_many_is_counted_in_the_metrics(tmp_path: Path) -> None:
    metrics = Metrics(Watch(load({"MODELTRAIL_HOME": str(tmp_path)}, tmp_path)))
    application = make_application(Vitals(dict, metrics.expose))
    with serving(FEW, application, metrics.connection_refused) as port, ExitStack() as opened:
        held = [opened.enter_context(closing(connect(port))) for _ in range(FEW.max_connections)]
        for _ in range(2):
            with closing(connect(port)) as one_more:
                wait_until_closed(one_more)
        held[0].sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert b"\nmodeltrail_http_connections_refused_total 2.0\n" in everything_of(held[0])


def test_what_a_connection_is_given_it_sends_at_once():
    with closing(listen("127.0.0.1", 0)) as listener, closing(socket.create_connection(listener.getsockname())):
        connection, _ = listener.accept()
        with closing(connection):
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
