"""The body of /v1/responses."""

import pytest

from batchfiles.bodies.answer import Answer
from batchfiles.bodies.responses import read


def response(*output, status="completed", **more):
    """A body with these output items."""
    settings = {"instructions": "Be brief.", "temperature": 1.0, "tools": [], "store": True, "metadata": {"a": "b"}}
    head = {"id": "resp_1", "object": "response", "created_at": 1741476777, "status": status, "error": None}
    return head | settings | {"incomplete_details": None, "model": "m", "output": list(output)} | more


def message(*texts, status="completed", **more):
    """A message with one part per text."""
    parts = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []} for text in texts]
    return {"type": "message", "id": "msg_1", "status": status, "role": "assistant", "content": parts} | more


def reasoning(*texts, **more):
    """A piece of reasoning with one summary per text."""
    return {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": text} for text in texts]} | more


CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}", "status": "completed"}


def test_an_ordinary_response_fills_the_columns_and_is_carried():
    """The echoed settings of the request are housekeeping."""
    usage = {
        "input_tokens": 328,
        "input_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 0},
        "output_tokens": 52,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 380,
    }

    assert read(response(message("A boardwalk."), usage=usage)) == Answer(
        outcome="succeeded",
        model="m",
        finish_reason="stop",
        text="A boardwalk.",
        input_tokens=328,
        output_tokens=52,
        total_tokens=380,
        cached_tokens=10,
        reasoning_tokens=4,
        created_at=1741476777_000000,
        response_id="resp_1",
        fully_mapped=True,
        cache_write_tokens=0,
    )


def test_a_message_is_found_after_reasoning():
    """`output[0].content` is where many scripts look in vain."""
    answer = read(response(reasoning("Counting.", "Checking."), message("4")))

    assert (answer.text, answer.reasoning, answer.fully_mapped) == ("4", "Counting.\n\nChecking.", True)


def test_an_open_models_own_reasoning_follows_the_summary():
    """In `content`, as vLLM writes it."""
    item = reasoning("In short.", content=[{"type": "reasoning_text", "text": "At length."}])

    assert read(response(item, message("4"))).reasoning == "In short.\n\nAt length."


def test_the_parts_of_one_message_are_one_text():
    """`texts` counts messages, not parts."""
    answer = read(response(message("one ", "two")))

    assert (answer.text, answer.texts, answer.fully_mapped) == ("one two", None, True)


@pytest.mark.parametrize("first", ["incomplete", "completed"])
def test_of_several_messages_the_last_whole_one_is_the_text(first):
    """Joining them breaks the JSON in them (opentargets/mira#70); all are in `texts`, and the body is kept."""
    answer = read(response(message('{"a', status=first), message('{"a":1}')))

    assert (answer.text, answer.texts, answer.fully_mapped) == ('{"a":1}', ['{"a', '{"a":1}'], False)


def test_a_fragment_at_the_end_is_not_the_text():
    """Nor is an empty message; an absent status counts as whole."""
    whole = message("whole")
    del whole["status"]

    assert read(response(whole, message("frag", status="incomplete"), message(""))).text == "whole"


def test_if_none_is_whole_the_last_words_are_the_text():
    """That is all there is of an answer that was cut."""
    cut = message("one", status="incomplete"), message("two", status="incomplete"), message("", status="incomplete")

    assert read(response(*cut)).text == "two"


@pytest.mark.parametrize(
    ("items", "text"), [([message("")], ""), ([message(""), message("")], ""), ([], None), ([message()], None)]
)
def test_an_empty_text_is_not_null(items, text):
    """Null means that no message had a text."""
    assert read(response(*items)).text == text


def test_function_calls():
    """Their id is `call_id`, which the answer to the call must name; a response that only calls ends with `tool_calls`."""
    answer = read(response(CALL))

    assert answer.tool_calls == [{"id": "call_1", "name": "f", "arguments": "{}"}]
    assert (answer.finish_reason, answer.text, answer.fully_mapped) == ("tool_calls", None, True)


def test_a_call_beside_a_text_ends_with_tool_calls():
    """Intermediate text is not the end: the model waits for the tool."""
    assert read(response(message("Looking it up."), CALL)).finish_reason == "tool_calls"


def test_a_call_that_was_answered_is_not_open():
    """A server that runs the tools itself writes their answers among the items."""
    answered = {"type": "function_call_output", "call_id": "call_1", "output": "4"}

    assert read(response(CALL, answered, message("4"))).finish_reason == "stop"
    assert read(response(CALL, answered, CALL | {"call_id": "call_2"})).finish_reason == "tool_calls"


@pytest.mark.parametrize("kind", ["computer_call", "local_shell_call", "shell_call", "apply_patch_call"])
def test_a_call_without_a_column_is_open_too(kind):
    """The model waits for the client, as with a function; the reason was stop."""
    call = {"type": kind, "id": "c_1", "call_id": "call_1", "status": "completed"}

    assert read(response(call)).finish_reason == "tool_calls"
    assert read(response(call, {"type": f"{kind}_output", "call_id": "call_1"}, message("hi"))).finish_reason == "stop"


def test_a_request_for_approval_is_open_until_it_is_answered():
    """The call of a server's tool that somebody must allow."""
    asked = {"type": "mcp_approval_request", "id": "mcpr_1", "name": "f", "arguments": "{}"}
    answered = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": False}

    assert read(response(asked)).finish_reason == "tool_calls"
    assert read(response(asked, answered, message("hi"))).finish_reason == "stop"


@pytest.mark.parametrize("kind", ["function_call", "custom_tool_call"])
def test_a_call_that_was_cut_makes_a_completed_response_incomplete(kind):
    """Half of its arguments is nothing to call a function with."""
    answer = read(response(message("hi"), CALL | {"type": kind, "status": "incomplete"}))

    assert (answer.outcome, answer.finish_reason) == ("incomplete", None)


def test_commentary_is_only_in_texts():
    """The model's words before a call are not its answer; without other messages the text is null."""
    on_the_way = message("Let me look.", phase="commentary")
    answer = read(response(on_the_way, CALL))

    assert (answer.finish_reason, answer.text, answer.texts, answer.fully_mapped) == ("tool_calls", None, ["Let me look."], False)
    both = read(response(on_the_way, message("4", phase="final_answer")))
    assert (both.finish_reason, both.text, both.texts) == ("stop", "4", ["Let me look.", "4"])


@pytest.mark.parametrize(
    ("items", "outcome"), [([False], "incomplete"), ([True, False], "incomplete"), ([False, True], "succeeded")]
)
def test_a_last_message_that_is_not_finished_makes_a_completed_response_incomplete(items, outcome):
    """Its status means that the work ended, not that the answer did; a fragment before a whole one is harmless."""
    answer = read(response(*[message("words", status="completed" if whole else "incomplete") for whole in items]))

    assert (answer.outcome, answer.finish_reason) == (outcome, "stop" if outcome == "succeeded" else None)


def test_messages_without_a_type_and_those_of_the_request():
    """Fireworks leaves the type out and repeats the request: only messages of the assistant are the answer."""
    asked = {"role": "user", "content": [{"type": "input_text", "text": "2 + 2?"}]}
    said = {"role": "assistant", "content": [{"type": "text", "text": "4"}]}

    assert read(response(asked, said)).text == "4"
    assert read(response(asked | {"type": "message"}, said)).texts is None
    assert read(response(asked)).outcome == "no_response"


@pytest.mark.parametrize("output", [[], None, {}, [{}]])
def test_a_completed_response_without_an_item_is_not_a_response(output):
    """An empty object does not count as an item; the status of an unfinished body decides."""
    answer = read(response(output=output))

    assert (answer.outcome, answer.fault.code, answer.fully_mapped) == ("no_response", "empty_answer", False)
    assert read(response(output=output, status="queued")).outcome == "incomplete"


def test_an_empty_text_is_counted_where_nothing_else_is_there():
    """An image, a call or a refusal is an answer."""
    assert read(response(message(""))).noted == read(response(reasoning("hm"))).noted == ("empty_text",)
    assert read(response({"type": "image_generation_call", "result": "aGk="})).noted == read(response(CALL)).noted == ()


def test_a_custom_tools_input_is_in_the_place_of_arguments():
    """Custom tools take text, not JSON."""
    item = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_1", "name": "sql", "input": "SELECT 1"}

    assert read(response(item)).tool_calls == [{"id": "call_1", "name": "sql", "arguments": "SELECT 1"}]
    assert read(response(item)).fully_mapped


def test_a_refusal_is_a_success_with_a_refusal():
    """It is a part of a message."""
    answer = read(response(message(content=[{"type": "refusal", "refusal": "I can't."}])))

    assert (answer.outcome, answer.finish_reason, answer.text, answer.refusal) == ("succeeded", "stop", None, "I can't.")
    assert answer.fully_mapped


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({"reason": "max_output_tokens"}, "length"),
        ({"reason": "content_filter"}, "content_filter"),
        (None, None),
    ],
)
def test_an_incomplete_response_says_why_in_the_one_vocabulary(details, reason):
    """A status of 200 notwithstanding."""
    answer = read(response(message("half", status="incomplete"), status="incomplete", incomplete_details=details))

    assert (answer.outcome, answer.finish_reason, answer.text, answer.fully_mapped) == ("incomplete", reason, "half", True)


def test_an_incomplete_response_with_a_reason_that_nobody_knows():
    """The reason stays, is counted, and keeps the body."""
    answer = read(response(message("half", status="incomplete"), status="incomplete", incomplete_details={"reason": "tired"}))

    assert (answer.outcome, answer.finish_reason, answer.noted) == ("incomplete", "tired", ("unknown_finish_reason:tired",))
    assert not answer.fully_mapped


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("completed", "succeeded"),
        ("queued", "incomplete"),
        ("in_progress", "incomplete"),
        ("failed", "failed"),
        ("cancelled", "failed"),
        ("canceled", "failed"),
        (None, "succeeded"),
    ],
)
def test_the_status_decides_the_outcome(status, outcome):
    """An absent one is a success: the body is there."""
    assert read(response(message("hi"), status=status)).outcome == outcome


def test_a_status_that_nobody_knows_keeps_the_body():
    """It is not a failure."""
    answer = read(response(message("hi"), status="simmering"))

    assert (answer.outcome, answer.finish_reason, answer.fully_mapped) == ("succeeded", None, False)


def test_a_failed_response_has_its_own_error():
    """Its message is read with the line."""
    answer = read(response(status="failed", error={"code": "server_error", "message": "Sorry."}))

    assert (answer.outcome, answer.fully_mapped) == ("failed", False)


@pytest.mark.parametrize(
    "body",
    [
        response({"type": "web_search_call", "id": "ws_1"}, message("hi")),
        response(message(content=[{"type": "output_text", "text": "hi", "annotations": [{"type": "url_citation"}]}])),
        response(message(content=[{"type": "output_text", "text": "hi", "logprobs": [{"token": "hi"}]}])),
        response(message(content=[{"type": "output_audio"}])),
        response(reasoning(encrypted_content="gAAAA"), message("hi")),
        response(CALL | {"namespace": "n"}),
        response(message("hi"), moderation={"flagged": False}),
    ],
)
def test_what_has_no_column_keeps_the_body(body):
    """Searches, citations, logprobs, other parts, encrypted reasoning, and future keys."""
    assert not read(body).fully_mapped


def test_azures_filter_found_nothing():
    """That is not a reason to keep a body."""
    found = {"hate": {"filtered": False, "severity": "safe"}}
    filters = [{"blocked": False, "source_type": "prompt", "content_filter_raw": [], "content_filter_results": found}]

    assert read(response(message("hi"), content_filters=filters)).fully_mapped


def test_a_content_that_is_a_text():
    """Not OpenAI's, but plain enough."""
    assert read(response(message(content="hi"))).text == "hi"


def test_the_time_may_have_a_fraction():
    """The specification types it as number."""
    assert read(response(created_at=1741476777.25)).created_at == 1741476777_250000


@pytest.mark.parametrize(
    "body",
    [
        response(output="hi"),
        response("hi"),
        response(message("hi"), status=1),
        response(message("hi"), model=1),
        response(message(7)),
        response(message(content=7)),
        response(reasoning(7)),
        response(CALL | {"arguments": {}}),
        response(message("hi"), incomplete_details="length"),
        response(message("hi"), usage={"input_tokens": 1.5}),
    ],
)
def test_a_value_that_does_not_fit_is_null_counted_and_kept(body):
    """Nothing is coerced silently."""
    answer = read(body)

    assert (answer.conversion_errors, answer.fully_mapped) == (1, False)
