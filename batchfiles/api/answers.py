"""What an answer says: an object, or why there is none, in exceptions of our own."""

from __future__ import annotations

import json
import re
from typing import Any

from batchfiles.api.messages import Response
from batchfiles.errors import (
    APIError,
    AuthenticationError,
    Conflict,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerFault,
    UnreadableResponse,
)

__all__ = ["error_of", "json_of"]

QUOTED = 200
"""Characters of the service's own words that we repeat."""

BY_STATUS: dict[int, type[APIError]] = {
    401: AuthenticationError,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    429: RateLimited,
}

SECRET = re.compile(r"\bg?sk[-_][A-Za-z0-9*_-]{4,}|\b(?:(?:pk|key)[-_]|Bearer )(?=[A-Za-z_.-]*[0-9*])[A-Za-z0-9*_.-]{4,}")
"""What looks like a key in a message (OpenAI repeats a part of a wrong one); `key_not_found` doesn't."""

PAGE = re.compile(r"<(?:!doctype|html|head|body)\b", re.IGNORECASE)
"""A proxy's page, which gateways also wrap in JSON."""

NAME = 100
"""Characters of a code, a parameter or a request's name that we repeat."""


def json_of(response: Response) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a successful answer.

    Raises:
        APIError: The service said no.
        UnreadableResponse: The answer is empty, or no JSON (a proxy's page).
    """
    if not response.is_success:
        raise error_of(response)
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        reason = _unreadable(response)
    raise UnreadableResponse(reason, status_code=response.status_code, request_id=response.request_id)


def error_of(response: Response) -> APIError:
    """Return the exception for an answer that is no success.

    A page of HTML is never quoted: pages of proxies carry the address of whoever asked (earendil-works/pi#6673).
    """
    kind = BY_STATUS.get(response.status_code) or (ServerFault if response.status_code >= 500 else APIError)
    error = _error_object(response.body)
    words = _text(error.get("message"))
    return kind(
        words[:QUOTED] if words and not PAGE.search(words) else _unreadable(response),
        status_code=response.status_code,
        code=_text(error.get("code"))[:NAME] or None,
        param=_text(error.get("param"))[:NAME] or None,
        request_id=_printable(response.request_id or "")[:NAME] or None,
    )


def _error_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    error = value.get("error", value) if isinstance(value, dict) else value
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _text(value: object) -> str:
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        return ""
    return _printable(SECRET.sub("***", str(value)))


def _printable(text: str) -> str:
    """Return a text without the signs that would steer a terminal."""
    return "".join(char if char.isprintable() else " " for char in text).strip()


def _unreadable(response: Response) -> str:
    """Say what came in the place of JSON."""
    if not response.body:
        return f"the service answered with status {response.status_code} and nothing else"
    kind = response.headers.get("content-type", "").partition(";")[0].strip() or "unknown type"
    size = f"{len(response.body):,} bytes of {kind[:40]}"
    return f"the service answered with status {response.status_code} and {size} that are no JSON of its API"
