"""The JSON Schema that a request asks its answer to follow."""

from __future__ import annotations

from typing import Any, Final

from batchfiles.escaped_letters import EscapedLetters

__all__ = ["may_ask", "schema_of_request"]

WAYS: Final = (
    ("response_format", "json_schema", "schema"),  # chat completions: OpenAI and most others
    ("text", "format", "schema"),  # Responses
    ("response_format", "schema"),  # Together, Fireworks
    ("structured_outputs", "json"),  # vLLM
    ("guided_json",),  # vLLM before
)
"""Where a schema is, in order. `json_object` alone asks for JSON of any shape; a tool's parameters are not the answer's."""

WORDS: Final = ("schema", "json")
"""One of them is a part of a key in each of `WAYS`."""

LETTERS: Final = tuple(word.encode() for word in WORDS)
ESCAPED: Final = tuple(EscapedLetters(word) for word in WORDS)


def may_ask(line: bytes) -> bool:
    """Tell quickly whether a request line may ask for a schema."""
    if any(letters in line for letters in LETTERS):
        return True
    return b"\\" in line and any(escaped.stand_in(line) for escaped in ESCAPED)


def schema_of_request(body: Any) -> dict[str, Any] | None:  # noqa: ANN401 - any JSON value
    """Return the schema that a request asks for; None where it asks for none.

    Args:
        body: The request's body, decoded.
    """
    for way in WAYS:
        found = body
        for key in way:
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, dict):
            return found
    return None
