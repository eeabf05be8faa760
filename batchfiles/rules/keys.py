"""The rules on the keys of a request line, each looked at by itself: what is right or wrong whatever the other lines say.

Codes and sentences are the service's own where one is recorded, which was in llama-stack's test_batches_errors.py in 2025-08.
Other codes are those that OpenAI's API uses elsewhere for the same fault: `invalid_type`, `invalid_value`,
`string_above_max_length`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from batchfiles.findings import Severity
from batchfiles.limits import Limits

__all__ = ["LINE_KEYS", "KeyRules", "Violation", "cut", "wrong_type"]

LINE_KEYS = ("custom_id", "method", "url", "body")
"""The keys of a request line."""

JSON_KINDS = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    type(None): "null",
}


HOST = re.compile(r"[a-zA-Z]+://[^/]*|[\w.-]+\.[a-zA-Z]{2,}(?=/)")
"""The scheme and the host, or the host alone, that got into a url."""


class Violation(NamedTuple):
    """What is wrong with one request, without its place in the file."""

    code: str
    message: str
    json_path: str | None = None
    severity: Severity = "error"


class KeyRules:
    """The rules of one service on `custom_id`, `method`, `url` and `body`."""

    def __init__(self, limits: Limits) -> None:
        self._shortest_id = limits.min_custom_id_length or 1
        self._longest_id = limits.max_custom_id_length or 2**63
        self._method_required = limits.method_required
        self._url_required = limits.url_required

    def custom_id_faults(self, custom_id: object) -> Sequence[Violation]:
        """Return what is wrong with an id."""
        if custom_id is None:
            return [_missing("custom_id")]
        if not isinstance(custom_id, str):
            return [wrong_type("custom_id", "a string", custom_id)]
        length = len(custom_id)
        if not length:
            return [Violation("invalid_value", "'custom_id' is empty: its result could not be told from others.", "$.custom_id")]
        if length > self._longest_id:
            words = f"'custom_id' has {length:,} characters, and {self._longest_id:,} are allowed."
            return [Violation("string_above_max_length", words, "$.custom_id")]
        if length < self._shortest_id:
            words = f"'custom_id' has {length:,} characters, and {self._shortest_id:,} are needed."
            return [Violation("string_below_min_length", words, "$.custom_id")]
        return ()

    def method_faults(self, method: object) -> Iterator[Violation]:
        """Say what is wrong with a method."""
        if method is None:
            if self._method_required:
                yield _missing("method")
        elif not isinstance(method, str):
            yield wrong_type("method", "a string", method)
        elif method != "POST" and self._method_required:
            yield Violation("invalid_value", f"Invalid value: '{cut(method)}'. The only method is 'POST'.", "$.method")

    def url_faults(self, url: object) -> Iterator[Violation]:
        """Say whether a url is missing or none."""
        if url is None:
            if self._url_required:
                yield _missing("url")
        elif not isinstance(url, str):
            yield wrong_type("url", "a string", url)
        elif self._url_required and not url.startswith("/"):
            host = HOST.match(url)
            path = url[host.end() :] if host else url
            instead = f"'/{cut(path.lstrip('/'))}'"
            words = f"Invalid URL: '{cut(url)}' is not a path of the API; write {instead}"
            yield Violation("invalid_url", f"{words}, without the host." if host else f"{words}, with its slash.", "$.url")

    def body_faults(self, body: object) -> Iterator[Violation]:
        """Say whether a body is missing or none; what must stand in it is another matter."""
        if body is None:
            yield _missing("body")
        elif not isinstance(body, dict):
            yield wrong_type("body", "an object", body)


def wrong_type(name: str, wanted: str, value: Any) -> Violation:  # noqa: ANN401 - any value
    """Say that a value is of the wrong type; one that JSON doesn't know is called what Python calls it."""
    kind = type(value)
    words = f"Invalid type for '{name}': expected {wanted}, but got {JSON_KINDS.get(kind, kind.__name__)} instead."
    return Violation("invalid_type", words, f"$.{name}")


def cut(text: str, length: int = 100) -> str:
    """Keep findings small: what stands in a file may have megabytes."""
    return text if len(text) <= length else f"{text[:length]}…"


def _missing(name: str) -> Violation:
    return Violation("missing_required_parameter", f"Missing required parameter: '{name}'.", f"$.{name}")
