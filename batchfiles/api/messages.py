"""What goes to the service and what comes back, as values. A request never holds the key: the driver adds it as it leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import urlsplit

__all__ = ["TIMEOUT", "Body", "FilePart", "Progress", "Request", "Response"]

TIMEOUT: Final = 600.0
"""Seconds that a request of the usual patience may take as a whole; ours."""

Progress: TypeAlias = Callable[[int, int], object]
"""Called with the bytes of a file that are transferred, and with its size; 0 where the service does not state the size."""


@dataclass(frozen=True, slots=True)
class FilePart:
    """A piece of a local file that is part of a body; the driver reads it.

    Attributes:
        path: The file.
        offset: Where the piece begins, in bytes.
        length: Its bytes.
    """

    path: str
    offset: int
    length: int


Body = tuple["bytes | FilePart", ...]
"""The pieces of a body, in order."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request.

    Attributes:
        method: `GET`, `POST` or `DELETE`.
        url: The whole address.
        headers: All headers but the key and `Content-Length`.
        body: What is sent; empty for none.
        timeout_factor: How many times the usual time it may take; a whole file may be on its way.
        is_keyed: Whether the driver adds the key; never to a request that leads away from the service.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Body = ()
    timeout_factor: int = 1
    is_keyed: bool = True

    @property
    def name(self) -> str:
        """The request as people call it, such as `GET /v1/batches`; parameters may be secret."""
        return f"{self.method} {urlsplit(self.url).path}"

    @property
    def content_length(self) -> int:
        """The bytes of the body."""
        return sum(part.length if isinstance(part, FilePart) else len(part) for part in self.body)


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response.

    Attributes:
        status_code: Any integer: proxies answer with 520 and others that no list knows.
        headers: By lower-case name.
        body: The bytes, as many as were read.
    """

    status_code: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def is_success(self) -> bool:
        """Whether the service did as it was asked."""
        return 200 <= self.status_code < 300

    @property
    def request_id(self) -> str | None:
        """The service's name for the exchange, for its support."""
        return self.headers.get("x-request-id") or self.headers.get("apim-request-id")
