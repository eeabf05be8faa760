"""Properties of every body, however hostile: nothing raises, and every value fits its column."""

import copy
import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles import bodies, outcome_of
from batchfiles.bodies import chat_completions, embeddings, other, responses
from batchfiles.bodies.other import read_audio, read_completion, read_moderation
from batchfiles.errors import InvalidLineError

FAMILIES = [body_reader for _, body_reader in bodies.BY_FAMILY]
READERS = [
    *(bodies, chat_completions, embeddings, other, responses),
    *(SimpleNamespace(read=body_reader) for body_reader in [*FAMILIES, read_audio, read_completion, read_moderation]),
]

FILTER = {"hate": {"filtered": False, "severity": "safe"}}
USAGE = {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9, "prompt_tokens_details": {"cached_tokens": 2}}
TOOL_CALLS = [
    {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}},
    {"custom": {"name": "f", "input": "i"}},
]
MESSAGE = {"role": "assistant", "content": [{"type": "text", "text": "hi"}], "refusal": None, "tool_calls": TOOL_CALLS}
CHOICE = {"index": 0, "message": MESSAGE | {"reasoning": "so"}, "finish_reason": "stop", "content_filter_results": FILTER}
OUTPUT = [
    {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "so"}]},
    {
        "type": "message",
        "status": "completed",
        "content": [{"type": "output_text", "text": "hi"}, {"type": "refusal", "refusal": "no"}],
    },
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "i"},
]
RESULT = {
    "flagged": True,
    "categories": {"hate": True},
    "category_scores": {"hate": 0.9},
    "category_applied_input_types": {"hate": ["text"]},
}
SAMPLES = [
    {
        "id": "i",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [CHOICE],
        "usage": USAGE,
        "error": {"message": "no"},
    },
    {"object": "chat.completion", "choices": [CHOICE, CHOICE], "prompt_filter_results": [{"content_filter_results": FILTER}]},
    {"object": "text_completion", "choices": [{"text": "hi", "finish_reason": "length"}], "usage": USAGE},
    {
        "object": "response",
        "status": "incomplete",
        "output": OUTPUT,
        "incomplete_details": {"reason": "max_output_tokens"},
        "created_at": 1.5,
    },
    {"object": "list", "data": [{"index": 0, "embedding": [0.5, 1]}, {"index": 1, "embedding": "AAAAAA=="}], "usage": USAGE},
    {"id": "i", "model": "m", "results": [RESULT]},
    {"id": "i", "object": "video", "status": "failed", "created_at": 1},
    {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "so"}, {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}}],
        "stop_reason": "refusal",
        "stop_details": {"explanation": "no"},
        "usage": {"input_tokens": 1, "cache_read_input_tokens": 2, "output_tokens": 3},
    },
    {
        "candidates": [
            {"content": {"parts": [{"text": "so", "thought": True}, {"functionCall": {"name": "f", "args": {}}}]}},
            {"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "bad"},
        ],
        "promptFeedback": {"blockReason": "SAFETY"},
        "usageMetadata": {"promptTokenCount": 1, "thoughtsTokenCount": 2},
    },
    {
        "message": {"role": "assistant", "content": [], "tool_calls": TOOL_CALLS},
        "finish_reason": "ERROR",
        "usage": {"tokens": {}},
    },
    {"success": False, "errors": [{"code": 7003, "message": "no"}], "base_resp": {"status_code": 1}},
    {"type": "about:blank", "status": 429, "title": "no", "detail": [{"msg": "no"}]},
    {"text": "hi", "task": "translate", "segments": [{"id": 0, "text": "hi"}], "usage": {"type": "duration", "seconds": 4}},
    {"embeddings": {"float": [[0.5, 1]], "int8": [[1, 2]]}, "data": [{"embedding": {"base64": "AAAAAA=="}}]},
    {"choices": [{"message": {"content": None, "audio": {"id": "a", "transcript": "hi"}}, "finish_reason": "stop"}]},
]

words = st.sampled_from(["error", "type", "message", "text", "function_call", "completed", "stop", "chat.completion", "safe"])
scalars = st.none() | st.booleans() | st.integers() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5) | words
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


def places(value, path=()):
    """Every place within a JSON value."""
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, key))


@st.composite
def mutated(draw, samples=SAMPLES):
    """A real body with any value in a few of its places."""
    body = copy.deepcopy(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(0, 3))):
        *path, last = draw(st.sampled_from([path for path in places(body) if path]))
        target = body
        for key in path:
            target = target[key]
        target[last] = draw(values)
    return body


def check(answer):
    """Every field of an answer fits its column."""
    texts = (answer.model, answer.finish_reason, answer.text, answer.refusal, answer.reasoning, answer.response_id)
    assert all(text is None or type(text) is str for text in texts)
    counts = answer[8:13]
    assert all(count is None or (type(count) is int and -(2**63) <= count < 2**63) for count in counts)
    assert answer.outcome in ("succeeded", "incomplete", "failed", "no_response")
    assert not (answer.fault and answer.outcome in ("succeeded", "incomplete"))
    assert answer.texts is None or (answer.texts and all(type(text) is str for text in answer.texts))
    for call in answer.tool_calls or []:
        assert list(call) == ["id", "name", "arguments"]
        assert all(value is None or type(value) is str for value in call.values())
    assert answer.flagged in (None, True, False)
    assert all(type(name) is str for name in answer.flagged_categories or [])
    assert all(type(name) is str and type(score) is float for name, score in answer.category_scores or [])
    assert answer.created_at is None or -62135596800_000000 <= answer.created_at < 253402300800_000000
    assert answer.conversion_errors >= 0
    assert not (answer.fully_mapped and (answer.conversion_errors or answer.outcome == "failed"))


@given(st.dictionaries(words | st.text(max_size=5), values, max_size=5))
def test_any_object_can_be_read_as_any_body(body):
    """It is a body that someone sent."""
    for module in READERS:
        check(module.read(body))
    bodies.endpoint_of(body)
    assert bodies.can_answer(body, "/v1/x")
    assert bodies.can_answer(body, "/v1/embeddings") == (bodies.endpoint_of(body) == "/v1/embeddings")


@given(mutated())
def test_a_damaged_body_can_be_read(body):
    """By its own reader and by all others."""
    before = copy.deepcopy(body)
    for module in READERS:
        check(module.read(body))

    assert repr(body) == repr(before)


@given(mutated(samples=[SAMPLES[4], SAMPLES[8]]))
def test_damaged_vectors_are_vectors_or_an_invalid_line(body):
    """No other exception is raised, and only a valid vector becomes one."""
    try:
        found = bodies.embeddings.vectors(body)
    except InvalidLineError:
        return
    for index, values, problem in found:
        assert index is None or type(index) is int
        assert (values is None) == (problem is not None)
        assert values is None or len(values) % 4 == 0


ANSWERS = {
    "chat": {
        "object": "chat.completion",
        "choices": [{"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    },
    "completion": {"object": "text_completion", "choices": [{"text": "hi", "finish_reason": "stop"}]},
    "response": {
        "object": "response",
        "status": "completed",
        "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}],
    },
    "embedding": {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}], "model": "m"},
    "moderation": {"id": "m", "model": "m", "results": [{"flagged": False, "categories": {}, "category_scores": {}}]},
    "Anthropic": {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn"},
    "Anthropic's batches": {
        "message": {"role": "assistant", "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn"}
    },
    "Gemini": {"candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}]},
    "Ollama": {"model": "m", "message": {"role": "assistant", "content": "hi"}, "done_reason": "stop"},
    "Converse": {"output": {"message": {"role": "assistant", "content": [{"text": "hi"}]}}, "stopReason": "end_turn"},
    "transcript": {"text": "hi", "usage": {"type": "duration", "seconds": 1}},
    "scores": {"object": "list", "data": [{"score": 0.5, "index": 0}]},
}

STATED = {
    "error": {"error": {"message": "boom"}},
    "errors": {"errors": [{"message": "boom"}]},
    "fault": {"fault": {"faultstring": "boom"}},
    "success": {"success": False, "message_of_the_gateway": "boom"},
    "base_resp": {"base_resp": {"status_code": 1002, "status_msg": "boom"}},
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("stated", STATED)
def test_an_error_next_to_an_answer_of_any_endpoint_is_a_failure(answer: dict[str, Any], stated: str) -> None:
    """Bodies of Anthropic, Ollama, Converse and transcripts with `errors`, `fault` or `"success": false` counted as succeeded."""
    assert bodies.read(answer).outcome == "succeeded"
    assert bodies.read(answer | STATED[stated]).outcome == "failed"
    line = {"custom_id": "a", "response": {"status_code": 200, "request_id": "r", "body": answer | STATED[stated]}, "error": None}
    result = outcome_of(line)
    assert (result.outcome, result.error_message) == ("failed", None if stated == "success" else "boom")


@pytest.mark.parametrize("kind", ["Anthropic", "response"])
def test_a_body_of_many_parts_takes_time_by_its_length(kind: str) -> None:
    """Each block was once compared with all others: 16,000 took 7 s."""
    texts = [{"type": "text", "text": f"a{number}"} for number in range(40_000)]
    types = ("function_call", "function_call_output")
    calls = [{"type": name, "call_id": f"c{number}"} for name in types for number in range(40_000)]
    body = ANSWERS[kind] | ({"content": texts} if kind == "Anthropic" else {"output": calls})
    begin = time.process_time()
    assert bodies.read(body).outcome == "succeeded"
    assert time.process_time() - begin < 4
