"""What an exchange is in both drivers, but for how it waits."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import Generic, TypeVar

from batchfiles.api.messages import Request
from batchfiles.client.transport import Deadline, KeyAuth, httpx2, operation_timeout

__all__ = ["Exchange"]

Http = TypeVar("Http", bound=httpx2.Client | httpx2.AsyncClient)


class Exchange(Generic[Http]):
    """One request and its answer at a time; what is open is closed by the next one, and in the end.

    Args:
        http: What sends it.
        auth: Puts the key on it.
        timeout: Seconds for a whole request of the usual patience.
    """

    def __init__(self, http: Http, auth: KeyAuth, timeout: float) -> None:
        self._http = http
        self._auth = auth
        self._timeout = timeout
        self._response: httpx2.Response | None = None
        self._end = 0.0

    @property
    def _opened(self) -> httpx2.Response:
        assert self._response is not None  # noqa: S101 - there is one where there is no problem, and a body is read after its head
        return self._response

    @property
    def _may_have_another_key(self) -> bool:
        """Whether the key was refused and is worth asking for again: it may have been a token that has expired."""
        return self._auth.is_renewable and self._opened.status_code == 401

    def _begin(self, request: Request) -> None:
        """Let the time of a request run."""
        self._end = time.monotonic() + self._timeout * request.patience

    def _check_time(self) -> None:
        if time.monotonic() > self._end:
            raise Deadline

    def _built(self, request: Request, body: Iterator[bytes] | AsyncIterator[bytes] | None) -> httpx2.Request:
        """Return a request as httpx2 sends it; its body is read as it leaves."""
        headers = dict(request.headers)
        if body is not None:
            headers["Content-Length"] = str(request.content_length)
        return self._http.build_request(
            request.method, request.url, headers=headers, content=body, timeout=operation_timeout(self._timeout)
        )
