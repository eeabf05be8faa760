"""Bodies of other providers, which gateways pass on: Anthropic, Gemini, Cohere and Ollama, Bedrock Converse."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from batchfiles import codec
from batchfiles.bodies import chat_completions, errors, fields
from batchfiles.bodies.answer import Answer, Body, answer_of
from batchfiles.bodies.chat_completions import content_of
from batchfiles.bodies.errors import ErrorInfo
from batchfiles.bodies.fields import INT64, FieldReader
from batchfiles.errors import InvalidLineError

ToolCall = dict[str, str | None]


@dataclass(slots=True)
class _Parts:
    """The parts of a message, by kind; of others than texts, reasoning and calls only the number."""

    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    others: int = 0

    @property
    def text(self) -> str | None:
        return "".join(self.texts) if self.texts else None

    def add(self, text: str | None, reasoning: str | None) -> None:
        self.texts += [] if text is None else [text]
        self.thoughts += [] if reasoning is None else [reasoning]


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
    feedback = _get(body, "promptFeedback")
    return type(feedback) is dict and bool(_get(feedback, "blockReason"))


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
    whole = body
    if "content" not in body:
        body = _object(body.get("message"))
    blocks = body.get("content")
    texts, parts = blocks, _Parts()
    if type(blocks) is list:
        texts = []
        for block in blocks:
            if type(block) is dict and block.get("type") == "tool_use":
                parts.calls.append(_call(block.get("id"), block.get("name"), block.get("input"), reader))
            else:
                texts.append(block)
        parts.others = sum(type(block) is dict and block.get("type") not in TEXT_BLOCKS for block in texts)
    parts.add(*content_of(texts, reader))
    end = _end(body, body.get("stop_reason"), reader)
    if whole is not body and errors.stated(whole):
        end = end._replace(outcome="failed")
    if not blocks and end.finish_reason is None:
        end = chat_completions.without_answer(end, "content")
    refusal = None
    if end.finish_reason == "content_filter":
        details = body.get("stop_details")
        refusal = details.get("explanation") if type(details) is dict else None
        refusal = reader.text(refusal) or parts.text
    return _answer(body, reader, end, parts, fields.read_usage(body.get("usage"), reader), refusal=refusal)


TEXT_BLOCKS: Final = ("text", "thinking", "redacted_thinking")


def read_candidates(body: Body) -> Answer:
    """Read Gemini's answer [GenerateContentResponse]; keys may have underscores, as in its Python SDK.

    `candidatesTokenCount` does not include thoughts; the output tokens here do. A blocked prompt is filtered.
    """
    reader = FieldReader()
    found = [_candidate(candidate, reader) for candidate in reader.mappings(body.get("candidates"))]
    feedback = _object(_get(body, "promptFeedback"))
    parts, end = found[0] if found else (_Parts(), chat_completions.End(None, "succeeded", None))
    texts = chat_completions.all_texts([each.text for each, _ in found], reader)
    outcome, fault = chat_completions.worst([each for _, each in found])
    refusal = None
    if not found and _get(feedback, "blockReason"):
        end, outcome, fault = chat_completions.End("content_filter", "incomplete", None), "incomplete", None
        refusal = reader.text(_get(feedback, "blockReasonMessage"))
    if errors.stated(body):
        outcome, fault = "failed", None
    metadata = _object(_get(body, "usageMetadata"))
    prompt, tools, spoken, thoughts, cached, total = (
        reader.count(_get(metadata, f"{name}TokenCount"))
        for name in ("prompt", "toolUsePrompt", "candidates", "thoughts", "cachedContent", "total")
    )
    return _answer(
        body,
        reader,
        chat_completions.End(end.finish_reason, outcome, fault),
        parts,
        fields.normalized((_sum([prompt, tools]), _sum([spoken, thoughts]), total, cached, thoughts, None), reader),
        texts=texts,
        refusal=refusal,
    )


def _candidate(candidate: Body, reader: FieldReader) -> tuple[_Parts, chat_completions.End]:
    parts = _Parts()
    content = _object(candidate.get("content"))
    for part in reader.mappings(content.get("parts")):
        called = _get(part, "functionCall")
        if type(part.get("text")) is str:
            (parts.thoughts if part.get("thought") is True else parts.texts).append(part["text"])
        elif type(called) is dict:
            parts.calls.append(_call(called.get("id"), called.get("name"), called.get("args"), reader))
        else:
            parts.others += 1
    end = chat_completions.with_error(None, _get(candidate, "finishReason"), reader)
    if end.finish_reason == "stop" and parts.calls:
        end = end._replace(finish_reason="tool_calls")
    elif not content:
        end = chat_completions.without_answer(end, "content")
    if end.outcome == "failed":
        message = _get(candidate, "finishMessage")
        end = end._replace(fault=errors.merge(end.fault, ErrorInfo(message=message if type(message) is str else None)))
    return parts, end


def read_single_message(body: Body) -> Answer:
    """Read a message at the top: Cohere [Chat API v2] and Ollama [`/api/chat`]."""
    reader = FieldReader()
    message = _object(body.get("message"))
    parts = _Parts()
    text, reasoning = content_of(message.get("content"), reader)
    thoughts = [reader.text(message.get(key)) for key in ("tool_plan", "thinking")]
    parts.add(text, reasoning or "\n\n".join(filter(None, thoughts)) or None)
    for call in reader.mappings(message.get("tool_calls")):
        called = _object(call.get("function"))
        parts.calls.append(_call(call.get("id"), called.get("name"), called.get("arguments"), reader))
    end = _end(body, _either(body, "finish_reason", "done_reason"), reader)
    if end.finish_reason == "stop" and parts.calls:
        end = end._replace(finish_reason="tool_calls")
    counted = _object(body.get("usage"))
    counts = _object(counted.get("tokens")) or _object(counted.get("billed_units"))
    inputs = _either(counts, "input_tokens") if counts else body.get("prompt_eval_count")
    outputs = _either(counts, "output_tokens") if counts else body.get("eval_count")
    stated = (inputs, outputs, None, counted.get("cached_tokens"), None, None)
    return _answer(body, reader, end, parts, fields.normalized(stated, reader))


def is_converse(body: Body) -> bool:
    """Return whether a body is Bedrock's Converse: a message in `output`."""
    return type(body.get("output")) is dict and type(body["output"].get("message")) is dict


def read_converse(body: Body) -> Answer:
    """Read an answer of Amazon Bedrock [Converse]; `inputTokens` does not include cache tokens, as in Anthropic's API."""
    reader = FieldReader()
    parts = _Parts()
    for block in reader.mappings(_object(_object(body.get("output")).get("message")).get("content")):
        called, thought = block.get("toolUse"), _object(_object(block.get("reasoningContent")).get("reasoningText"))
        if type(block.get("text")) is str:
            parts.texts.append(block["text"])
        elif type(called) is dict:
            parts.calls.append(_call(called.get("toolUseId"), called.get("name"), called.get("input"), reader))
        elif type(thought.get("text")) is str:
            parts.thoughts.append(thought["text"])
        else:
            parts.others += 1
    counted = _object(body.get("usage"))
    keys = ("inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens", None, "cacheWriteInputTokens")
    stated = tuple(None if key is None else counted.get(key) for key in keys)
    end = _end(body, body.get("stopReason"), reader)
    return _answer(body, reader, end, parts, fields.normalized(stated, reader, cache_excluded=True))


def _end(body: Body, reason: object, reader: FieldReader) -> chat_completions.End:
    end = chat_completions.with_error(body.get("error"), reason, reader)
    return end._replace(outcome="failed") if errors.stated(body) else end


def _answer(
    body: Body,
    reader: FieldReader,
    end: chat_completions.End,
    parts: _Parts,
    counts: fields.TokenCounts,
    *,
    texts: list[str] | None = None,
    refusal: str | None = None,
) -> Answer:
    """Build the answer. It is never `fully_mapped`: these bodies have more than the columns."""
    text = parts.text
    if end.outcome == "succeeded" and not text and not parts.calls and not parts.others:
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
        reasoning="\n\n".join(parts.thoughts) if parts.thoughts else None,
        tool_calls=parts.calls or None,
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


def _get(body: Body, key: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a key of Gemini, also if it is written with underscores."""
    return _either(body, key, HUMP.sub("_", key).lower())


HUMP: Final = re.compile("(?<=[a-z])(?=[A-Z])")


def _object(value: object) -> Body:
    return value if type(value) is dict else {}
