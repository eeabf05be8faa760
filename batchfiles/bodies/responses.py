"""The body of `/v1/responses`: a list of output items, of which messages, reasoning and tool calls have columns."""

from __future__ import annotations

from typing import Final, NamedTuple

from batchfiles.bodies import chat_completions, errors, fields, finish_reasons
from batchfiles.bodies.answer import Answer, Body
from batchfiles.bodies.fields import FieldReader

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
"""`phase` separates commentary from the final answer."""

TEXT_KEYS: Final = frozenset({"type", "text"})

REFUSAL_KEYS: Final = frozenset({"type", "refusal"})

REASONING_KEYS: Final = frozenset({"type", "id", "status", "summary", "content"})
"""Without `encrypted_content`: it is needed to continue the conversation, and has no column."""

FUNCTION_KEYS: Final = frozenset({"type", "id", "call_id", "name", "arguments", "status"})
CUSTOM_KEYS: Final = frozenset({"type", "id", "call_id", "name", "input", "status"})
INCOMPLETE_KEYS: Final = frozenset({"reason"})

COMPLETE: Final = (None, "completed")
"""The status of a finished message; some servers omit it."""

TEXTS: Final = ("output_text", "text")
"""Types of a text part; other servers write the second."""

COMMENTARY: Final = "commentary"
"""The phase of an intermediate message, before a call or the answer."""

ANSWERS: Final = ("assistant", None)
"""The role of a message that is an answer; Fireworks repeats the messages of the request before it."""

TOOL_OUTPUTS: Final = frozenset({
    "function_call_output", "custom_tool_call_output", "computer_call_output", "local_shell_call_output", "shell_call_output",
    "apply_patch_call_output", "mcp_approval_response",
})  # fmt: skip
"""Answers to calls, which are then not open."""

CLIENT_CALLS: Final = frozenset({
    "computer_call", "local_shell_call", "shell_call", "apply_patch_call", "mcp_approval_request"
})  # fmt: skip
"""Calls without a column that need an answer of the client [OpenAI, OpenAPI document: OutputItem]."""


class Message(NamedTuple):
    """One message of the model.

    Attributes:
        text: The text of all its parts.
        is_whole: Whether it is finished.
        is_commentary: Whether it is not part of the answer.
    """

    text: str
    is_whole: bool
    is_commentary: bool


class Output(NamedTuple):
    """The contents of the output items.

    Attributes:
        messages: The messages.
        refusals: The texts of refusals.
        reasoning: The pieces of reasoning.
        calls: The tool calls.
        waiting: The ids of calls without a column that need an answer of the client.
        answered: The ids of calls whose answer is also in the output.
        is_cut: Whether a call is not finished.
        others: The number of other items without a column.
        is_empty: Whether the model wrote no item.
    """

    messages: list[Message]
    refusals: list[str]
    reasoning: list[str]
    calls: list[dict[str, str | None]]
    waiting: list[object]
    answered: list[object]
    is_cut: bool
    others: int
    is_empty: bool


def read(body: Body) -> Answer:
    """Read a response.

    The text is that of the last finished message: of several, the first is often a fragment (opentargets/mira#70: in all 557 of
    233,124 real lines that had several). If none is finished, it is the last message that is not empty. Commentary is only in
    `texts`. The outcome depends on `status`, `error` and whether the last message is finished.
    """
    reader = FieldReader()
    reader.check_unknown_keys(body, BODY_KEYS)
    found = _output(body.get("output"), reader)
    spoken = [message for message in found.messages if not message.is_commentary]
    text, texts = _last_complete(spoken), None
    if len(found.messages) > 1 or len(spoken) < len(found.messages):
        texts = [message.text for message in found.messages]
        reader.fully_mapped = False  # no column has which of them are fragments, and the order of items
    finish_reason, outcome, wrong = _end(body, found, reader)
    if outcome == "succeeded" and next((not message.is_whole for message in reversed(spoken) if message.text), False):
        finish_reason, outcome = None, "incomplete"
    if outcome not in ("succeeded", "incomplete"):
        reader.fully_mapped = False
    if outcome == "succeeded" and not text and not found.refusals and not found.calls and not found.others:
        reader.note("empty_text")
    model, response_id, created_at = (
        reader.text(body.get("model")),
        reader.text(body.get("id")),
        reader.moment(body.get("created_at")),
    )
    inputs, outputs, total, cached, reasoned, written = fields.read_usage(body.get("usage"), reader)
    return Answer(  # in the order of its fields
        outcome, model, finish_reason, text, texts, _joined(found.refusals), _joined(found.reasoning), found.calls or None,
        inputs, outputs, total, cached, reasoned, None, None, None, created_at, response_id, reader.fully_mapped,
        reader.conversion_errors, reader.noted, wrong, written,
    )  # fmt: skip


def _joined(texts: list[str]) -> str | None:
    return "\n\n".join(texts) if texts else None


def _last_complete(messages: list[Message]) -> str | None:
    """Return the text of the last finished message, of the last that is not empty, or an empty text."""
    if len(messages) == 1:
        return messages[0].text
    for wanted in ([message for message in messages if message.is_whole], messages):
        spoken = [message.text for message in wanted if message.text]
        if spoken:
            return spoken[-1]
    return "" if messages else None


def _end(body: Body, found: Output, reader: FieldReader) -> chat_completions.End:
    """Return the end of a response; only incomplete responses state a reason."""
    outcome = errors.outcome_of_status(body.get("status"), reader)
    details, reason = body.get("incomplete_details"), None
    if details is not None:
        details = reader.mapping(details)
        reader.check_unknown_keys(details, INCOMPLETE_KEYS)
        reason, _ = finish_reasons.read(details.get("reason"), reader)
        if reason is not None and outcome == "succeeded":
            outcome = "incomplete"
    elif outcome == "succeeded" and found.is_cut:
        outcome = "incomplete"
    elif body.get("status") == "completed":
        called = [*(call["id"] for call in found.calls), *found.waiting]
        answered = {call_id for call_id in found.answered if type(call_id) is str}
        is_open = any(type(call_id) is not str or call_id not in answered for call_id in called)
        reason = "tool_calls" if is_open else "stop"
    wrong = errors.error_info(body.get("status"))
    if errors.stated(body):
        outcome, wrong = "failed", None
    end = chat_completions.End(reason, outcome, wrong)
    return chat_completions.without_answer(end, "output") if found.is_empty else end


def _output(items: object, reader: FieldReader) -> Output:
    """Read the output items; of those without a column only their number."""
    found = Output([], [], [], [], [], [], is_cut=False, others=0, is_empty=True)
    others = seen = cut = 0
    for item in reader.mappings(items):
        kind = item.get("type")
        if kind == "message" or (kind is None and "content" in item and "role" in item):  # Fireworks omits the type
            if item.get("role") not in ANSWERS:
                reader.fully_mapped = False
                continue
            _message(item, found.messages, found.refusals, reader)
        elif kind == "reasoning":
            found.reasoning.extend(_reasoning(item, reader))
        elif kind == "function_call":
            cut += item.get("status") == "incomplete"
            found.calls.append(_call(item, "arguments", FUNCTION_KEYS, reader))
        elif kind == "custom_tool_call":
            cut += item.get("status") == "incomplete"
            found.calls.append(_call(item, "input", CUSTOM_KEYS, reader))
        else:
            reader.fully_mapped = False
            if type(kind) is str and kind in TOOL_OUTPUTS:
                found.answered.append(item.get("call_id") or item.get("approval_request_id"))
            else:
                others += 1
                if type(kind) is str and kind in CLIENT_CALLS:
                    found.waiting.append(item.get("call_id") or item.get("id"))
        seen += 1
    return found._replace(is_cut=cut > 0, others=others, is_empty=not seen)


def _message(item: Body, messages: list[Message], refusals: list[str], reader: FieldReader) -> None:
    """Add the text and the refusal of a message, from all its parts."""
    reader.check_unknown_keys(item, MESSAGE_KEYS)
    content = item.get("content")
    texts: list[str] = []
    for part in [{"type": "output_text", "text": content}] if type(content) is str else reader.mappings(content):
        kind = part.get("type")
        if kind in TEXTS:
            _add(part, "text", texts, reader)
            reader.check_unknown_keys(part, TEXT_KEYS)
        elif kind == "refusal":
            _add(part, "refusal", refusals, reader)
            reader.check_unknown_keys(part, REFUSAL_KEYS)
        elif kind == "output_audio":
            _add(part, "transcript", texts, reader)
            reader.fully_mapped = False  # the audio is in no column
        else:
            reader.fully_mapped = False
    if texts:
        messages.append(Message("".join(texts), item.get("status") in COMPLETE, item.get("phase") == COMMENTARY))


def _reasoning(item: Body, reader: FieldReader) -> list[str]:
    """Return the summary of an item of reasoning, and its content with open models (vLLM)."""
    reader.check_unknown_keys(item, REASONING_KEYS)
    texts: list[str] = []
    for key in ("summary", "content"):
        for part in reader.mappings(item.get(key)):
            _add(part, "text", texts, reader)
            reader.check_unknown_keys(part, TEXT_KEYS)
    return texts


def _add(part: Body, key: str, texts: list[str], reader: FieldReader) -> None:
    text = reader.text(part.get(key))
    if text is not None:
        texts.append(text)


def _call(item: Body, arguments: str, known: frozenset[str], reader: FieldReader) -> dict[str, str | None]:
    reader.check_unknown_keys(item, known)
    return {
        "id": reader.text(item.get("call_id")),
        "name": reader.text(item.get("name")),
        "arguments": reader.text(item.get(arguments)),
    }
