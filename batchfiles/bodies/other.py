"""Bodies of endpoints without special columns (images, videos), and bodies without an answer: the fields that all bodies have."""

from __future__ import annotations

from typing import Final

from batchfiles.bodies import choices, fault, status, usage
from batchfiles.bodies.answer import Answer, Body
from batchfiles.bodies.fault import Fault
from batchfiles.bodies.tally import Tally

__all__ = ["UNRECOGNIZED", "read"]

UNRECOGNIZED: Final = "unrecognized_body"
"""The error code of a body that does not answer the request."""

HOLDERS: Final = ("choices", "output", "data", "results", "candidates")
"""Keys that hold the answer in bodies of every family."""

PROMPTS: Final = frozenset({"messages", "input", "prompt", "contents"})
"""Keys of a request that hold the input of the model."""

NAMED: Final = frozenset({"model", "messages", "contents"})
"""A body without any of these may be the answer of a private service."""

PARAMETERS: Final = PROMPTS | {
    "model", "max_tokens", "max_completion_tokens", "max_output_tokens", "temperature", "top_p", "top_k", "n", "stop", "stream",
    "stream_options", "seed", "user", "tools", "tool_choice", "parallel_tool_calls", "response_format", "logprobs",
    "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty", "repetition_penalty", "min_p", "reasoning_effort",
    "reasoning", "thinking", "metadata", "store", "service_tier", "modalities", "prediction", "verbosity", "instructions",
    "truncation", "include", "previous_response_id", "encoding_format", "dimensions", "size", "quality", "system",
    "stop_sequences", "generationConfig", "generation_config", "safetySettings", "systemInstruction", "extra_body",
    "chat_template_kwargs",
}  # fmt: skip
"""Keys of requests, of all families. A body that has only these is the request."""


def read(body: Body) -> Answer:
    """Read model, id, time and token counts, where there are any.

    Returns:
        The answer, never `carried`; `failed` if it is an error object, holds one, or its `status` is a failure (videos);
        `no_response` where the place of the answer is empty, or where it is the request itself.
    """
    tally = Tally()
    outcome = status.outcome_of_status(body.get("status"), tally) if type(body.get("status")) is str else "succeeded"
    wrong = None
    if fault.stated(body) or fault.is_alone(body):
        outcome = "failed"  # `{"object": "error", "message": …}` is how vLLM wrote errors
    elif outcome == "failed":
        wrong = status.fault(body["status"])
    elif outcome == "succeeded":
        wrong = _what_is_wrong(body)
        outcome = "no_response" if wrong else outcome
    created_at = body.get("created")
    inputs, outputs, total, cached, reasoned, written = usage.read_usage(body.get("usage"), tally)
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
        fault=wrong,
        cache_write_tokens=written,
    )


def _what_is_wrong(body: Body) -> Fault | None:
    """Return why a body can't be the answer of any endpoint; None if it may be one."""
    holders = [key for key in HOLDERS if key in body]
    if holders and all(body[key] in EMPTY for key in holders):
        return choices.no_answer(holders[0])
    if holders or not is_request(body):
        return None
    return Fault(UNRECOGNIZED, message="the body is the request and not an answer")


EMPTY: Final[tuple[object, ...]] = (None, [], {}, [{}], [None])


def is_request(body: Body) -> bool:
    """Return whether a body is the request, sent back: messages without an answer to the last, or only keys of a request."""
    if PROMPTS.isdisjoint(body):
        return False
    messages = body.get("messages")
    if type(messages) is list and messages:
        last = messages[-1]
        return "model" in body and type(last) is dict and last.get("role") in REQUEST_ROLES
    return PARAMETERS.issuperset(body) and not NAMED.isdisjoint(body)


REQUEST_ROLES: Final = ("user", "system", "developer", "tool")
