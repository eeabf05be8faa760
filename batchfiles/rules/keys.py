"""The rules on the keys of a single request line, without regard to other lines.

Codes and sentences are the service's own where one is recorded, which was in llama-stack's test_batches_errors.py in 2025-08.
Other codes are those that OpenAI's API uses elsewhere for the same fault: `invalid_type`, `invalid_value`,
`string_above_max_length`.

What the body of a request must hold, endpoint by endpoint (OpenAI's OpenAPI document at f85dbe2, 2026-08-21).

How many texts a request embeds: a service may limit their number in a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from batchfiles.codec import loads
from batchfiles.errors import InvalidLineError
from batchfiles.findings import Severity
from batchfiles.jsontext.spans import EscapedLetters
from batchfiles.limits import Limits
from batchfiles.native import native_lines

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

    def custom_id_shape(self) -> dict[str, Any]:
        """Return the lengths in characters of ids without a fault, for compiled code."""
        return {"least": self._shortest_id, "most": self._longest_id}

    def custom_id_faults(self, custom_id: object) -> Sequence[Violation]:
        """Return what is wrong with an id."""
        if custom_id is None:
            return [_missing("custom_id")]
        if not isinstance(custom_id, str):
            return [wrong_type("custom_id", "a string", custom_id)]
        length = len(custom_id)
        if self._shortest_id <= length <= self._longest_id:
            return ()
        if not length:
            return [Violation("invalid_value", "'custom_id' is empty: its result could not be identified.", "$.custom_id")]
        if length > self._longest_id:
            words = f"'custom_id' has {length:,} characters, and {self._longest_id:,} are allowed."
            return [Violation("string_above_max_length", words, "$.custom_id")]
        if length < self._shortest_id:
            words = f"'custom_id' has {length:,} characters, and {self._shortest_id:,} are needed."
            return [Violation("string_below_min_length", words, "$.custom_id")]
        return ()

    def method_faults(self, method: object) -> Iterator[Violation]:
        """Yield the faults of a method."""
        if method is None:
            if self._method_required:
                yield _missing("method")
        elif not isinstance(method, str):
            yield wrong_type("method", "a string", method)
        elif method != "POST" and self._method_required:
            yield Violation("invalid_value", f"Invalid value: '{cut(method)}'. The only method is 'POST'.", "$.method")

    def url_faults(self, url: object) -> Iterator[Violation]:
        """Yield the faults of a url."""
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
        """Yield a fault if there is no body, or another value in its place; its content is not checked."""
        if body is None:
            yield _missing("body")
        elif not isinstance(body, dict):
            yield wrong_type("body", "an object", body)


def wrong_type(name: str, wanted: str, value: Any) -> Violation:  # noqa: ANN401 - any value
    """Return the fault of a value of the wrong type; types that JSON doesn't have are named as in Python."""
    kind = type(value)
    words = f"Invalid type for '{name}': expected {wanted}, but got {JSON_KINDS.get(kind, kind.__name__)} instead."
    return Violation("invalid_type", words, f"$.{name}")


def cut(text: str, length: int = 100) -> str:
    """Keep findings small: a text in a file may have megabytes."""
    return text if len(text) <= length else f"{text[:length]}…"


def _missing(name: str) -> Violation:
    return Violation("missing_required_parameter", f"Missing required parameter: '{name}'.", f"$.{name}")


NAME = re.compile(r"/(?:v\d+/)?(.+)")
"""Azure leaves the version out of its urls, and Zhipu has a `/v4`."""


class Content(NamedTuple):
    """The key of a body with the input of the model.

    Attributes:
        key: `messages`, `input` or `prompt`.
        kinds: The types that its value may have.
        kinds_in_words: The same for a sentence.
        instead: Keys that can take its place.
        counts_inputs: Whether its items count against the limit on texts to embed.
    """

    key: str
    kinds: frozenset[type]
    kinds_in_words: str
    instead: frozenset[str] = frozenset()
    counts_inputs: bool = False


TEXT = frozenset({str})
LIST = frozenset({list})
EITHER = TEXT | LIST
EITHER_IN_WORDS = "a string or an array"

PROMPT = Content("prompt", TEXT, "a string")

CONTENTS = {
    "chat/completions": Content("messages", LIST, "an array"),
    # The prompt may be null, which is the beginning of a new document.
    "completions": Content("prompt", EITHER, EITHER_IN_WORDS, frozenset({"prompt"})),
    # A stored prompt, an earlier response or a conversation may replace the input.
    "responses": Content("input", EITHER, EITHER_IN_WORDS, frozenset({"prompt", "previous_response_id", "conversation"})),
    "embeddings": Content("input", EITHER, EITHER_IN_WORDS, counts_inputs=True),
    "moderations": Content("input", EITHER, EITHER_IN_WORDS),
    "images/generations": PROMPT,
    "images/edits": PROMPT,
    "videos": PROMPT,
}

WITH_DEFAULT_MODEL = frozenset({"moderations", "images/generations", "images/edits", "videos"})
"""Endpoints that don't require `model`. That a batch of theirs does is unverified."""


def content_of(url: str) -> Content | None:
    """Return the rule for an endpoint; None where none is known."""
    return CONTENTS.get(name_of(url))


def has_default_model(url: str, body: Mapping[str, Any]) -> bool:
    """Return whether a request may leave out the model: its endpoint has a default, or its stored prompt names one."""
    name = name_of(url)
    return name in WITH_DEFAULT_MODEL or (name == "responses" and body.get("prompt") is not None)


def name_of(url: str) -> str:
    """Return the name of an endpoint: its url without the version; empty if there is none."""
    match = NAME.fullmatch(url)
    return match[1] if match else ""


ENDPOINT = "embeddings"
LETTERS = ENDPOINT.encode()
ESCAPED_LETTERS = EscapedLetters(ENDPOINT)
r"""The url may be `/v1/embedding\u0073`."""

LARGE = 16 * 1024
"""Bytes from which compiled code is looked for, which takes as long as a search in so many."""


def count_embedding_inputs(value: str | Sequence[Any]) -> int:
    """Count the texts of one embeddings request: a string or one list of tokens is one, other lists have as many as items."""
    if isinstance(value, str):
        return 1
    return 1 if value and isinstance(value[0], (int, float)) else len(value)


def is_for_embeddings(url: object) -> bool:
    """Return whether the requests to a url are for embeddings."""
    rule = content_of(url) if isinstance(url, str) else None
    return rule is not None and rule.counts_inputs


def embedding_inputs_of(url: object, body: object) -> int:
    """Count the texts that a request embeds, of any types; 0 where it is not for embeddings."""
    rule = content_of(url) if isinstance(url, str) else None
    if rule is None or not rule.counts_inputs or not isinstance(body, dict):
        return 0
    content = body.get(rule.key)
    # A tuple is in no decoded line, but in a record it is written as a list.
    return count_embedding_inputs(content) if isinstance(content, (str, list, tuple)) else 0


def embedding_inputs_of_line(line: bytes) -> int:
    """Count them in a line, which is decoded only where it may be a request for embeddings; 0 where it is not JSON."""
    if not may_embed(line):
        return 0
    try:
        request = loads(line)
    except InvalidLineError:
        return 0
    return embedding_inputs_of(request.get("url"), request.get("body"))


def may_embed(text: bytes) -> bool:
    """Return whether any line of a text may be a request for embeddings, without decoding it.

    Args:
        text: Any number of whole lines.
    """
    native = native_lines() if len(text) > LARGE else None
    if native is not None:
        return native.may_hold(text, LETTERS)
    # Most lines have no escapes at all, and a search for one byte is the fastest check.
    return LETTERS in text or (b"\\" in text and ESCAPED_LETTERS.stand_in(text))
