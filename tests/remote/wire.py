"""A connection to a server that is slow, or breaks off, as networks do."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Self

PIECE = 64 * 1024


class Wire:
    """A loopback address that forwards to another one.

    Args:
        server: The other address.
        bytes_per_second: Its rate towards the server.
        breaks_after: After how many bytes to the server all connections are cut, and new ones refused; None for never.

    Attributes:
        address: Its own address.
        sent: Bytes that went to the server.
        received: Bytes that came from it.
    """

    def __init__(self, server: str, *, bytes_per_second: float = 1e12, breaks_after: int | None = None) -> None:
        host, _, port = server.partition(":")
        self._server = host, int(port)
        self._pause = PIECE / bytes_per_second
        self._breaks_after = breaks_after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.sent = self.received = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._cut()

    def wait_for(self, size: int, seconds: float = 30) -> None:
        """Wait until so many bytes went to the server."""
        until = time.monotonic() + seconds
        while self.sent < size:
            assert time.monotonic() < until, f"{self.sent} bytes were sent"
            time.sleep(0.01)

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._open += [client, server]
                threading.Thread(target=self._pass_on, args=(client, server, True), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(server, client, False), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, is_to_server: bool) -> None:
        with suppress(OSError):
            while data := source.recv(PIECE):
                if not is_to_server:
                    self.received += len(data)  # before the reader has it, which may look at once
                target.sendall(data)
                if is_to_server:
                    self.sent += len(data)
                    if self._breaks_after is not None and self.sent > self._breaks_after:
                        self._cut()
                    time.sleep(self._pause)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _cut(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
