"""How many tokens a request asks a model to read: by a rule of thumb, or by `tiktoken`.

Services limit the prompt tokens that wait in their queues, so what a model may write is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from batchfiles.bodies.tally import whole
from batchfiles.errors import MissingDependency

__all__ = ["COUNTERS", "TokenCounter", "estimated_tokens", "token_counter"]

TokenCounter: TypeAlias = "Callable[[dict[str, Any]], int]"
"""Counts the tokens of a decoded body."""

COUNTERS = ("estimate", "tiktoken")

BYTES_PER_TOKEN = 4
"""OpenAI's rule of thumb for English: a token is about four characters (help.openai.com, "What are tokens and how to count
them?"). UTF-8 bytes are counted instead, because other scripts take more bytes and more tokens a character."""

NOT_READ = frozenset({"model"})
"""Keys of a body whose text is not part of the prompt."""


def token_counter(name: str) -> TokenCounter:
    """Return the counter of this name.

    Args:
        name: `"estimate"` or `"tiktoken"`.

    Raises:
        MissingDependency: `tiktoken` is not installed.
        ValueError: There is no counter of that name.
    """
    if name == "estimate":
        return estimated_tokens
    if name == "tiktoken":
        return _Tiktoken()
    raise ValueError(f"tokens are counted by {' or '.join(map(repr, COUNTERS))}, not by {name!r}")


def estimated_tokens(body: dict[str, Any]) -> int:
    """Estimate by the rule of thumb: the UTF-8 bytes of all texts in the body by four, rounded up; a token in a list is one.

    Data URLs (`data:image/png;base64,…`) are no text and count nothing: what an image costs depends on its size and the model.
    """
    size = tokens = 0
    for item in _read_by_the_model(body):
        if isinstance(item, str):
            size += len(item) if item.isascii() else len(item.encode(errors="replace"))
        else:
            tokens += item
    return tokens + -(-size // BYTES_PER_TOKEN)


def _read_by_the_model(body: dict[str, Any]) -> Iterator[str | int]:
    """Yield the texts of a body, and the lengths of lists of tokens."""
    waiting: list[Any] = [value for key, value in body.items() if key not in NOT_READ]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            if not value.startswith("data:"):
                yield value
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            if value and all(whole(item) is not None for item in value):
                yield len(value)
            else:
                waiting += value


class _Tiktoken:
    """Counts with the encoding of the body's model, as far as it is on this machine already: nothing is downloaded."""

    def __init__(self) -> None:
        try:
            import tiktoken
        except ImportError:
            raise MissingDependency("counting with tiktoken needs it to be installed: pip install tiktoken") from None
        self._tiktoken: Any = tiktoken
        self._encodings: dict[str, Any] = {}

    def __call__(self, body: dict[str, Any]) -> int:
        """Count the tokens of the texts of a body, each by itself, without those that a service puts around messages."""
        model = body.get("model")
        encoding = self._encoding_of(model if isinstance(model, str) else "")
        tokens = 0
        for item in _read_by_the_model(body):
            tokens += len(encoding.encode(item, disallowed_special=())) if isinstance(item, str) else item
        return tokens

    def _encoding_of(self, model: str) -> Any:  # noqa: ANN401 - tiktoken is no dependency of ours
        if model not in self._encodings:
            self._encodings[model] = self._loaded(model)
        return self._encodings[model]

    def _loaded(self, model: str) -> Any:  # noqa: ANN401 - as above
        import tiktoken.load

        try:
            name = self._tiktoken.encoding_name_for_model(model)
        except KeyError:
            raise ValueError(f"tiktoken knows no encoding for the model {model[:100]!r}: count by 'estimate'") from None
        kept, tiktoken.load.read_file = tiktoken.load.read_file, _refuse  # what it calls for what is not in its cache
        try:
            return self._tiktoken.get_encoding(name)
        except _NotAtHandError:
            words = (
                f"tiktoken's encoding {name} is not on this machine, and nothing is downloaded here: have tiktoken load it once"
            )
            raise MissingDependency(f"{words} (tiktoken.get_encoding({name!r})), or count by 'estimate'") from None
        finally:
            tiktoken.load.read_file = kept


class _NotAtHandError(Exception):
    """Tiktoken wants to download."""


def _refuse(path: str) -> bytes:
    raise _NotAtHandError(path)
