"""What the local server answers to a request: always the same to the same one, in the shape of each endpoint."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from collections.abc import Callable
from typing import Any, TypeAlias

from batchfiles.testing.refusal import error_body, missing_parameter

__all__ = ["Answerer", "answer"]

Answerer: TypeAlias = Callable[[str, dict[str, Any]], "tuple[int, dict[str, Any]]"]
"""Gets the url and the body of a request, and returns a status and a body."""

DIMENSIONS = 8


def answer(url: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Answer a request as a model might, in words that depend on the request alone.

    Returns:
        The status and the body: 200 and an answer; 400 and an error for a request that lacks what each must have, 404 for an
        endpoint that there is not.
    """
    found = BY_ENDPOINT.get(url.removeprefix("/v1"))
    if found is None:
        return 404, error_body(f"Invalid URL (POST {url})")
    make, required = found
    for name in required:
        if body.get(name) is None:
            return 400, missing_parameter(name).body
    return 200, make(body, hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest())


def _chat_completion(body: dict[str, Any], digest: str) -> dict[str, Any]:
    words = f"An answer to {_last_words(body.get('messages'))!r}."
    return {
        "id": f"chatcmpl-{digest[:24]}",
        "object": "chat.completion",
        "created": CREATED,
        "model": body.get("model"),
        "choices": [
            {
                "index": number,
                "message": {"role": "assistant", "content": words, "refusal": None, "annotations": []},
                "logprobs": None,
                "finish_reason": "stop",
            }
            for number in range(_count(body))
        ],
        "usage": {
            **_usage(body, words, "prompt_tokens", "completion_tokens"),
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
        "system_fingerprint": f"fp_{digest[:10]}",
    }


def _response(body: dict[str, Any], digest: str) -> dict[str, Any]:
    words = f"An answer to {_last_words(body.get('input'))!r}."
    content = [{"type": "output_text", "text": words, "annotations": []}]
    return {
        "id": f"resp_{digest[:24]}",
        "object": "response",
        "created_at": CREATED,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": body.get("model"),
        "output": [
            {"type": "message", "id": f"msg_{digest[:24]}", "status": "completed", "role": "assistant", "content": content}
        ],
        "usage": {
            **_usage(body, words, "input_tokens", "output_tokens"),
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    }


def _completion(body: dict[str, Any], digest: str) -> dict[str, Any]:
    words = f" and so on, after {_last_words(body.get('prompt'))!r}"
    return {
        "id": f"cmpl-{digest[:24]}",
        "object": "text_completion",
        "created": CREATED,
        "model": body.get("model"),
        "choices": [{"text": words, "index": 0, "logprobs": None, "finish_reason": "stop"}],
        "usage": _usage(body, words, "prompt_tokens", "completion_tokens"),
    }


def _embeddings(body: dict[str, Any], _digest: str) -> dict[str, Any]:
    asked = body.get("input")
    several = isinstance(asked, list) and bool(asked) and not isinstance(asked[0], int)
    texts = asked if several and isinstance(asked, list) else [asked]
    size = body["dimensions"] if isinstance(body.get("dimensions"), int) else DIMENSIONS
    tokens = _tokens(json.dumps(asked))
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
    """Write a vector as it was asked for: as numbers, or as base64 of little-endian 32-bit floats."""
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
    asked, images = _tokens(json.dumps(body)), _count(body)
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
"""The same for every answer, so that answers depend on the request alone."""

BY_ENDPOINT: dict[str, tuple[Callable[[dict[str, Any], str], dict[str, Any]], tuple[str, ...]]] = {
    "/chat/completions": (_chat_completion, ("model", "messages")),
    "/responses": (_response, ("model",)),
    "/completions": (_completion, ("model", "prompt")),
    "/embeddings": (_embeddings, ("model", "input")),
    "/moderations": (_moderation, ("input",)),
    "/images/generations": (_image, ("prompt",)),
    "/images/edits": (_image, ("prompt",)),
    "/videos": (_video, ("prompt",)),
}
"""What answers an endpoint, and the parameters without which it does not."""

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
"""Of moderations [OpenAI's OpenAPI document, CreateModerationResponse]."""


def _count(body: dict[str, Any]) -> int:
    """Return how many answers are asked for."""
    asked = body.get("n")
    return asked if isinstance(asked, int) and 1 <= asked <= 128 else 1


def _last_words(asked: object) -> str:
    """Return the last text that was asked, shortened."""
    if isinstance(asked, list):
        return _last_words(asked[-1]) if asked else ""
    if isinstance(asked, dict):
        return _last_words(asked.get("content", asked.get("text", "")))
    return str(asked or "")[:40]


def _usage(body: dict[str, Any], words: str, inputs: str, outputs: str) -> dict[str, int]:
    asked, said = _tokens(json.dumps(body)), _tokens(words)
    return {inputs: asked, outputs: said, "total_tokens": asked + said}


def _tokens(text: str) -> int:
    return max(len(text) // 4, 1)
