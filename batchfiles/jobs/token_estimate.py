"""How many tokens a request may take, by a rule of thumb: what can be known before anything is sent, and without a tokenizer.

The rule: a token for each 4 bytes of UTF-8, rounded up for the request as a whole, and 4 more for each message. That is about right
for English, and for other languages not far from what current tokenizers need, because their letters have more bytes. Counted are
the texts that the model reads: messages, input, prompt, instructions, and the JSON of tools and of answer formats. Token numbers
in an embeddings request are counted as they are. Pictures, sound and files are not counted: nothing here tells their tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from batchfiles.codec import dumps
from batchfiles.errors import InvalidLine

__all__ = ["BYTES_PER_TOKEN", "TOKENS_PER_MESSAGE", "Estimate", "estimate_tokens"]

BYTES_PER_TOKEN: Final = 4
"""OpenAI's rule of thumb is 4 characters of English (help.openai.com/en/articles/4936856)."""

TOKENS_PER_MESSAGE: Final = 4
"""What sets a message off from the next: 3 tokens and its role, as OpenAI's cookbook counts for GPT-4 and later."""

TEXT_KEYS: Final = ("messages", "input", "prompt", "instructions", "suffix")
JSON_KEYS: Final = ("tools", "functions", "response_format", "text")
"""Keys of a body whose texts, or whose JSON, the model reads."""

LIMIT_KEYS: Final = ("max_completion_tokens", "max_output_tokens", "max_tokens")

NO_TEXT: Final = frozenset(
    {"type", "role", "id", "status", "detail", "image_url", "input_audio", "audio", "file", "file_id", "file_url", "file_data"}
)
"""Keys in a message whose strings are no text for the model, or one of which nobody knows the tokens."""

DEEPEST: Final = 100
"""Levels of lists and objects that are looked into; no real request has more than a dozen."""


class Estimate(NamedTuple):
    """What one request may take.

    Attributes:
        input_tokens: An estimate.
        output_tokens_at_most: The request's own limit, once for each answer that it asks for; None where it names none.
        characters: Of the texts in messages, input, prompt and instructions.
    """

    input_tokens: int
    output_tokens_at_most: int | None
    characters: int


def estimate_tokens(body: Any) -> Estimate:  # noqa: ANN401 - any JSON value
    """Estimate the tokens of the decoded body of a request. It never raises.

    Returns:
        The estimate; zeros for what is no object.
    """
    if not isinstance(body, dict):
        return Estimate(0, None, 0)
    size = characters = tokens = 0
    for key in TEXT_KEYS:
        if key in body:
            for text in _texts(body[key], DEEPEST):
                characters += len(text)
                size += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
            tokens += _token_numbers(body[key])
    tokens += sum(TOKENS_PER_MESSAGE * _message_count(body.get(key)) for key in ("messages", "input"))
    size += sum(_json_size(body[key]) for key in JSON_KEYS if body.get(key))
    return Estimate(tokens - (-size // BYTES_PER_TOKEN), _limit(body), characters)


def _texts(value: Any, levels: int) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    """Yield the texts within a value; a picture or a file in the form of a data URL is none."""
    if type(value) is str:
        if not value.startswith("data:"):
            yield value
    elif type(value) is list and levels:
        for item in value:
            yield from _texts(item, levels - 1)
    elif isinstance(value, dict) and levels:
        for key, item in value.items():
            if key not in NO_TEXT:
                yield from _texts(item, levels - 1)


def _token_numbers(value: Any) -> int:  # noqa: ANN401 - any JSON value
    """Count the tokens that are given as numbers: `[1, 2]` or `[[1, 2], [3]]`."""
    if type(value) is not list or not value:
        return 0
    if type(value[0]) is int:
        return len(value)
    return sum(len(item) for item in value if type(item) is list and item and type(item[0]) is int)


def _message_count(value: Any) -> int:  # noqa: ANN401 - any JSON value
    return sum(isinstance(item, dict) for item in value) if type(value) is list else 0


def _json_size(value: Any) -> int:  # noqa: ANN401 - any JSON value
    try:
        return len(dumps(value))
    except InvalidLine:  # nested deeper than can be written
        return 0


def _limit(body: dict[str, Any]) -> int | None:
    """Return the most tokens that the answers may have together."""
    found = [value for key in LIMIT_KEYS if type(value := body.get(key)) is int and value >= 0]
    if not found:
        return None
    answers = body.get("n")
    return found[0] * (answers if type(answers) is int and answers > 0 else 1)
