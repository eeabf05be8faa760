"""Bodies of Anthropic, Gemini, Cohere, Ollama and Bedrock inside the envelope: pass-through gateways write them."""

import pytest

from batchfiles import bodies

TEXT = {"type": "text", "text": "cut o"}


def anthropic(*blocks, stop_reason="end_turn", **more):
    """A message of the Messages API."""
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude"}
    return head | {"content": list(blocks), "stop_reason": stop_reason, "stop_sequence": None} | more


def gemini(*parts, reason="STOP", **more):
    """A GenerateContentResponse with one candidate."""
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": reason, "index": 0}
    return {"candidates": [candidate], "modelVersion": "gemini", "responseId": "g_1"} | more


def cohere(*parts, reason="COMPLETE", **message):
    """An answer of the Chat API v2."""
    return {"id": "c_1", "finish_reason": reason, "message": {"role": "assistant", "content": list(parts)} | message}


def test_an_anthropic_message_that_was_cut():
    """Its `input_tokens` excludes the cached tokens: the total is everything that was sent."""
    usage = {"input_tokens": 100, "cache_read_input_tokens": 900, "cache_creation_input_tokens": 30, "output_tokens": 50}
    answer = bodies.read(anthropic(TEXT, stop_reason="max_tokens", usage=usage))

    assert (answer.outcome, answer.finish_reason, answer.text) == ("incomplete", "length", "cut o")
    assert (answer.input_tokens, answer.cached_tokens, answer.output_tokens, answer.total_tokens) == (1030, 900, 50, None)
    assert (answer.model, answer.response_id, answer.fully_mapped, answer.conversion_errors) == ("claude", "msg_1", False, 0)


def test_an_anthropic_message_within_another_object():
    """As in its own batches; it was mistaken for Cohere's, and a cut answer for a whole one."""
    message = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "cut o"}]}
    usage = {"input_tokens": 100, "cache_read_input_tokens": 900, "output_tokens": 50}
    answer = bodies.read({"message": message | {"stop_reason": "max_tokens", "usage": usage}})

    assert (answer.outcome, answer.finish_reason, answer.text, answer.input_tokens) == ("incomplete", "length", "cut o", 1000)


def test_thinking_and_a_tool_call_of_anthropic():
    """The input of a call is an object there, and JSON text in the column."""
    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "text", "text": "Looking."},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"x": "ü"}},
    ]
    answer = bodies.read(anthropic(*blocks, stop_reason="tool_use"))

    assert (answer.reasoning, answer.text, answer.finish_reason) == ("hm", "Looking.", "tool_calls")
    assert answer.tool_calls == [{"id": "toolu_1", "name": "f", "arguments": '{"x":"ü"}'}]


def test_a_refusal_of_anthropic_is_filtered():
    """The explanation is in `refusal`; without an explanation, the text of the answer."""
    explained = anthropic(stop_reason="refusal", stop_details={"type": "refusal", "explanation": "No such thing."})
    answer = bodies.read(explained)

    assert (answer.outcome, answer.finish_reason, answer.refusal) == ("incomplete", "content_filter", "No such thing.")
    assert bodies.read(anthropic(TEXT, stop_reason="refusal")).refusal == "cut o"


def test_an_anthropic_message_without_content():
    """The model may end its turn without text, which is an empty text; if it did not end its turn, the answer is missing."""
    assert (bodies.read(anthropic()).outcome, bodies.read(anthropic()).noted) == ("succeeded", ("empty_text",))
    assert bodies.read(anthropic(stop_reason=None)).outcome == "no_response"
    assert bodies.read(anthropic({"type": "server_tool_use", "id": "s"})).noted == ()


def test_a_bare_message_is_read():
    """A gateway that hands on the message alone."""
    assert bodies.read({"role": "assistant", "content": "hi"}).text == "hi"


def test_geminis_thoughts_are_output():
    """They are not part of the candidates' tokens; a thought is reasoning."""
    counts = {"promptTokenCount": 40, "toolUsePromptTokenCount": 5, "cachedContentTokenCount": 8, "candidatesTokenCount": 2}
    body = gemini(
        {"text": "hm", "thought": True},
        {"text": "Wr"},
        {"text": "en."},
        usageMetadata=counts | {"thoughtsTokenCount": 3, "totalTokenCount": 50},
    )
    answer = bodies.read(body)

    assert (answer.outcome, answer.finish_reason, answer.text, answer.reasoning) == ("succeeded", "stop", "Wren.", "hm")
    assert answer[8:13] == (45, 5, 50, 8, 3)
    assert (answer.model, answer.response_id) == ("gemini", "g_1")


@pytest.mark.parametrize(
    ("reason", "outcome", "said"),
    [
        ("MAX_TOKENS", "incomplete", "length"),
        ("SAFETY", "incomplete", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "failed", "MALFORMED_FUNCTION_CALL"),
        (None, "succeeded", None),
    ],
)
def test_why_gemini_stopped(reason, outcome, said):
    """In the one vocabulary."""
    answer = bodies.read(gemini({"text": "half"}, reason=reason))

    assert (answer.outcome, answer.finish_reason, answer.text) == (outcome, said, "half")


def test_a_candidate_without_content():
    """A reason states why; without one the answer is missing. The text of a failure is its message."""
    filtered = {"candidates": [{"finishReason": "SAFETY", "safetyRatings": []}]}
    failed = {"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "bad call"}]}

    assert bodies.read(filtered).outcome == "incomplete"
    assert bodies.read(failed).fault[:4] == ("MALFORMED_FUNCTION_CALL", None, None, "bad call")
    assert bodies.read({"candidates": [{"content": {}}]}).outcome == "no_response"
    assert bodies.read({"candidates": [{"finishReason": "STOP", "index": 0}]}).outcome == "no_response"
    assert bodies.read({"candidates": [], "usageMetadata": {"promptTokenCount": 1}}).outcome == "no_response"


def test_a_prompt_that_gemini_blocked():
    """No candidate is present, and a retry would give the same answer."""
    body = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "Not this."}}
    answer = bodies.read(body)

    assert (answer.outcome, answer.finish_reason, answer.refusal) == ("incomplete", "content_filter", "Not this.")
    assert bodies.read({"candidates": None} | body).outcome == "incomplete"


def test_a_call_of_gemini_ends_with_tool_calls():
    """Gemini calls that STOP."""
    answer = bodies.read(gemini({"functionCall": {"name": "f", "args": {"x": 1}}}))

    assert (answer.finish_reason, answer.tool_calls) == ("tool_calls", [{"id": None, "name": "f", "arguments": '{"x":1}'}])
    assert answer.noted == ()


def test_gemini_in_the_words_of_its_sdk_and_with_two_candidates():
    """Keys with underscores, as its objects are dumped in Python."""
    candidate = {"content": {"parts": [{"text": "one"}]}, "finish_reason": "STOP"}
    cut = {"content": {"parts": [{"text": "tw"}]}, "finish_reason": "MAX_TOKENS"}
    answer = bodies.read({"candidates": [candidate, cut], "usage_metadata": {"prompt_token_count": 4}})

    assert (answer.outcome, answer.finish_reason, answer.texts, answer.input_tokens) == ("incomplete", "stop", ["one", "tw"], 4)


def test_coheres_message():
    """Its tokens are those that were used, not those that were billed."""
    body = cohere({"type": "thinking", "thinking": "hm"}, TEXT, reason="MAX_TOKENS") | {
        "usage": {"billed_units": {"input_tokens": 5, "output_tokens": 7}, "tokens": {"input_tokens": 71, "output_tokens": 7}}
    }
    answer = bodies.read(body)

    assert (answer.outcome, answer.finish_reason, answer.text, answer.reasoning) == ("incomplete", "length", "cut o", "hm")
    assert (answer.input_tokens, answer.output_tokens, answer.response_id) == (71, 7, "c_1")


def test_a_tool_call_and_an_error_of_cohere():
    """The plan is the reasoning; the reason "error" is a failure."""
    call = {"id": "f_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    answer = bodies.read(cohere(reason="TOOL_CALL", tool_plan="I will call f.", tool_calls=[call]))

    assert (answer.finish_reason, answer.reasoning) == ("tool_calls", "I will call f.")
    assert answer.tool_calls == [{"id": "f_1", "name": "f", "arguments": "{}"}]
    assert (bodies.read(cohere(reason="ERROR")).outcome, bodies.read(cohere(reason="ERROR")).fault.code) == ("failed", "ERROR")


def test_ollamas_message():
    """Its reasons and counts have different names; a model that was only loaded has not answered."""
    body = {
        "model": "llama3",
        "created_at": "2024-01-01T00:00:00Z",
        "message": {"role": "assistant", "content": "hi", "thinking": "hm"},
        "done": True,
        "done_reason": "length",
        "prompt_eval_count": 26,
        "eval_count": 3,
    }
    answer = bodies.read(body)

    assert (answer.outcome, answer.finish_reason, answer.text, answer.reasoning) == ("incomplete", "length", "hi", "hm")
    assert (answer.input_tokens, answer.output_tokens, answer.conversion_errors) == (26, 3, 0)
    assert bodies.read(body | {"done_reason": "load"}).outcome == "failed"


def test_bedrocks_converse():
    """Blocks have their kind as a key; cache tokens are counted separately."""
    blocks = [
        {"reasoningContent": {"reasoningText": {"text": "hm"}}},
        {"text": "Looking."},
        {"toolUse": {"toolUseId": "t_1", "name": "f", "input": {"x": 1}}},
    ]
    usage = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 105, "cacheReadInputTokens": 90}
    body = {"output": {"message": {"role": "assistant", "content": blocks}}, "stopReason": "tool_use", "usage": usage}
    answer = bodies.read(body)

    assert (answer.finish_reason, answer.text, answer.reasoning) == ("tool_calls", "Looking.", "hm")
    assert answer.tool_calls == [{"id": "t_1", "name": "f", "arguments": '{"x":1}'}]
    assert answer[8:13] == (100, 5, 105, 90, None)
    assert bodies.read(body | {"stopReason": "guardrail_intervened"}).outcome == "incomplete"
    assert bodies.read(body | {"stopReason": "malformed_model_output"}).fault.code == "malformed_model_output"


def test_what_was_written_to_a_cache_is_of_the_input():
    """Anthropic and Converse count it outside their input; Gemini's total shows whether its parts are complete."""
    usage = {"input_tokens": 100, "cache_read_input_tokens": 900, "cache_creation_input_tokens": 50, "output_tokens": 5}
    message = bodies.read({"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Hi"}], "usage": usage})
    converse = bodies.read({
        "output": {"message": {"role": "assistant", "content": [{"text": "Hi"}]}},
        "usage": {
            "inputTokens": 100, "cacheReadInputTokens": 900, "cacheWriteInputTokens": 50, "outputTokens": 5, "totalTokens": 1055,
        },
    })  # fmt: skip
    for answer in (message, converse):
        assert (answer.input_tokens, answer.cached_tokens, answer.cache_write_tokens) == (1050, 900, 50)
        assert answer.noted == ()
    gemini = {"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]}
    counts = {"promptTokenCount": 20, "candidatesTokenCount": 198, "thoughtsTokenCount": 405, "totalTokenCount": 623}
    assert bodies.read(gemini | {"usageMetadata": counts}).noted == ()
    del counts["thoughtsTokenCount"]
    assert bodies.read(gemini | {"usageMetadata": counts}).noted == ("token_sum",)
