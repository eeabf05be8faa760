"""Refusals and unreadable answers: always an error of ours, and never a page of somebody's proxy."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles import (
    APIError,
    APIResponseValidationError,
    AuthenticationError,
    Batch,
    ConflictError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
)
from batchfiles.api import Response, batches, files
from batchfiles.api.responses import error_of, json_of

PAGE = b"<!DOCTYPE html><html><body>Error 520, your IP: 203.0.113.7</body></html>"
READERS = [
    batches.create_response,
    batches.retrieve_response,
    batches.list_response,
    batches.cancel_response,
    files.create_response,
    files.retrieve_response,
    files.list_response,
    files.delete_response,
]


def refusal(status: int, **error: object) -> Response:
    """Make an answer of the service with an error status."""
    return Response(status, {"x-request-id": "req_1"}, json.dumps({"error": error}).encode())


def test_the_service_s_own_words_are_kept() -> None:
    """With everything that its support will ask for."""
    error = error_of(refusal(400, message="Invalid value.", type="invalid_request_error", param="endpoint", code="invalid_value"))
    assert (error.reason, error.status_code, error.code, error.param, error.request_id) == (
        "Invalid value.",
        400,
        "invalid_value",
        "endpoint",
        "req_1",
    )
    assert str(error) == "Invalid value. (status 400, code invalid_value, param endpoint, request req_1)"


def test_every_status_has_its_class() -> None:
    """Any integer: there is no list of those that proxies make up."""
    kinds = {401: AuthenticationError, 403: PermissionDeniedError, 404: NotFoundError, 409: ConflictError, 429: RateLimitError}
    for status in range(100, 1000):
        if 200 <= status < 300:
            assert json_of(Response(status, {}, b"{}")) == {}
            continue
        for body in (b"", PAGE, b'{"error": {"message": "no"}}'):
            with pytest.raises(APIError) as caught:
                json_of(Response(status, {}, body))
            assert type(caught.value) is kinds.get(status, InternalServerError if status >= 500 else APIError)
            assert caught.value.status_code == status


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "body", [b"", b" ", PAGE, b'{"id": "bat', b"[]", b"7", b"null", b'"yes"', b"\xff\xfe", b"[" * 100_000, b"{}" * 2]
)
def test_a_good_status_with_anything_else_than_the_object_is_unreadable(read: object, body: bytes) -> None:
    """Every reader raises the same class."""
    with pytest.raises(APIResponseValidationError):
        read(Response(200, {"content-type": "text/html"}, body))  # type: ignore[operator]


@pytest.mark.parametrize("status", [200, 403, 502, 520])
@pytest.mark.parametrize(
    "body",
    [
        PAGE,
        b"   " + PAGE,
        json.dumps({"error": {"message": PAGE.decode()}}).encode(),
        json.dumps({"error": "upstream said: " + PAGE.decode()}).encode(),
        json.dumps({"message": PAGE.decode().upper()}).encode(),
    ],
)
def test_nothing_of_a_page_is_quoted(status: int, body: bytes) -> None:
    """Such pages contain the client's address; also where a gateway has wrapped them in JSON."""
    response = Response(status, {"content-type": "text/html; charset=utf-8"}, body)
    error = error_of(response)
    assert f"status {status}" in str(error)
    assert "text/html" in str(error)
    assert "203.0.113.7" not in str(error)
    assert "<" not in str(error)


def test_an_empty_answer_is_reported_as_such() -> None:
    """A proxy that gave up sends an empty body."""
    assert str(error_of(Response(520))) == "the service answered with status 520 and nothing else (status 520)"


WRONG = "Input file not found"


@pytest.mark.parametrize(
    ("value", "reason", "code"),
    [
        ({"error": WRONG}, WRONG, None),
        ({"error": {"message": WRONG, "code": None, "param": ["x"]}}, WRONG, None),
        ({"error": {"message": WRONG, "type": "invalid_request_error", "code": None}}, WRONG, None),
        ({"error": {"error": {"message": WRONG, "code": 400}}}, WRONG, "400"),
        ({"error": "invalid_request", "error_description": WRONG}, WRONG, "invalid_request"),
        ({"error": "Bad Request", "message": WRONG, "statusCode": 400}, WRONG, "Bad Request"),
        ({"message": WRONG, "code": 7}, WRONG, "7"),
        ({"Message": WRONG}, WRONG, None),
        ({"message": {"text": 1, "detail": WRONG}}, WRONG, None),
        ({"msg": WRONG, "errorCode": "E7"}, WRONG, "E7"),
        ({"errorMessage": WRONG}, WRONG, None),
        ({"detail": WRONG}, WRONG, None),
        ({"detail": {"message": WRONG, "code": "gone"}}, WRONG, "gone"),
        ({"detail": {"error": WRONG}}, WRONG, None),
        (
            {"detail": [{"loc": ["body", "input_file_id"], "msg": "field required", "type": "missing"}]},
            "body.input_file_id: field required",
            None,
        ),
        ({"detail": [{"loc": ["a", 0], "msg": "x"}, {"loc": ["b"], "msg": "y"}]}, "a.0: x; b: y", None),
        ({"errors": [{"message": WRONG, "code": 10_000}], "success": False}, WRONG, "10000"),
        ({"errors": ["a", "b", "c", "d"]}, "a; b; c; and 1 more", None),
        ({"errors": {"endpoint": ["is unknown"], "purpose": ["is missing"]}}, "endpoint: is unknown; purpose: is missing", None),
        ({"endpoint": ["is unknown"]}, "endpoint: is unknown", None),
        ({"errors": WRONG}, WRONG, None),
        ({"fault": {"faultstring": WRONG, "detail": {"errorcode": "steps.jwt.Failed"}}}, WRONG, "steps.jwt.Failed"),
        ({"type": "about:blank", "title": "Not Found", "status": 404, "detail": WRONG}, f"Not Found: {WRONG}", None),
        ({"type": "https://x/y", "title": WRONG, "status": 404}, WRONG, None),
        ([{"error": {"code": 404, "message": WRONG, "status": "NOT_FOUND"}}], WRONG, "404"),
        ({"base_resp": {"status_code": 1004, "status_msg": WRONG}}, WRONG, "1004"),
        ({"error_code": 110, "error_msg": WRONG}, WRONG, "110"),
        ({"statusCode": 400, "statusMessage": WRONG}, WRONG, "400"),
        ({"exception": WRONG}, WRONG, None),
        ({"error": {"code": "BadRequest", "message": None, "innererror": {"message": WRONG}}}, WRONG, "BadRequest"),
        (WRONG, WRONG, None),
    ],
)
def test_the_words_of_a_refusal_are_found_anywhere(value: object, reason: str, code: str | None) -> None:
    """Gateways, frameworks and proxies all have their own format; their message helps the user."""
    for kind in ("application/json", "application/problem+json", "text/plain", ""):
        error = error_of(Response(400, {"content-type": kind}, json.dumps(value).encode()))
        assert (error.reason, error.code) == (reason, code)


def test_plain_text_and_the_xml_of_stores_are_read_as_well() -> None:
    """Without their markup and their line ends."""
    assert error_of(Response(403, {"content-type": "text/plain"}, b"RBAC: access\n denied\n")).reason == "RBAC: access denied"
    assert (
        error_of(Response(403, {"content-type": "text/plain"}, "gesperrt für Sie".encode("latin-1"))).reason == "gesperrt für Sie"
    )
    assert (
        error_of(Response(403, {"content-type": "application/json"}, b"upstream connect error")).reason
        == "upstream connect error"
    )
    xml = b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code><Message>Request has &quot;expired&quot;</Message></Error>'
    error = error_of(Response(403, {"content-type": "application/xml"}, xml))
    assert (error.reason, error.code) == ('Request has "expired"', "AccessDenied")


@pytest.mark.parametrize(
    "value", [{}, [], {"detail": []}, {"status": "error"}, {"errors": {}}, {"error": {"type": "x"}}, 7, None]
)
def test_an_answer_without_a_message_is_described(value: object) -> None:
    """Its size and its kind."""
    error = error_of(Response(400, {"content-type": "application/json"}, json.dumps(value).encode()))
    assert "bytes of application/json that are not JSON of its API" in error.reason


def test_a_refusal_with_a_status_of_success_is_a_refusal() -> None:
    """Some gateways answer 200 to everything."""
    with pytest.raises(APIError, match=WRONG) as caught:
        batches.retrieve_response(Response(200, {}, json.dumps({"error": {"message": WRONG}}).encode()))
    for value in (
        {"error_code": 110, "error_msg": WRONG},
        {"base_resp": {"status_code": 1004, "status_msg": WRONG}},
        {"success": False, "message": WRONG, "data": None},
        {"code": 401, "msg": WRONG, "data": None},
    ):
        with pytest.raises(APIError, match=WRONG):
            batches.list_response(Response(200, {}, json.dumps(value).encode()))
    assert not isinstance(caught.value, APIResponseValidationError)
    assert batches.retrieve_response(Response(200, {}, b'{"id": "b", "status": "failed", "error": "x"}')).extra == {"error": "x"}


def test_a_redirect_is_called_so_without_what_may_be_secret_in_it() -> None:
    """The base url is wrong, and the error reports it."""
    error = error_of(Response(307, {"location": "https://user:pw@api.example.com/v1/batches?sig=secret#x"}))
    assert error.reason.startswith("the service answered with a redirect to https://api.example.com/v1/batches; ")
    assert "secret" not in str(error)
    assert "pw" not in str(error)
    for location in ("", "http://[::1", "//x:99999999/"):
        assert "a redirect to" in error_of(Response(302, {"location": location})).reason


def test_a_request_that_is_too_large_for_something_in_between_is_called_so() -> None:
    """Proxies answer 413 with their own page."""
    assert (
        "too large for the service, or for a proxy in between"
        in error_of(Response(413, {"content-type": "text/html"}, PAGE)).reason
    )
    assert error_of(refusal(413, message="File is too large.")).reason == "File is too large."


def test_at_most_two_hundred_characters_are_quoted() -> None:
    """And of the names beside them a hundred each."""
    error = error_of(
        Response(
            500,
            {"x-request-id": "r" * 9_000},
            json.dumps({"error": dict.fromkeys(["message", "code", "param"], "long " * 2_000)}).encode(),
        )
    )
    assert len(error.reason) == 200
    assert max(len(error.code or ""), len(error.param or ""), len(error.request_id or "")) == 100


def test_what_is_quoted_does_not_steer_a_terminal() -> None:
    """Escapes and line ends become spaces."""
    error = error_of(refusal(400, message="no\x1b[2J\r\nFAKE LINE\x07", code="a\nb"))
    assert str(error).isprintable()


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("Incorrect API key provided: sk-proj-abc1*****wxyz. See", "Incorrect API key provided: ***. See"),
        ("header was 'Authorization: Bearer abc123def'", "header was 'Authorization: ***'"),
        ("bad gsk_abcdefgh and pk-live-1234", "bad *** and ***"),
        ("Bearer token is missing: key_not_found in task-runner", "Bearer token is missing: key_not_found in task-runner"),
    ],
)
def test_what_looks_like_a_key_is_not_repeated(words: str, shown: str) -> None:
    """OpenAI shows a part of a wrong key, and some gateways all of it; sentences about keys stay."""
    assert error_of(refusal(401, message=words)).reason == shown


@given(
    st.integers(100, 999),
    st.dictionaries(st.sampled_from(["content-type", "x-request-id", "retry-after"]), st.text()),
    st.binary(),
)
def test_no_answer_whatever_makes_another_error_than_ours(status: int, headers: dict[str, str], body: bytes) -> None:
    """Bytes at random, with any status."""
    for read in READERS:
        with pytest.raises(APIError):
            read(Response(status, headers, body))


SCRIPTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["batch_1", "completed", "file-1"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "status", "data", "error", "message"]), inner)
    ),
)


@given(SCRIPTED, st.sampled_from([200, 400, 500]))
def test_no_value_whatever_makes_another_error_than_ours(value: object, status: int) -> None:
    """JSON of every type, where an object of the API should be."""
    for read in READERS:
        try:
            read(Response(status, {}, json.dumps(value).encode()))
        except APIError:
            continue
        assert status == 200


def test_a_good_answer_is_its_object() -> None:
    """Any status of success."""
    assert batches.create_response(Response(201, {}, b'{"id": "batch_1", "status": "validating"}')) == Batch(id="batch_1")


@pytest.mark.parametrize("piece", ["key-", "pk-", "sk-", "key_a.", "Bearer ", "<Message>", "[", '{"error":', "&lt;", " ", "*"])
def test_a_long_message_of_any_kind_is_read_at_once(piece: str) -> None:
    """64 KiB of an error are read; a message of `key-key-…` took 10 s, which no deadline ended."""
    text = (piece * 65_536)[:60_000]
    begin = time.process_time()
    for body in (json.dumps({"error": {"message": text, "code": text, "param": text}}).encode(), text.encode()):
        assert len(str(error_of(Response(400, {}, body)))) < 1_000
    assert time.process_time() - begin < 1
