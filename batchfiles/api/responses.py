"""The content of an answer: an object, or the exception for its error.

Requests and responses as values. A request never holds the key: the driver adds it as it leaves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import unescape
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from batchfiles.errors import (
    APIError,
    APIResponseValidationError,
    AuthenticationError,
    ConflictError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
)

TIMEOUT: Final = 600.0
"""Seconds that a request of the usual patience may take as a whole; ours."""

Progress: TypeAlias = Callable[[int, int | None], object]
"""Called with the bytes of a file that are transferred, and with its size; None where the service does not state the size."""


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
        timeout_factor: How many times the usual time it may take; it may contain a whole file.
        is_keyed: Whether the driver adds the key; never to a request that leads away from the service.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Body = ()
    timeout_factor: int = 1
    is_keyed: bool = True

    def __repr__(self) -> str:
        return f"<Request {self.name}>"

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


QUOTED = 200
"""Characters of the service's own words that we repeat."""

BY_STATUS: dict[int, type[APIError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    429: RateLimitError,
}

SECRET = re.compile(r"\bg?sk[-_][A-Za-z0-9*_-]{4,}")
"""What looks like a key in a message: OpenAI repeats a part of a wrong one."""
MAYBE_SECRET = re.compile(r"\b(?:(?:pk|key)[-_]|Bearer )[A-Za-z0-9*_.-]{4,}")
"""What is one if there is a digit or an asterisk in it; `key_not_found` has none."""

PAGE = re.compile(r"<(?:!doctype|html|head|body)\b", re.IGNORECASE)
"""A proxy's page, which gateways also wrap in JSON."""

NAME = 100
"""Characters of a code, a parameter or a request's name that we repeat."""


def json_of(response: Response) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a successful answer.

    Raises:
        APIError: The service refused, also with a status of success.
        APIResponseValidationError: The answer is empty, or no JSON (a proxy's page).
    """
    if not response.is_success:
        raise error_of(response)
    try:
        value = json.loads(response.body)
    except (ValueError, RecursionError):
        reason = _unreadable(response)
    else:
        if not isinstance(value, dict) or any(value.get(key) is not None for key in ("id", "data", "value")):
            return value
        fields = _fields_of(value)
        if not value.get("error") and (fields is None or not fields.message):
            return value
        raise error_of(response)
    raise APIResponseValidationError(reason, status_code=response.status_code, request_id=response.request_id)


def error_of(response: Response) -> APIError:
    """Return the exception for an answer that is not a success.

    A page of HTML is never quoted: pages of proxies carry the address of the client (earendil-works/pi#6673).
    """
    kind = BY_STATUS.get(response.status_code) or (InternalServerError if response.status_code >= 500 else APIError)
    fields = _error_fields(response)
    words = _text(fields.message)
    return kind(
        words[:QUOTED] if words and not PAGE.search(words) else _without_words(response),
        status_code=response.status_code,
        code=_text(fields.code)[:NAME] or None,
        param=_text(fields.param)[:NAME] or None,
        request_id=_printable(response.request_id or "")[:NAME] or None,
    )


@dataclass(frozen=True, slots=True)
class _ErrorFields:
    """The error that a service reports.

    Attributes:
        message: Its sentence; None where there is none.
        code: Its word for it.
        param: What is to blame.
    """

    message: str | None = None
    code: object = None
    param: object = None


MESSAGES = (
    "message",
    "msg",
    "errormessage",
    "errormsg",
    "faultstring",
    "errordescription",
    "statusmessage",
    "statusmsg",
    "exception",
    "detail",
    "description",
    "reason",
)
"""Members that hold a sentence, the most exact first; spelled in lower case and without underscores."""

INNER = ("error", "errors", "fault", "baseresp", "innererror", "detail", "details", "message")
"""Members that hold another error, or several."""

CODES = ("code", "errorcode", "error", "statuscode")
"""Members that hold a word for the error."""

DEEPEST, LISTED = 4, 3
"""How deep an error may be wrapped, and how many of a list are repeated."""


def _error_fields(response: Response) -> _ErrorFields:
    """Read the error in any of the forms that services and gateways give it.

    OpenAI's `error` object, a bare sentence under `error`, `message` or `detail`, the list of FastAPI (`detail`), `errors` as a
    list or by field, `fault` (Apigee), problem details (RFC 9457), plain text, and the XML of object stores.
    """
    try:
        value = json.loads(response.body)
    except (ValueError, RecursionError):
        return _fields_of_text(response)
    return _fields_of(value) or _ErrorFields()


def _fields_of(value: object, depth: int = 0) -> _ErrorFields | None:
    """Return the words of a value; None if it has none."""
    if isinstance(value, str):
        return _ErrorFields(value) if value.strip() else None
    if depth > DEEPEST:
        return None
    if isinstance(value, list):
        return _fields_of_list(value, depth)
    return _fields_of_object(value, depth) if isinstance(value, dict) else None


def _fields_of_list(values: list[Any], depth: int) -> _ErrorFields | None:
    found = [fields for each in values[:LISTED] if (fields := _fields_of(each, depth + 1)) is not None]
    if not found:
        return None
    more = f"; and {len(values) - LISTED:,} more" if len(values) > LISTED else ""
    return _ErrorFields("; ".join(fields.message or "" for fields in found) + more, found[0].code, found[0].param)


def _fields_of_object(value: dict[str, Any], depth: int) -> _ErrorFields | None:
    """Read an object: the error in it, its own message, or messages by the names of fields."""
    members = {key.lower().replace("_", ""): item for key, item in value.items()}
    inner = members.get("error")
    if isinstance(inner, (dict, list)) and (found := _fields_of(inner, depth + 1)) is not None:
        return found
    code = next((members[name] for name in CODES if isinstance(members.get(name), (str, int)) and members[name] != ""), None)
    message = next((members[name] for name in MESSAGES if isinstance(members.get(name), str) and members[name].strip()), None)
    if message is not None:
        title, place = members.get("title"), _place(members.get("loc"))
        if place:
            message = f"{place}: {message}"
        elif isinstance(title, str) and title and title not in message and members.get("message") is None:
            message = f"{title}: {message}"
        inner_code = _fields_of(members["detail"], depth + 1) if isinstance(members.get("detail"), dict) else None
        return _ErrorFields(message, inner_code.code if inner_code else code, members.get("param") or place or None)
    for name in INNER:
        if isinstance(members.get(name), (str, dict, list)) and (found := _fields_of(members[name], depth + 1)) is not None:
            return found if found.code is not None or found.message == code else _ErrorFields(found.message, code, found.param)
    if isinstance(members.get("title"), str):
        return _ErrorFields(members["title"], code)
    lists = {key: _fields_of(each, depth) for key, each in value.items() if isinstance(each, list)}
    by_field = [f"{key}: {fields.message}" for key, fields in lists.items() if fields is not None]
    return (
        _ErrorFields("; ".join(by_field[:LISTED]), code) if by_field else (_ErrorFields(None, code) if code is not None else None)
    )


def _place(loc: object) -> str:
    """Write the place of FastAPI's errors, such as `body.input_file_id`."""
    return ".".join(map(str, loc)) if isinstance(loc, list) else ""


def _fields_of_text(response: Response) -> _ErrorFields:
    """Read an answer that is a sentence, or the XML of object stores, and neither a page nor half of a JSON value."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        text = " ".join(response.body.decode().split())
    except UnicodeDecodeError:
        if not kind.startswith("text/"):
            return _ErrorFields()
        text = " ".join(response.body.decode("latin-1").split())  # what text was before UTF-8
    if text.startswith("<"):
        message, code = (re.search(f"<{name}>([^<]+)</{name}>", text) for name in ("Message", "Code"))
        return _ErrorFields(unescape(message[1]) if message else None, code[1] if code and message else None)
    is_text = not kind or "json" in kind or (kind.startswith("text/") and "html" not in kind)
    return _ErrorFields(text if text and is_text and text[0] not in "{[" else None)


def _text(value: object) -> str:
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        return ""
    return _printable(_without_keys(str(value)))


def _without_keys(text: str) -> str:
    """Replace what looks like a key. Each byte is read once: a lookahead in one pattern took 10 s for 64 kB of `key-key-…`."""
    found = MAYBE_SECRET.sub(lambda match: "***" if any(letter in "0123456789*" for letter in match[0]) else match[0], text)
    return SECRET.sub("***", found)


def _printable(text: str) -> str:
    """Return a text without the signs that would steer a terminal."""
    return "".join(char if char.isprintable() else " " for char in text).strip()


def _without_words(response: Response) -> str:
    """Return the meaning of a refusal without a message."""
    if 300 <= response.status_code < 400:
        where = _target(response.headers.get("location", ""))
        return f"the service answered with a redirect to {where}; redirects are followed for the contents of files only"
    if response.status_code == 413:
        return "the request is too large for the service, or for a proxy in between"
    return _unreadable(response)


def _target(location: str) -> str:
    """Return the address of a redirect without its secret parts."""
    try:
        parts = urlsplit(location)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that can't be read"
    shown = f"{parts.scheme}://{host}{port}{parts.path}" if host else parts.path
    return _text(shown)[:NAME] or "nowhere"


def _unreadable(response: Response) -> str:
    """Describe an answer that is not JSON."""
    if not response.body:
        return f"the service answered with status {response.status_code} and nothing else"
    kind = response.headers.get("content-type", "").partition(";")[0].strip() or "unknown type"
    size = f"{len(response.body):,} bytes of {kind[:40]}"
    return f"the service answered with status {response.status_code} and {size} that are not JSON of its API"
