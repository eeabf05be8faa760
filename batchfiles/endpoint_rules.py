"""What the body of a request must hold, endpoint by endpoint (OpenAI's OpenAPI document at f85dbe2, 2026-08-21)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Content", "content_of", "has_default_model", "name_of"]

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
