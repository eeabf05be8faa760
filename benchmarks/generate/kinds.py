"""The kinds of batches there are, by name."""

from __future__ import annotations

from random import Random
from typing import Protocol

from benchmarks.generate.chat import Chat
from benchmarks.generate.embeddings import Embeddings
from benchmarks.generate.prose import Prose
from benchmarks.generate.responses import Responses

__all__ = ["NAMES", "Kind", "kinds"]

NAMES = ("chat", "responses", "embeddings", "embeddings-base64", "mixed")


class Kind(Protocol):
    """One endpoint: what is sent to it, and what it answers.

    `index` counts the requests; it decides what kind of request it is, so that request and answer fit together.
    """

    url: bytes

    def request(self, rng: Random, index: int) -> bytes:
        """Return the body of a request as JSON."""

    def answer(self, rng: Random, index: int, created: int) -> bytes:
        """Return the body of a success as JSON."""


def kinds(name: str, rng: Random, dimensions: int) -> tuple[Kind, ...]:
    """Return the endpoints that the lines of a batch take turns with."""
    prose = Prose(rng)
    if name == "mixed":
        return (Chat(prose), Responses(prose), Embeddings(prose, rng, dimensions, base64=False))
    if name == "chat":
        return (Chat(prose),)
    if name == "responses":
        return (Responses(prose),)
    return (Embeddings(prose, rng, dimensions, base64=name == "embeddings-base64"),)
