"""One call: tried again where that can't do harm, for so long and no longer."""

from __future__ import annotations

import socket

import pytest

from batchfiles import (
    APIConnectionError,
    APIResponseValidationError,
    AuthenticationError,
    ConflictError,
    InternalServerError,
    RateLimitError,
    RetryPolicy,
)
from batchfiles.api import Batch, Config, Response, batches
from batchfiles.api.effects import ANSWER_LIMIT, ERROR_LIMIT, Flow, call
from tests.api.stage import Stage, batch, lost, said


def look(policy: RetryPolicy | None = None) -> Flow[Batch]:
    """Make the flow of one look at a batch."""
    return call(batches.retrieve_request(Config(), "batch_1"), batches.retrieve_response, policy or RetryPolicy())


def test_a_good_answer_is_read_at_once() -> None:
    """One request, and no pause."""
    stage = Stage(batch("completed"))
    assert stage.run(look()).status == "completed"
    assert stage.sleeps == []


@pytest.mark.parametrize(
    "bad",
    [
        said({"error": {"message": "busy"}}, 503),
        said({}, 408),
        said({}, 409),
        said({}, 429),
        Response(520, {"content-type": "text/html"}, b"<html>"),
        Response(200, {"content-type": "text/html"}, b"<html>"),
        Response(200, {}, b'{"id": "batch_1", "sta'),
        Response(200),
        lost("connect"),
        lost("receive"),
    ],
)
def test_what_passes_is_tried_again(bad: Response | APIConnectionError) -> None:
    """After half a second, then one, and so on, an eighth less by the chance of this stage."""
    stage = Stage(bad, bad, bad, batch())
    assert stage.run(look()).id == "batch_1"
    assert stage.sleeps == [0.4375, 0.875, 1.75]


def test_what_does_not_pass_is_not_tried_again() -> None:
    """A wrong key stays wrong."""
    stage = Stage(said({"error": {"message": "wrong key"}}, 401))
    with pytest.raises(AuthenticationError, match="wrong key"):
        stage.run(look())
    assert len(stage.requests) == 1


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (said({}, 500), InternalServerError),
        (said({}, 429), RateLimitError),
        (lost(), APIConnectionError),
        (Response(200), APIResponseValidationError),
    ],
)
def test_after_the_last_attempt_its_problem_is_raised(bad: Response | APIConnectionError, kind: type[Exception]) -> None:
    """Six attempts by default."""
    stage = Stage(bad, repeat=True)
    with pytest.raises(kind):
        stage.run(look())
    assert len(stage.requests) == 6


def test_no_attempt_begins_after_the_time_is_over() -> None:
    """Ten minutes by default, however long a pause the service asks for."""
    stage = Stage(said({}, 429, retry_after="100"), repeat=True)
    with pytest.raises(RateLimitError):
        stage.run(look(RetryPolicy(max_retries=50, max_seconds=250)))
    assert stage.sleeps == [100, 100]


def test_a_pause_above_two_minutes_is_taken_as_a_no() -> None:
    """As the official SDK does."""
    stage = Stage(said({}, 429, retry_after="121"))
    with pytest.raises(RateLimitError):
        stage.run(look())


def test_a_conflict_of_a_cancellation_is_final() -> None:
    """The batch has ended."""
    stage = Stage(said({"error": {"message": "over"}}, 409))
    request = batches.cancel_request(Config(), "batch_1")
    with pytest.raises(ConflictError, match="over"):
        stage.run(call(request, batches.cancel_response, RetryPolicy(), conflicts=False))


def test_of_an_endless_error_only_the_beginning_is_read() -> None:
    """An endless answer is not an answer either."""
    stage = Stage(Response(400, {}, b'{"error": "' + b"x" * ERROR_LIMIT), Response(200, {}, b" " * (ANSWER_LIMIT + 1)))
    with pytest.raises(Exception, match=f"status 400 and {ERROR_LIMIT:,} bytes"):
        stage.run(look())
    with pytest.raises(APIResponseValidationError, match="longer than"):
        stage.run(look(RetryPolicy(max_retries=0)))


def test_what_a_test_of_this_folder_sends_fails() -> None:
    """The fixture of the folder blocks sockets and look-ups of names."""
    for used in (lambda: socket.create_connection(("127.0.0.1", 9)), lambda: socket.getaddrinfo("localhost", 80), socket.socket):
        with pytest.raises(AssertionError, match="must not use the network"):
            used()
