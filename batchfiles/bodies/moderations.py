"""The body of `/v1/moderations`: no `object`, no `usage`, and a list of results, one for each input."""

from __future__ import annotations

from typing import Final

from batchfiles.bodies import choices, fault, usage
from batchfiles.bodies.answer import Answer, Body
from batchfiles.bodies.tally import Tally

__all__ = ["read_moderation"]

MODERATION_KEYS: Final = frozenset({"id", "model", "results", "object", "error", "created", "usage"})
"""OpenAI writes the first three; Mistral adds `usage`."""

RESULT_KEYS: Final = frozenset({"flagged", "categories", "category_scores", "category_applied_input_types"})

ONLY_TEXT: Final[tuple[list[str] | None, ...]] = ([], ["text"], None)
"""What `category_applied_input_types` says of a text without images: nothing that one would not know."""


def read_moderation(body: Body) -> Answer:
    """Read moderation results, all of them together: flagged if any is, each category's highest score.

    Returns:
        What it says; `carried` only where there is exactly one result, and it is of a text.
    """
    tally = Tally()
    tally.more(body, MODERATION_KEYS)
    results = tally.mappings(body.get("results"))
    if len(results) != 1:
        tally.carried = False
    for result in results:
        tally.more(result, RESULT_KEYS)
        if not all(kinds in ONLY_TEXT for kinds in tally.mapping(result.get("category_applied_input_types")).values()):
            tally.carried = False
    outcome = "succeeded" if results else "no_response"
    if fault.stated(body):
        outcome = "failed"
        tally.carried = False
    inputs, outputs, total, cached, reasoned, written = usage.read_usage(body.get("usage"), tally)
    return Answer(
        outcome=outcome,
        model=tally.text(body.get("model")),
        input_tokens=inputs,
        output_tokens=outputs,
        total_tokens=total,
        cached_tokens=cached,
        reasoning_tokens=reasoned,
        flagged=_flagged(results, tally),
        flagged_categories=_flagged_categories(results, tally),
        category_scores=_category_scores(results, tally),
        created_at=tally.moment(body.get("created")),
        response_id=tally.text(body.get("id")),
        carried=tally.carried,
        misfits=tally.misfits,
        noted=tally.noted,
        fault=None if results else choices.no_answer("results"),
        cache_write_tokens=written,
    )


def _flagged(results: list[Body], tally: Tally) -> bool | None:
    """Return whether any result is flagged; None if no result has the key (Mistral has only categories)."""
    flags = [tally.flag(result.get("flagged")) for result in results]
    return True if True in flags else False if False in flags else None


def _flagged_categories(results: list[Body], tally: Tally) -> list[str] | None:
    """Return the names of the categories that are true in any result, sorted; `illicit` may be null and counts as not."""
    known = [tally.mapping(result["categories"]) for result in results if result.get("categories") is not None]
    names = {name for categories in known for name, value in categories.items() if value is not False and tally.flag(value)}
    return sorted(names) if known else None


def _category_scores(results: list[Body], tally: Tally) -> list[tuple[str, float]] | None:
    """Return each category with its highest score, in the order of the wire."""
    known = [tally.mapping(result["category_scores"]) for result in results if result.get("category_scores") is not None]
    highest: dict[str, float] = {}
    for scores in known:
        for name, value in scores.items():
            score = value if type(value) is float else tally.number(value)
            if score is not None and score >= highest.get(name, score):
                highest[name] = score
    return list(highest.items()) if known else None
