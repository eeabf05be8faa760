"""The effect of failed and refused batches on a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchfiles.api.batch import Batch, BatchError, BatchErrors
from batchfiles.errors import APIError, RateLimitError
from batchfiles.runner.batches import failed_for_full_queue, failure_of, is_queue_full
from tests.runner.questions import write_requests


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (RateLimitError("too many batches", status_code=429), True),
        (RateLimitError("slow down", status_code=429, code="rate_limit_exceeded"), True),
        (RateLimitError("pay first", status_code=429, code="insufficient_quota"), False),
        (RateLimitError("pay first", status_code=429, code="billing_hard_limit_reached"), False),
        (APIError("refused", status_code=400, code="token_limit_exceeded"), True),
        (APIError("token_limit_exceeded: 900,000 enqueued tokens", status_code=400), True),
        (APIError("no such endpoint", status_code=400, code="invalid_value"), False),
    ],
)
def test_a_full_queue_is_told_from_what_no_waiting_helps_against(error: APIError, full: bool) -> None:
    """Azure refuses the creation with a 400; a 429 because of missing credit is permanent."""
    assert is_queue_full(error) == full


def failed(*errors: BatchError) -> Batch:
    """Return a batch that failed with these errors."""
    return Batch(id="batch_1", status="failed", errors=BatchErrors(data=list(errors)))


def test_a_batch_failed_for_a_full_queue_if_all_its_errors_say_so() -> None:
    """A wrong line stays wrong when the queue is empty."""
    backoff, line = BatchError(code="token_limit_exceeded"), BatchError(code="invalid_json_line", line=3)
    assert failed_for_full_queue(failed(backoff))
    assert not failed_for_full_queue(failed(backoff, line))
    assert not failed_for_full_queue(failed())
    assert not failed_for_full_queue(Batch(id="batch_1", status="completed"))


def test_errors_stand_beside_their_lines_and_ids(tmp_path: Path) -> None:
    """The first ones; the others are counted."""
    path = write_requests(tmp_path / "part.jsonl", 3)
    errors = [BatchError(code="invalid_value", message="No such model.", line=number) for number in range(1, 8)]
    words = str(failure_of(failed(*errors), path))
    assert "part.jsonl:2 'r1': No such model. (invalid_value); " in words
    assert "part.jsonl:4: No such model." in words
    assert words.endswith("; and 2 more")


def test_a_batch_that_failed_without_a_word_says_so(tmp_path: Path) -> None:
    """Some services give no reason."""
    assert str(failure_of(failed(), tmp_path / "p.jsonl")).endswith("as batch_1: no reason was given")
