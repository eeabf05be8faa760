"""Waiting for a batch: through a day and all that may happen in it."""

from __future__ import annotations

import logging

import pytest

from batchfiles import (
    APIConnectionError,
    APIError,
    AuthenticationError,
    InternalServerError,
    NotFoundError,
    RetryPolicy,
    StillRunningError,
)
from batchfiles.api import Config, Response
from batchfiles.api.waiting import LATE_FILES, VANISHED, wait
from tests.api.stage import Stage, batch, lost, said

DAY = 24 * 60 * 60
NO_RETRIES = RetryPolicy(max_retries=0)
DONE = batch("completed", output_file_id="file-1", request_counts={"total": 2, "completed": 2, "failed": 0})
UNKNOWN = said({"error": {"message": "No batch found with id 'batch_1'."}}, 404)


def waited(stage: Stage, policy: RetryPolicy | None = None, **options: float) -> object:
    """Wait for the batch of a stage."""
    return stage.run(wait(Config(), "batch_1", policy or NO_RETRIES, **options))  # type: ignore[arg-type]


def test_a_batch_that_takes_a_day_is_looked_at_once_a_minute() -> None:
    """After ten looks at shorter intervals."""
    stage = Stage(*[batch()] * 1_447, DONE)
    waited(stage)
    assert stage.now - 1_000.0 >= DAY
    gaps = [later - earlier for earlier, later in zip(stage.times, stage.times[1:], strict=False)]
    assert min(gaps[10:]) >= 60.0
    assert gaps[:3] == [5.0, 7.5, 11.25]


def test_only_changes_are_reported() -> None:
    """Of the status, the counts or the files."""
    half = batch(request_counts={"total": 2, "completed": 1, "failed": 0})
    stage = Stage(batch("validating"), batch("validating"), batch(), batch(), half, half, batch("finalizing"), DONE)
    waited(stage)
    assert [(seen.status, seen.request_counts.completed) for seen in stage.told] == [
        ("validating", 0),
        ("in_progress", 0),
        ("in_progress", 1),
        ("finalizing", 0),
        ("completed", 2),
    ]


@pytest.mark.parametrize("status", ["failed", "completed", "expired", "cancelled", "CANCELED", "EXPIRED"])
def test_every_end_is_an_end(status: str) -> None:
    """With any spelling of the status; a batch that failed is returned too."""
    stage = Stage(batch(status))
    waited(stage)
    assert len(stage.requests) == 1


def test_a_status_that_nobody_knows_is_waited_out() -> None:
    """The list of them has grown before."""
    stage = Stage(batch("pondering"), batch("pondering"), DONE)
    waited(stage)
    assert [seen.status for seen in stage.told] == ["pondering", "completed"]


@pytest.mark.parametrize("nothing", ["", None])
def test_files_that_are_named_late_are_waited_for(nothing: str | None) -> None:
    """The counts promise them; `""` is not a name."""
    early = batch("completed", output_file_id=nothing, request_counts={"total": 2, "completed": 2, "failed": 0})
    stage = Stage(early, early, DONE)
    assert getattr(waited(stage), "output_file_id", None) == "file-1"


def test_files_that_never_come_are_not_waited_for_forever() -> None:
    """After some looks the batch is returned as it is."""
    stage = Stage(batch("completed", request_counts={"total": 2, "completed": 2, "failed": 0}), repeat=True)
    assert getattr(waited(stage), "result_file_ids", None) == []
    assert len(stage.requests) == LATE_FILES + 1


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        ("completed", {"total": 0, "completed": 0, "failed": 0}),
        ("failed", {"total": 2, "completed": 1, "failed": 0}),
        ("cancelled", None),
    ],
)
def test_files_that_nobody_promised_are_not_waited_for(status: str, counts: object) -> None:
    """There may be none."""
    stage = Stage(batch(status, request_counts=counts))
    waited(stage)
    assert len(stage.requests) == 1


def test_a_batch_that_vanishes_for_a_moment_is_waited_for() -> None:
    """A new one is not known everywhere at once."""
    stage = Stage(*[UNKNOWN] * (VANISHED - 1), batch(), *[UNKNOWN] * (VANISHED - 1), DONE)
    waited(stage)


def test_a_batch_that_stays_unknown_is_an_error() -> None:
    """Look after look."""
    stage = Stage(UNKNOWN, repeat=True)
    with pytest.raises(NotFoundError, match="batch_1"):
        waited(stage)
    assert len(stage.requests) == VANISHED


@pytest.mark.parametrize("trouble", [said({}, 500), said({}, 429), Response(520, {}, b"<html>"), lost(), lost("resolve")])
def test_trouble_of_half_an_hour_is_waited_out(trouble: Response | APIConnectionError) -> None:
    """Networks and services come back."""
    stage = Stage(batch(), *[trouble] * 35, DONE)
    waited(stage)
    assert stage.now - 1_000.0 > 1_800


def test_trouble_of_an_hour_is_an_error() -> None:
    """The last one."""
    stage = Stage(batch(), said({}, 503), repeat=True)
    with pytest.raises(InternalServerError):
        waited(stage)
    assert 3_600 < stage.now - 1_000.0 < 3_800


def test_a_night_of_sleep_is_harmless() -> None:
    """The clock jumps by eight hours, and the network is not back at the first look."""
    stage = Stage(batch(), lost("resolve"), lost("resolve"), lost("resolve"), DONE, jumps={2: 8 * 3_600.0})
    waited(stage)


def test_a_stopped_clock_does_not_end_the_looks() -> None:
    """A clock that is set back at every sleep."""
    stage = Stage(*[batch()] * 20, DONE, jumps=dict.fromkeys(range(1, 30), -60.0))
    waited(stage, timeout=10_000.0)
    assert len(stage.requests) == 21


def test_a_wrong_key_is_not_waited_out() -> None:
    """It stays wrong."""
    with pytest.raises(AuthenticationError):
        waited(Stage(batch(), said({}, 401)))


def test_after_the_timeout_the_batch_continues_without_us() -> None:
    """The exception has it as it was seen last; no sleep goes beyond the time."""
    stage = Stage(batch(), repeat=True)
    with pytest.raises(StillRunningError, match="batch_1 is in_progress, and the time to wait has ended") as caught:
        waited(stage, timeout=300.0)
    assert caught.value.batch.status == "in_progress"
    assert stage.now - 1_000.0 <= 300.0
    with pytest.raises(StillRunningError, match="was not seen yet"):
        waited(Stage(UNKNOWN), timeout=0.0)


@pytest.mark.parametrize(
    ("answer", "looks"), [(batch(), [0.0, 4.0]), (said({}, 503, retry_after="3"), [0.0, 3.0, 4.0]), (lost(), None)]
)
def test_the_last_look_is_at_the_end_of_the_time(answer: Response | APIConnectionError, looks: list[float] | None) -> None:
    """It ended at once where the usual pause was longer; a service that asked for pauses was waited for without end."""
    stage = Stage(answer, repeat=True)
    with pytest.raises(StillRunningError):
        waited(stage, timeout=4.0, policy=RetryPolicy())
    assert stage.now == 1_004.0
    assert looks is None or [at - 1_000.0 for at in stage.times] == looks


def test_an_interval_of_one_s_own_is_kept() -> None:
    """For example every two seconds, against a local server."""
    stage = Stage(batch(), batch(), batch(), DONE)
    waited(stage, interval=2.0)
    assert stage.sleeps == [2.0] * 3


def test_an_invalid_id_is_never_requested() -> None:
    """Before any request."""
    stage = Stage()
    with pytest.raises(ValueError, match="not an id of a batch"):
        stage.run(wait(Config(), "../files", NO_RETRIES))
    assert issubclass(StillRunningError, TimeoutError)
    assert not issubclass(StillRunningError, APIError)


def test_no_look_that_fails_is_silent() -> None:
    """A proxy that answers 504 for minutes is seen, and so is each attempt of a look."""
    stage = Stage(*[Response(504, {}, b"")] * 4, lost(), DONE)
    stage.run(wait(Config(), "batch_1", RetryPolicy(max_retries=1)))
    warnings = [words for level, words in stage.logged if level == logging.WARNING]
    said_of = [words.partition(":")[0] for words in warnings]
    assert said_of == ["GET /v1/batches/batch_1", "batch_1", "GET /v1/batches/batch_1", "batch_1", "GET /v1/batches/batch_1"]
    assert all("; tried again in " in words for words in warnings)
    assert "status 504" in warnings[0]


def test_an_unknown_status_and_an_odd_value_are_warned_of_once() -> None:
    """An unknown status may be final: the wait reports it and continues."""
    odd = batch("pondering", created_at={}, output_file_id="file-1")
    stage = Stage(odd, odd, odd, DONE)
    waited(stage)
    warnings = [words for level, words in stage.logged if level == logging.WARNING]
    assert warnings == [
        "batch_1: 'created_at' is an empty object: read as null",
        "batch_1: the status 'pondering' is not known here; waiting for another one",
    ]


@pytest.mark.parametrize(
    "word",
    [
        "succeeded",
        "complete",
        "ended",
        "done",
        "completed_with_errors",
        "JOB_STATE_EARLY_STOPPED",
        "BATCH_STATE_SUCCEEDED",
        "Stopped",
    ],
)
def test_the_last_words_of_other_services_are_an_end(word: str) -> None:
    """With any name of the status."""
    stage = Stage(batch(word))
    waited(stage)
    assert len(stage.requests) == 1
