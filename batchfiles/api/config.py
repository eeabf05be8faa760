"""Where the service is and what every request to it carries, except the key.

Also the ids of batches and files, which are checked before they become part of an address; the key, a string or a function that
returns one, which is printed as `***` everywhere; and the rules for retries.

The rules and figures are openai-python's (e43b422, `_base_client.py`, `_constants.py`): 0.5 s doubling to 8 s, a quarter of it
left to chance, `retry-after` obeyed up to 120 s; longer waits are not retried.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any, Final, NoReturn, Self
from urllib.parse import quote, urlencode, urlsplit

from batchfiles.api.responses import Response

OPENAI_BASE_URL = "https://api.openai.com/v1"

HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""RFC 9110, section 5.1."""

OWN_HEADERS: Final = frozenset({"host", "content-length", "content-type", "transfer-encoding", "range", "if-range"})
"""Headers that describe a request, not its sender."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """OpenAI, or any service with the same API.

    Args:
        base_url: Up to and including the version, such as `https://api.openai.com/v1`.
        organization: Sent as `OpenAI-Organization`.
        project: Sent as `OpenAI-Project`.
        headers: More headers, for gateways; the key is not one of them. They are never printed.
        query: More parameters of each address; they are not printed either.
        allow_http: Whether a plain `http` address is fine; it always is on this machine itself.

    Raises:
        ValueError: The address is not valid, holds credentials, or is a plain one that leads away from this machine.
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
            if name.lower() in OWN_HEADERS:
                raise ValueError(f"the header {name} is set for each request: it can't be another one")
        for name, text in (("organization", self.organization), ("project", self.project)):
            if text and not _is_header(text):
                raise ValueError(f"the {name} has characters that no header may have: was it read with its newline?")

    def with_more(self, headers: Mapping[str, str] | None = None, query: Mapping[str, str] | None = None) -> Self:
        """Return the same with more headers and parameters; of two with the same name the later one counts.

        Headers have the same name in capital and small letters.

        Raises:
            ValueError: A header is not valid.
        """
        if not headers and not query:
            return self
        names = {name.lower() for name in headers or {}}
        kept = {name: value for name, value in self.headers.items() if name.lower() not in names}
        return replace(self, headers={**kept, **(headers or {})}, query={**self.query, **(query or {})})

    @property
    def key_header(self) -> tuple[str, str]:
        """The header of the key, and the prefix of its value."""
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
        raise ValueError("the base url is not a valid address") from None
    if "@" in url or parts.query or parts.fragment:
        raise ValueError("a base url holds no user, no parameters and no fragment")
    if parts.scheme not in ("https", "http") or not host:
        raise ValueError(f"a base url looks like https://host/v1, not {url[:60]!r}")
    if parts.scheme == "http" and not allow_http and not _is_loopback(host):
        raise ValueError(f"http://{host} would carry the key in the open: use https, or allow_http=True")


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


ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,255}")
"""OpenAI's `batch_…` and `file-…`, Azure's with a UUID, Mistral's bare UUIDs, DashScope's `file-batch_output-…`."""


def is_id(value: str) -> bool:
    """Return whether a text can be an id: nothing in it has a meaning in an address or a path."""
    return ID.fullmatch(value) is not None and ".." not in value


def checked_id(value: str, what: str) -> str:
    """Return an id.

    Raises:
        ValueError: It is empty, has characters with a meaning in a URL, or is too long.
    """
    if not isinstance(value, str) or not is_id(value):
        raise ValueError(f"{str(value)[:40]!r} is not an id of a {what}")
    return value


class Key:
    """A credential.

    Args:
        value: The key, or a function that returns one (tokens that expire after an hour).

    Raises:
        ValueError: It is not a key; the message doesn't show it.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str | Callable[[], str]) -> None:
        problem = None if callable(value) else _problem(value)
        if problem is not None:
            # No frame of the traceback may hold the key: error reporters print the locals of each.
            value = ""
            raise ValueError(problem)
        self._value = value

    @property
    def is_renewable(self) -> bool:
        """Whether asking again may give another one, as after a 401."""
        return callable(self._value)

    def reveal(self) -> str:
        """Return the key, for the header of a request that is about to leave.

        Raises:
            ValueError: The function returned something that is not a key.
        """
        value = self._value() if callable(self._value) else self._value
        problem = _problem(value)
        if problem is not None:
            value = ""
            raise ValueError(problem)
        return value

    def renew(self) -> None:
        """Hear that the service refused the key. A function is asked for each request anyhow; who keeps its answer forgets it."""

    def __repr__(self) -> str:
        return "Key(***)"

    def __str__(self) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not pickled")

    def __copy__(self) -> Key:
        return self

    def __deepcopy__(self, _memo: Any) -> Key:  # noqa: ANN401 - copy's signature
        return self


def _problem(value: object) -> str | None:
    if not isinstance(value, str):
        return "the key is not a string"
    if not value:
        return "the key is empty"
    if not value.isascii():
        return "the key has characters beyond ASCII: was it copied from a formatted page?"
    if any(char.isspace() or not char.isprintable() for char in value):
        return "the key has a space or a line end in it: was it read from a file with its newline?"
    if value[0] in "\"'" or value[-1] in "\"'":
        return "the key has quotes around it"
    return None


FIRST, LONGEST, LONGEST_REQUESTED = 0.5, 8.0, 120.0

RETRIED_STATUSES: Final = frozenset({408, 409, 429})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long one call is tried.

    Attributes:
        max_retries: Attempts after the first.
        max_seconds: From the first attempt on, or in a download from the last bytes on; no attempt begins after it.
    """

    max_retries: int = 5
    max_seconds: float = 600.0

    def pause(self, attempt: int, headers: Mapping[str, str], chance: float, elapsed: float = 0.0) -> float | None:
        """Return the seconds until the next attempt; None if there is none to be.

        Args:
            attempt: How many attempts there were.
            headers: Of the answer; empty if there was none.
            chance: From 0.0 to 1.0.
            elapsed: Seconds since the first attempt began.
        """
        if attempt > self.max_retries:
            return None
        seconds = requested_pause(headers)
        if seconds is None:  # above ten doublings nothing changes, and 2.0 ** attempt would overflow one day
            seconds = min(FIRST * 2.0 ** min(attempt - 1, 10), LONGEST) * (1.0 - 0.25 * chance)
        return seconds if seconds <= LONGEST_REQUESTED and elapsed + seconds <= self.max_seconds else None


def is_worth_retrying(response: Response, *, conflicts: bool = True) -> bool:
    """Return whether the same request may be answered otherwise in a moment.

    Args:
        response: The answer.
        conflicts: Whether a 409 passes; the one of a cancellation doesn't.
    """
    header = response.headers.get("x-should-retry", "").lower()
    if header in ("true", "false"):
        return header == "true"
    if response.status_code == 409 and not conflicts:
        return False
    return response.status_code in RETRIED_STATUSES or response.status_code >= 500


def requested_pause(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the service asked for, in milliseconds, seconds or a date; None if it asked for none."""
    seconds = _number(headers.get("retry-after-ms"), in_a_second=1000)
    if seconds is not None:
        return seconds
    wanted = headers.get("retry-after")
    seconds = _number(wanted)
    return seconds if seconds is not None else _until(wanted, headers.get("date"))


def _number(text: str | None, *, in_a_second: int = 1) -> float | None:
    # Python's own numbers may be "1_000", "nan" or of other scripts' digits.
    if text is None or NUMBER.fullmatch(text.strip(" \t")) is None:
        return None
    value = float(text) / in_a_second
    return value if math.isfinite(value) and value > 0 else None


NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?")
"""Seconds, or milliseconds: RFC 9110 has digits only, and some services a fraction."""


def _until(wanted: str | None, now: str | None) -> float | None:
    """Return the seconds from the answer's own date to the wanted one, so that our clock need not be right."""
    if not wanted or not now:
        return None
    try:
        seconds = (parsedate_to_datetime(wanted) - parsedate_to_datetime(now)).total_seconds()
    except (ValueError, TypeError, OverflowError):  # no date, one without a zone, the year 10^20
        return None
    return seconds if seconds > 0 else None
