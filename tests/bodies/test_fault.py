"""The error object, in the many ways in which providers write it."""

import pytest

from batchfiles.bodies.errors import TRANSIENT, ErrorInfo, is_error, is_error_body, is_transient, merge, read, stated

OPENAI = {"message": "Invalid value.", "type": "invalid_request_error", "param": "n", "code": "invalid_value"}
READ = ErrorInfo("invalid_value", "invalid_request_error", "n", "Invalid value.")


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (OPENAI, READ),
        ({"error": OPENAI}, READ),
        ({"error": {"error": OPENAI}}, READ),
        ([{"error": OPENAI}], READ),
        ("Invalid value.", ErrorInfo(message="Invalid value.")),
        ({"error": "Invalid value."}, ErrorInfo(message="Invalid value.")),
        ({"object": "error", "code": 404, "message": "no"}, ErrorInfo("404", message="no")),
        ({"error_code": "bad", "error_message": "no"}, ErrorInfo("bad", message="no")),
        ({"detail": "no"}, ErrorInfo(message="no")),
        (
            {"detail": [{"loc": ["body", "n"], "msg": "too small", "type": "t"}, "and odd"]},
            ErrorInfo(message="too small; and odd"),
        ),
        ({"detail": {"code": "bad", "message": "no"}}, ErrorInfo("bad", message="no")),
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}},
            ErrorInfo(None, "overloaded_error", None, "busy"),
        ),
        (["no", "and no"], ErrorInfo(message="no; and no")),
        (
            {"success": False, "errors": [{"code": 7003, "message": "no"}, {"code": 1, "message": "two"}]},
            ErrorInfo("7003", message="no"),
        ),
        ({"errors": [{}, {"code": "invalid", "message": "no"}], "trace": "t"}, ErrorInfo("invalid", message="no")),
        ({"errors": ["no", "and no"]}, ErrorInfo(message="no; and no")),
        (
            {"error": {"code": 429, "message": "no", "status": "RESOURCE_EXHAUSTED"}},
            ErrorInfo("429", "RESOURCE_EXHAUSTED", None, "no"),
        ),
        (
            {"type": "about:blank", "title": "Slow down", "status": 429, "detail": "no"},
            ErrorInfo("429", "about:blank", None, "no"),
        ),
        ({"title": "Slow down", "status": 429}, ErrorInfo(None, None, None, "Slow down")._replace(code="429")),
        ({"fault": {"faultstring": "no", "detail": {"errorcode": "policies.Quota"}}}, ErrorInfo("policies.Quota", message="no")),
        ({"statusCode": 429, "message": "no"}, ErrorInfo("429", message="no")),
        ({"statusCode": 404, "error": "Not Found", "message": "no"}, ErrorInfo("404", "Not Found", None, "no")),
        ({"error": "no", "error_type": "overloaded"}, ErrorInfo(None, "overloaded", None, "no")),
        ({"error": "invalid_grant", "error_description": "no"}, ErrorInfo(None, "invalid_grant", None, "no")),
        ({"__type": "ThrottlingException", "message": "no"}, ErrorInfo(None, "ThrottlingException", None, "no")),
        ({"errorCode": 400, "errorMessage": "no"}, ErrorInfo("400", message="no")),
        ({"error_code": 336003, "error_msg": "no"}, ErrorInfo("336003", message="no")),
        ({"base_resp": {"status_code": 1002, "status_msg": "no"}}, ErrorInfo("1002", message="no")),
        (
            {"object": "error", "message": {"detail": [{"loc": ["n"], "msg": "no"}]}, "type": "t"},
            ErrorInfo(None, "t", None, "no"),
        ),
        (503, ErrorInfo("503")),
        ({"unheard_of": 1}, ErrorInfo()),
        ({"code": "", "message": "no"}, ErrorInfo(message="no")),
    ],
)
def test_every_form_of_an_error(error, fault):
    """Object, nested, text, number, list; and other people's names for the same keys."""
    assert read(error) == fault


@pytest.mark.parametrize("error", [None, {}, "", [], 0, False, {"code": None, "message": ""}, {"error": {}}])
def test_an_error_without_content(error):
    """Some servers always write the key."""
    assert not is_error(error)
    assert read(error) is None


@pytest.mark.parametrize(
    "error",
    [
        {"code": 1.5},
        {"code": True},
        {"code": 10**5000},
        {"type": ["t"]},
        {"param": 1},
        {"message": {"text": "no"}},
        {"message": ["no", 1]},
        {"detail": [{"loc": []}]},
        1.5,
        True,
        [1, 2],
    ],
)
def test_a_value_that_does_not_fit_is_null_and_counted(error):
    """But the error is one."""
    assert read(error) == ErrorInfo(conversion_errors=1)


def test_the_inner_error_comes_first_and_the_outer_fills_its_gaps():
    """The inner one is nearer to the cause."""
    assert read({"code": 500, "message": "outer", "error": {"message": "inner"}}) == ErrorInfo("500", message="inner")


def test_errors_nested_without_end_are_opened_a_few_times():
    """Reading one never takes long."""
    error = {"message": "deep"}
    for _ in range(100):
        error = {"error": error}

    assert read(error) == ErrorInfo()


def test_merging_with_nothing():
    """The other one is the whole."""
    assert merge(None, READ) == merge(READ, None) == READ
    assert merge(None, None) is None


@pytest.mark.parametrize(
    ("body", "is_stated"),
    [
        ({"error": {"message": "no"}}, True),
        ({"errors": [{"message": "no"}]}, True),
        ({"success": False}, True),
        ({"base_resp": {"status_code": 1002}, "choices": None}, True),
        ({"base_resp": {"status_code": 0, "status_msg": ""}}, False),
        ({"errors": []}, False),
        ({"errors": 3}, False),
        ({"success": True, "result": {}}, False),
    ],
)
def test_an_error_beside_other_things(body, is_stated):
    """Cloudflare and MiniMax write the keys into every body; a number of errors is a count."""
    assert stated(body) == is_stated


@pytest.mark.parametrize(
    "body",
    [
        {"detail": "no"},
        {"detail": [{"loc": [], "msg": "no"}]},
        {"message": "Internal server error"},
        {"code": "InvalidApiKey", "message": "no", "request_id": "r"},
        {"type": "about:blank", "title": "Slow down", "status": 429},
        {"object": "error", "message": "no", "model": "m"},
        {"fault": {"faultstring": "no"}},
        {"timestamp": "t", "status": 503, "message": "no", "path": "/v1", "result": None} | {"errors": []},
    ],
)
def test_a_body_that_is_an_error_and_nothing_else(body):
    """FastAPI, AWS, DashScope, problem details, vLLM, Apigee, Spring."""
    assert is_error_body({key: value for key, value in body.items() if key != "result"})


@pytest.mark.parametrize(
    "body",
    [
        {"message": "hi", "result": {"text": "hi"}},
        {"code": 0, "message": "fine"},
        {"code": 200, "msg": "fine"},
        {"status": "success", "message": "fine"},
        {"success": True, "message": "fine"},
        {"title": "A page", "path": "/a"},
        {"text": "hi"},
        {},
    ],
)
def test_a_body_that_may_be_an_answer(body):
    """Private services answer in many ways."""
    assert not is_error_body(body)


@pytest.mark.parametrize("word", [word for words in TRANSIENT for word in words.split(", ")])
def test_words_for_a_temporary_failure(word):
    """In any case."""
    assert is_transient(word)
    assert is_transient(word.lower())
    assert is_transient(word.upper())


@pytest.mark.parametrize(
    "word", [None, "", "error", "invalid_request_error", "INVALID_ARGUMENT", "insufficient_quota", "ValidationException"]
)
def test_words_for_a_fault_of_the_request(word):
    """Or of nothing."""
    assert not is_transient(word)


@pytest.mark.parametrize(
    "word", ["Throttling.RateQuota", "com.amazon.coral.service#ThrottlingException", "RateLimitError", "rate-limit"]
)
def test_the_same_words_in_other_spellings(word):
    """DashScope's families, AWS's namespaces, names of exceptions."""
    assert is_transient(word)
