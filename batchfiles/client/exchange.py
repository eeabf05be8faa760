"""What an exchange is in both drivers, but for how it waits."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Generic, TypeVar

from batchfiles.api.messages import Request
from batchfiles.client.disk import Disk
from batchfiles.client.transport import Deadline, KeyAuth, httpx2, operation_timeout, problem_of
from batchfiles.errors import FileError, TransportError

__all__ = ["Exchange"]

Http = TypeVar("Http", bound=httpx2.Client | httpx2.AsyncClient)


OPERATIONS = (httpx2.ReadTimeout, httpx2.WriteTimeout)


class Exchange(Generic[Http]):
    """One request and its answer at a time; what is open is closed by the next one, and in the end.

    Args:
        http: What sends it.
        auth: Puts the key on it.
        timeout: Seconds for a whole request of the usual patience.

    Attributes:
        disk: What the flow does on the disk; its work file is unlocked in the end.
    """

    def __init__(self, http: Http, auth: KeyAuth, timeout: float) -> None:
        self._http = http
        self._auth = auth
        self._timeout = timeout
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
        self._end = time.monotonic() + self._timeout * request.patience

    @property
    def _left(self) -> float:
        """The seconds that the request has."""
        return max(self._end - time.monotonic(), 0.0)

    def _check_time(self) -> None:
        if time.monotonic() > self._end:
            raise Deadline

    def _problem(self, error: Exception) -> TransportError | FileError:
        """Return our own exception for a broken exchange; an operation that was cut short by the deadline is called so."""
        if isinstance(error, TimeoutError) or (isinstance(error, OPERATIONS) and not self._left):
            error = Deadline()
        return problem_of(error)

    def _shown(self, body: bytes) -> bytes:
        """Return a body as the flow may see it: messages and logs repeat the text of a refusal."""
        return body if self._opened_status < 300 else self._auth.hidden(body)

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
        if not request.is_keyed:
            return httpx2.Request(request.method, request.url, headers=headers, extensions=extensions)
        return self._http.build_request(
            request.method, request.url, headers=headers, content=body, timeout=timeout, extensions=extensions
        )
