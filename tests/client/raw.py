"""Servers that no library would write: they send any bytes to every client."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Self

__all__ = ["RawServer", "answered_with", "response"]


def response(status: str, body: bytes = b"", **headers: str) -> bytes:
    """Write an answer by hand, with its length, and the end of the connection announced."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answered_with(answer: bytes) -> Callable[[socket.socket], object]:
    """Read the head of a request, and send an answer."""
    return lambda connection: (head_of(connection), connection.sendall(answer))


def head_of(connection: socket.socket) -> bytes:
    """Read until the end of the head."""
    found = b""
    while b"\r\n\r\n" not in found:
        piece = connection.recv(65_536)
        if not piece:
            break
        found += piece
    return found


class RawServer:
    """Listens on this machine as long as the block lasts; each connection is given to `serve`, and then closed."""

    def __init__(self, serve: Callable[[socket.socket], object]) -> None:
        self._serve = serve
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.base_url = f"{self.origin}/v1"
        self.connections = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                connection.settimeout(5.0)
                try:
                    self._serve(connection)
                except OSError:
                    continue

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
