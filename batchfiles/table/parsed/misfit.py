"""Why an answer has no place in the `parsed` column."""

from __future__ import annotations

from batchfiles.codec import SURROGATE
from batchfiles.json_paths import shown

__all__ = ["Misfit"]

LONGEST = 500
"""Characters of a sentence: keys in its path may be as long as whoever made the answer liked."""


class Misfit(Exception):
    """An answer is no JSON, or doesn't fit the schema; `sentence` says why, without quoting values.

    Args:
        reason: What is wrong. Where a value is to blame, the sentence goes on from its path: `is a string, not an integer`.
        at_value: Whether a value is to blame.
    """

    def __init__(self, reason: str, *, at_value: bool = False) -> None:
        super().__init__(reason)
        self._reason = reason
        self._steps: list[str | int] = []
        self._at_value = at_value

    def within(self, step: str | int) -> Misfit:
        """Say in which property or item it happened; called from the inside out."""
        self._steps.append(SURROGATE.sub("\ufffd", step) if isinstance(step, str) else step)
        self._at_value = True
        return self

    @property
    def sentence(self) -> str:
        """The reason, and before it where in the answer, as a JSON path."""
        if not self._at_value:
            return self._reason
        sentence = f"{shown(self._steps[::-1])} {self._reason}"
        return sentence if len(sentence) <= LONGEST else f"{sentence[: LONGEST - 1]}…"
