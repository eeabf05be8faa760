"""Lines of the plain grammar, whose id is `ID`; and the rest of the lines that services write, near to it."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["FAILURES", "REQUESTS", "RESULTS", "result"]

USAGE = {
    "prompt_tokens": 26,
    "completion_tokens": 9,
    "total_tokens": 35,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 3, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
    },
}  # fmt: skip
CALL = {"id": "call_1", "type": "function", "function": {"name": "note", "arguments": '{"a": "é\\n"}'}}


def result(message: dict[str, Any], finish_reason: str = "stop", usage: dict[str, Any] | None = None, **body: Any) -> bytes:
    """Return a result line of a chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "logprobs": None, "finish_reason": finish_reason}
    return line({"status_code": 200, "request_id": "q-ID", "body": {
        "id": "chatcmpl-ID", "object": "chat.completion", "created": 1767000000, "model": "gpt-4o-mini-2024-07-18",
        "choices": [choice], "usage": usage or USAGE, "service_tier": "default", "system_fingerprint": "fp_1", **body,
    }})  # fmt: skip


def line(response: Any, error: Any = None) -> bytes:
    """Return a result line."""
    return json.dumps(
        {"id": "batch_req_ID", "custom_id": "ID", "response": response, "error": error}, ensure_ascii=False
    ).encode()


def failure(status: int, **error: Any) -> bytes:
    """Return the line of a request that the service refused."""
    body = {"error": {"message": "wrong", "type": "invalid_request_error", "param": None, "code": None, **error}}
    return line({"status_code": status, "request_id": "q-ID", "body": body})


TEXT = {"content": 'A "text", with é, 😀 and\nlines.', "refusal": None, "annotations": []}

RESULTS = [
    result(TEXT),
    result({"content": "cut", "refusal": None}, "length"),
    result({"content": None, "tool_calls": [CALL, CALL], "refusal": None, "annotations": []}, "tool_calls"),
    result({"content": None, "refusal": "I can't.", "annotations": []}),
    result({"content": "half", "refusal": None}, "content_filter"),
    # vLLM, and a model that shows its reasoning
    result({"content": "x", "reasoning_content": "why", "tool_calls": []}, usage={
        "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "prompt_tokens_details": None,
    }, prompt_logprobs=None, kv_transfer_params=None),
    result({"content": "x", "reasoning": "why"}, "eos"),
    # near it: two texts at once, no text, an unknown word, reasoning under two names, parts that are not in their whole
    result({"content": "a", "refusal": "b", "tool_calls": [CALL]}),
    result({"content": "", "refusal": None}),
    result(TEXT, "unheard_of"),
    result({"content": "x", "reasoning": "a", "reasoning_content": "a"}),
    result(TEXT, usage=USAGE | {"total_tokens": 36}),
]  # fmt: skip

FAILURES = [
    failure(400, code="context_length_exceeded", param="messages"),
    failure(429, message="Rate limit", type="requests", code="rate_limit_exceeded"),
    failure(500, type="server_error"),
    line(None, {"code": "batch_expired", "message": "This request could not be executed in time."}),
    line(None, {"code": "batch_cancelled", "message": ""}),
    line(None, {"code": "server_error", "message": "wrong"}),
    line({"status_code": 0, "request_id": "", "body": None}),
]


def request(**more: Any) -> bytes:
    """Return a request line."""
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": 'Say "body": é'}], "temperature": 0.2}
    line = {"custom_id": "ID", "method": "POST", "url": "/v1/chat/completions", "body": body}
    return json.dumps(line | more, ensure_ascii=False).encode()


NESTED = {"messages": [], "metadata": {"body": "b", "custom_id": "c"}, "body": {"body": 1}, "model": "m"}

REQUESTS = [
    request(),
    request(body=NESTED),
    request(url="/chat/completions", body={"messages": []}),
    request(url="/v1/embeddings"),
]
