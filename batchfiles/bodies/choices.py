"""What chat and legacy completions share: a list of choices, each with a reason why it ended."""

from __future__ import annotations

from typing import Final

from batchfiles.bodies.tally import Tally

__all__ = ["CHOICE_KEYS", "CUT", "finish_reason", "texts"]

CUT: Final = frozenset({"length", "content_filter"})
"""Reasons that make an answer `incomplete`."""

SAME_AS: Final = {
    "max_output_tokens": "length",  # Responses, incomplete_details.reason
    "model_length": "length",  # Mistral: the model's own limit, not the request's
}
"""Other words for a reason of the one vocabulary."""

CHOICE_KEYS: Final = frozenset({"index", "finish_reason", "seed"})
"""`seed` is Together's echo of the request. `logprobs` is missing on purpose: a value there is in no column."""


def finish_reason(value: object, tally: Tally) -> str | None:
    """Return the reason in the one vocabulary, or the provider's own word where it has no counterpart."""
    reason = tally.text(value)
    return reason if reason is None else SAME_AS.get(reason, reason)


def texts(found: list[str | None], tally: Tally) -> list[str] | None:
    """Return the texts of all choices where there is more than one choice; no choice, or a second one, keeps the body."""
    if len(found) == 1:
        return None
    tally.carried = False
    listed = [text for text in found if text is not None]
    return listed if len(listed) > 1 else None
