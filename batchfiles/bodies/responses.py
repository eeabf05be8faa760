"""The body of `/v1/responses`: a list of output items, of which messages, reasoning and tool calls have columns."""

from __future__ import annotations

from typing import Final, TypeAlias

from batchfiles.bodies import choices, fault, status, usage
from batchfiles.bodies.answer import Answer, Body
from batchfiles.bodies.tally import Tally

__all__ = ["read"]

BODY_KEYS: Final = frozenset({
    # in columns
    "id", "created_at", "model", "output", "usage",
    # read on their own
    "status", "incomplete_details", "error",
    # housekeeping
    "object", "completed_at", "billing", "service_tier",
    # echoes of the request
    "background", "conversation", "frequency_penalty", "instructions", "max_output_tokens", "max_tool_calls", "metadata",
    "parallel_tool_calls", "presence_penalty", "previous_response_id", "prompt", "prompt_cache_key",
    "prompt_cache_options", "prompt_cache_retention", "reasoning", "safety_identifier", "store", "temperature", "text",
    "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user",
})  # fmt: skip

MESSAGE_KEYS: Final = frozenset({"type", "id", "status", "role", "phase", "content"})
"""`phase` tells commentary from the final answer; of several messages the body is kept anyway."""

TEXT_KEYS: Final = frozenset({"type", "text"})
PLAIN_TEXT: Final = TEXT_KEYS | {"annotations", "logprobs"}
"""The part of an answer in words, whose annotations and logprobs are mostly empty lists."""

REFUSAL_KEYS: Final = frozenset({"type", "refusal"})

REASONING_KEYS: Final = frozenset({"type", "id", "status", "summary", "content"})
"""`encrypted_content` is missing on purpose: who wants to go on from here needs it, and no column has it."""

FUNCTION_KEYS: Final = frozenset({"type", "id", "call_id", "name", "arguments", "status"})
CUSTOM_KEYS: Final = frozenset({"type", "id", "call_id", "name", "input", "status"})
INCOMPLETE_KEYS: Final = frozenset({"reason"})

COMPLETE: Final = (None, "completed")
"""The status of a message that is whole; some servers leave it out."""

Message: TypeAlias = tuple[str, bool]
"""The text of a message, and whether it is whole."""

ToolCalls: TypeAlias = list[dict[str, str | None]]


def read(body: Body) -> Answer:
    """Read a response.

    The text is that of the last message that is whole: where there are several, the first is often a fragment
    (opentargets/mira#70: in all 557 of 233,124 real lines that had several). If none is whole, it is the last one with
    words in it.

    Returns:
        What it says; the outcome follows its `status` and `error`.
    """
    tally = Tally()
    tally.more(body, BODY_KEYS)
    messages, refusals, reasoning, tool_calls = _output(body.get("output"), tally)
    text, texts = _last_whole(messages), None
    if len(messages) > 1:
        texts = [text for text, _ in messages]
        tally.carried = False  # which of them are fragments, and among which other items they stood, no column says
    outcome = status.outcome(body.get("status"), tally)
    if fault.said(body.get("error")):
        outcome = "failed"
    if outcome == "failed":
        tally.carried = False
    finish_reason = _finish_reason(body, "tool_calls" if tool_calls and not text else "stop", tally)
    model, response_id, created_at = body.get("model"), body.get("id"), tally.moment(body.get("created_at"))
    if type(model) is not str or type(response_id) is not str:
        model, response_id = tally.text(model), tally.text(response_id)
    inputs, outputs, total, cached, reasoned = usage.read(body.get("usage"), tally)
    # Past the constructor of Answer, as in chat_completions; the order is that of its fields.
    return tuple.__new__(Answer, (
        outcome, model, finish_reason, text, texts, _joined(refusals), _joined(reasoning), tool_calls or None,
        inputs, outputs, total, cached, reasoned, None, None, None, created_at, response_id, tally.carried, tally.misfits,
        tally.noted,
    ))  # fmt: skip


def _joined(texts: list[str]) -> str | None:
    return "\n\n".join(texts) if texts else None


def _last_whole(messages: list[Message]) -> str | None:
    """Return the text of the last message that is whole, of the last with words in it, or of the last at all."""
    if len(messages) == 1:
        return messages[0][0]
    for wanted in ([text for text, whole in messages if whole], [text for text, _ in messages]):
        spoken = [text for text in wanted if text]
        if spoken:
            return spoken[-1]
    return "" if messages else None


def _finish_reason(body: Body, completed: str, tally: Tally) -> str | None:
    """Say in the words of chat why a response ended: it has none of its own but for the incomplete ones."""
    details = body.get("incomplete_details")
    if details is None:
        return completed if body.get("status") == "completed" else None
    details = tally.mapping(details)
    tally.more(details, INCOMPLETE_KEYS)
    return choices.finish_reason(details.get("reason"), tally)


def _output(items: object, tally: Tally) -> tuple[list[Message], list[str], list[str], ToolCalls]:
    """Read the output items; of a kind without a column only that there is one.

    Returns:
        The messages, the refusals, the pieces of reasoning and the tool calls.
    """
    messages: list[Message] = []
    refusals: list[str] = []
    reasoning: list[str] = []
    calls: ToolCalls = []
    for item in tally.mappings(items):
        kind = item.get("type")
        if kind == "message":
            _message(item, messages, refusals, tally)
        elif kind == "reasoning":
            reasoning += _reasoning(item, tally)
        elif kind == "function_call":
            calls.append(_call(item, "arguments", FUNCTION_KEYS, tally))
        elif kind == "custom_tool_call":
            calls.append(_call(item, "input", CUSTOM_KEYS, tally))
        else:
            tally.carried = False
    return messages, refusals, reasoning, calls


def _message(item: Body, messages: list[Message], refusals: list[str], tally: Tally) -> None:
    """Add one message's text and refusal; its text is that of all its parts."""
    tally.more(item, MESSAGE_KEYS)
    content = item.get("content")
    texts: list[str] = []
    for part in [{"type": "output_text", "text": content}] if type(content) is str else tally.mappings(content):
        kind = part.get("type")
        if kind == "output_text":
            _add(part, "text", texts, tally)
            if not PLAIN_TEXT.issuperset(part) or part.get("annotations") or part.get("logprobs"):
                tally.more(part, TEXT_KEYS)
        elif kind == "refusal":
            _add(part, "refusal", refusals, tally)
            tally.more(part, REFUSAL_KEYS)
        elif kind == "output_audio":
            _add(part, "transcript", texts, tally)
            tally.carried = False  # the sound is in no column
        else:
            tally.carried = False
    if texts:
        messages.append(("".join(texts), item.get("status") in COMPLETE))


def _reasoning(item: Body, tally: Tally) -> list[str]:
    """Return the summary of a piece of reasoning, and its own words where an open model shows them (vLLM)."""
    tally.more(item, REASONING_KEYS)
    texts: list[str] = []
    for key in ("summary", "content"):
        for part in tally.mappings(item.get(key)):
            _add(part, "text", texts, tally)
            tally.more(part, TEXT_KEYS)
    return texts


def _add(part: Body, key: str, texts: list[str], tally: Tally) -> None:
    text = tally.text(part.get(key))
    if text is not None:
        texts.append(text)


def _call(item: Body, arguments: str, known: frozenset[str], tally: Tally) -> dict[str, str | None]:
    tally.more(item, known)
    return {
        "id": tally.text(item.get("call_id")),
        "name": tally.text(item.get("name")),
        "arguments": tally.text(item.get(arguments)),
    }
