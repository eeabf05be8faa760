"""Where the service is and what every request to it carries, but for the key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Final, Self
from urllib.parse import quote, urlencode, urlsplit

__all__ = ["OPENAI_BASE_URL", "AzureConfig", "Config"]

OPENAI_BASE_URL = "https://api.openai.com/v1"

HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""RFC 9110, section 5.1."""

OURS: Final = frozenset({"host", "content-length", "content-type", "transfer-encoding", "range", "if-range"})
"""Headers that describe a request, not its sender."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """OpenAI, or any service that speaks its API.

    Args:
        base_url: Up to and including the version, such as `https://api.openai.com/v1`.
        organization: Sent as `OpenAI-Organization`.
        project: Sent as `OpenAI-Project`.
        headers: More headers, for gateways; the key is not one of them. They are never printed.
        query: More parameters of each address; they are not printed either.
        allow_http: Whether a plain `http` address is fine; it always is on this machine itself.

    Raises:
        ValueError: The address is none, holds credentials, or is a plain one that leads away from this machine.
    """

    base_url: str = OPENAI_BASE_URL
    organization: str | None = None
    project: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    allow_http: bool = False

    def __post_init__(self) -> None:
        _check_address(self.base_url, allow_http=self.allow_http)
        for name, value in self.headers.items():
            if name.lower() in ("authorization", "api-key", "cookie"):
                raise ValueError(f"the header {name} is the key's place: give the key to the client")
            if not HEADER_NAME.fullmatch(name) or not _is_header(value):
                raise ValueError(f"the header {name!r} has characters that no header may have")
            if name.lower() in OURS:
                raise ValueError(f"the header {name} is set for each request: it can't be another one")
        for name, text in (("organization", self.organization), ("project", self.project)):
            if text and not _is_header(text):
                raise ValueError(f"the {name} has characters that no header may have: was it read with its newline?")

    def with_more(self, headers: Mapping[str, str] | None = None, query: Mapping[str, str] | None = None) -> Self:
        """Return the same with more headers and parameters; of two with the same name the later one counts.

        Raises:
            ValueError: A header can't be one.
        """
        if not headers and not query:
            return self
        return replace(self, headers={**self.headers, **(headers or {})}, query={**self.query, **(query or {})})

    @property
    def key_header(self) -> tuple[str, str]:
        """The header that the key goes into, and what stands before it there."""
        return "Authorization", "Bearer "

    def url(self, *parts: str, query: Mapping[str, str | int | None] | None = None) -> str:
        """Build an address: the parts of its path are escaped, parameters without a value left out.

        Raises:
            ValueError: A part is empty or a dot segment, which would lead elsewhere.
        """
        path = "/".join(_segment(part) for part in parts)
        asked = {key: str(value) for key, value in {**self.query, **(query or {})}.items() if value is not None}
        return f"{self._root()}/{path}" + (f"?{urlencode(asked)}" if asked else "")

    def all_headers(self, **more: str) -> dict[str, str]:
        """Return the headers of a request, all but the key."""
        found = {"Accept": "application/json", **self.headers}
        if self.organization:
            found["OpenAI-Organization"] = self.organization
        if self.project:
            found["OpenAI-Project"] = self.project
        return {**found, **{name.replace("_", "-"): value for name, value in more.items()}}

    def _root(self) -> str:
        return self.base_url.rstrip("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureConfig(Config):
    """Azure OpenAI, in both of its dialects.

    With an `api_version` the dated API is spoken: `{base_url}/openai/batches?api-version=…`. Without one it is the newer one,
    whose paths are OpenAI's: `{base_url}/openai/v1/batches`. [Azure OpenAI REST reference, read 2026-11]

    Args:
        base_url: The resource, such as `https://name.openai.azure.com`.
        api_version: Such as `2024-10-21`; None for the newer dialect.
        entra: Whether the key is a token of Entra ID, which goes into `Authorization`.
    """

    base_url: str
    api_version: str | None = None
    entra: bool = False

    @property
    def key_header(self) -> tuple[str, str]:
        """`api-key`, or a bearer token."""
        return ("Authorization", "Bearer ") if self.entra else ("api-key", "")

    def url(self, *parts: str, query: Mapping[str, str | int | None] | None = None) -> str:
        """Build an address, with the version of the dated API in it."""
        version = {"api-version": self.api_version} if self.api_version else {}
        return super(AzureConfig, self).url(*parts, query={**version, **(query or {})})

    def _root(self) -> str:
        root = self.base_url.rstrip("/").removesuffix("/openai/v1").removesuffix("/openai")
        return f"{root}/openai" if self.api_version else f"{root}/openai/v1"


def _check_address(url: str, *, allow_http: bool) -> None:
    if not url.isprintable() or " " in url:
        raise ValueError("the base url has a space or a line break: was it read with its newline?")
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("the base url is no address") from None
    if "@" in url or parts.query or parts.fragment:
        raise ValueError("a base url holds no user, no parameters and no fragment")
    if parts.scheme not in ("https", "http") or not host:
        raise ValueError(f"a base url looks like https://host/v1, not {url[:60]!r}")
    if parts.scheme == "http" and not allow_http and not _is_loopback(host):
        raise ValueError(f"http://{host} would carry the key in the open: use https, or allow plain http")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _segment(part: str) -> str:
    """Escape one part of a path.

    Raises:
        ValueError: It would lead elsewhere.
    """
    if not part or part in (".", ".."):
        raise ValueError(f"{part!r} can't be part of an address")
    return quote(part, safe="")


def _is_header(text: str) -> bool:
    return text.isascii() and text.isprintable()
