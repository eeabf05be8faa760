"""What makes the faults of a script happen: it stands between the application and the connection.

Faults by a script: the n-th call of a kind fails in the given way, and the others don't.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from batchfiles.testing.app import STORAGE

__all__ = ["CALLS", "FAULTS", "Fault", "FaultMiddleware", "Faults", "call_of"]


CALLS = (
    "files.create",
    "files.list",
    "files.retrieve",
    "files.content",
    "files.delete",
    "batches.create",
    "batches.list",
    "batches.retrieve",
    "batches.cancel",
    "live",
)
"""The kinds of calls that a script speaks of; `live` are the endpoints of the models themselves."""

SHORT = frozenset({"files.create", "files.retrieve", "files.delete", "batches.create", "batches.retrieve", "batches.cancel"})
"""Calls with short answers: a long one that drips would slow down a test with a thousand scripts."""

FAULTS = {
    "status": "answers with `status` and an error in JSON, without doing anything",
    "early": "answers with `status` before the request was read, reads it, and closes the connection, without doing anything",
    "status_after": "does what was asked, and then answers with `status`",
    "lost": "does what was asked, and closes the connection instead of answering",
    "reset": "closes the connection without doing anything",
    "stall": "says nothing for `pause` seconds, and then closes the connection, without doing anything",
    "html": "answers with `status` and a page of HTML, as proxies do",
    "empty": "answers with 200 and nothing else",
    "not_json": "answers with 200 and half of the JSON",
    "cut": "ends the body after `after` bytes, with the length of the whole",
    "long_length": "says that the body is ten bytes longer than it is",
    "short_length": "says that the body is ten bytes shorter than it is, and sends no more",
    "no_length": "ends the body after `after` bytes, without a length, by closing the connection",
    "cut_chunk": "ends the body after `after` bytes, in the middle of a chunk (`Transfer-Encoding: chunked`)",
    "drip": "sends one byte every `pause` seconds",
    "drip_head": "sends the head, one byte every `pause` seconds, and then the body",
    "hints": "sends `after` responses with status 103, one every `pause` seconds, and then the real one",
    "no_range": "sends the whole file to a request for a part",
    "other_range": "sends a part that begins elsewhere",
    "changed": "says that the file has another entity tag",
}
"""Every fault, and what the server does."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Args:
        kind: One of `FAULTS`.
        status: For the kinds that answer with one.
        after: Bytes, for the kinds that end a body; answers, for `hints`.
        pause: Seconds, for `drip`, `drip_head`, `hints` and `stall`.
        headers: More headers of the answer, such as `retry-after`.

    Raises:
        ValueError: There is no such fault.
    """

    kind: str
    status: int = 500
    after: int = 0
    pause: float = 1.0
    headers: dict[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise ValueError(f"unknown fault {self.kind!r}; expected {', '.join(FAULTS)}")


class Faults:
    """The script: which call meets what.

    faults = Faults().at("batches.create", 1, Fault("lost")).at("files.content", 2, Fault("cut", after=100))

    Attributes:
        seen: How many calls of each kind there were.
        met: The calls that met a fault, in their order: the kind of the call, its number, and the fault.
    """

    def __init__(self) -> None:
        self._planned: dict[tuple[str, int], Fault] = {}
        self._always: dict[str, Fault] = {}
        self.seen: Counter[str] = Counter()
        self.met: list[tuple[str, int, Fault]] = []

    def at(self, call: str, number: int, fault: Fault) -> Faults:
        """Let the n-th call of a kind, counted from 1, meet a fault.

        Raises:
            ValueError: There is no such kind of call.
        """
        self._planned[_known(call), number] = fault
        return self

    def always(self, call: str, fault: Fault | None) -> Faults:
        """Let every call of a kind meet a fault, or, with None, no longer.

        Raises:
            ValueError: There is no such kind of call.
        """
        if fault is None:
            self._always.pop(_known(call), None)
        else:
            self._always[_known(call)] = fault
        return self

    @classmethod
    def by_chance(cls, seed: int, *, calls: int = 40, share: float = 0.3) -> Faults:
        """Make a script of passing faults that a client must survive or report; a seed makes the same one again.

        Args:
            seed: Any number.
            calls: How many calls of each kind it reaches.
            share: The part of the calls that meet a fault.
        """
        chance = random.Random(seed)  # noqa: S311 - a script of a test
        faults = cls()
        for call in CALLS:
            for number in range(1, calls + 1):
                if chance.random() < share:
                    faults.at(call, number, _some_fault(call, chance))
        return faults

    def next(self, call: str) -> Fault | None:
        """Count a call, and return what it meets."""
        self.seen[call] += 1
        fault = self._planned.get((call, self.seen[call]), self._always.get(call))
        if fault is not None:
            self.met.append((call, self.seen[call], fault))
        return fault


def _some_fault(call: str, chance: random.Random) -> Fault:
    kinds = ["status", "status", "early", "html", "reset", "lost", "status_after", "not_json", "empty", "cut"]
    if call in SHORT:
        kinds.append("drip")
    if call == "files.content":
        kinds += ["cut", "no_length", "cut_chunk", "long_length", "short_length", "no_range", "other_range", "changed"]
    kind = chance.choice(kinds)
    # 409 and 429 say clearly that nothing was done.
    statuses = [408, 500, 502, 503, 520] if kind == "status_after" else [408, 409, 429, 500, 502, 503, 520]
    return Fault(kind, status=chance.choice(statuses), after=chance.randrange(400), pause=0.0)


def _known(call: str) -> str:
    if call not in CALLS:
        raise ValueError(f"unknown call {call!r}; expected {', '.join(CALLS)}")
    return call


FILES, BATCHES = (
    re.compile(r"(?:/openai)?(?:/v1)?/files(/[^/]+)?(/content)?"),
    re.compile(r"(?:/openai)?(?:/v1)?/batches(/[^/]+)?(/cancel)?"),
)

PAGE = b"<html><head><title>520</title></head><body><h1>Web server is returning an unknown error</h1></body></html>"

WORDS = b'{"error": {"message": "A fault of the script.", "type": "server_error", "param": null, "code": null}}'

HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"

UNDONE = frozenset({"status", "early", "html", "empty", "reset", "stall"})
"""Faults before which nothing is done of what was asked."""

LINGER = 5.0
"""Seconds for which a request is read that was answered already, as web servers do."""

Message = MutableMapping[str, Any]


def call_of(method: str, path: str) -> str:
    """Tell the kind of a call, in the words of `faults.CALLS`."""
    if path.startswith(STORAGE):
        return "files.content"
    if match := FILES.fullmatch(path):
        return _kind("files", method, one=match[1] is not None, more=match[2])
    if match := BATCHES.fullmatch(path):
        return _kind("batches", method, one=match[1] is not None, more=match[2])
    return "live"


def _kind(group: str, method: str, *, one: bool, more: str | None) -> str:
    if more is not None:
        return f"{group}.{more[1:]}"
    if not one:
        return f"{group}.{'create' if method == 'POST' else 'list'}"
    return f"{group}.{'delete' if method == 'DELETE' else 'retrieve'}"


class FaultMiddleware:
    """Lets calls meet the faults of a script.

    Args:
        app: What answers the calls that meet none.
        faults: The script.
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
        if fault.kind in UNDONE:
            if fault.kind != "early":
                await connection.read_all()
            await _refuse(fault, connection)
            return
        answer = await self._answer(fault, scope, receive)
        await _spoil(fault, answer, connection)

    async def _answer(self, fault: Fault, scope: Scope, receive: Receive) -> _Answer:
        """Let the application do what was asked, and keep what it says."""
        if fault.kind in ("no_range", "other_range"):
            kept = [
                (name, value)
                for name, value in scope["headers"]
                if fault.kind != "no_range" or name not in (b"range", b"if-range")
            ]
            scope = {**scope, "headers": kept}
        answer = _Answer(most=fault.after if fault.kind in ("cut", "no_length", "cut_chunk") else None)
        await self._app(scope, receive, answer.take)
        return answer


class _Answer:
    """What the application says, its body as far as it is needed.

    Args:
        most: Bytes of the body that are kept; None for all.
    """

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
    """One answer on its way, and the connection that it goes through."""

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
        """Write bytes that no server would, and close."""
        await self.write_slowly(pieces, 0.0)

    async def write_slowly(self, pieces: Iterable[bytes], pause: float) -> None:
        """Write bytes with a pause after each piece, and close; stop if the other side has closed."""
        for piece in pieces:
            if self._transport.is_closing():
                return
            self._transport.write(piece)
            await asyncio.sleep(pause)
        await self._close()

    async def answer_early(self, *pieces: bytes) -> None:
        """Write an answer, and only then read what was asked, as long as it comes: else the answer might be lost on its way."""
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
        """Close, and wait until it is closed: the server below would write an answer of its own to who seems to wait for one."""
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


async def _spoil(fault: Fault, answer: _Answer, connection: _Connection) -> None:
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
        await connection.answer(206, {**head, b"content-range": span, b"content-length": str(size).encode()}, body)
    elif fault.kind == "changed":
        await connection.answer(answer.status, {**head, b"etag": b'"another"', b"content-length": str(size).encode()}, body)
    else:
        await connection.answer(answer.status, {**head, b"content-length": str(size).encode()}, body)


def _slow_pieces(fault: Fault, head: bytes, body: bytes) -> Iterator[bytes]:
    """Yield an answer in the pieces after each of which there is a pause."""
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
    """Write a head by hand, with a length that need not be true."""
    lines = [f"HTTP/1.1 {status} OK".encode(), *(name + b": " + value for name, value in headers.items()), b"connection: close"]
    if size is not None:
        lines.append(b"content-length: " + str(size).encode())
    return b"\r\n".join(lines) + b"\r\n\r\n"
