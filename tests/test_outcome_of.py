"""`outcome_of`: a record has the outcome of its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchfiles import BatchRequestOutput, BatchRequestOutputError, BatchRequestOutputResponse, decode_output, outcome_of
from batchfiles.codec import loads
from batchfiles.errors import InvalidLineError
from batchfiles.outcome import read

FIXTURES = Path(__file__).parents[1] / "fixtures"


def result_lines() -> list[bytes]:
    """Return every line of the fixtures that decodes as a result."""
    found = []
    for path in sorted(FIXTURES.rglob("*.jsonl")):
        for line in path.read_bytes().split(b"\n"):
            try:
                decode_output(line)
            except InvalidLineError:
                continue
            found.append(line)
    return found


def test_every_result_of_the_fixtures_has_the_outcome_of_its_line() -> None:
    """A record has the same outcome as its line, in the shape of any service."""
    lines = result_lines()
    assert len(lines) > 100
    for line in lines:
        assert outcome_of(decode_output(line)) == read(loads(line)), line[:200]


def test_a_decoded_line_is_taken_as_it_is() -> None:
    """A caller who decoded the line already needs no record."""
    assert outcome_of({"response": None, "error": {"code": "batch_expired"}}).outcome == "expired"


@pytest.mark.parametrize(
    ("record", "outcome"),
    [
        (BatchRequestOutput(), "no_response"),
        (BatchRequestOutput(error="boom"), "failed"),
        (BatchRequestOutput(error=BatchRequestOutputError(code="batch_cancelled")), "cancelled"),
        (BatchRequestOutput(response=BatchRequestOutputResponse(200, "r", {"object": "list", "data": []})), "no_response"),
        (BatchRequestOutput(response=BatchRequestOutputResponse(429, "r", {"error": {"message": "slow down"}})), "failed"),
    ],
)
def test_a_record_made_by_hand_has_an_outcome(record: BatchRequestOutput, outcome: str) -> None:
    """Records need not come from a file."""
    assert outcome_of(record).outcome == outcome


def test_a_body_that_is_a_list_with_one_answer_is_that_answer() -> None:
    """A service may return the chunks of a Gemini stream as one list. Several chunks are not read as an answer."""
    chunk = {"candidates": [{"content": {"parts": [{"text": "Yes."}], "role": "model"}, "finishReason": "STOP", "index": 0}]}
    found = outcome_of({"response": {"status_code": 200, "body": [chunk]}})
    assert (found.outcome, found.answer.text) == ("succeeded", "Yes.")
    assert outcome_of({"response": {"status_code": 200, "body": [chunk, chunk]}}).answer.text is None
