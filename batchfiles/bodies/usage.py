"""The token counts, in both dialects: prompt/completion (chat) and input/output (Responses).

LiteLLM mixes them in one object.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from batchfiles.bodies.tally import Tally

__all__ = ["NONE", "Counts", "read"]

Counts: TypeAlias = tuple[int | None, int | None, int | None, int | None, int | None]
"""`(input, output, total, cached, reasoning)`, in the order of `Answer`'s fields."""

NONE: Final[Counts] = (None, None, None, None, None)

LIMIT: Final = 2**63


def read(usage: object, tally: Tally) -> Counts:
    """Read the `usage` object of any endpoint.

    Other keys of it (audio and prediction tokens, Groq's times) are housekeeping and never looked at.

    Args:
        usage: The value of the `usage` key; any JSON value, or None where there is none.
        tally: Counts what does not fit.

    Returns:
        The five counts, None where nothing is said.
    """
    if type(usage) is not dict:
        if usage is not None:
            tally.reject()
        return NONE
    # Flat and a little repetitive: this runs for every line of every file.
    inputs = usage.get("prompt_tokens")
    if not inputs and "input_tokens" in usage:  # in a mixed object the unused dialect stands at 0
        inputs = usage["input_tokens"]
    outputs = usage.get("completion_tokens")
    if not outputs and "output_tokens" in usage:
        outputs = usage["output_tokens"]
    total = usage.get("total_tokens")
    details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details")
    cached = (details if type(details) is dict else tally.mapping(details)).get("cached_tokens")
    details = usage.get("completion_tokens_details") or usage.get("output_tokens_details")
    reasoning = (details if type(details) is dict else tally.mapping(details)).get("reasoning_tokens")
    if (
        type(inputs) is type(outputs) is type(total) is type(cached) is type(reasoning) is int
        and 0 <= inputs | outputs | total | cached | reasoning < LIMIT  # a union of bits is as long as the longest
    ):
        return inputs, outputs, total, cached, reasoning
    count = tally.count
    return count(inputs), count(outputs), count(total), count(cached), count(reasoning)
