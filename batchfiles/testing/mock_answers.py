"""Deterministic answers of the local server, in the format of each endpoint."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from collections.abc import Callable
from typing import Any, TypeAlias

from batchfiles.testing.parameters import Refusal, error_body, missing_parameter, whole_number
from batchfiles.testing.turns import MOST_CHOICES, Turn, tokens_of, turns

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
    said = turns(body, body.get("messages"), digest, limits=("max_completion_tokens", "max_tokens"))
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
            for number, turn in enumerate(said)
        ],
        "usage": {
            **_usage(body, said, "prompt_tokens", "completion_tokens"),
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
    (turn,) = said = turns({**body, "n": None}, body.get("input"), digest, limits=("max_output_tokens",))
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
            **_usage(body, said, "input_tokens", "output_tokens"),
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
    said = [turn for prompt in prompts for turn in turns(body, prompt, digest, limits=("max_tokens",))]
    return {
        "id": f"cmpl-{digest[:24]}",
        "object": "text_completion",
        "created": CREATED,
        "model": body.get("model"),
        "choices": [
            {"text": turn.text, "index": number, "logprobs": None, "finish_reason": "length" if turn.is_cut else "stop"}
            for number, turn in enumerate(said)
        ],
        "usage": _usage(body, said, "prompt_tokens", "completion_tokens"),
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
    return {
        "created": CREATED,
        "background": "opaque",
        "data": data,
        "output_format": "png",
        "quality": "low",
        "size": "1024x1024",
        "usage": usage,
    }


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
    "harassment",
    "harassment/threatening",
    "sexual",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm/intent",
    "self-harm/instructions",
    "self-harm",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
"""The categories of moderations [OpenAI's OpenAPI document, CreateModerationResponse]."""


def _usage(body: dict[str, Any], said: list[Turn], inputs: str, outputs: str) -> dict[str, int]:
    asked, answered = tokens_of(json.dumps(body)), sum(turn.tokens for turn in said)
    return {inputs: asked, outputs: answered, "total_tokens": asked + answered}
