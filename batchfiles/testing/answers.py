"""What the local server answers to a request: always the same to the same one, in the shape of each endpoint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, TypeAlias

__all__ = ["Answerer", "answer"]

Answerer: TypeAlias = Callable[[str, dict[str, Any]], "tuple[int, dict[str, Any]]"]
"""Gets the url and the body of a request, and returns a status and a body."""

DIMENSIONS = 8


def answer(url: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Answer a request as a model might, in words that depend on the request alone.

    Returns:
        The status and the body: 200 and an answer, or 404 and an error for an endpoint that there is not.
    """
    make = BY_ENDPOINT.get(url.removeprefix("/v1"))
    if make is None:
        return 404, {
            "error": {"message": f"Unknown endpoint {url}", "type": "invalid_request_error", "param": None, "code": "not_found"}
        }
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
            for number in range(body.get("n") or 1)
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
    size = body.get("dimensions") or DIMENSIONS
    tokens = _tokens(json.dumps(asked))
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": index, "embedding": _vector(text, size)} for index, text in enumerate(texts)],
        "model": body.get("model"),
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _vector(text: object, size: int) -> list[float]:
    seed = hashlib.sha256(json.dumps(text).encode()).digest()
    return [(seed[number % len(seed)] - 128) / 128 for number in range(size)]


def _moderation(body: dict[str, Any], digest: str) -> dict[str, Any]:
    asked = body.get("input")
    texts = asked if isinstance(asked, list) else [asked]
    results = []
    for text in texts:
        flagged = "violence" in str(text).lower()
        scores = {"hate": 0.0001, "violence": 0.99 if flagged else 0.0002}
        results.append({"flagged": flagged, "categories": {"hate": False, "violence": flagged}, "category_scores": scores})
    return {"id": f"modr-{digest[:24]}", "model": body.get("model") or "omni-moderation-latest", "results": results}


CREATED = 1_760_000_000
"""The same for every answer, so that answers depend on the request alone."""

BY_ENDPOINT: dict[str, Callable[[dict[str, Any], str], dict[str, Any]]] = {
    "/chat/completions": _chat_completion,
    "/responses": _response,
    "/completions": _completion,
    "/embeddings": _embeddings,
    "/moderations": _moderation,
}


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
