"""The outcome of a request: the shapes of batch lines as they are found in the wild."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles import decode_output, encode_output, outcome, outcome_of
from batchfiles.bodies.answer import Answer
from batchfiles.outcome import OUTCOMES, Result, id_in, read, retryable

CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1741570283,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9},
}
FAILED_RESPONSE = {"id": "resp_1", "object": "response", "status": "failed", "model": "m", "output": []}
OPENAI_ERROR = {"message": "Invalid value.", "type": "invalid_request_error", "param": "n", "code": "invalid_value"}
NO_ANSWER = Answer(outcome="failed")


def line(status=200, body=None, error=None, **more):
    """A line as OpenAI writes it."""
    response = {"status_code": status, "request_id": "req-1", "body": body}
    return {"id": "batch_req_1", "custom_id": "a", "response": response, "error": error} | more


def without_response(error):
    """A line of a request without a response."""
    return {"id": "batch_req_1", "custom_id": "a", "response": None, "error": error}


def error_of(result):
    """The four columns of an error."""
    return (result.error_code, result.error_type, result.error_param, result.error_message)


# Successes


def test_an_ordinary_success():
    """Status 200, a body, no error."""
    answer = Answer(
        model="gpt-4o-mini-2024-07-18",
        finish_reason="stop",
        text="hi",
        input_tokens=5,
        output_tokens=4,
        total_tokens=9,
        created_at=1741570283_000000,
        response_id="chatcmpl-1",
        fully_mapped=True,
    )

    assert read(line(body=CHAT)) == Result("succeeded", 200, "req-1", None, None, None, None, False, CHAT, answer, 0)


def test_an_absent_error_is_not_an_error():
    """IBM watsonx leaves the key out."""
    found = line(body=CHAT)
    del found["error"]

    assert read(found) == read(line(body=CHAT))


@pytest.mark.parametrize("error", [{}, "", {"code": None, "message": None}])
def test_an_empty_error_is_not_an_error(error):
    """Some services always write the key."""
    assert read(line(body=CHAT, error=error)) == read(line(body=CHAT))


def test_a_body_that_is_a_string_of_json():
    """Llama-stack writes it so; the answer is the same."""
    assert read(line(body=json.dumps(CHAT))) == read(line(body=CHAT))


def test_a_response_that_is_the_completion_itself():
    """Old vLLM; there is no status, and the body decides."""
    result = read({"id": "vllm-1", "custom_id": "a", "response": CHAT, "error": None})

    assert (result.outcome, result.status_code, result.request_id, result.body) == ("succeeded", None, None, CHAT)
    assert result.answer.text == "hi"


def test_an_answer_that_was_cut_is_incomplete_and_sending_it_again_would_not_help():
    """Everything else is as with a success."""
    cut = CHAT | {"choices": [CHAT["choices"][0] | {"finish_reason": "length"}]}
    result = read(line(body=cut))

    assert (result.outcome, result.retryable, result.answer.text, result.answer.fully_mapped) == ("incomplete", False, "hi", True)


@pytest.mark.parametrize("status", [200, 201, 299])
def test_any_2xx_is_a_success(status):
    """With a body."""
    assert read(line(status, CHAT)).outcome == "succeeded"


def test_a_body_of_an_unknown_endpoint_is_a_success_by_its_status():
    """Nothing of it is carried."""
    result = read(line(body={"pages": [{"markdown": "# Hi"}]}))

    assert (result.outcome, result.answer.fully_mapped) == ("succeeded", False)


def test_an_empty_request_id_is_none():
    """It has no meaning (tidyverse/ellmer#830)."""
    found = line(body=CHAT)
    found["response"]["request_id"] = ""

    assert read(found).request_id is None


# Failures: what the service answered


def test_an_http_error_in_openais_error_file():
    """The error is null and the message is in the body (openai-openapi#302)."""
    body = {"error": OPENAI_ERROR}

    assert read(line(400, body)) == Result(
        "failed",
        400,
        "req-1",
        "invalid_value",
        "invalid_request_error",
        "n",
        "Invalid value.",
        retryable=False,
        body=body,
        answer=NO_ANSWER,
        conversion_errors=0,
    )


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"error": "no"}, (None, None, None, "no")),
        ({"object": "error", "message": "no", "type": "BadRequestError", "code": 400}, ("400", "BadRequestError", None, "no")),
        ({"detail": "no"}, (None, None, None, "no")),
        ({"detail": [{"loc": ["body"], "msg": "Field required"}]}, (None, None, None, "Field required")),
        ({"message": "no"}, (None, None, None, "no")),
        ([{"error": {"code": 400, "message": "no"}}], ("400", None, None, "no")),
        ("  no such model\n", (None, None, None, "no such model")),
        ({}, (None, None, None, None)),
        ("", (None, None, None, None)),
        (None, (None, None, None, None)),
    ],
)
def test_an_http_error_in_other_words(body, error):
    """A text, vLLM's of old, FastAPI's, Google's, plain text, nothing at all (`body: {}` with a 500)."""
    result = read(line(422, body))

    assert (result.outcome, result.status_code, error_of(result)) == ("failed", 422, error)
    assert result.answer == NO_ANSWER


def test_a_proxys_page_is_quoted_in_part():
    """Its first words show what it is."""
    result = read(line(502, "<html>\n<h1>502 Bad Gateway</h1>" + "x" * 5000))

    assert result.error_message.startswith("<html>\n<h1>502 Bad Gateway</h1>")
    assert len(result.error_message) == 200
    assert (result.body, result.conversion_errors, result.retryable) == (None, 0, True)


@pytest.mark.parametrize(
    ("error", "columns"),
    [
        ("URL not supported", (None, None, None, "URL not supported")),
        (
            {"error": {"message": "Too long", "type": "BadRequestError", "code": 400}},
            ("400", "BadRequestError", None, "Too long"),
        ),
        ({"message": "Requests rate limit exceeded"}, (None, None, None, "Requests rate limit exceeded")),
        ({"error_code": "bad", "error_message": "no"}, ("bad", None, None, "no")),
        ([{"code": "bad", "message": "no"}], ("bad", None, None, "no")),
    ],
)
def test_an_error_beside_a_response_without_a_body(error, columns):
    """A string and a nested object (vLLM's `run-batch`), no code (Mistral), other names (DashScope), a list."""
    result = read(line(400, None, error))

    assert (result.outcome, result.status_code, error_of(result)) == ("failed", 400, columns)


def test_an_error_is_a_failure_even_with_a_200_and_a_body():
    """Testing only one of the two is a known bug; the body is read and kept."""
    result = read(line(200, CHAT, {"code": "post_processing", "message": "no"}))

    assert (result.outcome, result.error_code, result.answer.text, result.body) == ("failed", "post_processing", "hi", CHAT)
    assert (result.answer.outcome, result.answer.fully_mapped) == ("failed", False)


def test_the_lines_error_comes_first_and_the_bodys_fills_its_gaps():
    """Both are of the same request."""
    result = read(line(400, {"error": OPENAI_ERROR}, {"code": "bad_request"}))

    assert error_of(result) == ("bad_request", "invalid_request_error", "n", "Invalid value.")


@pytest.mark.parametrize(("code", "again"), [("server_error", True), ("rate_limit_exceeded", True), ("invalid_prompt", False)])
def test_a_response_that_failed_inside_a_200(code, again):
    """A soft failure; its own code decides whether it may pass."""
    result = read(line(body=FAILED_RESPONSE | {"error": {"code": code, "message": "Sorry."}}))

    assert (result.outcome, result.status_code, result.error_code, result.error_message) == ("failed", 200, code, "Sorry.")
    assert (result.retryable, result.answer.model, result.answer.fully_mapped) == (again, "m", False)


@pytest.mark.parametrize("status", [100, 302, 400, 401, 404, 500, 529, -1])
def test_any_other_status_is_a_failure(status):
    """With any body."""
    result = read(line(status, CHAT))

    assert (result.outcome, result.status_code, result.answer) == ("failed", status, NO_ANSWER)


@pytest.mark.parametrize("body", ["<html>", '"text"', 7, [1], True])
def test_a_200_whose_body_is_not_an_object_is_a_failure(body):
    """It is not a readable answer."""
    result = read(line(body=body))

    assert (result.outcome, result.body) == ("failed", None)


# Without an answer


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("batch_expired", "expired"),
        ("BATCH_EXPIRED", "expired"),
        ("expired", "expired"),
        ("batch_cancelled", "cancelled"),
        ("batch_canceled", "cancelled"),
        ("request_cancelled", "cancelled"),
        ("canceled", "cancelled"),
        ("server_error", "failed"),
    ],
)
def test_the_code_is_the_outcome_of_the_batch(code, expected):
    """OpenAI's codes, both spellings, capitals, and Anthropic's; all may be sent again."""
    result = read(without_response({"code": code, "message": "This request could not be executed."}))

    assert (result.outcome, result.error_code, result.retryable) == (expected, code, True)
    assert (result.status_code, result.request_id, result.body, result.answer) == (None, None, None, NO_ANSWER)


@pytest.mark.parametrize(
    ("error", "expected"),
    [("batch_expired", "expired"), ({"type": "expired"}, "expired"), ({"message": "The key has expired"}, "failed")],
)
def test_the_word_may_be_elsewhere_but_a_sentence_is_not_a_word(error, expected):
    """A sentence may mention anything."""
    assert read(without_response(error)).outcome == expected


def test_a_key_that_expired_is_not_a_batch_that_expired():
    """With a status only the batch's own codes count."""
    assert read(line(401, {"error": {"code": "token_expired"}})).outcome == "failed"
    assert read(line(408, None, {"code": "batch_expired"})).outcome == "expired"


@pytest.mark.parametrize(
    "error", ["no", {"message": "no"}, {"code": "rate_limit_exceeded"}, {"code": 503, "message": "no"}, {"code": "429"}]
)
def test_an_error_without_a_response_may_be_sent_again(error):
    """SGLang, pairwiseLLM's sample and others: the request was never judged."""
    result = read(without_response(error))

    assert (result.outcome, result.retryable) == ("failed", True)


def test_an_error_without_a_response_whose_code_is_an_http_status():
    """It is as good as the status."""
    result = read(without_response({"code": 400, "message": "no"}))

    assert (result.error_code, result.status_code, result.retryable) == ("400", None, False)


@pytest.mark.parametrize("status", [0, None, 200, 204])
@pytest.mark.parametrize("body", [{}, None, "", " ", []])
def test_without_status_body_and_error_there_is_no_response(status, body):
    """`status_code: 0` while the counts have no failure (tidyverse/ellmer#830); a 200 without a body is not better."""
    result = read(line(status, body))

    assert (result.outcome, result.status_code, result.retryable, result.body) == ("no_response", status, True, None)
    assert error_of(result) == (None, None, None, None)


@pytest.mark.parametrize("found", [{}, {"response": None}, {"response": {}}, {"response": None, "error": {}}])
def test_an_empty_line_is_not_a_response(found):
    """Its input is not lost for that."""
    assert read(found).outcome == "no_response"


@pytest.mark.parametrize("status", [0, None])
def test_without_a_status_the_error_decides(status):
    """A sample of the R package pairwiseLLM has status null."""
    result = read(line(status, None, {"code": "rate_limit_exceeded", "message": "Slow down."}))

    assert (result.outcome, result.status_code, result.error_code, result.retryable) == (
        "failed",
        status,
        "rate_limit_exceeded",
        True,
    )


@pytest.mark.parametrize(("body", "expected"), [(CHAT, "succeeded"), (FAILED_RESPONSE, "failed"), ({"hello": "world"}, "failed")])
@pytest.mark.parametrize("status", [0, None])
def test_without_a_status_only_a_known_body_is_a_success(status, body, expected):
    """An unknown object might as well be some server's error."""
    assert read(line(status, body)).outcome == expected


# Values that do not fit


@pytest.mark.parametrize("status", ["200", 200.5, 2.0**54, float("nan"), True, 2**31, 10**30])
def test_a_status_that_is_not_an_int32_is_null_and_counted(status):
    """The content decides; a text is not read as a number."""
    result = read(line(status, CHAT))

    assert (result.outcome, result.status_code, result.conversion_errors) == ("succeeded", None, 1)


@pytest.mark.parametrize("status", [200, 200.0, 400, 400.0, 429.0, 502.0, 0.0])
@pytest.mark.parametrize("body", [CHAT, {"error": OPENAI_ERROR}, {}])
def test_a_status_that_is_written_as_a_float_is_the_same_status(status, body):
    """Protobuf's Struct writes 400.0; the status was null then, so that the 400 was sent again."""
    assert read(line(status, body)) == read(line(int(status), body))
    as_code = without_response({"error": {"code": status, "message": "no"}})
    assert read(as_code) == read(without_response({"error": {"code": int(status), "message": "no"}}))


def test_all_numbers_of_a_line_may_be_floats():
    """The counts and the time too; beyond 2**53 a float is not a certain integer."""
    details = {"prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 1}}
    body = CHAT | {"usage": CHAT["usage"] | details}
    as_floats = json.loads(json.dumps(body), parse_int=float)
    assert read(line(200.0, as_floats)).answer == read(line(200, body)).answer
    assert read(json.loads(json.dumps(line(200, body)), parse_int=float))._replace(body=None) == read(line(200, body))._replace(
        body=None
    )
    too_large = body | {"usage": {"prompt_tokens": 9.007199254741e15, "completion_tokens": 2.0**53}}
    answer = read(line(200, too_large)).answer
    assert (answer.input_tokens, answer.output_tokens, answer.conversion_errors) == (None, 2**53, 1)


NULLS = {"id": None, "choices": None, "usage": {"prompt_tokens": None, "details": {"cached": None}}}


@pytest.mark.parametrize("status", [0, 0.0, 200, None])
@pytest.mark.parametrize("error", [None, {"code": None, "message": None, "inner": {"x": None}}])
@pytest.mark.parametrize("body", [NULLS, {"model": None}, json.dumps(NULLS), {"error": {"code": None}}])
def test_a_body_of_nulls_is_not_a_body(status, error, body):
    """A table has all keys in every row, and so have results that polars or DuckDB wrote back; with status 0 it was `failed`."""
    assert read(line(status, body, error)) == read(line(status, None, None))
    assert read(line(status, body, error)).outcome == "no_response"
    assert read(line(status, body, {"code": "batch_expired", "message": None})).outcome == "expired"


def test_a_bare_completion_of_nulls_is_not_a_response():
    """Old vLLM puts the completion where the answer belongs."""
    assert read({"custom_id": "a", "response": NULLS, "error": None}).outcome == "no_response"


@pytest.mark.parametrize("body", [{"n": 0}, {"ok": False}])
def test_a_body_that_says_anything_is_one(body):
    """Also without a model: a zero and a false have a meaning."""
    assert read(line(200, body)).outcome == "succeeded"


def test_an_error_of_nulls_in_a_success_is_not_an_error():
    """At any depth: another line of the file had an object there."""
    assert read(line(200, CHAT, {"code": None, "inner": {"message": None, "deep": {"x": None}}})) == read(line(200, CHAT))


def test_a_request_id_that_is_not_a_string():
    """It is null and counted."""
    found = line(body=CHAT)
    found["response"]["request_id"] = 7

    assert (read(found).request_id, read(found).conversion_errors) == (None, 1)


def test_conversion_errors_of_line_error_and_body_add_up():
    """One number for the line."""
    body = CHAT | {"model": 1}
    found = line("200", body, {"code": 1.5, "message": "no"})

    assert (read(found).outcome, read(found).conversion_errors) == ("failed", 3)


def test_a_response_that_is_not_an_object():
    """A text is an error's message, anything else only no answer."""
    assert read({"response": "upstream timed out"})[:7] == ("failed", None, None, None, None, None, "upstream timed out")
    assert read({"response": [1]}).outcome == "failed"


# Errors and nothing inside of a 200


@pytest.mark.parametrize(
    ("body", "columns", "again"),
    [
        ({"error": {"code": 429, "message": "no"}}, ("429", None, None, "no"), True),
        ({"error": {"code": 400, "message": "no"}}, ("400", None, None, "no"), False),
        ({"error": {"code": "503", "message": "no"}}, ("503", None, None, "no"), True),
        ({"type": "error", "error": {"type": "overloaded_error"}}, (None, "overloaded_error", None, None), True),
        ({"type": "error", "error": {"type": "rate_limit_error"}}, (None, "rate_limit_error", None, None), True),
        ({"type": "error", "error": {"type": "api_error"}}, (None, "api_error", None, None), True),
        ({"type": "error", "error": {"type": "invalid_request_error"}}, (None, "invalid_request_error", None, None), False),
        ({"error": {"message": "no", "status": "RESOURCE_EXHAUSTED"}}, (None, "RESOURCE_EXHAUSTED", None, "no"), True),
        ({"error": {"message": "no", "status": "UNAVAILABLE"}}, (None, "UNAVAILABLE", None, "no"), True),
        ({"error": {"message": "no", "status": "INTERNAL"}}, (None, "INTERNAL", None, "no"), True),
        ({"error": {"message": "no", "status": "INVALID_ARGUMENT"}}, (None, "INVALID_ARGUMENT", None, "no"), False),
        ([{"error": {"code": 503, "message": "no", "status": "UNAVAILABLE"}}], ("503", "UNAVAILABLE", None, "no"), True),
        ({"__type": "ThrottlingException", "message": "no"}, (None, "ThrottlingException", None, "no"), True),
        ({"code": "Throttling.RateQuota", "message": "no", "request_id": "r"}, ("Throttling.RateQuota", None, None, "no"), True),
        ({"code": "InvalidApiKey", "message": "no", "request_id": "r"}, ("InvalidApiKey", None, None, "no"), False),
        ({"success": False, "errors": [{"code": 7003, "message": "no"}], "result": None}, ("7003", None, None, "no"), False),
        ({"type": "about:blank", "title": "t", "status": 503, "detail": "no"}, ("503", "about:blank", None, "no"), True),
        ({"statusCode": 429, "message": "no"}, ("429", None, None, "no"), True),
        ({"detail": "no"}, (None, None, None, "no"), False),
        ({"detail": {"error": {"code": 503, "message": "no"}}}, ("503", None, None, "no"), True),
        ({"detail": {"code": "queue_full", "message": "no"}}, ("queue_full", None, None, "no"), False),
        ({"timestamp": "t", "status": 503, "error": "no", "path": "/x"}, ("503", None, None, "no"), True),
        ({"error": {"message": "no", "http_code": "529", "type": "t"}}, ("529", "t", None, "no"), True),
        ({"error": "Too Many Requests"}, (None, None, None, "Too Many Requests"), True),
        ({"error": "Not Found"}, (None, None, None, "Not Found"), False),
        ({"object": "response", "status": "cancelled", "output": []}, ("cancelled", None, None, None), True),
        ({"object": "response", "status": "failed", "error": None}, ("failed", None, None, None), True),
        ({"error": "Model is overloaded", "error_type": "overloaded"}, (None, "overloaded", None, "Model is overloaded"), True),
        ({"id": "", "choices": None, "base_resp": {"status_code": 1004, "status_msg": "no"}}, ("1004", None, None, "no"), False),
    ],
)
def test_an_error_inside_a_200(body, columns, again):
    """The status does not decide: the error's own code or type does. One row for each provider."""
    result = read(line(200, body))

    assert (result.outcome, error_of(result), result.retryable) == ("failed", columns, again)
    assert result.conversion_errors == 0


@pytest.mark.parametrize(
    ("error", "columns", "again"),
    [
        ({"code": 502, "message": "Upstream lost"}, ("502", None, None, "Upstream lost"), True),
        ({"code": 400, "message": "no"}, ("400", None, None, "no"), False),
        ({"type": "rate_limit_error"}, (None, "rate_limit_error", None, None), True),
        ("gone", (None, None, None, "gone"), False),
    ],
)
@pytest.mark.parametrize("kind", ["chat.completion", "text_completion"])
def test_an_error_of_a_choice_inside_a_200(error, columns, again, kind):
    """OpenRouter's place for what broke off in the middle."""
    choice = {"index": 0, "finish_reason": None, "error": error, "text": "", "message": {"role": "assistant", "content": ""}}
    result = read(line(200, {"object": kind, "choices": [choice]}))

    assert (result.outcome, error_of(result), result.retryable) == ("failed", columns, again)


def test_the_status_decides_where_it_says_something():
    """A gateway's 400 is not retryable, even if the error inside is called a rate limit."""
    assert not read(line(400, {"error": {"code": 429, "message": "no"}})).retryable
    assert read(line(503, {"error": {"code": "invalid_request", "message": "no"}})).retryable


EMPTY = [
    {"object": "chat.completion", "choices": [], "usage": None},
    {"object": "chat.completion", "choices": None},
    {"object": "chat.completion", "model": "m"},
    {"choices": [], "usage": None},
    {"choices": {}},
    {"choices": [{}]},
    {"object": "text_completion", "choices": []},
    {"object": "response", "status": "completed", "output": []},
    {"output": []},
    {"object": "list", "data": []},
    {"object": "list", "data": None},
    {"created": 1, "data": []},
    {"id": "modr-1", "results": []},
    {"candidates": []},
]


@pytest.mark.parametrize("body", EMPTY)
def test_a_200_whose_place_for_the_answer_is_empty_is_not_a_response(body):
    """It was reported as 100 % success (vllm-project/aibrix#1802): it is retryable, and the body is kept."""
    result = read(line(200, body))

    assert (result.outcome, result.error_code, result.retryable, result.body) == ("no_response", "empty_answer", True, body)
    assert result.answer.fully_mapped is False
    assert read(line(200, json.dumps(body)))[:9] == result[:9]


@pytest.mark.parametrize(
    "body",
    [
        {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
        {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5, "vendor_key": 1},
        {"model": "m", "input": "hi", "encoding_format": "float"},
        {"model": "m", "prompt": "hi", "max_tokens": 5},
        {"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": {}},
    ],
)
def test_the_request_sent_back_is_not_a_response(body):
    """vllm-project/aibrix#1802: chat, with a key of a vendor's, embeddings, completions, Gemini."""
    result = read(line(200, body))

    assert (result.outcome, result.error_code, result.retryable, result.body) == ("no_response", "unrecognized_body", True, body)


@pytest.mark.parametrize(
    "body",
    [
        {"pages": [{"markdown": "# Hi"}]},
        {"created": 1713833628, "data": [{"url": "https://example.org/a.png"}]},
        {"object": "list", "data": [{"object": "score", "score": 0.8}]},
        {"results": [{"index": 0, "relevance_score": 0.9}]},
        {"text": "hello from the tape", "usage": {"type": "duration", "seconds": 4}},
        {"id": "video_1", "object": "video", "status": "completed"},
        {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}], "model": "m"},
        {"input": "hi", "score": 0.5},
        {"prompt": "hi"},
        {"message": "hi", "data": {"answer": 1}},
    ],
)
def test_a_body_of_an_endpoint_without_columns_is_a_success_by_its_status(body):
    """OCR, images, scores, ranks, transcripts, videos, and private services: each may be an answer."""
    assert read(line(200, body)).outcome == "succeeded"


MESSAGE = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn"}
VECTORS = {"object": "list", "data": [{"index": 0, "embedding": [0.5]}]}
VERDICTS = {"id": "modr-1", "results": [{"flagged": False}]}


@pytest.mark.parametrize(
    ("url", "body", "is_one"),
    [
        ("/v1/chat/completions", CHAT, True),
        ("/v1/chat/completions", MESSAGE, True),
        ("/v1/chat/completions", {"choices": [{"text": "hi"}]}, True),
        ("/v1/chat/completions", {"hello": "world"}, False),
        ("/v1/chat/completions", VECTORS, False),
        ("/openai/deployments/d/chat/completions?api-version=1", {"hello": "world"}, False),
        ("/v4/chat/completions", {"text": "hi"}, False),
        ("/v1/chat/completions", {"text": "hi", "task": "translate"}, False),
        ("https://host/v1/responses/", {"hello": "world"}, False),
        ("/v1/completions", {"content": "hi"}, False),
        ("/v1/embeddings", VECTORS, True),
        ("/v1/embeddings", CHAT, False),
        ("/v1/embeddings", {"embeddings": [[0.5]]}, True),
        ("/v1/embeddings", {"vectors": [[0.5]]}, False),
        ("/v1/moderations", VERDICTS, True),
        ("/v1/moderations", {"results": [{"index": 0}]}, False),
        ("/v1/rerank", {"results": [{"index": 0}]}, True),
        ("/v1/audio/transcriptions", {"text": "hi"}, True),
        ("/v1/images/generations", {"data": [{"url": "u"}]}, True),
        ("/v1/chat/ds-test", {"hello": "world"}, True),
        (None, {"hello": "world"}, True),
    ],
)
def test_a_body_that_does_not_answer_the_requests_url(url, body, is_one):
    """A text is accepted from any provider; with an unknown url, every body is accepted."""
    result = outcome.as_answer_to(read(line(200, body)), url)

    assert result.body == body
    if is_one:
        assert result == read(line(200, body))
    else:
        assert (result.outcome, result.error_code, result.retryable) == ("no_response", "unrecognized_body", True)
        assert url in result.error_message


@pytest.mark.parametrize("error", [{"code": 0, "message": "success"}, {"code": "200", "message": "OK"}, {"code": 0}])
def test_an_error_that_says_that_all_is_well_is_none(error):
    """Gateways write one with each answer; paid answers became failures."""
    result = read(line(200, CHAT | {"error": error}))

    assert (result.outcome, result.error_code) == ("succeeded", None)
    assert read(line(200, CHAT | {"error": {"code": 0, "message": "upstream lost"}})).outcome == "failed"


@pytest.mark.parametrize(
    ("url", "status", "body", "expected"),
    [
        ("/v1/audio/transcriptions", 200, "1\n00:00:00,000 --> 00:00:01,000\nhello\n", "succeeded"),
        ("/openai/deployments/d/audio/translations?api-version=1", 200, "hello", "succeeded"),
        ("/v1/audio/transcriptions", 200, "<html>Bad Gateway</html>", "failed"),
        ("/v1/audio/transcriptions", 502, "hello", "failed"),
        ("/v1/chat/completions", 200, "hello", "failed"),
    ],
)
def test_a_transcript_as_text_or_subtitles_is_a_string(url, status, body, expected):
    """It was a failure with the paid answer as its message; only the url distinguishes it from an error page."""
    asked = line(status, body)
    result = outcome.as_answer_to(read(asked), url, asked)

    assert (result.outcome, result.answer.text) == (expected, body if expected == "succeeded" else None)


def test_a_failure_stays_a_failure_whatever_the_url():
    """Its body is an error, and no answer of any endpoint."""
    result = read(line(400, {"error": OPENAI_ERROR}))

    assert outcome.as_answer_to(result, "/v1/chat/completions") is result


# The one rule of sending again


def test_what_was_lost_on_the_way_may_be_sent_again():
    """And an answered request may not."""
    again = {name for name in OUTCOMES if retryable(name, None)}

    assert set(OUTCOMES) - again == {"succeeded", "incomplete"}


@pytest.mark.parametrize(
    ("status", "again"),
    [(408, True), (409, True), (429, True), (500, True), (503, True), (529, True), (400, False), (404, False), (200, False)],
)
def test_a_failure_may_be_sent_again_if_its_status_is_temporary(status, again):
    """Timeouts, conflicts, rate limits and the server's own faults."""
    assert retryable("failed", status) == again
    assert read(line(status, {"error": {"message": "no"}})).retryable == again


def test_the_outcomes_of_a_table():
    """Two of them come from other modules: the reader of lines, and the join."""
    assert OUTCOMES == ("succeeded", "incomplete", "failed", "expired", "cancelled", "no_response", "malformed", "missing")


# Any line

WORDS = st.sampled_from(["error", "code", "message", "body", "status_code", "request_id", "response", "detail", "expired"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(2**64)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([0, 200, 429])
)
VALUES = st.recursive(
    SCALARS | WORDS | st.just(CHAT) | st.just(json.dumps(CHAT)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=4),
    max_leaves=8,
)
RESPONSES = st.fixed_dictionaries({}, optional={"status_code": VALUES, "request_id": VALUES, "body": VALUES | st.just(CHAT)})
LINES = st.fixed_dictionaries({}, optional={"response": RESPONSES | VALUES, "error": st.none() | VALUES})


@given(LINES)
def test_any_line_has_an_outcome_and_values_that_fit(found):
    """Nothing raises."""
    result = read(found)

    assert result.outcome in OUTCOMES[:6]
    assert result.status_code is None or (type(result.status_code) is int and -(2**31) <= result.status_code < 2**31)
    assert all(value is None or type(value) is str for value in (result.request_id, *error_of(result)))
    assert result.body is None or result.body
    assert result.conversion_errors >= result.answer.conversion_errors
    assert result.retryable == retryable(result.outcome, result.status_code, result.error_code)
    if result.outcome in ("succeeded", "incomplete"):
        assert error_of(result) == (None, None, None, None)
        assert result.answer.outcome == result.outcome
        assert result.body
    else:
        assert not result.answer.fully_mapped


@given(LINES)
def test_the_short_way_comes_to_the_same(found):
    """There is one set of rules; the ordinary line only passes them faster."""
    assert repr(read(found)) == repr(outcome._read_any(found))


def test_a_damaged_line_keeps_its_id_and_of_repeated_keys_the_last_one_counts():
    """In the same piece of text: nothing noticed when the two ways to read an id were exchanged."""
    lines = [
        b'{"custom_id": "a", "response": {',
        b'{"custom_id": "b", "custom_id": "c", "error": null}',
        b'{"custom_id": 5}',
        b"{",
    ]
    assert list(map(id_in, lines)) == ["a", "c", None, None]


ABSENT = object()
PARTS: dict[str, list[Any]] = {
    "status_code": [ABSENT, None, 0, 200, 429, "200"],
    "request_id": [ABSENT, None, "", "r"],
    "body": [
        ABSENT,
        None,
        {},
        "",
        "text",
        {"error": {"message": "x", "code": 429}},
        {"choices": [], "object": "chat.completion"},
    ],
}
"""Members of a response; also absent."""

MORE: list[dict[str, Any]] = [
    {},
    {"headers": {}},
    {"headers": {"server": "x"}},
    {"error": {"message": "x"}},
    {"object": "chat.completion", "choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]},
]
"""Members next to them; a bare completion as the last one."""


@pytest.mark.parametrize("more", MORE)
@pytest.mark.parametrize("error", [ABSENT, None, {}, {"code": "batch_expired", "message": ""}, {"code": None, "message": None}])
def test_a_record_has_the_outcome_of_its_line(more: dict[str, Any], error: object) -> None:
    """A null and a missing key meant different things, which are one in a record; a line that was written again changed."""
    for values in itertools.product(*PARTS.values()):
        response = {key: value for key, value in zip(PARTS, values, strict=True) if value is not ABSENT} | more
        line = {"custom_id": "a", "response": response} | ({} if error is ABSENT else {"error": error})
        record = decode_output(json.dumps(line).encode())
        wanted = outcome_of(line)[:8]
        assert outcome_of(record)[:8] == wanted
        assert outcome_of(decode_output(encode_output(record)))[:8] == wanted
