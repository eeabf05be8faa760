"""What a response body says, in the words of the table's columns."""

from __future__ import annotations

from typing import Any, NamedTuple

from batchfiles.bodies.errors import ErrorInfo

__all__ = ["EMPTY", "Answer", "without_token_counts"]


class Answer(NamedTuple):
    """What one response body says; a plain tuple, because one is made for every line of every file.

    Attributes:
        outcome: `"succeeded"`, `"incomplete"` (stopped early), `"failed"` (the body itself says so) or
            `"no_response"` (it holds no answer).
        model: The model that answered, as the body names it.
        finish_reason: One vocabulary for all endpoints, see `finish_reasons.REASONS`; else the provider's own word.
        text: The one text that most people want.
        texts: All texts, only where there is more than one, or where the only one is commentary.
        refusal: The words in which the model refused.
        reasoning: What the model lets us see of its reasoning.
        tool_calls: `[{"id": …, "name": …, "arguments": …}, …]`, all strings or None.
        input_tokens: Prompt tokens, those read from a cache and written to it included.
        output_tokens: Completion tokens, reasoning ones included.
        total_tokens: As the body says, never summed by us.
        cached_tokens: The part of `input_tokens` that came from a cache.
        reasoning_tokens: The part of `output_tokens` that went into reasoning.
        flagged: Moderations: whether any of the results is flagged.
        flagged_categories: Moderations: the names of the categories that are true in any result, sorted.
        category_scores: Moderations: `[(category, score), …]`, the highest score over the results.
        created_at: Microseconds since 1970-01-01 UTC.
        response_id: The id inside the body.
        fully_mapped: Whether these fields say everything that the body says, without housekeeping. False keeps the body.
        conversion_errors: How many values did not fit their column (a float for a count, a number beyond int64): they are None.
        noted: What to count in addition to the outcome: names of `counts.COUNTS`, with an example after a colon or without.
        fault: The error, if the body has it outside its own `error` key; None for an answer.
        cache_write_tokens: The part of `input_tokens` that was written to a cache. Last, because its column is the last one.
    """

    outcome: str = "succeeded"
    model: str | None = None
    finish_reason: str | None = None
    text: str | None = None
    texts: list[str] | None = None
    refusal: str | None = None
    reasoning: str | None = None
    tool_calls: list[dict[str, str | None]] | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    flagged: bool | None = None
    flagged_categories: list[str] | None = None
    category_scores: list[tuple[str, float]] | None = None
    created_at: int | None = None
    response_id: str | None = None
    fully_mapped: bool = False
    conversion_errors: int = 0
    noted: tuple[str, ...] = ()
    fault: ErrorInfo | None = None
    cache_write_tokens: int | None = None


def without_token_counts(answer: Answer) -> bool:
    """Return whether an answer states neither input nor output tokens, so that its tokens are in no sum.

    Moderations mostly state none, and cost nothing; a count that does not fit was stated, and is a conversion error.
    """
    if answer.input_tokens is not None or answer.output_tokens is not None or answer.conversion_errors:
        return False
    return answer.flagged is None and answer.category_scores is None


EMPTY = Answer()
"""What no body says, or one that nobody can read."""

Body = dict[str, Any]
"""A decoded JSON object; its values are whatever the provider sent."""
