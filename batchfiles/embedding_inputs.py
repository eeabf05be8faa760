"""How many texts a request gives to be embedded: of those a service may limit how many stand in one file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from batchfiles.codec import loads
from batchfiles.endpoint_rules import content_of
from batchfiles.errors import InvalidLine
from batchfiles.escaped_letters import EscapedLetters

__all__ = ["count_embedding_inputs", "embedding_inputs_of", "embedding_inputs_of_line", "is_for_embeddings", "may_embed"]

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
    except InvalidLine:
        return 0
    return embedding_inputs_of(request.get("url"), request.get("body"))


def may_embed(text: bytes) -> bool:
    """Tell quickly whether any line of a text may be a request for embeddings.

    Args:
        text: Any number of whole lines.
    """
    # Most lines have no escapes at all, which a look for one byte tells soonest.
    return LETTERS in text or (b"\\" in text and ESCAPED_LETTERS.stand_in(text))
