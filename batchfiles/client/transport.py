"""What both drivers share of httpx2: the header with the key, the pieces of a body, and errors that hold neither.

Also what an exchange is in both drivers, except how it waits.
"""

from __future__ import annotations

import math
import re
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from batchfiles.api.config import Config, Key
from batchfiles.api.responses import Progress, Request, Response
from batchfiles.client.disk import Disk
from batchfiles.errors import APIConnectionError, APITimeoutError, FileError, missing_extra
from batchfiles.io.threads import progress_of

__all__ = [
    "CHUNK",
    "CUT",
    "NOT_SENT",
    "Deadline",
    "Exchange",
    "KeyAuth",
    "failure",
    "httpx2",
    "limit_stream",
    "operation_timeout",
    "problem_of",
    "until",
]


try:
    import httpx2
except ImportError:
    raise missing_extra("the client", "httpx2", "client") from None


CHUNK = 256 * 1024
"""Bytes of a file that are read and sent at once."""

CONNECT, OPERATION = 10.0, 60.0
"""Seconds for a connection, and for each single read or write; the whole request has its own deadline."""


class Deadline(Exception):  # not for users: it never leaves the drivers
    """The time for a whole request has ended."""


NOT_SENT = (httpx2.HTTPError, httpx2.InvalidURL, Deadline, FileError)
"""What may be raised where a request is sent: by the connection, by its address, by the clock, or by the file that is sent."""

CUT = (httpx2.HTTPError, httpx2.StreamError, Deadline)
"""What may be raised where the body of an answer is read."""


class QuietURL(httpx2.URL):
    """An address that shows no parameters: httpx2 logs the address of each request, and those of gateways are often secret."""

    def __str__(self) -> str:
        return str(self.copy_with(query=None))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class KeyAuth(httpx2.Auth):
    """Puts the key on a request as it leaves.

    httpx2 calls it for the address that the request was made for only, and follows no redirects: where the contents of a file
    have another origin, the flow makes a request that is sent without it.
    """

    def __init__(self, config: Config, key: Key) -> None:
        self._header, self._before = config.key_header
        self._key = key
        self._sent = ""
        self._text, self._bytes = re.compile("(?!)"), re.compile(b"(?!)")  # nothing was sent yet
        self.has_parameters = bool(config.query)

    @property
    def is_renewable(self) -> bool:
        """Whether another attempt may have another key."""
        return self._key.is_renewable

    def renew(self) -> None:
        """Note that the service refused the key."""
        self._key.renew()

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Add the header."""
        request.headers[self._header] = self._before + self._key.reveal()
        sent = request.headers[self._header].removeprefix(self._before)
        if sent != self._sent:
            self._sent, self._text, self._bytes = sent, re.compile(_spellings(sent)), re.compile(_spellings(sent).encode())
        yield request

    def hidden(self, text: str) -> str:
        """Return a header or a reason without the key. A short key is left: it may be a part of any word."""
        return self._text.sub("***", text) if len(self._sent) >= SHORT else text

    def hidden_body(self, body: bytes, *, is_refusal: bool) -> bytes:
        """Return a body without the key: some gateways repeat a key that they refuse, also with a status of success."""
        return self._bytes.sub(b"***", body) if is_refusal or len(self._sent) >= SHORT else body


SHORT = 8
"""Characters below which a key may be a part of an id, such as `test`: then it is replaced in refusals only."""


def _spellings(key: str) -> str:
    """Return a pattern for a key as it is, and with its punctuation written as in JSON, in an address or in XML."""
    return "".join(char if char.isalnum() else _spelling(re.escape(char), ord(char)) for char in key)


def _spelling(char: str, number: int) -> str:
    return rf"(?:\\?{char}|\\u00(?i:{number:02x})|%(?i:{number:02x})|&\#(?:{number}|x(?i:{number:02x}));)"


def operation_timeout(timeout: float) -> httpx2.Timeout:
    """Return the time for each operation of a request that has `timeout` seconds as a whole."""
    return httpx2.Timeout(min(OPERATION, timeout), connect=min(CONNECT, timeout))


class _Limit(threading.local):
    end = math.inf


LIMIT = _Limit()
"""When the request ends that this thread is at."""


@contextmanager
def until(end: float) -> Iterator[None]:
    """Let nothing that this thread reads or writes last longer than to a moment of `time.monotonic`."""
    before, LIMIT.end = LIMIT.end, end
    try:
        yield
    finally:
        LIMIT.end = before


def limit_stream(_event: str, info: dict[str, Any]) -> None:
    """Keep a new connection from outlasting the request: httpx2 calls it with each connection that it has made.

    Its own timeouts are for single reads. A server that sends its headers byte by byte, or one 103 after the other, keeps each of
    them short, and httpx2 reports nothing before the end of the headers.
    """
    stream: Any = info.get("return_value")
    if (
        not callable(getattr(stream, "read", None))
        or not callable(getattr(stream, "write", None))
        or hasattr(stream, "is_limited")
    ):
        return
    read, write = stream.read, stream.write

    def timely_read(max_bytes: int, timeout: float | None = None) -> bytes:
        found: bytes = read(max_bytes, timeout=_left(timeout))
        return found

    def timely_write(buffer: bytes, timeout: float | None = None) -> None:
        write(buffer, timeout=_left(timeout))

    stream.read, stream.write, stream.is_limited = timely_read, timely_write, True


def _left(timeout: float | None) -> float | None:
    """Return the time for an operation, limited to what the request has left.

    Raises:
        Deadline: It has none.
    """
    left = LIMIT.end - time.monotonic()
    if left <= 0:
        raise Deadline
    return timeout if left == math.inf else min(left, math.inf if timeout is None else timeout)


def failure(error: Exception, hidden: Callable[[str], str]) -> tuple[str, str]:
    """Return the phase in which an exchange broke, and why without the key; to be raised where the exception is not available.

    The exceptions of httpx2 and of the libraries under it hold the request, and a traceback of their frames its headers.
    """
    if isinstance(error, Deadline):
        return "receive", "the time for the whole request has ended"
    why = f"{type(error).__name__}: {hidden(str(error))}"[:200] if str(error) else type(error).__name__
    if isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)):
        return _connecting(error), why
    if isinstance(error, (httpx2.WriteError, httpx2.WriteTimeout)):
        return "send", why
    return "receive", why


def _connecting(error: Exception) -> str:
    """Return the phase of a failure before a request was sent."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "tls"
        if type(cause).__name__ == "gaierror":
            return "resolve"
        cause = cause.__cause__ or cause.__context__
    return "connect"


def problem_of(error: Exception, hidden: Callable[[str], str]) -> APIConnectionError | FileError:
    """Return our own new exception for a broken exchange: no frame of its traceback knows the key."""
    if isinstance(error, FileError):
        return FileError(error.reason, path=error.path, number=error.errno)
    phase, why = failure(error, hidden)
    kind = APITimeoutError if isinstance(error, (Deadline, httpx2.TimeoutException)) else APIConnectionError
    return kind(f"no answer from the service: {why}", phase=phase)


Http = TypeVar("Http", bound=httpx2.Client | httpx2.AsyncClient)


def _no_progress(_done: int, _total: int | None) -> None:
    """Report nothing."""


OPERATIONS = (httpx2.ReadTimeout, httpx2.WriteTimeout)


class Exchange(Generic[Http]):
    """One request and its answer at a time; what is open is closed by the next one, and in the end.

    Args:
        http: What sends it.
        auth: Puts the key on it.
        timeout: Seconds for a whole request of the usual patience.
        progress: Called with each piece of a file that is sent or saved.

    Attributes:
        disk: What the flow does on the disk; its work file is unlocked in the end.
    """

    def __init__(self, http: Http, auth: KeyAuth, timeout: float, progress: Progress | bool | None) -> None:
        self._http = http
        self._auth = auth
        self._timeout = timeout
        self._progress = progress_of(progress, "transfer") or _no_progress
        self._response: httpx2.Response | None = None
        self._end = 0.0
        self._is_keyed = True
        self._opened_status = 0
        self.disk = Disk()

    @property
    def _opened(self) -> httpx2.Response:
        assert self._response is not None  # noqa: S101 - there is one where there is no problem, and a body is read after its head
        return self._response

    @property
    def _may_have_another_key(self) -> bool:
        """Whether the key was refused and is worth asking for again: it may have been a token that has expired."""
        return self._is_keyed and self._auth.is_renewable and self._opened.status_code == 401

    def _begin(self, request: Request) -> None:
        """Start the deadline of a request."""
        self._is_keyed = request.is_keyed
        self._end = time.monotonic() + self._timeout * request.timeout_factor

    @property
    def _left(self) -> float:
        """The seconds that the request has."""
        return max(self._end - time.monotonic(), 0.0)

    def _check_time(self) -> None:
        if time.monotonic() > self._end:
            raise Deadline

    def _problem(self, error: Exception) -> APIConnectionError | FileError:
        """Return our own exception for a broken exchange; an operation that was cut short by the deadline is called so."""
        if isinstance(error, TimeoutError) or (isinstance(error, OPERATIONS) and not self._left):
            error = Deadline()
        return problem_of(error, self._auth.hidden)

    @property
    def _head(self) -> Response:
        """Status and headers as our value, without the key."""
        headers = {name.lower(): self._auth.hidden(value) for name, value in self._opened.headers.items()}
        return Response(self._opened.status_code, headers)

    def _shown(self, body: bytes) -> bytes:
        """Return a body as the flow may see it: messages and logs repeat the text of a refusal."""
        return self._auth.hidden_body(body, is_refusal=self._opened_status >= 300)

    def _auth_of(self, request: Request) -> KeyAuth | None:
        return self._auth if request.is_keyed else None

    def _built(
        self, request: Request, body: Iterator[bytes] | AsyncIterator[bytes] | None, trace: Callable[..., object] | None = None
    ) -> httpx2.Request:
        """Return a request as httpx2 sends it; its body is read as it leaves.

        One without the key gets nothing else of the client either, neither cookies nor headers.
        """
        headers = dict(request.headers)
        if body is not None:
            headers["Content-Length"] = str(request.content_length)
        timeout = operation_timeout(self._timeout)
        extensions: dict[str, object] = {"timeout": timeout.as_dict()}
        if trace is not None:
            extensions["trace"] = trace
        if request.is_keyed:
            built = self._http.build_request(
                request.method, request.url, headers=headers, content=body, timeout=timeout, extensions=extensions
            )
        else:
            built = httpx2.Request(request.method, request.url, headers=headers, extensions=extensions)
        if not request.is_keyed or self._auth.has_parameters:
            built.url = QuietURL(built.url)
        return built
