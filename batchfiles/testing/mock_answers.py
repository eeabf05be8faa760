"""Answers of the local server in the format of each endpoint: text, an instance of a JSON Schema, or a tool call."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from batchfiles.table.parsed_schema import schema_of_request
from batchfiles.testing.instances import instance_of
from batchfiles.testing.json_schema import SchemaError
from batchfiles.testing.parameters import Refusal, error_body, missing_parameter, whole_number

Answerer: TypeAlias = Callable[[str, dict[str, Any]], "tuple[int, dict[str, Any]]"]
"""Gets the url and the body of a request, and returns a status and a body."""

DIMENSIONS = 8


def answer(url: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Answer a request as a model might; the answer depends only on the request.

    With a JSON Schema, the text is an instance of it. If a tool must be called, or the question names one, the answer is a call
    with an instance of its parameters. `n` and the token limits are applied.

    Returns:
        The status and the body: 200 and an answer, 400 and an error for a missing or wrong parameter, or 404 for an unknown
        endpoint.
    """
    found = BY_ENDPOINT.get(url.removeprefix("/v1"))
    if found is None:
        return 404, error_body(f"Invalid URL (POST {url})")
    make, required = found
    for name in required:
        if body.get(name) is None:
            return 400, missing_parameter(name).body
    try:
        return 200, make(body, hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest())
    except Refusal as refusal:
        return refusal.status, refusal.body


def _chat_completion(body: dict[str, Any], digest: str) -> dict[str, Any]:
    replies = turns(body, body.get("messages"), digest, limits=("max_completion_tokens", "max_tokens"))
    return {
        "id": f"chatcmpl-{digest[:24]}",
        "object": "chat.completion",
        "created": CREATED,
        "model": body.get("model"),
        "choices": [
            {
                "index": number,
                "message": _message(turn, f"call_{digest[:20]}{number:04}"),
                "logprobs": None,
                "finish_reason": "length" if turn.is_cut else _finish_reason(turn),
            }
            for number, turn in enumerate(replies)
        ],
        "usage": {
            **_usage(body, replies, "prompt_tokens", "completion_tokens"),
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
        "system_fingerprint": f"fp_{digest[:10]}",
    }


def _message(turn: Turn, call_id: str) -> dict[str, Any]:
    """Format a turn as a message of a chat completion."""
    made: dict[str, Any] = {"role": "assistant", "content": turn.text, "refusal": None, "annotations": []}
    if turn.tool is None:
        return made
    made["content"] = None
    if turn.tool.is_legacy:
        made["function_call"] = {"name": turn.tool.name, "arguments": turn.text}
    elif turn.tool.parameters is None:
        made["tool_calls"] = [{"id": call_id, "type": "custom", "custom": {"name": turn.tool.name, "input": turn.text}}]
    else:
        made["tool_calls"] = [{"id": call_id, "type": "function", "function": {"name": turn.tool.name, "arguments": turn.text}}]
    return made


def _finish_reason(turn: Turn) -> str:
    """Return the finish reason of an answer that was not cut."""
    if turn.tool is None:
        return "stop"
    return "function_call" if turn.tool.is_legacy else "tool_calls"


def _response(body: dict[str, Any], digest: str) -> dict[str, Any]:
    (turn,) = replies = turns({**body, "n": None}, body.get("input"), digest, limits=("max_output_tokens",))
    status = "incomplete" if turn.is_cut else "completed"
    return {
        "id": f"resp_{digest[:24]}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if turn.is_cut else None,
        "max_output_tokens": body.get("max_output_tokens"),
        "model": body.get("model"),
        "output": [{**_item(turn, digest[:24]), "status": status}],
        "usage": {
            **_usage(body, replies, "input_tokens", "output_tokens"),
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    }


def _item(turn: Turn, digest: str) -> dict[str, Any]:
    """Format a turn as an output item of a response."""
    if turn.tool is None:
        content = [{"type": "output_text", "text": turn.text, "annotations": []}]
        return {"type": "message", "id": f"msg_{digest}", "role": "assistant", "content": content}
    call = {"call_id": f"call_{digest}", "name": turn.tool.name}
    if turn.tool.parameters is None:
        return {"type": "custom_tool_call", "id": f"ctc_{digest}", **call, "input": turn.text}
    return {"type": "function_call", "id": f"fc_{digest}", **call, "arguments": turn.text}


def _completion(body: dict[str, Any], digest: str) -> dict[str, Any]:
    asked = body.get("prompt")
    prompts = asked if isinstance(asked, list) and asked and isinstance(asked[0], (str, list)) else [asked]
    replies = [turn for prompt in prompts for turn in turns(body, prompt, digest, limits=("max_tokens",))]
    return {
        "id": f"cmpl-{digest[:24]}",
        "object": "text_completion",
        "created": CREATED,
        "model": body.get("model"),
        "choices": [
            {"text": turn.text, "index": number, "logprobs": None, "finish_reason": "length" if turn.is_cut else "stop"}
            for number, turn in enumerate(replies)
        ],
        "usage": _usage(body, replies, "prompt_tokens", "completion_tokens"),
    }


def _embeddings(body: dict[str, Any], _digest: str) -> dict[str, Any]:
    asked = body.get("input")
    texts = asked if isinstance(asked, list) and asked and not isinstance(asked[0], int) else [asked]
    size = body["dimensions"] if isinstance(body.get("dimensions"), int) else DIMENSIONS
    tokens = tokens_of(json.dumps(asked))
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _encoded(_vector(text, size), body)}
            for index, text in enumerate(texts)
        ],
        "model": body.get("model"),
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _vector(text: object, size: int) -> list[float]:
    seed = hashlib.sha256(json.dumps(text).encode()).digest()
    return [(seed[number % len(seed)] - 128) / 128 for number in range(size)]


def _encoded(vector: list[float], body: dict[str, Any]) -> list[float] | str:
    """Encode a vector as `encoding_format` says: numbers, or base64 of little-endian 32-bit floats."""
    if body.get("encoding_format") != "base64":
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _moderation(body: dict[str, Any], digest: str) -> dict[str, Any]:
    asked = body.get("input")
    texts = asked if isinstance(asked, list) else [asked]
    results = []
    for text in texts:
        flagged = "violence" in str(text).lower()
        found = {category: flagged and category == "violence" for category in CATEGORIES}
        results.append(
            {
                "flagged": flagged,
                "categories": found,
                "category_scores": {category: 0.99 if yes else 0.0001 for category, yes in found.items()},
                "category_applied_input_types": {category: ["text"] for category in CATEGORIES},
            }
        )
    return {"id": f"modr-{digest[:24]}", "model": body.get("model") or "omni-moderation-latest", "results": results}


def _image(body: dict[str, Any], digest: str) -> dict[str, Any]:
    asked, images = tokens_of(json.dumps(body)), whole_number("n", body.get("n"), 1, MOST_CHOICES) or 1
    data = [{"b64_json": base64.b64encode(f"{digest}-{number}".encode()).decode()} for number in range(images)]
    usage = {
        "input_tokens": asked,
        "input_tokens_details": {"text_tokens": asked, "image_tokens": 0},
        "output_tokens": 272 * images,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": 272 * images},
        "total_tokens": asked + 272 * images,
    }
    settings = {"background": "opaque", "output_format": "png", "quality": "low", "size": "1024x1024"}
    return {"created": CREATED, **settings, "data": data, "usage": usage}


def _video(body: dict[str, Any], digest: str) -> dict[str, Any]:
    return {
        "id": f"video_{digest[:24]}",
        "object": "video",
        "model": body.get("model") or "sora-2",
        "status": "completed",
        "progress": 100,
        "created_at": CREATED,
        "completed_at": CREATED + 60,
        "expires_at": CREATED + 86_400,
        "prompt": body.get("prompt"),
        "size": body.get("size") or "720x1280",
        "seconds": str(body.get("seconds") or 4),
        "remixed_from_video_id": None,
        "error": None,
    }


CREATED = 1_760_000_000
"""Constant, so that answers depend only on the request."""

BY_ENDPOINT: dict[str, tuple[Callable[[dict[str, Any], str], dict[str, Any]], tuple[str, ...]]] = {
    "/chat/completions": (_chat_completion, ("model", "messages")),
    "/responses": (_response, ("model",)),
    "/completions": (_completion, ("model",)),
    "/embeddings": (_embeddings, ("model", "input")),
    "/moderations": (_moderation, ("input",)),
    "/images/generations": (_image, ("prompt",)),
    "/images/edits": (_image, ("prompt",)),
    "/videos": (_video, ("prompt",)),
}
"""The function that answers each endpoint, and its required parameters."""

CATEGORIES = (
    *("harassment", "harassment/threatening", "sexual", "hate", "hate/threatening", "illicit", "illicit/violent"),
    *("self-harm/intent", "self-harm/instructions", "self-harm", "sexual/minors", "violence", "violence/graphic"),
)
"""The categories of moderations [OpenAI's OpenAPI document, CreateModerationResponse]."""


def _usage(body: dict[str, Any], replies: list[Turn], inputs: str, outputs: str) -> dict[str, int]:
    asked, answered = tokens_of(json.dumps(body)), sum(turn.tokens for turn in replies)
    return {inputs: asked, outputs: answered, "total_tokens": asked + answered}


MOST_CHOICES: Final = 128
"""OpenAI's OpenAPI document, CreateChatCompletionRequest."""

LETTERS_A_TOKEN: Final = 4

SHOWN: Final = 40
"""Characters of a question that its answer repeats."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool of a request.

    Attributes:
        name: Its name.
        parameters: The schema of its arguments; None for a custom tool, which accepts any text.
        place: Its path in the request.
        is_legacy: Whether it is in `functions`, the predecessor of `tools`.
    """

    name: str
    parameters: Any
    place: str
    is_legacy: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the model.

    Attributes:
        text: The text, or the arguments of the call.
        tool: The tool that is called; None for text.
        is_cut: Whether the token limit ended it.
    """

    text: str
    tool: Tool | None = None
    is_cut: bool = False

    @property
    def tokens(self) -> int:
        """The number of tokens."""
        return tokens_of(self.text)


def turns(body: dict[str, Any], asked: object, digest: str, *, limits: tuple[str, ...]) -> list[Turn]:
    """Answer a request `n` times.

    Args:
        body: The request.
        asked: The question, such as the messages.
        digest: The seed of the answers.
        limits: The parameters that limit the tokens of an answer; the first one that is set counts.

    Raises:
        Refusal: A parameter is wrong, or a schema has no instance.
    """
    count = whole_number("n", body.get("n"), 1, MOST_CHOICES) or 1
    limit = next((found for name in limits if (found := whole_number(name, body.get(name), 1)) is not None), None)
    tool = _called(body, asked)
    return [_cut(_turn(body, asked, tool, number, f"{digest}-{number}"), limit) for number in range(count)]


def _turn(body: dict[str, Any], asked: object, tool: Tool | None, number: int, seed: str) -> Turn:
    if tool is not None:
        return Turn(_echo(asked, number) if tool.parameters is None else _instance(tool.parameters, seed, tool.place), tool)
    schema = schema_of_request(body)
    if schema is not None:
        return Turn(_instance(schema, seed, "text.format" if "text" in body else "response_format"))
    if _wants_json(body):
        return Turn(_json({"answer": _echo(asked, number)}))
    return Turn(_echo(asked, number))


def _echo(asked: object, number: int) -> str:
    """Return a text that repeats the question; different for each choice."""
    return f"{f'Answer {number + 1}' if number else 'An answer'} to {_last_text(asked)[:SHOWN]!r}."


def _last_text(asked: object) -> str:
    """Return the last text of a question."""
    if isinstance(asked, list):
        return _last_text(asked[-1]) if asked else ""
    if isinstance(asked, dict):
        return _last_text(asked.get("content", asked.get("text", "")))
    return str(asked or "")


def tokens_of(text: str) -> int:
    """Estimate the tokens of a text: one for four characters, and at least one."""
    return max(len(text) // LETTERS_A_TOKEN, 1)


def _cut(turn: Turn, limit: int | None) -> Turn:
    """Cut a text at the token limit."""
    if limit is None or turn.tokens <= limit:
        return turn
    return Turn(turn.text[: limit * LETTERS_A_TOKEN], turn.tool, is_cut=True)


def _instance(schema: Any, seed: str, place: str) -> str:  # noqa: ANN401 - any JSON value
    try:
        return _json(instance_of(schema, seed))
    except SchemaError as error:
        raise Refusal(400, f"Invalid schema for '{place}': {error}.", code="invalid_json_schema", param=place) from None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _wants_json(body: dict[str, Any]) -> bool:
    """Return whether the request has the format `json_object`."""
    text = body.get("text")
    asked = (body.get("response_format"), text.get("format") if isinstance(text, dict) else None)
    return any(isinstance(each, dict) and each.get("type") == "json_object" for each in asked)


def _called(body: dict[str, Any], asked: object) -> Tool | None:
    """Return the tool to call: the required one, or one that the question names."""
    tools = list(_tools(body))
    choice = body.get("tool_choice", body.get("function_call"))
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        inner = choice.get("allowed_tools", choice)
        allowed = {_name_of(tool) for tool in inner.get("tools", [])}
        tools, choice = [tool for tool in tools if tool.name in allowed], inner.get("mode", "auto")
    if isinstance(choice, dict):
        name = _name_of(choice)
        if name is None:  # a tool that the service runs, such as web search
            return None
        found = next((tool for tool in tools if tool.name == name), None)
        if found is None:
            message = f"Invalid value for 'tool_choice': no tool {name[:100]!r} in 'tools'."
            raise Refusal(400, message, code="invalid_value", param="tool_choice")
        return found
    named = next((tool for tool in tools if re.search(rf"\b{re.escape(tool.name)}\b", _last_text(asked))), None)
    if choice in REQUIRED:
        if not tools and not body.get("tools"):
            message = f"Invalid value for 'tool_choice': {choice!r} needs 'tools'."
            raise Refusal(400, message, code="invalid_value", param="tool_choice")
        return named or next(iter(tools), None)
    return None if choice == "none" or _is_result(asked) else named


REQUIRED: Final = ("required", "any")
"""The values of `tool_choice` for "call any tool": OpenAI's and Mistral's."""


def _tools(body: dict[str, Any]) -> list[Tool]:
    """Return the tools that the caller runs, in the formats of Chat Completions and Responses."""
    found = []
    for key in ("tools", "functions"):
        for number, tool in enumerate(body[key] if isinstance(body.get(key), list) else ()):
            kind = tool.get("type", "function") if isinstance(tool, dict) else None
            inner = tool.get(kind, tool) if kind in ("function", "custom") else None
            if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
                continue
            place = f"{key}[{number}]{'.function' if inner is not tool else ''}.parameters"
            parameters = None if kind == "custom" else inner.get("parameters") or NO_PARAMETERS
            found.append(Tool(inner["name"], parameters, place, key == "functions"))
    return found


NO_PARAMETERS: Final = {"type": "object", "additionalProperties": False}


def _name_of(choice: Mapping[str, Any]) -> str | None:
    inner = choice.get(choice.get("type", "function"), choice)
    name = inner.get("name") if isinstance(inner, dict) else None
    return name if isinstance(name, str) else None


def _is_result(asked: object) -> bool:
    """Return whether the last message is a tool result; then the answer is text."""
    last = asked[-1] if isinstance(asked, list) and asked else None
    return isinstance(last, dict) and (last.get("role") in ("tool", "function") or str(last.get("type")).endswith("_output"))
