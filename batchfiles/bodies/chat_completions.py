"""The body of `/v1/chat/completions`, and what it shares with legacy completions: choices with a finish reason and an error."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from batchfiles.bodies import errors, fields, finish_reasons
from batchfiles.bodies.answer import Answer, Body
from batchfiles.bodies.errors import ErrorInfo
from batchfiles.bodies.fields import YEAR_10000, FieldReader, is_all_null

SHARED_CHOICE_KEYS: Final = frozenset({"index", "finish_reason", "native_finish_reason", "error", "seed"})
"""`seed` is Together's echo of the request. Without `logprobs`, which have no column."""

OUTCOMES: Final = ("succeeded", "incomplete", "no_response", "failed")
"""From best to worst."""

EMPTY: Final = "empty_answer"
"""The error code of a body without an answer."""


class End(NamedTuple):
    """How one choice ended.

    Attributes:
        finish_reason: As in the column, see `finish_reasons`.
        outcome: `"succeeded"`, `"incomplete"` or `"failed"`.
        fault: The error, if it failed.
    """

    finish_reason: str | None
    outcome: str
    fault: ErrorInfo | None


def choice_end(choice: Body, reader: FieldReader) -> End:
    """Read the `finish_reason` of a choice, and OpenRouter's `error` and `native_finish_reason`, used if the first is null."""
    reason, native = choice.get("finish_reason"), choice.get("native_finish_reason")
    if reason is None and type(native) is str:
        reason = native
    elif type(native) is str and finish_reasons.meaning_of(native) != finish_reasons.meaning_of(str(reason)):
        reader.fully_mapped = False
    return with_error(choice.get("error"), reason, reader)


def with_error(error: object, reason: object, reader: FieldReader) -> End:
    """Read a finish reason and the error next to it; with an error, the choice is a failure."""
    word, outcome = finish_reasons.read(reason, reader)
    found = errors.read(error)
    if found is None and outcome != "failed":
        return End(word, outcome, None)
    reader.fully_mapped = False
    if found is not None:
        reader.conversion_errors += found.conversion_errors
    return End(word, "failed", errors.merge(found, ErrorInfo(code=word) if outcome == "failed" else None))


def without_answer(end: End, key: str) -> End:
    """Return the end of a choice without an answer: `no_response` unless it was cut or failed."""
    return End(end.finish_reason, "no_response", no_answer(key)) if end.outcome == "succeeded" else end


def worst(ends: list[End]) -> tuple[str, ErrorInfo | None]:
    """Return the outcome of an answer with several choices, and its error: those of the worst choice.

    Choices without an answer are ignored if others have one.
    """
    kept = [end for end in ends if end.outcome != "no_response"] or ends
    if not kept:
        return "no_response", no_answer("choices")
    found = max(kept, key=lambda end: OUTCOMES.index(end.outcome))
    return found.outcome, found.fault


def no_answer(key: str) -> ErrorInfo:
    """Return the error of a body without an answer under a key."""
    return ErrorInfo(EMPTY, message=f"the body holds no answer: `{key}` is empty or missing")


def all_texts(found: list[str | None], reader: FieldReader) -> list[str] | None:
    """Return the texts of several choices. The body is kept, unless there is exactly one choice."""
    if len(found) == 1:
        return None
    reader.fully_mapped = False
    listed = [text for text in found if text is not None]
    return listed if len(listed) > 1 else None


BODY_KEYS: Final = frozenset({
    # in columns
    "id", "created", "model", "choices", "usage",
    # housekeeping: what kind of object it is, on which machines it was made
    "object", "system_fingerprint", "service_tier", "x_groq",
    # echoes of the request
    "metadata", "prompt_cache_key", "safety_identifier", "user",
    # read on their own
    "error", "errors",
})  # fmt: skip

PLAIN_BODY: Final = BODY_KEYS - {"error", "errors"}

CHOICE_KEYS: Final = SHARED_CHOICE_KEYS | {"message"}
PLAIN_CHOICE: Final = frozenset({"index", "finish_reason", "seed", "message", "logprobs"})
"""The keys of an ordinary choice."""

PLAIN_MESSAGE: Final = frozenset({"role", "content", "refusal", "annotations"})
"""The keys of an ordinary message."""

MESSAGE_KEYS: Final = PLAIN_MESSAGE - {"annotations"} | {
    "tool_calls", "function_call",
    "reasoning_content", "reasoning",  # DeepSeek and vLLM; newer vLLM
    "prefix",  # Mistral: echo of the request
}  # fmt: skip

TOOL_CALL_KEYS: Final = frozenset({"id", "type", "index", "function", "custom"})
"""`index` is the position in the list: vLLM and Mistral."""

FUNCTION_KEYS: Final = frozenset({"name", "arguments"})
CUSTOM_KEYS: Final = frozenset({"name", "input"})
PART_KEYS: Final = frozenset({"type", "text"})
THINKING: Final = ("thinking", "reasoning")
"""Types of reasoning parts: Mistral and Anthropic; Databricks."""
THINKING_KEYS: Final = frozenset({"type", "thinking", "reasoning", "summary", "text", "closed"})
"""`closed` is Mistral's. Without Anthropic's `signature`: it is needed to continue the conversation."""

ToolCalls: TypeAlias = list[dict[str, str | None]]


PLAIN_ENDS: Final = {word: finish_reasons.WORDS[word].outcome for word in ("stop", "length")}
"""The outcomes of a text by its finish reason."""


def read(body: Body) -> Answer:
    """Read a chat completion, as `read_exact` does; one text, as OpenAI writes it, takes a shorter way."""
    try:
        listed, usage, created = body["choices"], body["usage"], body["created"]
        model, response_id = body["model"], body["id"]
        (choice,) = listed
        message = choice["message"]
        text = message["content"]
        reason = choice["finish_reason"]
        outcome = PLAIN_ENDS[reason]
        if (
            text
            and message["refusal"] is choice["logprobs"] is None
            and type(text) is type(model) is type(response_id) is str
            and type(created) is int
            and 0 <= created < YEAR_10000
            and type(listed) is list
            and type(usage) is dict
            and PLAIN_BODY.issuperset(body)
            and PLAIN_CHOICE.issuperset(choice)
            and PLAIN_MESSAGE.issuperset(message)
            and message.get("annotations") in (None, [])
            and (counts := fields.fast_counts(usage)) is not None
        ):
            inputs, outputs, total, cached, reasoned, written = counts
            # Past the constructor of Answer, which takes twice as long; the order is that of its fields.
            return tuple.__new__(Answer, (
                outcome, model, reason, text, None, None, None, None, inputs, outputs, total, cached, reasoned,
                None, None, None, created * 1_000_000, response_id, True, 0, (), None, written,
            ))  # fmt: skip
    except (KeyError, TypeError, ValueError):
        pass
    return read_exact(body)


def read_exact(body: Body) -> Answer:
    """Read a chat completion of any form.

    The first choice fills the columns, the others only `texts`, so that the body must be kept. `choices` may be a single object
    (SGLang's old batch writer).

    Returns:
        The answer. Its outcome is that of the worst choice; `no_response` without choices.
    """
    reader = FieldReader()
    listed = reader.items(body.get("choices"))
    found = [_choice(choice, reader) for choice in listed]
    text, refusal, reasoning, tool_calls, (finish_reason, _, _) = found[0] if found else NO_CHOICE
    texts = all_texts([each[0] for each in found], reader)
    outcome, wrong = worst([each[4] for each in found])
    reader.check_unknown_keys(body, BODY_KEYS)
    if errors.stated(body):
        outcome, reader.fully_mapped = "failed", False
    if not text and outcome == "succeeded" and not refusal and not tool_calls and not texts and not _has_media(listed):
        reader.note("empty_text")
    model, response_id, created_at = (
        reader.text(body.get("model")),
        reader.text(body.get("id")),
        reader.moment(body.get("created")),
    )
    inputs, outputs, total, cached, reasoned, written = fields.read_usage(body.get("usage"), reader)
    return Answer(
        outcome, model, finish_reason, text, texts, refusal, reasoning, tool_calls, inputs, outputs, total, cached, reasoned,
        None, None, None, created_at, response_id, reader.fully_mapped, reader.conversion_errors, reader.noted, wrong, written,
    )  # fmt: skip


Choice: TypeAlias = tuple[str | None, str | None, str | None, ToolCalls | None, End]
"""`(text, refusal, reasoning, tool_calls, end)`."""

NO_CHOICE: Final[Choice] = (None, None, None, None, without_answer(End(None, "succeeded", None), "choices"))


def _has_media(listed: list[object]) -> bool:
    """Return whether a message has audio (OpenAI) or images (OpenRouter)."""
    messages = [choice.get("message") for choice in listed if type(choice) is dict]
    return any(type(message) is dict and (message.get("audio") or message.get("images")) for message in messages)


def _choice(choice: object, reader: FieldReader) -> Choice:
    """Read one choice."""
    if type(choice) is not dict:
        reader.reject()
        return NO_CHOICE
    reader.check_unknown_keys(choice, CHOICE_KEYS)
    end = choice_end(choice, reader)
    message = choice.get("message")
    if type(message) is not dict:
        message = reader.mapping(message)
    if not message:
        end, reader.fully_mapped = without_answer(end, "message"), False
    text, thinking = content_of(message.get("content"), reader)
    refusal = reader.text(message.get("refusal"))
    reader.check_unknown_keys(message, MESSAGE_KEYS)
    if not text:
        text = _transcript(message) or text
    return text, refusal, _reasoning(message, reader) or thinking, _tool_calls(message, reader), end


def content_of(content: object, reader: FieldReader) -> tuple[str | None, str | None]:
    """Return the text and the reasoning of a content; other parts have no column."""
    if type(content) is not list:
        return reader.text(content), None
    texts: list[str] = []
    thoughts: list[str] = []
    for part in content:
        kind = part.get("type") if type(part) is dict else None
        if type(part) is str:
            texts.append(part)
        elif kind in THINKING:
            _add_thought(part, thoughts, reader)
        elif type(part) is dict and type(part.get("text")) is str:
            texts.append(part["text"])
            reader.check_unknown_keys(part, PART_KEYS)
        else:
            reader.fully_mapped = False
            if type(part) is dict and type(part.get("transcript")) is str:  # the transcript of an audio part
                texts.append(part["transcript"])
    return "".join(texts) if texts else None, "\n\n".join(thoughts) if thoughts else None


def _add_thought(part: Body, thoughts: list[str], reader: FieldReader) -> None:
    """Read a reasoning part: a string (Anthropic), a list of text parts (Mistral), a summary (Databricks)."""
    reader.check_unknown_keys(part, THINKING_KEYS)
    for key in ("thinking", "reasoning", "summary", "text"):
        found = part.get(key)
        if type(found) is str:
            thoughts.append(found)
        elif type(found) is list:
            inner = [each["text"] for each in found if type(each) is dict and type(each.get("text")) is str]
            reader.fully_mapped = reader.fully_mapped and len(inner) == len(found)
            thoughts += ["".join(inner)] if inner else []
        elif found is not None:
            reader.fully_mapped = False


def _transcript(message: Body) -> str | None:
    """Return the transcript of an audio answer; the audio is only in the body, which is kept."""
    audio = message.get("audio")
    transcript = audio.get("transcript") if type(audio) is dict else None
    return transcript if type(transcript) is str else None


def _reasoning(message: Body, reader: FieldReader) -> str | None:
    """Read the visible reasoning under either name; some vLLM versions write both."""
    first, second = reader.text(message.get("reasoning_content")), reader.text(message.get("reasoning"))
    if first and second and first != second:
        reader.fully_mapped = False
    return first or second or first


def _tool_calls(message: Body, reader: FieldReader) -> ToolCalls | None:
    """Read the tool calls, and the deprecated `function_call`."""
    calls = [_tool_call(call, reader) for call in reader.items(message.get("tool_calls"))]
    legacy = message.get("function_call")
    if not is_all_null(legacy, empty=True):
        calls.append(_call(None, reader.mapping(legacy), FUNCTION_KEYS, "arguments", reader))
    return calls or None


def _tool_call(call: object, reader: FieldReader) -> dict[str, str | None]:
    call = reader.mapping(call)
    reader.check_unknown_keys(call, TOOL_CALL_KEYS)
    if "custom" in call:
        return _call(call.get("id"), reader.mapping(call["custom"]), CUSTOM_KEYS, "input", reader)
    return _call(call.get("id"), reader.mapping(call.get("function")), FUNCTION_KEYS, "arguments", reader)


def _call(call_id: object, called: Body, known: frozenset[str], arguments: str, reader: FieldReader) -> dict[str, str | None]:
    reader.check_unknown_keys(called, known)
    return {"id": reader.text(call_id), "name": reader.text(called.get("name")), "arguments": reader.text(called.get(arguments))}
