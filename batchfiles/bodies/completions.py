"""The body of the legacy `/v1/completions`."""

from __future__ import annotations

from typing import Final

from batchfiles.bodies import choices, fault, usage
from batchfiles.bodies.answer import Answer, Body
from batchfiles.bodies.tally import Tally

__all__ = ["read"]

BODY_KEYS: Final = frozenset({
    # in columns
    "id", "created", "model", "choices", "usage",
    # housekeeping
    "object", "system_fingerprint", "service_tier", "x_groq",
    # read on its own
    "error",
})  # fmt: skip

CHOICE_KEYS: Final = choices.CHOICE_KEYS | {"text"}


def read(body: Body) -> Answer:
    """Read a legacy completion; its choices hold a text where those of a chat hold a message.

    Returns:
        What it says; `incomplete` where any choice was cut by the length limit or a content filter.
    """
    tally = Tally()
    tally.more(body, BODY_KEYS)
    found = [_choice(choice, tally) for choice in tally.mappings(body.get("choices"))]
    texts = choices.texts([text for text, _ in found], tally)
    text, finish_reason = found[0] if found else (None, None)
    outcome = "incomplete" if any(reason in choices.CUT for _, reason in found) else "succeeded"
    if fault.said(body.get("error")):
        outcome = "failed"
        tally.carried = False
    model, response_id = tally.text(body.get("model")), tally.text(body.get("id"))
    created_at = tally.moment(body.get("created"))
    inputs, outputs, total, cached, reasoned = usage.read(body.get("usage"), tally)
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
    )


def _choice(choice: Body, tally: Tally) -> tuple[str | None, str | None]:
    """Return the text of one choice and why it ended."""
    tally.more(choice, CHOICE_KEYS)
    return tally.text(choice.get("text")), choices.finish_reason(choice.get("finish_reason"), tally)
