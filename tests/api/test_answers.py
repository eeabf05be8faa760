"""Answers that say no, or nothing that can be read: always an error of ours, and never a page of somebody's proxy."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles import (
    APIError,
    AuthenticationError,
    Batch,
    Conflict,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerFault,
    UnreadableResponse,
)
from batchfiles.api import Response, batches, files
from batchfiles.api.answers import error_of, json_of

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
    """Make an answer as the service says no."""
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
    kinds = {401: AuthenticationError, 403: PermissionDenied, 404: NotFound, 409: Conflict, 429: RateLimited}
    for status in range(100, 1000):
        if 200 <= status < 300:
            assert json_of(Response(status, {}, b"{}")) == {}
            continue
        for body in (b"", PAGE, b'{"error": {"message": "no"}}'):
            with pytest.raises(APIError) as caught:
                json_of(Response(status, {}, body))
            assert type(caught.value) is kinds.get(status, ServerFault if status >= 500 else APIError)
            assert caught.value.status_code == status


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "body", [b"", b" ", PAGE, b'{"id": "bat', b"[]", b"7", b"null", b'"yes"', b"\xff\xfe", b"[" * 100_000, b"{}" * 2]
)
def test_a_good_status_with_anything_else_than_the_object_is_unreadable(read: object, body: bytes) -> None:
    """Every reader says so in the same class."""
    with pytest.raises(UnreadableResponse):
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
    """Such pages carry the address of whoever asked; also where a gateway has wrapped them in JSON."""
    response = Response(status, {"content-type": "text/html; charset=utf-8"}, body)
    error = error_of(response)
    assert f"status {status}" in str(error)
    assert "text/html" in str(error)
    assert "203.0.113.7" not in str(error)
    assert "<" not in str(error)


def test_an_empty_answer_is_told_as_such() -> None:
    """A proxy that gave up says nothing."""
    assert str(error_of(Response(520))) == "the service answered with status 520 and nothing else (status 520)"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"error": "no such model"}', "no such model"),
        (b'{"message": "no such model", "code": 7}', "no such model"),
        (b'{"error": {"message": "no such model", "code": null, "param": ["x"]}}', "no such model"),
        (b'"no such model"', "no such model"),
    ],
)
def test_the_shapes_of_other_services_errors_are_read(body: bytes, reason: str) -> None:
    """A bare sentence, an object without its wrapping."""
    assert error_of(Response(400, {}, body)).reason == reason


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
