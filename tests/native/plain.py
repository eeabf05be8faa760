"""Lines of the plain grammar, whose id is `ID`; and the rest of the lines that services write, near to it."""

from __future__ import annotations

import json
from base64 import b64encode
from struct import pack
from typing import Any

__all__ = ["FAILURES", "REQUESTS", "RESULTS", "VECTOR_REQUESTS", "VECTOR_RESULTS", "result", "vectors"]

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


def vectors(*embeddings: Any, usage: dict[str, Any] | None = None, **body: Any) -> bytes:
    """Return a result line with vectors."""
    items = [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(embeddings)]
    usage = usage or {"prompt_tokens": 5, "total_tokens": 5}
    body = {"object": "list", "data": items, "model": "text-embedding-3-small", "usage": usage, **body}
    return line({"status_code": 200, "request_id": "q-ID", "body": body})


NUMBERS = [-0.10615575, 0.5, 1e-7, 12.25]
TEXT_VECTOR = b64encode(pack("<4f", *NUMBERS)).decode()

VECTOR_RESULTS = [
    vectors(NUMBERS),
    vectors(NUMBERS, [1, -2, 300, 0], [-0.0, 0.1, 1e-45, 3e38]),
    vectors(TEXT_VECTOR),
    vectors(TEXT_VECTOR, TEXT_VECTOR),
    # vLLM
    vectors(NUMBERS, id="embd-ID", created=1767000000, usage={
        "prompt_tokens": 5, "total_tokens": 5, "completion_tokens": 0, "prompt_tokens_details": None,
    }),
    # near it: another length, several types, a number that does not fit, a chat completion, no vectors, counts that don't agree
    vectors([0.25]),
    vectors({"float": NUMBERS, "int8": [1, 2, 3, 4]}),
    vectors([0.5, 1e39, 0.5, 0.5]),
    RESULTS[0],
    vectors(),
    vectors(NUMBERS, usage={"prompt_tokens": 5, "total_tokens": 6, "completion_tokens": 0}),
    vectors(NUMBERS, TEXT_VECTOR),
    vectors(b64encode(bytes(16)).decode()),
]  # fmt: skip


def _asked(**more: Any) -> bytes:
    body = {"model": "text-embedding-3-small", "input": 'A "text", with é', **more}
    return request(url="/v1/embeddings", body=body)


VECTOR_REQUESTS = [
    _asked(),
    _asked(input=["a", "\n"], dimensions=4, encoding_format="float"),
    _asked(dimensions=4, encoding_format="base64", user="u"),
    # near it: another format, tokens, another endpoint
    _asked(encoding_format="int8"),
    _asked(input=[1, 2, 3]),
    REQUESTS[0],
]
