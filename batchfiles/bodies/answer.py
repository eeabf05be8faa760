"""The fields of a response body, named as the table's columns."""

from __future__ import annotations

from typing import Any, NamedTuple

from batchfiles.bodies.errors import ErrorInfo
from batchfiles.bodies.fields import FieldReader, TokenCounts
from batchfiles.summary import short_repr

Body = dict[str, Any]
"""A decoded JSON object with any values."""


class Answer(NamedTuple):
    """The fields of one response body. A plain tuple, because there is one for every line.

    Attributes:
        outcome: `"succeeded"`, `"incomplete"` (stopped early), `"failed"` (the body contains an error) or
            `"no_response"` (the body contains no answer).
        model: The model that answered, as named in the body.
        finish_reason: One vocabulary for all endpoints, see `finish_reasons.REASONS`; else the provider's own word.
        text: The main text.
        texts: All texts, only if there is more than one, or if the only one is commentary.
        refusal: The text with which the model refused.
        reasoning: The visible reasoning.
        tool_calls: `[{"id": …, "name": …, "arguments": …}, …]`, all strings or None.
        input_tokens: Prompt tokens, including those read from a cache and written to it.
        output_tokens: Completion tokens, including those for reasoning.
        total_tokens: As in the body, never summed by us.
        cached_tokens: The part of `input_tokens` that was read from a cache.
        reasoning_tokens: The part of `output_tokens` for reasoning.
        flagged: Moderations: whether any of the results is flagged.
        flagged_categories: Moderations: the names of the categories that are true in any result, sorted.
        category_scores: Moderations: `[(category, score), …]`, the highest score over the results.
        created_at: Microseconds since 1970-01-01 UTC.
        response_id: The id inside the body.
        fully_mapped: Whether these fields have everything in the body except housekeeping. If False, the body is kept.
        conversion_errors: How many values did not fit their column (a float for a count, a number beyond int64) and are None.
        noted: Counts in addition to the outcome: names of `findings.COUNTS`, optionally with an example after a colon.
        fault: The error, if it is in the body, but not under its `error` key; None for an answer.
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

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as plain values, for JSON."""
        return {**self._asdict(), "fault": None if self.fault is None else self.fault._asdict()}

    def __repr__(self) -> str:
        return short_repr(self)


def without_token_counts(answer: Answer) -> bool:
    """Return whether an answer has neither input nor output tokens, so that sums do not include it.

    Moderations do not count: they are free, and mostly without tokens. A token count that did not fit is a conversion error.
    """
    if answer.input_tokens is not None or answer.output_tokens is not None or answer.conversion_errors:
        return False
    return answer.flagged is None and answer.category_scores is None


EMPTY = Answer()
"""The answer of a missing or unreadable body."""


def answer_of(body: Body, reader: FieldReader, counts: TokenCounts, **values: Any) -> Answer:  # noqa: ANN401 - fields of Answer
    """Build an answer: `model`, `created` and `id` of the body, token counts, the state of the reader, and other fields."""
    inputs, outputs, total, cached, reasoning, written = counts
    model, created_at = reader.text(body.get("model")), reader.moment(body.get("created"))
    response_id = reader.text(body.get("id"))
    common = Answer(
        model=model,
        input_tokens=inputs,
        output_tokens=outputs,
        total_tokens=total,
        cached_tokens=cached,
        reasoning_tokens=reasoning,
        created_at=created_at,
        response_id=response_id,
        fully_mapped=reader.fully_mapped,
        conversion_errors=reader.conversion_errors,
        noted=reader.noted,
        cache_write_tokens=written,
    )
    return common._replace(**values)
