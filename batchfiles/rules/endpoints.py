"""What the body of a request must hold, endpoint by endpoint (OpenAI's OpenAPI document at f85dbe2, 2026-08-21).

How many texts a request gives to be embedded: of those a service may limit how many stand in one file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from batchfiles.codec import loads
from batchfiles.errors import InvalidLineError
from batchfiles.jsontext.paths import EscapedLetters

__all__ = [
    "Content",
    "content_of",
    "count_embedding_inputs",
    "embedding_inputs_of",
    "embedding_inputs_of_line",
    "has_default_model",
    "is_for_embeddings",
    "may_embed",
    "name_of",
]

NAME = re.compile(r"/(?:v\d+/)?(.+)")
"""Azure leaves the version out of its urls, and Zhipu has a `/v4`."""


class Content(NamedTuple):
    """The key of a body that says what the model shall work on.

    Attributes:
        key: `messages`, `input` or `prompt`.
        kinds: The types that its value may have.
        kinds_in_words: The same for a sentence.
        plain_kinds: Those of them of which nothing more has to be known.
        instead: Keys that can take its place.
        counts_inputs: Whether its items count against the limit on texts to embed.
    """

    key: str
    kinds: frozenset[type]
    kinds_in_words: str
    plain_kinds: frozenset[type]
    instead: frozenset[str] = frozenset()
    counts_inputs: bool = False


TEXT = frozenset({str})
LIST = frozenset({list})
EITHER = TEXT | LIST
EITHER_IN_WORDS = "a string or an array"

PROMPT = Content("prompt", TEXT, "a string", TEXT)

CONTENTS = {
    "chat/completions": Content("messages", LIST, "an array", LIST),
    # The prompt may be null, which is the beginning of a new document.
    "completions": Content("prompt", EITHER, EITHER_IN_WORDS, EITHER, frozenset({"prompt"})),
    # A stored prompt, an earlier response or a conversation may stand for the input.
    "responses": Content("input", EITHER, EITHER_IN_WORDS, EITHER, frozenset({"prompt", "previous_response_id", "conversation"})),
    "embeddings": Content("input", EITHER, EITHER_IN_WORDS, TEXT, counts_inputs=True),
    "moderations": Content("input", EITHER, EITHER_IN_WORDS, EITHER),
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
    """Count the texts that a request gives to be embedded, of whatever types it is; 0 where it is none for embeddings."""
    rule = content_of(url) if isinstance(url, str) else None
    if rule is None or not rule.counts_inputs or not isinstance(body, dict):
        return 0
    content = body.get(rule.key)
    # A tuple is in no decoded line, but in a record it is written as a list.
    return count_embedding_inputs(content) if isinstance(content, (str, list, tuple)) else 0


def embedding_inputs_of_line(line: bytes) -> int:
    """Count them in a line, which is decoded only where it may be a request for embeddings; 0 where it is no JSON."""
    if not may_embed(line):
        return 0
    try:
        request = loads(line)
    except InvalidLineError:
        return 0
    return embedding_inputs_of(request.get("url"), request.get("body"))


def may_embed(text: bytes) -> bool:
    """Tell quickly whether any line of a text may be a request for embeddings.

    Args:
        text: Any number of whole lines.
    """
    # Most lines have no escapes at all, which a look for one byte tells soonest.
    return LETTERS in text or (b"\\" in text and ESCAPED_LETTERS.stand_in(text))
