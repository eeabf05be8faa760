"""Bodies of other families, which gateways pass on: Anthropic, Gemini, Cohere and Ollama, Bedrock Converse."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from batchfiles import codec
from batchfiles.bodies import chat_completions, errors, fields
from batchfiles.bodies.answer import Answer, Body, answer_of
from batchfiles.bodies.chat_completions import content_of
from batchfiles.bodies.errors import ErrorInfo
from batchfiles.bodies.fields import INT64, FieldReader
from batchfiles.errors import InvalidLineError

__all__ = [
    "is_candidates",
    "is_converse",
    "is_message",
    "is_single_message",
    "read_candidates",
    "read_converse",
    "read_message",
    "read_single_message",
]

ToolCall = dict[str, str | None]


def is_message(body: Body) -> bool:
    """Return whether a body is an Anthropic message: content blocks at the top, or under `message`, as in its own batches."""
    if type(body.get("message")) is dict and "stop_reason" in body["message"]:
        body = body["message"]
    if type(body.get("content")) is not list and type(body.get("content")) is not str:
        return False
    return body.get("type") == "message" or "stop_reason" in body or body.get("role") == "assistant"


def is_candidates(body: Body) -> bool:
    """Return whether a body is Gemini's: candidates, or a blocked prompt."""
    candidates = body.get("candidates")
    if type(candidates) is list and candidates and type(candidates[0]) is dict:
        return not CANDIDATE_KEYS.isdisjoint(candidates[0])
    feedback = _either(body, "promptFeedback", "prompt_feedback")
    return type(feedback) is dict and bool(_either(feedback, "blockReason", "block_reason"))


CANDIDATE_KEYS: Final = frozenset({"content", "finishReason", "finish_reason"})


def is_single_message(body: Body) -> bool:
    """Return whether a body has a message of the assistant at the top, without choices: Cohere v2, Ollama."""
    message = body.get("message")
    return type(message) is dict and message.get("role") == "assistant"


def read_message(body: Body) -> Answer:
    """Read an Anthropic message [Messages API]. A refusal is filtered; its explanation is in `refusal`.

    Anthropic's `input_tokens` exclude tokens read from the cache and written to it; here they are included.
    """
    reader = FieldReader()
    if "content" not in body:
        body = _object(body.get("message"))
    blocks = body.get("content")
    calls: list[ToolCall] = []
    texts, others = blocks, 0
    if type(blocks) is list:
        texts = [block for block in blocks if type(block) is not dict or block.get("type") != "tool_use"]
        calls = [_call(block.get("id"), block.get("name"), block.get("input"), reader) for block in blocks if block not in texts]
        others = sum(type(block) is dict and block.get("type") not in SPOKEN for block in texts)
    text, reasoning = content_of(texts, reader)
    end = chat_completions.with_error(body.get("error"), body.get("stop_reason"), reader)
    if not blocks and end.finish_reason is None:
        end = chat_completions.without_answer(end, "content")
    refusal = None
    if end.finish_reason == "content_filter":
        details = body.get("stop_details")
        refusal = details.get("explanation") if type(details) is dict else None
        refusal = reader.text(refusal) or text
    return _answer(
        body,
        reader,
        end,
        text=text,
        reasoning=reasoning,
        refusal=refusal,
        calls=calls,
        others=others,
        counts=fields.read_usage(body.get("usage"), reader),
    )


SPOKEN: Final = ("text", "thinking", "redacted_thinking")


def read_candidates(body: Body) -> Answer:
    """Read Gemini's answer [GenerateContentResponse]; keys may have underscores, as in its Python SDK.

    `candidatesTokenCount` does not include thoughts; the output tokens here do. A blocked prompt is filtered.
    """
    reader = FieldReader()
    found = [_candidate(candidate, reader) for candidate in reader.mappings(body.get("candidates"))]
    feedback = _object(_either(body, "promptFeedback", "prompt_feedback"))
    text, reasoning, calls, others, end = (
        found[0] if found else (None, None, [], 0, chat_completions.End(None, "succeeded", None))
    )
    texts = chat_completions.all_texts([each[0] for each in found], reader)
    outcome, wrong = chat_completions.worst([each[4] for each in found])
    refusal = None
    if not found and _either(feedback, "blockReason", "block_reason"):
        end, outcome, wrong = chat_completions.End("content_filter", "incomplete", None), "incomplete", None
        refusal = reader.text(_either(feedback, "blockReasonMessage", "block_reason_message"))
    if errors.stated(body):
        outcome, wrong = "failed", None
    metadata = _object(_either(body, "usageMetadata", "usage_metadata"))
    prompt, tools, spoken, thoughts, cached, total = (
        reader.count(_either(metadata, *keys))
        for keys in (
            ("promptTokenCount", "prompt_token_count"),
            ("toolUsePromptTokenCount", "tool_use_prompt_token_count"),
            ("candidatesTokenCount", "candidates_token_count"),
            ("thoughtsTokenCount", "thoughts_token_count"),
            ("cachedContentTokenCount", "cached_content_token_count"),
            ("totalTokenCount", "total_token_count"),
        )
    )
    return _answer(
        body,
        reader,
        chat_completions.End(end.finish_reason, outcome, wrong),
        text=text,
        texts=texts,
        reasoning=reasoning,
        refusal=refusal,
        calls=calls,
        others=others,
        counts=fields.normalized((_sum([prompt, tools]), _sum([spoken, thoughts]), total, cached, thoughts, None), reader),
    )


Candidate = tuple[str | None, str | None, list[ToolCall], int, chat_completions.End]
"""`(text, reasoning, calls, number of other parts, end)`."""


def _candidate(candidate: Body, reader: FieldReader) -> Candidate:
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[ToolCall] = []
    others = 0
    content = _object(candidate.get("content"))
    for part in reader.mappings(content.get("parts")):
        called = _either(part, "functionCall", "function_call")
        if type(part.get("text")) is str:
            (thoughts if part.get("thought") is True else texts).append(part["text"])
        elif type(called) is dict:
            calls.append(_call(called.get("id"), called.get("name"), called.get("args"), reader))
        else:
            others += 1
    end = chat_completions.with_error(None, _either(candidate, "finishReason", "finish_reason"), reader)
    if end.finish_reason == "stop" and calls:
        end = end._replace(finish_reason="tool_calls")
    elif not content:
        end = chat_completions.without_answer(end, "content")
    if end.outcome == "failed":
        message = _either(candidate, "finishMessage", "finish_message")
        end = end._replace(fault=errors.merge(end.fault, ErrorInfo(message=message if type(message) is str else None)))
    return "".join(texts) if texts else None, "\n\n".join(thoughts) if thoughts else None, calls, others, end


def read_single_message(body: Body) -> Answer:
    """Read a message at the top: Cohere [Chat API v2] and Ollama [`/api/chat`]."""
    reader = FieldReader()
    message = _object(body.get("message"))
    text, reasoning = content_of(message.get("content"), reader)
    thoughts = [reader.text(message.get(key)) for key in ("tool_plan", "thinking")]
    calls = []
    for call in reader.mappings(message.get("tool_calls")):
        called = _object(call.get("function"))
        calls.append(_call(call.get("id"), called.get("name"), called.get("arguments"), reader))
    end = chat_completions.with_error(body.get("error"), _either(body, "finish_reason", "done_reason"), reader)
    if end.finish_reason == "stop" and calls:
        end = end._replace(finish_reason="tool_calls")
    counted = _object(body.get("usage"))
    counts = _object(counted.get("tokens")) or _object(counted.get("billed_units"))
    inputs = _either(counts, "input_tokens") if counts else body.get("prompt_eval_count")
    outputs = _either(counts, "output_tokens") if counts else body.get("eval_count")
    return _answer(
        body,
        reader,
        end,
        text=text,
        reasoning=reasoning or "\n\n".join(thought for thought in thoughts if thought) or None,
        calls=calls,
        counts=fields.normalized((inputs, outputs, None, counted.get("cached_tokens"), None, None), reader),
    )


def is_converse(body: Body) -> bool:
    """Return whether a body is Bedrock's Converse: a message in `output`."""
    return type(body.get("output")) is dict and type(body["output"].get("message")) is dict


def read_converse(body: Body) -> Answer:
    """Read an answer of Amazon Bedrock [Converse]; `inputTokens` does not include cache tokens, as in Anthropic's API."""
    reader = FieldReader()
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[ToolCall] = []
    others = 0
    for block in reader.mappings(_object(_object(body.get("output")).get("message")).get("content")):
        called, thought = block.get("toolUse"), _object(_object(block.get("reasoningContent")).get("reasoningText"))
        if type(block.get("text")) is str:
            texts.append(block["text"])
        elif type(called) is dict:
            calls.append(_call(called.get("toolUseId"), called.get("name"), called.get("input"), reader))
        elif type(thought.get("text")) is str:
            thoughts.append(thought["text"])
        else:
            others += 1
    counted = _object(body.get("usage"))
    keys = ("inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens", None, "cacheWriteInputTokens")
    stated = tuple(None if key is None else counted.get(key) for key in keys)
    return _answer(
        body,
        reader,
        chat_completions.with_error(body.get("error"), body.get("stopReason"), reader),
        text="".join(texts) if texts else None,
        reasoning="\n\n".join(thoughts) if thoughts else None,
        calls=calls,
        others=others,
        counts=fields.normalized(stated, reader, cache_excluded=True),
    )


def _answer(
    body: Body,
    reader: FieldReader,
    end: chat_completions.End,
    *,
    text: str | None,
    counts: fields.TokenCounts,
    calls: list[ToolCall],
    texts: list[str] | None = None,
    reasoning: str | None = None,
    refusal: str | None = None,
    others: int = 0,
) -> Answer:
    """Build the answer. It is never `fully_mapped`: these bodies have more than the columns."""
    if end.outcome == "succeeded" and not text and not calls and not others:
        reader.note("empty_text")
    model, response_id = _either(body, "model", "modelVersion", "model_version"), _either(body, "id", "responseId", "response_id")
    return answer_of(
        {"model": model, "id": response_id},
        reader,
        counts,
        outcome=end.outcome,
        finish_reason=end.finish_reason,
        text=text,
        texts=texts,
        refusal=refusal,
        reasoning=reasoning,
        tool_calls=calls or None,
        fully_mapped=False,
        fault=end.fault,
    )


def _call(call_id: object, name: object, arguments: object, reader: FieldReader) -> ToolCall:
    """Return a tool call, its arguments as JSON text."""
    if type(arguments) is dict or type(arguments) is list:
        with suppress(InvalidLineError):
            arguments = codec.dumps(arguments).decode()
    return {"id": reader.text(call_id), "name": reader.text(name), "arguments": reader.text(arguments)}


def _sum(counts: list[int | None]) -> int | None:
    """Add the parts of a count; None without parts, or if the sum does not fit int64."""
    total = sum(count for count in counts if count is not None)
    return None if counts.count(None) == len(counts) or total not in INT64 else total


def _either(body: Body, *keys: str) -> Any:  # noqa: ANN401 - any JSON value
    return next((body[key] for key in keys if body.get(key) is not None), None)


def _object(value: object) -> Body:
    return value if type(value) is dict else {}
