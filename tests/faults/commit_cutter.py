"""A wire to PostgreSQL that breaks at a commit: before the server hears of it, or before the client hears of it."""

import socket
import threading
from contextlib import suppress

COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"  # a simple query, as psycopg sends it
PIECE_BYTES = 64 * 1024


class CommitCutter:
    """Listens on 127.0.0.1 and passes everything on to ``port``, until ``cut_next`` says otherwise."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._cut: str | None = None
        self.cuts = 0
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def cut_next(self, when: str) -> None:
        """Break the connection of the next commit: ``before`` or ``after`` the server does it."""
        self._cut = when

    def close(self) -> None:
        """End all connections and threads."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()  # from here on no connection comes
        self._listener.close()
        for each in self._sockets:
            _end(each)
        for thread in self._threads:
            thread.join()
        for each in self._sockets:
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, server]
                for pump in (self._to_server, self._to_client):
                    self._threads.append(threading.Thread(target=pump, args=(client, server)))
                    self._threads[-1].start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(PIECE_BYTES):
                cut, is_commit = self._cut, data.endswith(COMMIT)
                if is_commit and cut:
                    self._cut = None
                    self.cuts += 1
                    _end(client)  # whatever the server answers is not heard
                    if cut == "before":
                        break
                server.sendall(data)
                if is_commit and cut:
                    server.settimeout(10)
                    server.recv(PIECE_BYTES, socket.MSG_PEEK)  # it answered, so it has committed
                    break
        _end(server)

    def _to_client(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(PIECE_BYTES):
                client.sendall(data)
        _end(client)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
