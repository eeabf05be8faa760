"""What a request weighs against the limits of one file, and which requests may share one; decoded only where that is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from batchfiles.codec import loads
from batchfiles.embedding_inputs import embedding_inputs_of, may_embed
from batchfiles.errors import InvalidLine
from batchfiles.jobs.token_counts import TokenCounter

__all__ = ["DIVISIONS", "Group", "Scales", "Weight"]

DIVISIONS = ("model", "url")
"""What files can be divided by."""

Group: TypeAlias = "tuple[str | None, ...]"
"""A value for each of the divisions; None where a request has none."""


class Weight(NamedTuple):
    """What one request adds to its file.

    Attributes:
        group: The requests with which it may share a file.
        inputs: Texts to embed.
        tokens: Tokens that the model reads; 0 if nobody asked.
    """

    group: Group
    inputs: int
    tokens: int


class Scales:
    """Weighs request lines.

    Args:
        by: The divisions: `model`, `url`, both or none.
        counts_inputs: Whether texts to embed are limited.
        tokens: What counts tokens; None if nobody asked.

    Attributes:
        unreadable: How many of the weighed lines are no JSON: they weigh nothing but their bytes.
    """

    def __init__(self, by: Sequence[str], *, counts_inputs: bool, tokens: TokenCounter | None) -> None:
        self.unreadable = 0
        self._by = tuple(by)
        self._counts_inputs = counts_inputs
        self._tokens = tokens

    def must_decode(self, text: bytes) -> bool:
        """Return whether any of these lines has to be decoded to be weighed.

        Args:
            text: Any number of whole lines.
        """
        if self._by or self._tokens is not None:
            return True
        return self._counts_inputs and may_embed(text)

    def weigh(self, line: bytes) -> Weight:
        """Weigh one line."""
        if not self.must_decode(line):
            return NOTHING
        try:
            request = loads(line)
        except InvalidLine:
            self.unreadable += 1
            return Weight((None,) * len(self._by), 0, 0)
        body = request.get("body")
        if not isinstance(body, dict):
            body = {}
        url = request.get("url")
        values = {"model": body.get("model"), "url": url}
        group = tuple(value if isinstance(value := values[name], str) else None for name in self._by)
        inputs = embedding_inputs_of(url, body) if self._counts_inputs else 0
        return Weight(group, inputs, 0 if self._tokens is None else self._tokens(body))


NOTHING = Weight((), 0, 0)
