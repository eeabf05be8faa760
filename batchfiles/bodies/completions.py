"""The body of the legacy `/v1/completions`."""

from __future__ import annotations

from typing import Final

from batchfiles.bodies import choices, fault, usage
from batchfiles.bodies.answer import Answer, Body
from batchfiles.bodies.tally import Tally

__all__ = ["read_completion"]

COMPLETION_KEYS: Final = frozenset({
    # in columns
    "id", "created", "model", "choices", "usage",
    # housekeeping
    "object", "system_fingerprint", "service_tier", "x_groq",
    # read on their own
    "error", "errors",
})  # fmt: skip

CHOICE_KEYS: Final = choices.SHARED_CHOICE_KEYS | {"text"}


def read_completion(body: Body) -> Answer:
    """Read a legacy completion; its choices hold a text where those of a chat hold a message.

    Returns:
        The answer. Its outcome is that of the worst choice; `no_response` without choices.
    """
    tally = Tally()
    tally.more(body, COMPLETION_KEYS)
    found = [_choice(choice, tally) for choice in tally.mappings(body.get("choices"))]
    texts = choices.all_texts([text for text, _ in found], tally)
    text, finish_reason = (found[0][0], found[0][1].finish_reason) if found else (None, None)
    outcome, wrong = choices.worst([end for _, end in found])
    if fault.stated(body):
        outcome, tally.carried = "failed", False
    if not text and not texts and outcome == "succeeded":
        tally.note("empty_text")
    model, response_id = tally.text(body.get("model")), tally.text(body.get("id"))
    created_at = tally.moment(body.get("created"))
    inputs, outputs, total, cached, reasoned, written = usage.read_usage(body.get("usage"), tally)
    return Answer(
        outcome=outcome,
        model=model,
        finish_reason=finish_reason,
        text=text,
        texts=texts,
        input_tokens=inputs,
        output_tokens=outputs,
        total_tokens=total,
        cached_tokens=cached,
        reasoning_tokens=reasoned,
        created_at=created_at,
        response_id=response_id,
        carried=tally.carried,
        misfits=tally.misfits,
        noted=tally.noted,
        fault=wrong,
        cache_write_tokens=written,
    )


def _choice(choice: Body, tally: Tally) -> tuple[str | None, choices.End]:
    """Return the text of one choice and how it ended."""
    tally.more(choice, CHOICE_KEYS)
    text, end = choice.get("text"), choices.choice_end(choice, tally)
    if text is None:
        end, tally.carried = choices.without_answer(end, "text"), False
    return tally.text(text), end
