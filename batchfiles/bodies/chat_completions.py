"""The body of `/v1/chat/completions`."""

from __future__ import annotations

from typing import Final, TypeAlias

from batchfiles.bodies import choices, fault, usage
from batchfiles.bodies.answer import Answer, Body
from batchfiles.bodies.tally import YEAR_10000, Tally

__all__ = ["read"]

BODY_KEYS: Final = frozenset({
    # in columns
    "id", "created", "model", "choices", "usage",
    # housekeeping: what kind of object it is, on which machines it was made
    "object", "system_fingerprint", "service_tier", "x_groq",
    # echoes of the request
    "metadata", "prompt_cache_key", "safety_identifier", "user",
    # read on its own
    "error",
})  # fmt: skip

PLAIN_BODY: Final = BODY_KEYS - {"error"}

CHOICE_KEYS: Final = choices.CHOICE_KEYS | {"message"}
PLAIN_CHOICE: Final = CHOICE_KEYS | {"logprobs"}

PLAIN_MESSAGE: Final = frozenset({"role", "content", "refusal", "annotations"})
"""The message of an answer in words; one with other keys is looked at more closely."""

MESSAGE_KEYS: Final = PLAIN_MESSAGE - {"annotations"} | {
    "tool_calls", "function_call",
    "reasoning_content", "reasoning",  # DeepSeek and vLLM; newer vLLM
    "prefix",  # Mistral: echo of the request
}  # fmt: skip

TOOL_CALL_KEYS: Final = frozenset({"id", "type", "index", "function", "custom"})
"""`index` is the place in the list: vLLM and Mistral write it."""

FUNCTION_KEYS: Final = frozenset({"name", "arguments"})
CUSTOM_KEYS: Final = frozenset({"name", "input"})
PART_KEYS: Final = frozenset({"type", "text"})

ToolCalls: TypeAlias = list[dict[str, str | None]]


def read(body: Body) -> Answer:
    """Read a chat completion.

    An answer in words, of the shape that OpenAI writes, is read straight through; `read_any` would come to the same and take half
    as long again.

    Returns:
        As `read_any`.
    """
    try:
        listed, usage_, created = body["choices"], body["usage"], body["created"]
        model, response_id = body["model"], body["id"]
        (choice,) = listed
        message = choice["message"]
        text = message["content"]
        inputs, outputs, total = usage_["prompt_tokens"], usage_["completion_tokens"], usage_["total_tokens"]
        cached = usage_["prompt_tokens_details"]["cached_tokens"]
        reasoned = usage_["completion_tokens_details"]["reasoning_tokens"]
        if (
            choice["finish_reason"] == "stop"
            and text
            and message["refusal"] is choice["logprobs"] is None
            and type(text) is type(model) is type(response_id) is str
            and type(inputs) is type(outputs) is type(total) is type(cached) is type(reasoned) is type(created) is int
            and inputs | outputs | total | cached | reasoned | created in PLAIN_NUMBERS
            and created < YEAR_10000
            and type(listed) is list
            and PLAIN_BODY.issuperset(body)
            and PLAIN_CHOICE.issuperset(choice)
            and PLAIN_MESSAGE.issuperset(message)
            and not message.get("annotations")
            and (inputs or "input_tokens" not in usage_)
            and (outputs or "output_tokens" not in usage_)
        ):
            # Past the constructor of Answer, which takes twice as long; the order is that of its fields.
            return tuple.__new__(Answer, (
                "succeeded", model, "stop", text, None, None, None, None, inputs, outputs, total, cached, reasoned,
                None, None, None, created * 1_000_000, response_id, True, 0, (),
            ))  # fmt: skip
    except (KeyError, TypeError, ValueError):
        pass
    return read_any(body)


PLAIN_NUMBERS: Final = range(2**63)
"""The bits of several numbers together lie in it if each of them does."""


def read_any(body: Body) -> Answer:
    """Read a chat completion of any shape.

    The first choice fills the columns; further ones only `texts`, so that the body must be kept. `choices` may be a single object
    (SGLang's old batch writer).

    Returns:
        What it says; `incomplete` where any choice was cut by the length limit or a content filter.
    """
    tally = Tally()
    outcome = "succeeded"
    if not PLAIN_BODY.issuperset(body):
        tally.more(body, BODY_KEYS)
        if fault.said(body.get("error")):
            outcome = "failed"
            tally.carried = False
    listed = body.get("choices")
    if type(listed) is not list:
        listed = tally.items(listed)
    if len(listed) == 1:
        text, refusal, reasoning, tool_calls, finish_reason = _choice(listed[0], tally)
        texts, cut = None, finish_reason in choices.CUT
    else:
        found = [_choice(choice, tally) for choice in listed]
        text, refusal, reasoning, tool_calls, finish_reason = found[0] if found else NO_CHOICE
        texts, cut = choices.texts([each[0] for each in found], tally), any(each[4] in choices.CUT for each in found)
    if cut and outcome != "failed":
        outcome = "incomplete"
    if not text and not refusal and not tool_calls and not texts and outcome == "succeeded":
        tally.note("empty_text")
    model, response_id, created_at = body.get("model"), body.get("id"), body.get("created")
    if type(model) is not str or type(response_id) is not str:
        model, response_id = tally.text(model), tally.text(response_id)
    # The comparison saves a call for every line of every file.
    created_at = created_at * 1_000_000 if type(created_at) is int and 0 <= created_at < YEAR_10000 else tally.moment(created_at)
    inputs, outputs, total, cached, reasoned = usage.read(body.get("usage"), tally)
    # Past the constructor of Answer, which takes twice as long; the order is that of its fields.
    return tuple.__new__(Answer, (
        outcome, model, finish_reason, text, texts, refusal, reasoning, tool_calls, inputs, outputs, total, cached, reasoned,
        None, None, None, created_at, response_id, tally.carried, tally.misfits, tally.noted,
    ))  # fmt: skip


Choice: TypeAlias = tuple[str | None, str | None, str | None, ToolCalls | None, str | None]
"""`(text, refusal, reasoning, tool_calls, finish_reason)`."""

NO_CHOICE: Final[Choice] = (None, None, None, None, None)


def _choice(choice: object, tally: Tally) -> Choice:
    """Read one choice."""
    if type(choice) is not dict:
        tally.reject()
        return NO_CHOICE
    if not PLAIN_CHOICE.issuperset(choice) or choice.get("logprobs") is not None:
        tally.more(choice, CHOICE_KEYS)
    finish_reason = choice.get("finish_reason")
    if finish_reason != "stop":
        finish_reason = choices.finish_reason(finish_reason, tally)
    message = choice.get("message")
    if type(message) is not dict:
        message = tally.mapping(message)
    text = message.get("content")
    if type(text) is not str and text is not None:
        text = _content(text, tally)
    refusal = message.get("refusal")
    if refusal is not None:
        refusal = tally.text(refusal)
    if PLAIN_MESSAGE.issuperset(message) and not message.get("annotations"):
        return text, refusal, None, None, finish_reason
    tally.more(message, MESSAGE_KEYS)
    if not text:
        text = _spoken(message) or text
    return text, refusal, _reasoning(message, tally), _tool_calls(message, tally), finish_reason


def _content(content: object, tally: Tally) -> str | None:
    """Join the text parts of a content that is a list; any other part (images, Mistral's thinking) is in no column."""
    if type(content) is not list:
        return tally.text(content)
    texts = []
    for part in content:
        if type(part) is str:
            texts.append(part)
        elif type(part) is dict and type(part.get("text")) is str:
            texts.append(part["text"])
            tally.more(part, PART_KEYS)
        else:
            tally.carried = False
            if type(part) is dict and type(part.get("transcript")) is str:  # what was said in a part of sound
                texts.append(part["transcript"])
    return "".join(texts) if texts else None


def _spoken(message: Body) -> str | None:
    """Return what is said in an answer that is sound; the sound itself keeps the body."""
    audio = message.get("audio")
    transcript = audio.get("transcript") if type(audio) is dict else None
    return transcript if type(transcript) is str else None


def _reasoning(message: Body, tally: Tally) -> str | None:
    """Read what is shown of the reasoning, under the one name or the other; some vLLM versions write both."""
    first, second = tally.text(message.get("reasoning_content")), tally.text(message.get("reasoning"))
    if first and second and first != second:
        tally.carried = False
    return first or second or first


def _tool_calls(message: Body, tally: Tally) -> ToolCalls | None:
    """Read the tool calls, and the one `function_call` of the time before them."""
    calls = [_tool_call(call, tally) for call in tally.items(message.get("tool_calls"))]
    legacy = message.get("function_call")
    if legacy is not None:
        calls.append(_call(None, tally.mapping(legacy), FUNCTION_KEYS, "arguments", tally))
    return calls or None


def _tool_call(call: object, tally: Tally) -> dict[str, str | None]:
    call = tally.mapping(call)
    tally.more(call, TOOL_CALL_KEYS)
    if "custom" in call:
        return _call(call.get("id"), tally.mapping(call["custom"]), CUSTOM_KEYS, "input", tally)
    return _call(call.get("id"), tally.mapping(call.get("function")), FUNCTION_KEYS, "arguments", tally)


def _call(call_id: object, called: Body, known: frozenset[str], arguments: str, tally: Tally) -> dict[str, str | None]:
    tally.more(called, known)
    return {"id": tally.text(call_id), "name": tally.text(called.get("name")), "arguments": tally.text(called.get(arguments))}
