"""A body of an endpoint that we don't know, or know no columns for (images, videos): the little that all bodies have."""

from __future__ import annotations

from batchfiles.bodies import fault, status, usage
from batchfiles.bodies.answer import Answer, Body
from batchfiles.bodies.tally import Tally

__all__ = ["read"]


def read(body: Body) -> Answer:
    """Read model, id, time and token counts, where there are any.

    Returns:
        What it says, never `carried`; `failed` where it is an error object, holds one, or its `status` says so (videos do).
    """
    tally = Tally()
    outcome = status.outcome(body.get("status"), tally) if type(body.get("status")) is str else "succeeded"
    if fault.said(body.get("error")) or "error" in (body.get("object"), body.get("type")):
        outcome = "failed"  # `{"object": "error", "message": …}` is how vLLM wrote errors
    created_at = body.get("created")
    inputs, outputs, total, cached, reasoned = usage.read(body.get("usage"), tally)
    return Answer(
        outcome=outcome,
        model=tally.text(body.get("model")),
        input_tokens=inputs,
        output_tokens=outputs,
        total_tokens=total,
        cached_tokens=cached,
        reasoning_tokens=reasoned,
        created_at=tally.moment(body.get("created_at") if created_at is None else created_at),
        response_id=tally.text(body.get("id")),
        carried=False,
        misfits=tally.misfits,
        noted=tally.noted,
    )
