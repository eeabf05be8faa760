"""The body of /v1/chat/completions, and the dialects of it."""

import pytest

from batchfiles.bodies.answer import Answer
from batchfiles.bodies.chat_completions import read

USAGE = {
    "prompt_tokens": 1117,
    "completion_tokens": 46,
    "total_tokens": 1163,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 12,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 3,
        "rejected_prediction_tokens": 4,
    },
}


def chat(*messages, finish_reason="stop", **more):
    """A body with one choice per message."""
    choices = [
        {"index": index, "message": {"role": "assistant", **message}, "logprobs": None, "finish_reason": finish_reason}
        for index, message in enumerate(messages)
    ]
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1741570283, "model": "m", "choices": choices} | more


def call(arguments='{"x":1}', **more):
    """A tool call as OpenAI writes it."""
    return {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": arguments}} | more


def test_an_ordinary_answer_fills_the_columns_and_is_carried():
    """The example of OpenAI's specification; housekeeping keys and empty values don't keep a body."""
    body = chat(
        {"content": "A boardwalk.", "refusal": None, "annotations": []},
        usage=USAGE,
        service_tier="default",
        system_fingerprint="fp_1",
    )

    assert read(body) == Answer(
        outcome="succeeded",
        model="m",
        finish_reason="stop",
        text="A boardwalk.",
        input_tokens=1117,
        output_tokens=46,
        total_tokens=1163,
        cached_tokens=1024,
        reasoning_tokens=12,
        created_at=1741570283_000000,
        response_id="chatcmpl-1",
        fully_mapped=True,
    )


def test_vllm_says_null_at_length():
    """Keys with empty values are not a reason to keep a body."""
    message = {"content": "hi", "tool_calls": [], "function_call": None, "audio": None, "reasoning_content": None}
    body = chat(message, prompt_logprobs=None, kv_transfer_params=None)
    body["choices"][0]["stop_reason"] = None

    assert read(body) == Answer(
        model="m",
        finish_reason="stop",
        text="hi",
        created_at=1741570283_000000,
        response_id="chatcmpl-1",
        fully_mapped=True,
    )


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_an_answer_that_was_cut_is_incomplete(reason):
    """The text is there as far as it goes."""
    answer = read(chat({"content": "half a sen"}, finish_reason=reason))

    assert (answer.outcome, answer.finish_reason, answer.text, answer.fully_mapped) == ("incomplete", reason, "half a sen", True)


def test_mistrals_word_for_length():
    """`model_length` is the model's own limit; the column has one vocabulary."""
    answer = read(chat({"content": "half"}, finish_reason="model_length"))

    assert (answer.outcome, answer.finish_reason) == ("incomplete", "length")


def test_a_reason_that_nobody_knows_stays_as_it_is():
    """An open vocabulary: a new word is not a failure. It is counted, and keeps the body."""
    answer = read(chat({"content": "hi"}, finish_reason="tired"))

    assert (answer.outcome, answer.finish_reason, answer.fully_mapped) == ("succeeded", "tired", False)
    assert answer.noted == ("unknown_finish_reason:tired",)


def test_a_refusal_is_a_success_with_a_refusal():
    """Its content is null, which is not the empty text."""
    answer = read(chat({"content": None, "refusal": "I can't."}))

    assert (answer.outcome, answer.text, answer.refusal, answer.fully_mapped) == ("succeeded", None, "I can't.", True)


def test_several_choices():
    """The first fills the columns, all texts are kept, and the body too: the other choices have no columns."""
    answer = read(chat({"content": "heads"}, {"content": "tails"}, {"content": None}))

    assert (answer.text, answer.texts, answer.fully_mapped) == ("heads", ["heads", "tails"], False)


def test_one_cut_choice_makes_the_answer_incomplete():
    """The reason in the column is that of the first choice anyway."""
    body = chat({"content": "heads"}, {"content": "tai"})
    body["choices"][1]["finish_reason"] = "length"

    assert read(body)[:3] == ("incomplete", "m", "stop")


@pytest.mark.parametrize("choices", [[], None, {}, [{}], [{"index": 0, "finish_reason": "stop"}], [{"index": 0, "message": {}}]])
def test_without_a_choice_there_is_no_response(choices):
    """An empty object does not count as an item, nor a choice without a message as an answer. The body is kept."""
    answer = read(chat(choices=choices))

    assert (answer.outcome, answer.fault.code, answer.fully_mapped) == ("no_response", "empty_answer", False)
    assert (answer.text, answer.texts, answer.conversion_errors, answer.noted) == (None, None, 0, ())


def test_a_choice_that_was_filtered_may_have_no_message():
    """Azure leaves the content out: the finish reason tells why."""
    body = chat({}, finish_reason="content_filter")
    del body["choices"][0]["message"]

    assert read(body).outcome == "incomplete"


@pytest.mark.parametrize(
    ("error", "reason", "code", "message"),
    [
        ({"code": 502, "message": "Upstream lost"}, None, "502", "Upstream lost"),
        ({"message": "Upstream lost"}, "error", "error", "Upstream lost"),
        ("Upstream lost", "stop", None, "Upstream lost"),
        ({"code": 400, "message": "no"}, "error", "400", "no"),
        (None, "network_error", "network_error", None),
    ],
)
def test_an_error_of_a_choice_is_a_failure(error, reason, code, message):
    """OpenRouter writes it next to the text so far; the reason is its code if it has none."""
    body = chat({"content": "half"}, finish_reason=reason)
    body["choices"][0]["error"] = error
    answer = read(body)

    assert (answer.outcome, answer.text, answer.fully_mapped) == ("failed", "half", False)
    assert (answer.fault.code, answer.fault.message) == (code, message)


def test_a_failed_choice_among_several_makes_a_failure():
    """The answer is missing; the texts of the other choices are there."""
    body = chat({"content": "heads"}, {"content": ""})
    body["choices"][1]["finish_reason"] = "error"
    answer = read(body)

    assert (answer.outcome, answer.text, answer.finish_reason, answer.fault.code) == ("failed", "heads", "stop", "error")


@pytest.mark.parametrize(
    ("reason", "native", "said", "fully_mapped"),
    [("length", "MAX_TOKENS", "length", True), (None, "MAX_TOKENS", "length", True), ("stop", "SAFETY", "stop", False)],
)
def test_the_providers_own_word_beside_a_reason(reason, native, said, fully_mapped):
    """OpenRouter repeats it: it counts if it is the only one, and keeps the body if it differs."""
    body = chat({"content": "hi"}, finish_reason=reason)
    body["choices"][0]["native_finish_reason"] = native

    assert (read(body).finish_reason, read(body).fully_mapped) == (said, fully_mapped)


def test_choices_may_be_one_object():
    """SGLang's old batch writer puts a single choice there."""
    body = chat({"content": "hi"})
    body["choices"] = body["choices"][0]

    assert read(body).text == "hi"
    assert read(body).fully_mapped


def test_tool_calls():
    """Arguments are the model's own text and may be broken JSON."""
    answer = read(chat({"content": None, "tool_calls": [call('{"cut'), call(id="call_2", index=1)]}, finish_reason="tool_calls"))

    assert answer.finish_reason == "tool_calls"
    assert answer.tool_calls == [
        {"id": "call_1", "name": "f", "arguments": '{"cut'},
        {"id": "call_2", "name": "f", "arguments": '{"x":1}'},
    ]
    assert answer.fully_mapped


def test_a_custom_tools_input_is_in_the_place_of_arguments():
    """Custom tools take text, not JSON."""
    answer = read(
        chat({"content": None, "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}]})
    )

    assert answer.tool_calls == [{"id": "c", "name": "sql", "arguments": "SELECT 1"}]
    assert answer.fully_mapped


def test_the_old_function_call_has_no_id():
    """It came before `tool_calls`."""
    answer = read(chat({"content": None, "function_call": {"name": "f", "arguments": "{}"}}, finish_reason="function_call"))

    assert (answer.finish_reason, answer.tool_calls) == ("function_call", [{"id": None, "name": "f", "arguments": "{}"}])
    assert answer.fully_mapped


def test_a_tool_call_with_more_in_it_keeps_the_body():
    """Gemini's thought signatures, for one."""
    assert not read(chat({"content": None, "tool_calls": [call(extra_content={"google": 1})]})).fully_mapped


def test_arguments_that_are_not_strings_do_not_fit():
    """Some servers send the object itself; writing it as text would invent a spelling."""
    answer = read(chat({"content": None, "tool_calls": [call({"x": 1})]}))

    assert answer.tool_calls == [{"id": "call_1", "name": "f", "arguments": None}]
    assert (answer.conversion_errors, answer.fully_mapped) == (1, False)


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_under_either_name(name):
    """DeepSeek and vLLM; newer vLLM."""
    answer = read(chat({"content": "4", name: "two and two"}))

    assert (answer.text, answer.reasoning, answer.fully_mapped) == ("4", "two and two", True)


@pytest.mark.parametrize(("second", "fully_mapped"), [("a", True), ("b", False)])
def test_reasoning_under_both_names(second, fully_mapped):
    """Some vLLM versions write it twice; if the two differ, the body is kept."""
    answer = read(chat({"content": "4", "reasoning_content": "a", "reasoning": second}))

    assert (answer.reasoning, answer.fully_mapped) == ("a", fully_mapped)


def test_the_text_parts_of_a_list_are_joined():
    """A content of parts comes from servers that answer as requests ask."""
    answer = read(chat({"content": [{"type": "text", "text": "one "}, "two"]}))

    assert (answer.text, answer.fully_mapped) == ("one two", True)


def test_a_part_that_is_not_text_keeps_the_body():
    """Images, for one."""
    answer = read(chat({"content": [{"type": "image_url"}, {"type": "text", "text": "4"}]}))

    assert (answer.text, answer.fully_mapped, answer.conversion_errors) == ("4", False, 0)


@pytest.mark.parametrize(
    ("part", "fully_mapped"),
    [
        ({"type": "thinking", "thinking": [{"type": "text", "text": "two and "}, {"type": "text", "text": "two"}]}, True),
        ({"type": "thinking", "thinking": "two and two"}, True),
        ({"type": "thinking", "thinking": "two and two", "signature": "c2ln"}, False),
        ({"type": "reasoning", "summary": [{"type": "summary_text", "text": "two and two"}]}, True),
        ({"type": "thinking", "thinking": [{"type": "text", "text": "two and two"}, {"type": "reference", "ids": [1]}]}, False),
    ],
)
def test_a_part_in_which_the_model_thinks_is_reasoning(part, fully_mapped):
    """Mistral, Anthropic and Databricks; what continues from there is not lost."""
    answer = read(chat({"content": [part, {"type": "text", "text": "4"}]}))

    assert (answer.text, answer.reasoning, answer.fully_mapped) == ("4", "two and two", fully_mapped)


def test_an_empty_object_is_not_a_tool_call():
    """Nor is one in a list."""
    for nothing in ({}, [{}], [], None):
        answer = read(chat({"content": "hi", "tool_calls": nothing}))
        assert (answer.tool_calls, answer.fully_mapped, answer.conversion_errors) == (None, True, 0)


def test_without_other_parts_there_is_no_text():
    """Null, not the empty text."""
    assert read(chat({"content": [{"type": "image_url"}]})).text is None


@pytest.mark.parametrize("more", [{"audio": {"id": "a"}}, {"annotations": [{"type": "url_citation"}]}, {"unheard_of": 0}])
def test_what_has_no_column_keeps_the_body(more):
    """Audio, citations, and future keys."""
    assert not read(chat({"content": "hi", **more})).fully_mapped


def test_logprobs_keep_the_body():
    """They are bigger than all the rest and in no column."""
    body = chat({"content": "hi"})
    body["choices"][0]["logprobs"] = {"content": [{"token": "hi", "logprob": -0.1}]}

    assert not read(body).fully_mapped


def test_housekeeping_of_groq_together_and_mistral():
    """An id of the machine's, the seed, a flag that echoes the request."""
    body = chat({"content": "hi", "prefix": False}, x_groq={"id": "req_1"}, metadata={"a": "b"})
    body["choices"][0]["seed"] = 7

    assert read(body).fully_mapped


@pytest.mark.parametrize(("stop", "fully_mapped"), [(128009, True), ("###", False)])
def test_the_stop_string_is_not_housekeeping(stop, fully_mapped):
    """But the number of a token is: with vLLM and SGLang it is the end of the text, on every line."""
    body = chat({"content": "hi"})
    body["choices"][0]["stop_reason"] = stop

    assert read(body).fully_mapped == fully_mapped


@pytest.mark.parametrize(("severity", "fully_mapped"), [("safe", True), ("low", False)])
def test_azures_filter_counts_when_it_found_something(severity, fully_mapped):
    """It looks at every prompt and every answer, mostly in vain."""
    found = {"hate": {"filtered": False, "severity": severity}, "jailbreak": {"filtered": False, "detected": False}}
    body = chat({"content": "hi"}, prompt_filter_results=[{"prompt_index": 0, "content_filter_results": found}])
    body["choices"][0]["content_filter_results"] = found

    assert read(body).fully_mapped == fully_mapped


def test_an_error_in_the_body_is_a_failure_whatever_else_it_holds():
    """A gateway's 200 with an error inside."""
    answer = read(chat({"content": "ha"}, finish_reason="length", error={"message": "upstream died"}))

    assert (answer.outcome, answer.text, answer.fully_mapped) == ("failed", "ha", False)


@pytest.mark.parametrize("error", [None, {}, {"message": None}])
def test_an_empty_error_is_none(error):
    """Some servers always write the key."""
    assert read(chat({"content": "hi"}, error=error)).outcome == "succeeded"


@pytest.mark.parametrize(
    "body",
    [
        chat({"content": 1}),
        chat({"content": "hi", "refusal": True}),
        chat({"content": "hi", "reasoning": {"text": "no"}}),
        chat({"content": "hi"}, finish_reason=1),
        chat({"content": "hi"}, model=["m"]),
        chat({"content": "hi"}, id=1.5),
        chat({"content": "hi"}, created="yesterday"),
        chat({"content": "hi"}, created=1741570283000),
        chat({"content": "hi"}, usage=[]),
        chat({"content": None, "tool_calls": "f"}),
        chat({"content": None, "function_call": "f"}),
        chat(choices=["hi"]),
        chat(choices="hi"),
        chat(choices=[{"message": "hi", "finish_reason": "stop"}]),
    ],
)
def test_a_value_that_does_not_fit_is_null_counted_and_kept(body):
    """Nothing is coerced silently: milliseconds for seconds are a time beyond the year 9999."""
    answer = read(body)

    assert (answer.conversion_errors, answer.fully_mapped) == (1, False)


@pytest.mark.parametrize("legacy", [{}, {"name": None, "arguments": None}, {"name": "", "arguments": ""}])
def test_an_empty_function_call_is_none(legacy):
    """Servers and tables that were written back fill the old key in; it made a call of nulls."""
    body = {"object": "chat.completion", "choices": [{"message": {"content": "hi", "function_call": legacy}}]}

    assert read(body).tool_calls is None
