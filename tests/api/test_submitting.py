"""Submitting: a file becomes exactly one batch with any answers; it is paid for once."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from batchfiles import (
    AlreadySubmittedError,
    APIConnectionError,
    APIError,
    Batch,
    BatchFileExpirationAfter,
    BatchRequest,
    InternalServerError,
    RateLimitError,
    RetryPolicy,
    SubmissionUnknownError,
)
from batchfiles.api import Config, Request, Response, effects
from batchfiles.api.submitting import (
    MARKER,
    NEW_FILE_PAUSES,
    SEARCH_PAUSES,
    UNPROCESSED_CODE,
    Submission,
    create,
    marker_of,
    submit,
)
from tests.api.stage import Stage, batch, lost, page, said

SHA = "5" * 64
TOKEN = f"{1:032d}"
"""The first token of a stage: for the boundary of the upload, or the marker where nothing is uploaded."""
PARAMS = BatchRequest(input_file_id="file-1", endpoint="/v1/embeddings", metadata={"mine": "yes"})
UPLOADED = said({"id": "file-1", "bytes": 100})
UNKNOWN_FILE = said({"error": {"message": "Cannot find file file-1, or project does not have access to it."}}, 400)
NONE = page()


def ours(token: str = TOKEN, status: str = "validating", sha256: str = "-", batch_id: str = "batch_1") -> dict[str, Any]:
    """Make a batch with a marker, as in a list."""
    return {"id": batch_id, "status": status, "metadata": {MARKER: f"{token} {sha256}"}}


def made(stage: Stage) -> Batch:
    """Make a batch of an uploaded file."""
    return stage.run(create(Config(), PARAMS, RetryPolicy()))


def submitted(stage: Stage, *, again: bool = False) -> Batch:
    """Submit a file."""
    submission = Submission(path="r.jsonl", size=100, sha256=SHA, filename="r.jsonl", endpoint="/v1/embeddings")
    return stage.run(submit(Config(), submission, RetryPolicy(), again=again))


def sent_metadata(request: Request) -> dict[str, str]:
    """Return the metadata of a request for a batch."""
    (body,) = request.body
    assert isinstance(body, bytes)
    found = json.loads(body)["metadata"]
    assert isinstance(found, dict)
    return found


def creations(stage: Stage) -> int:
    """Count how often a batch was asked for."""
    return stage.calls.count("POST /batches")


def test_a_file_is_looked_for_uploaded_and_made_a_batch() -> None:
    """Three calls; the marker in the metadata has a token and the fingerprint of the file."""
    stage = Stage(NONE, UPLOADED, batch("validating"))
    assert submitted(stage).id == "batch_1"
    assert stage.calls == ["GET /batches?limit=100", "POST /files", "POST /batches"]
    assert sent_metadata(stage.requests[-1]) == {MARKER: f"{2:032d} {SHA}"}
    assert marker_of(Batch(id="b", metadata={MARKER: f"{TOKEN} {SHA}"})) == (TOKEN, SHA)


def test_the_caller_s_metadata_stays_beside_the_marker() -> None:
    """There are sixteen pairs, and one is ours."""
    stage = Stage(batch())
    made(stage)
    assert sent_metadata(stage.requests[0]) == {"mine": "yes", MARKER: f"{TOKEN} -"}
    with pytest.raises(ValueError, match="16 pairs, not 17"):
        Submission(path="r", size=1, sha256=SHA, filename="r", endpoint="/v1/x", metadata=dict.fromkeys("abcdefghijklmnop", ""))


@pytest.mark.parametrize("status", ["validating", "in_progress", "finalizing", "completed", "pondering"])
def test_bytes_that_have_a_live_or_finished_batch_are_not_sent_again(status: str) -> None:
    """On any page of the list."""
    stage = Stage(page({"id": "batch_0", "status": "completed"}, more=True), page(ours("x", status, SHA, "batch_9")))
    with pytest.raises(AlreadySubmittedError, match=f"batch_9 was made of the same bytes and is {status}") as caught:
        submitted(stage)
    assert (caught.value.batch_id, caught.value.status) == ("batch_9", status)
    assert stage.calls == ["GET /batches?limit=100", "GET /batches?after=batch_0&limit=100"]


@pytest.mark.parametrize("status", ["failed", "expired", "cancelling", "cancelled"])
def test_bytes_whose_batch_ended_badly_may_be_sent_again(status: str) -> None:
    """Nothing lives that would be paid twice."""
    stage = Stage(page(ours("x", status, SHA)), UPLOADED, batch(batch_id="batch_2"))
    assert submitted(stage).id == "batch_2"


def test_again_submits_another_batch() -> None:
    """The list is not even read."""
    stage = Stage(UPLOADED, batch())
    submitted(stage, again=True)
    assert stage.calls == ["POST /files", "POST /batches"]


LOST = [
    lost("send"),
    lost("receive"),
    said({}, 500),
    said({}, 408),
    Response(520, {}, b"<html>"),
    Response(200, {}, b'{"id": "ba'),
    Response(200),
]


@pytest.mark.parametrize("answer", LOST)
def test_after_an_ambiguous_answer_the_batch_is_looked_for(answer: Response | APIConnectionError) -> None:
    """It is in the list, so nothing is sent again."""
    stage = Stage(answer, page({"id": "batch_0", "status": "failed"}, ours(batch_id="batch_7")))
    assert made(stage).id == "batch_7"
    assert creations(stage) == 1


@pytest.mark.parametrize("answer", LOST)
def test_a_list_that_lags_is_read_again(answer: Response | APIConnectionError) -> None:
    """For half a minute."""
    stage = Stage(answer, NONE, said({}, 400), NONE, NONE, page(ours(batch_id="batch_7")))
    assert made(stage).id == "batch_7"
    assert creations(stage) == 1
    assert stage.sleeps == [pause for pause in SEARCH_PAUSES if pause]


@pytest.mark.parametrize("answer", [lost("send"), lost("receive"), Response(200, {}, b'{"id": "ba'), Response(200)])
def test_a_batch_that_is_in_no_list_is_unknown_and_not_made_again(answer: Response | APIConnectionError) -> None:
    """The exception has the marker to look for."""
    stage = Stage(answer, *[NONE] * len(SEARCH_PAUSES))
    with pytest.raises(SubmissionUnknownError, match=TOKEN) as caught:
        made(stage)
    assert caught.value.marker == TOKEN
    assert creations(stage) == 1


def test_a_confirmation_that_is_too_long_to_be_read_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was an error that allowed another batch of the same part, in each run."""
    monkeypatch.setattr(effects, "ANSWER_LIMIT", 1_000)
    long = batch(padding="x" * 1_000)
    found = page(ours(batch_id="batch_7"))
    assert made(Stage(long, found)).id == "batch_7"
    with pytest.raises(SubmissionUnknownError):
        made(Stage(long, *[NONE] * len(SEARCH_PAUSES)))


def test_no_attempt_begins_after_the_time_for_all() -> None:
    """`max_seconds` was kept by other calls only."""
    stage = Stage(said({"error": {"message": "slow down"}}, 429, retry_after="2"), repeat=True)
    with pytest.raises(RateLimitError):
        stage.run(create(Config(), PARAMS, RetryPolicy(max_seconds=5.0)))
    assert (stage.sleeps, creations(stage)) == ([2.0, 2.0], 3)


@pytest.mark.parametrize(("field", "value"), [("endpoint", "v1/embeddings"), ("completion_window", "")])
def test_what_is_invalid_is_refused_before_the_upload(field: str, value: str) -> None:
    """The file had been uploaded, and stayed in the account."""
    with pytest.raises(ValueError, match=r"an endpoint is a path|needs a completion window"):
        Submission(**{"path": "r", "size": 1, "sha256": SHA, "filename": "r", "endpoint": "/v1/embeddings", field: value})


def test_where_the_list_can_not_be_read_nothing_is_made_again() -> None:
    """Not even after an answer of the server."""
    stage = Stage(said({}, 500), *[said({"error": {"message": "no"}}, 403)] * len(SEARCH_PAUSES))
    with pytest.raises(SubmissionUnknownError):
        made(stage)
    assert creations(stage) == 1


def test_a_server_in_trouble_is_asked_again_once_the_list_shows_no_batch() -> None:
    """It reported a failure, and half a minute later there is none."""
    stage = Stage(said({}, 500), *[NONE] * len(SEARCH_PAUSES), batch())
    assert made(stage).id == "batch_1"
    assert creations(stage) == 2
    assert sent_metadata(stage.requests[0]) == sent_metadata(stage.requests[-1])


def test_a_server_that_stays_in_trouble_leaves_it_unknown() -> None:
    """Whether the last of the requests did something."""
    answers = [said({}, 503), *[NONE] * len(SEARCH_PAUSES)] * 6
    with pytest.raises(SubmissionUnknownError):
        made(Stage(*answers))


@pytest.mark.parametrize("phase", ["resolve", "connect", "tls"])
def test_a_request_that_never_left_is_sent_again(phase: str) -> None:
    """Nothing can have happened; and if it never leaves, nothing was made."""
    stage = Stage(lost(phase), lost(phase), batch())
    assert made(stage).id == "batch_1"
    assert stage.calls == ["POST /batches"] * 3
    with pytest.raises(APIConnectionError) as caught:
        made(Stage(lost(phase), repeat=True))
    assert not isinstance(caught.value, SubmissionUnknownError)


def test_too_much_at_once_is_waited_out() -> None:
    """A 429 means that nothing was done."""
    stage = Stage(said({}, 429, retry_after="7"), batch())
    assert made(stage).id == "batch_1"
    assert stage.sleeps == [7.0]
    with pytest.raises(RateLimitError):
        made(Stage(said({}, 429), repeat=True))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_a_clear_no_is_final(status: int) -> None:
    """Nothing was made, and asking again changes nothing."""
    stage = Stage(said({"error": {"message": "no"}}, status))
    with pytest.raises(APIError, match="no"):
        made(stage)
    assert creations(stage) == 1


def test_a_file_that_was_just_uploaded_needs_a_moment() -> None:
    """The service doesn't find it at first."""
    stage = Stage(UNKNOWN_FILE, UNKNOWN_FILE, batch())
    assert made(stage).id == "batch_1"
    assert stage.sleeps == list(NEW_FILE_PAUSES[:2])


def test_a_file_that_stays_unknown_is_an_error() -> None:
    """After half a minute, with the service's message."""
    stage = Stage(UNKNOWN_FILE, repeat=True)
    with pytest.raises(APIError, match="Cannot find file"):
        made(stage)
    assert stage.sleeps == list(NEW_FILE_PAUSES)


def test_an_upload_whose_answer_is_lost_is_sent_again() -> None:
    """A second copy costs nothing; a second batch would."""
    stage = Stage(lost(), said({}, 502), UPLOADED, batch())
    submitted(stage, again=True)
    assert stage.calls == ["POST /files"] * 3 + ["POST /batches"]


def test_an_upload_that_is_refused_makes_no_batch() -> None:
    """With the service's message, also if it was sent early."""
    stage = Stage(said({"error": {"message": "File is too large."}}, 413))
    with pytest.raises(APIError, match="File is too large"):
        submitted(stage, again=True)
    assert not issubclass(APIError, InternalServerError)


def pending(status: str = "pending", **more: object) -> Response:
    """Answer with a file that is not processed yet."""
    return said({"id": "file-1", "bytes": 100, "status": status, **more})


def test_a_pending_file_is_waited_for() -> None:
    """Azure makes no batch of it before (openai/openai-dotnet#312); a check that finds nothing yet does not end the wait."""
    gone = said({"error": {"message": "No such File object"}}, 404)
    stage = Stage(NONE, pending(), pending("Running"), gone, pending("processed"), batch("validating"))
    assert submitted(stage).id == "batch_1"
    assert stage.calls[1:] == ["POST /files", *["GET /files/file-1"] * 3, "POST /batches"]
    assert stage.sleeps == [1.0, 2.0, 4.0]
    assert "file-1 is pending: waiting until the service has processed it" in [words for _, words in stage.logged]


@pytest.mark.parametrize("status", ["PENDING", "NotStarted", "not-running", "FILE_STATE_PROCESSING", "In Progress"])
def test_the_word_for_a_pending_file_may_be_written_in_any_way(status: str) -> None:
    """And a wait that lasts is seen."""
    stage = Stage(NONE, pending(status), *[pending(status)] * 3, pending("Processed"), batch("validating"))
    assert submitted(stage).id == "batch_1"
    words = f"file-1 is {status}: waiting until the service has processed it"
    assert [level for level, said in stage.logged if said == words] == [logging.INFO] * 2 + [logging.WARNING] * 2


@pytest.mark.parametrize("status", ["uploaded", "processed", "", None, "ready"])
def test_a_service_with_other_words_is_not_waited_for(status: str | None) -> None:
    """Many services report `uploaded` forever."""
    stage = Stage(NONE, said({"id": "file-1", "status": status}), batch("validating"))
    assert submitted(stage).id == "batch_1"
    assert stage.sleeps == []


def test_a_file_that_can_not_be_processed_is_an_error_with_its_reason() -> None:
    """And no batch is asked for."""
    stage = Stage(NONE, pending(), pending("error", status_details="line 7 is not JSON"))
    with pytest.raises(APIError, match="could not process the file file-1, which is error: line 7 is not JSON") as caught:
        submitted(stage)
    assert caught.value.code == UNPROCESSED_CODE
    assert creations(stage) == 0


def test_a_file_that_stays_pending_is_given_up_after_an_hour() -> None:
    """With an explanation."""
    stage = Stage(NONE, pending(), repeat=True)
    with pytest.raises(APIError, match="has been pending for an hour"):
        submitted(stage)
    assert 3_600 < stage.now - 1_000 < 3_700


@pytest.mark.parametrize(
    "message",
    [
        "The file file-1 must be in the 'processed' state.",
        "Input file file-1 has not been processed yet",
        "file-1: file is pending",
        "File is still being processed",
    ],
)
def test_a_creation_that_came_too_early_is_asked_for_again(message: str) -> None:
    """Where the file had no such status."""
    stage = Stage(said({"error": {"message": message}}, 400), batch("validating"))
    assert made(stage).id == "batch_1"
    assert stage.sleeps == [NEW_FILE_PAUSES[0]]


def test_the_terms_of_a_batch_are_sent() -> None:
    """The window in the service's format, and when the results are deleted."""
    stage = Stage(NONE, UPLOADED, batch("validating"))
    submission = Submission(
        path="r.jsonl",
        size=100,
        sha256=SHA,
        filename="r.jsonl",
        endpoint="/v1/embeddings",
        completion_window="7d",
        output_expires_after=BatchFileExpirationAfter.of(7_200),
    )
    stage.run(submit(Config(), submission, RetryPolicy()))
    (body,) = stage.requests[-1].body
    assert isinstance(body, bytes)
    found = json.loads(body)
    assert (found["completion_window"], found["output_expires_after"]) == ("7d", {"anchor": "created_at", "seconds": 7_200})
    with pytest.raises(ValueError, match="completion window"):
        BatchRequest(input_file_id="file-1", endpoint="/v1/embeddings", completion_window="")
