"""The server: the application in a thread, with a middleware that injects faults between it and the connection."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import suppress
from importlib.util import find_spec
from itertools import repeat
from typing import Any, Self

from batchfiles.errors import missing_extra
from batchfiles.testing.quirks import Fault, Faults
from batchfiles.testing.service import Service

try:
    import uvicorn
    from starlette.types import ASGIApp, Receive, Scope, Send
    from uvicorn.protocols.http.h11_impl import H11Protocol
    from uvicorn.server import ServerState

    from batchfiles.testing.app import STORAGE, app_of
except ImportError as error:
    package = (error.name or "starlette").partition(".")[0]
    raise missing_extra("the local server", package, "testing") from None

for package, modules in (("python-multipart", ("python_multipart", "multipart")), ("jsonschema", ("jsonschema",))):
    if not any(map(find_spec, modules)):  # python-multipart was imported as multipart until 0.0.12
        raise missing_extra("the local server", package, "testing")

BACKLOG = 2048
"""The queue of connections that are not accepted yet."""


class _Protocol(H11Protocol):
    """HTTP/1.1, with access to the transport for `FaultMiddleware`."""

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


def _listener(host: str, port: int) -> socket.socket:
    """Bind a port.

    Raises:
        OSError: It is in use.
    """
    # asyncio sets TCP_NODELAY only if the socket names its protocol; otherwise each small answer takes 40 ms.
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except OSError:
        found.close()
        raise
    return found


class Server:
    """The API on a local port, for the duration of a `with` block. The storage of `redirect_contents` has a second port.

    Args:
        service: The service; None for a new one.
        faults: The faults to inject.
        host: The address to listen on.
        port: The port; 0 for any free one.

    Raises:
        OSError: The port can't be used.

    Attributes:
        service: The service, with its files, batches, clock and quirks.
        base_url: The URL for clients, including `/v1`.
    """

    def __init__(
        self, service: Service | None = None, *, faults: Faults | None = None, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.service = service or Service()
        app = app_of(self.service)
        self._middleware = FaultMiddleware(app, faults or Faults())
        self._sockets: list[socket.socket] = []
        try:
            self._sockets += [_listener(host, port)]
            self._sockets += [_listener(host, 0)]
        except OSError:
            for listener in self._sockets:
                listener.close()
            self.service.close()
            raise
        own, storage = (f"http://{host}:{listener.getsockname()[1]}" for listener in self._sockets)
        app.state.storage = storage
        self.base_url = f"{own}/v1"
        self._loop: asyncio.AbstractEventLoop
        self._stop = asyncio.Event()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="batchfiles-testing", daemon=True)

    @property
    def faults(self) -> Faults:
        """The injected faults; can be replaced at any time."""
        return self._middleware.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._middleware.faults = faults

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread.start()
        self._listening.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self.service.close()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        """Serve with uvicorn's protocol; uvicorn's own server would take 0.2 seconds to stop, in each test."""
        config = uvicorn.Config(self._middleware, ws="none", lifespan="off", log_config=None, log_level="critical")
        config.load()
        state = ServerState()
        listeners = [
            await self._loop.create_server(lambda: _Protocol(config, state, {}), sock=sock, backlog=BACKLOG)
            for sock in self._sockets
        ]
        self._listening.set()
        await self._stop.wait()
        for listener in listeners:
            listener.close()
        for connection in list(state.connections):
            connection.transport.abort()
        for task in list(state.tasks):
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)


PATH = re.compile(r"(?:/openai)?(?:/v1)?/(?P<group>files|batches)(?P<id>/[^/]+)?(?:/(?P<action>content|cancel))?")

PAGE = b"<html><head><title>520</title></head><body><h1>Web server is returning an unknown error</h1></body></html>"

WORDS = b'{"error": {"message": "A fault of the script.", "type": "server_error", "param": null, "code": null}}'

HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"

NOT_PERFORMED = frozenset({"status", "early", "html", "empty", "reset", "stall"})
"""Faults for which the application is not called."""

LINGER = 5.0
"""Seconds for which an already answered request is still read, as web servers do."""

Message = MutableMapping[str, Any]


def call_of(method: str, path: str) -> str:
    """Return the kind of a call, one of `CALLS`."""
    if path.startswith(STORAGE):
        return "files.content"
    match = PATH.fullmatch(path)
    if match is None:
        return "live"
    if match["action"] is not None:
        return f"{match['group']}.{match['action']}"
    if match["id"] is None:
        return f"{match['group']}.{'create' if method == 'POST' else 'list'}"
    return f"{match['group']}.{'delete' if method == 'DELETE' else 'retrieve'}"


class FaultMiddleware:
    """ASGI middleware that injects faults.

    Args:
        app: The application.
        faults: The faults to inject.
    """

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self.faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        fault = self.faults.next(call_of(scope["method"], scope["path"])) if scope["type"] == "http" else None
        if fault is None:
            await self._app(scope, receive, send)
            return
        connection = _Connection(scope, receive, send)
        if fault.kind in NOT_PERFORMED:
            if fault.kind != "early":
                await connection.read_all()
            await _refuse(fault, connection)
            return
        answer = await self._answer(fault, scope, receive)
        await _send_spoiled(fault, answer, connection)

    async def _answer(self, fault: Fault, scope: Scope, receive: Receive) -> _Answer:
        """Call the application, and keep its answer."""
        if fault.kind == "no_range":
            scope = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] not in (b"range", b"if-range")]}
        answer = _Answer(most=fault.after if fault.kind in ("cut", "no_length", "cut_chunk") else None)
        await self._app(scope, receive, answer.take)
        return answer


class _Answer:
    """The answer of the application; `most` bytes of the body are kept, or all if it is None."""

    def __init__(self, most: int | None) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.size = 0
        self._most = most
        self._pieces: list[bytes] = []

    @property
    def body(self) -> bytes:
        return b"".join(self._pieces)[: self._most]

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = dict(message["headers"])
            return
        piece = message.get("body", b"")
        if self._most is None or self.size < self._most:
            self._pieces.append(piece)
        self.size += len(piece)


class _Connection:
    """The connection of one call."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._transport = scope["state"]["transport"]

    async def read_all(self) -> None:
        while (message := await self._receive())["type"] == "http.request" and message.get("more_body"):
            pass

    async def answer(self, status: int, headers: dict[bytes, bytes], body: bytes) -> None:
        await self._send({"type": "http.response.start", "status": status, "headers": list(headers.items())})
        await self._send({"type": "http.response.body", "body": body})

    async def write(self, *pieces: bytes) -> None:
        """Write raw bytes, and close."""
        await self.write_slowly(pieces, 0.0)

    async def write_slowly(self, pieces: Iterable[bytes], pause: float) -> None:
        """Write raw bytes with a pause after each piece, and close; stop if the client has closed."""
        for piece in pieces:
            if self._transport.is_closing():
                return
            self._transport.write(piece)
            await asyncio.sleep(pause)
        await self._close()

    async def answer_early(self, *pieces: bytes) -> None:
        """Write an answer, and then read the request: otherwise the answer could be lost."""
        for piece in pieces:
            self._transport.write(piece)
        self._transport.write_eof()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                await self.read_all()
        await self._close()

    async def abort(self) -> None:
        self._transport.abort()
        await self._close()

    async def _close(self) -> None:
        """Close, and wait until it is closed: otherwise the server would send its own answer."""
        self._transport.close()
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def _refuse(fault: Fault, connection: _Connection) -> None:
    more = {name.encode(): value.encode() for name, value in fault.headers.items()}
    if fault.kind == "stall":
        await asyncio.sleep(fault.pause)
    if fault.kind in ("reset", "stall"):
        await connection.abort()
    elif fault.kind == "status":
        await connection.answer(fault.status, {**_described(b"application/json", len(WORDS)), **more}, WORDS)
    elif fault.kind == "early":
        head = _head(fault.status, {b"content-type": b"application/json", **more}, len(WORDS))
        await connection.answer_early(head, WORDS)
    elif fault.kind == "html":
        await connection.answer(fault.status, {**_described(b"text/html", len(PAGE)), **more}, PAGE)
    else:
        await connection.answer(200, {**_described(b"application/json", 0), **more}, b"")


async def _send_spoiled(fault: Fault, answer: _Answer, connection: _Connection) -> None:
    body, size = answer.body, answer.size
    head = {name: value for name, value in answer.headers.items() if name != b"content-length"}
    if fault.kind == "lost":
        await connection.abort()
    elif fault.kind == "status_after":
        await _refuse(Fault("status", status=fault.status, headers=fault.headers), connection)
    elif fault.kind == "not_json":
        await connection.answer(answer.status, {**head, b"content-length": str(size // 2).encode()}, body[: size // 2])
    elif fault.kind == "cut":
        await connection.write(_head(answer.status, head, size), body[: max(size - 1, 0)])
    elif fault.kind == "long_length":
        await connection.write(_head(answer.status, head, size + 10), body)
    elif fault.kind == "short_length":
        short = max(size - 10, 0)
        await connection.write(_head(answer.status, head, short), body[:short])
    elif fault.kind == "no_length":
        await connection.write(_head(answer.status, head, None), body)
    elif fault.kind == "cut_chunk":
        chunked = {**head, b"transfer-encoding": b"chunked"}
        await connection.write(_head(answer.status, chunked, None), b"%x\r\n" % (len(body) + 1), body)
    elif fault.kind in ("drip", "drip_head", "hints"):
        await connection.write_slowly(_slow_pieces(fault, _head(answer.status, head, size), body), fault.pause)
    elif fault.kind == "other_range" and answer.status == 206:
        span = re.sub(rb"bytes \d+-", b"bytes 1-", answer.headers[b"content-range"])
        await connection.answer(206, {**answer.headers, b"content-range": span}, body)
    elif fault.kind == "changed":
        await connection.answer(answer.status, {**answer.headers, b"etag": b'"another"'}, body)
    else:
        await connection.answer(answer.status, answer.headers, body)


def _slow_pieces(fault: Fault, head: bytes, body: bytes) -> Iterator[bytes]:
    """Split an answer at the pauses."""
    if fault.kind == "hints":
        yield from repeat(HINT, fault.after)
        yield head + body
        return
    slow, rest = (head, body) if fault.kind == "drip_head" else (body, b"")
    if fault.kind == "drip":
        yield head
    for at in range(len(slow)):
        yield slow[at : at + 1]
    yield rest


def _described(kind: bytes, size: int) -> dict[bytes, bytes]:
    return {b"content-type": kind, b"content-length": str(size).encode()}


def _head(status: int, headers: dict[bytes, bytes], size: int | None) -> bytes:
    """Write a response head, with a length that may be wrong."""
    lines = [f"HTTP/1.1 {status} OK".encode(), *(name + b": " + value for name, value in headers.items()), b"connection: close"]
    if size is not None:
        lines.append(b"content-length: " + str(size).encode())
    return b"\r\n".join(lines) + b"\r\n\r\n"
