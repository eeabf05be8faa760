"""Lines of the plain grammar, whose id is `ID`; and the rest of the lines that services write, near to it."""

from __future__ import annotations

import json
from base64 import b64encode
from struct import pack
from typing import Any

__all__ = [
    "CHATS",
    "FAILURES",
    "NEAR",
    "PLAIN",
    "REQUESTS",
    "RESULTS",
    "TEXT",
    "VECTOR_REQUESTS",
    "VECTOR_RESULTS",
    "result",
    "vectors",
]

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
    return results([(message, finish_reason)], usage, **body)


def results(choices: list[tuple[dict[str, Any], str | None]], usage: dict[str, Any] | None = None, **body: Any) -> bytes:
    """Return a result line of a chat completion with several choices; keys of a choice may be in `body["choice"]`."""
    more = body.pop("choice", {})
    return answer({
        "id": "chatcmpl-ID", "object": "chat.completion", "created": 1767000000, "model": "gpt-4o-mini-2024-07-18",
        "choices": [
            {"index": index, "message": {"role": "assistant", **message}, "logprobs": None, "finish_reason": reason, **more}
            for index, (message, reason) in enumerate(choices)
        ],
        "usage": usage or USAGE, "service_tier": "default", "system_fingerprint": "fp_1", **body,
    })  # fmt: skip


def completion(*choices: tuple[str, str | None], **body: Any) -> bytes:
    """Return a result line of a legacy completion."""
    more = body.pop("choice", {})
    return answer({
        "id": "cmpl-ID", "object": "text_completion", "created": 1767000000, "model": "gpt-3.5-turbo-instruct",
        "choices": [
            {"text": text, "index": index, "logprobs": None, "finish_reason": reason, **more}
            for index, (text, reason) in enumerate(choices)
        ],
        "usage": {"prompt_tokens": 6, "completion_tokens": 1, "total_tokens": 7}, **body,
    })  # fmt: skip


def response(*output: dict[str, Any], **body: Any) -> bytes:
    """Return a result line of a response."""
    return answer({
        "id": "resp_ID", "object": "response", "created_at": 1767000000, "status": "completed", "background": False,
        "completed_at": 1767000009, "error": None, "incomplete_details": None, "instructions": "Be kind.",
        "model": "gpt-5-mini-2025-08-07", "output": output, "temperature": 1.0, "text": {"format": {"type": "text"}},
        "tools": [], "usage": {
            "input_tokens": 18, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 85,
            "output_tokens_details": {"reasoning_tokens": 64}, "total_tokens": 103,
        }, "user": None, "metadata": {}, **body,
    })  # fmt: skip


def moderation(*results: dict[str, Any], **body: Any) -> bytes:
    """Return a result line of moderations."""
    return answer({"id": "modr-ID", "model": "omni-moderation-latest", "results": results, **body})


def answer(body: dict[str, Any]) -> bytes:
    """Return a result line with a body."""
    return line({"status_code": 200, "request_id": "q-ID", "body": body})


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

SAFE = {"hate": {"filtered": False, "severity": "safe"}, "jailbreak": {"filtered": False, "detected": False}}
UNSAFE = SAFE | {"violence": {"filtered": False, "severity": "low"}}
FILTERED = [{"prompt_index": 0, "content_filter_results": SAFE}]

CHATS = [
    result(TEXT),
    result({"content": "cut", "refusal": None}, "length"),
    result({"content": None, "tool_calls": [CALL, CALL], "refusal": None, "annotations": []}, "tool_calls"),
    result({"content": None, "refusal": "I can't.", "annotations": []}),
    result({"content": "", "refusal": None}, "content_filter"),
    # vLLM, and a model that shows its reasoning
    result(
        {"content": "x", "reasoning_content": "why", "tool_calls": []},
        usage={
            "prompt_tokens": 1,
            "completion_tokens": 2,
            "total_tokens": 3,
            "prompt_tokens_details": None,
        },
        prompt_logprobs=None,
        kv_transfer_params=None,
        choice={"stop_reason": 151645},
    ),
    result({"content": "x", "reasoning": "why", "reasoning_content": "why"}, "eos"),
    # several choices; log probabilities, citations and other things without a column
    results([(TEXT, "stop"), ({"content": "b"}, "length"), ({"content": None, "refusal": "no"}, "stop")]),
    results([({"content": None, "tool_calls": [CALL]}, "tool_calls"), ({"content": "b"}, "stop")]),
    result(TEXT, choice={"logprobs": {"content": [{"token": "a", "logprob": -0.1}]}}),
    result({"content": "a", "annotations": [{"type": "url_citation"}]}, choice={"stop_reason": "###"}),
    result(TEXT, citations=["https://example.org"], provider="p", choice={"native_finish_reason": "STOP"}),
    result({"content": "a"}, "stop", choice={"native_finish_reason": "MAX_TOKENS"}),
    # Azure
    result(TEXT, prompt_filter_results=FILTERED, choice={"content_filter_results": SAFE}),
    result(TEXT, prompt_filter_results=FILTERED, choice={"content_filter_results": UNSAFE}),
    result(TEXT, prompt_filter_results=[{"prompt_index": 0, "content_filter_results": UNSAFE}]),
]

REASONING = {"id": "rs_1", "type": "reasoning", "summary": []}
CALLED = {
    "id": "fc_1", "type": "function_call", "status": "completed", "arguments": "{}", "call_id": "call_1", "name": "reserve",
}  # fmt: skip


def message(*parts: dict[str, Any] | str, **keys: Any) -> dict[str, Any]:
    """Return an output item of a response."""
    content = [
        {"type": "output_text", "annotations": [], "logprobs": [], "text": part} if isinstance(part, str) else part
        for part in parts
    ]
    return {"id": "msg_1", "type": "message", "status": "completed", "content": content, "role": "assistant", **keys}


SUMMARY = {"id": "rs_1", "type": "reasoning", "summary": [
    {"type": "summary_text", "text": "One."}, {"type": "summary_text", "text": "Two."},
]}  # fmt: skip
CUT = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}

RESPONSES = [
    response(REASONING, message("It works.")),
    response(SUMMARY, message("One", " two", phase="final_answer"), usage={
        "input_tokens": 5, "output_tokens": 1, "total_tokens": 6,
    }),
    response(message({"type": "refusal", "refusal": "No."}, {"type": "refusal", "refusal": "Never."})),
    response(REASONING, CALLED, CALLED | {"call_id": "call_2"}),
    response(message("I look."), {
        "id": "ctc_1", "type": "custom_tool_call", "call_id": "call_1", "name": "shell", "input": "ls",
    }),
    response(REASONING, message("half", status="incomplete"), **CUT),
    response(**CUT),
    response(REASONING | {"encrypted_content": "gAAA"}, message("a")),
    response(message({"type": "output_text", "text": "a", "annotations": [{"type": "url_citation"}]})),
    response(message("a"), content_filters=[
        {"blocked": False, "source_type": "prompt", "content_filter_results": SAFE, "content_filter_raw": []},
    ]),
    response(message("a"), output_text="a"),
]  # fmt: skip

COMPLETIONS = [
    completion((" blue", "stop")),
    completion((" blue", "length"), choice={"logprobs": {"tokens": [" blue"]}}),
    completion((" blue", "stop"), ("", "length"), ("red", None)),
    completion(("", "content_filter"), prompt_filter_results=FILTERED, choice={"content_filter_results": SAFE}),
    completion((" blue", None), choice={"stop_reason": None, "prompt_logprobs": None}),
]

VERDICT = {
    "flagged": True, "categories": {"violence": True, "illicit": None, "hate": False, "harassment": True},
    "category_scores": {"violence": 0.8305020798323676, "illicit": 0, "hate": 1.2477790909064613e-06, "harassment": 1},
    "category_applied_input_types": {"violence": ["text"], "hate": []},
}  # fmt: skip

MODERATIONS = [
    moderation(VERDICT),
    moderation(VERDICT | {"flagged": False, "category_applied_input_types": {"violence": ["text", "image"]}}),
    moderation(VERDICT, {"flagged": False, "categories": {"a": True}, "category_scores": {"hate": 0.5, "a": -0.0}}),
    # Mistral
    moderation({"categories": {"pii": False}, "category_scores": {"pii": 2.5e-300}}, usage={
        "prompt_tokens": 5, "completion_tokens": 0, "total_tokens": 5,
    }),
]  # fmt: skip

PLAIN = [*CHATS, *RESPONSES, *COMPLETIONS, *MODERATIONS]

NEAR = [
    # two texts at once, no text, an unknown word, reasoning under two names, parts that are not in their whole
    result({"content": "a", "refusal": "b", "tool_calls": [CALL]}),
    result({"content": "", "refusal": None}),
    results([({"content": ""}, "stop"), (TEXT, "stop")]),
    results([({}, "stop"), (TEXT, "length")]),
    result(TEXT, "unheard_of"),
    result({"content": "x", "reasoning": "a", "reasoning_content": "b"}),
    result(TEXT, usage=USAGE | {"total_tokens": 36}),
    result(TEXT, choice={"content_filter_results": {"hate": {"filtered": False, "severity": None}}}),
    result(TEXT, choice={"content_filter_results": {"error": {"code": "content_filter_error", "message": "no"}}}),
    # several messages, commentary, no message, a message of the request, calls that are not finished, other items
    response(message("half", status="incomplete"), message("whole")),
    response(message("I look.", phase="commentary"), CALLED),
    response(REASONING),
    response(message("")),
    response(message("half", status="incomplete")),
    response(message("a", role="user"), message("b")),
    response(CALLED | {"status": "incomplete"}),
    response(CALLED, {"type": "function_call_output", "call_id": "call_1", "output": "ok"}),
    response({"id": "ws_1", "type": "web_search_call", "status": "completed"}, message("a")),
    response(message("a"), incomplete_details={"reason": "content_filter"}),
    response(status="failed", error={"code": "server_error", "message": "no"}),
    response(message("a"), status="queued"),
    response(message("a"), created_at=1767000000.5),
    completion(("", "stop")),
    completion((" blue", "stop"), object="text.completion"),
    moderation(),
    moderation({"flagged": None}),
    moderation(VERDICT, {}),
    moderation(VERDICT | {"category_scores": {"violence": None}}),
    moderation(VERDICT | {"category_scores": {"violence": 2**53 + 1}}),
    moderation(VERDICT, object="chat.completion"),
]

RESULTS = [*PLAIN, *NEAR]

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
    request(url="/v1/responses", body={"model": "m", "input": [{"role": "user", "content": "a"}]}),
    request(url="/v1/completions", body={"model": "m", "prompt": ["a", "b"]}),
    request(url="/v1/moderations", body={"model": "m", "input": "a"}),
    request(url="/v1/moderations", body={"input": ["a", "b"]}),
    request(url="/v1/moderations", body={"input": [{"type": "text", "text": "a"}]}),
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
