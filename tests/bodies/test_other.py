"""Bodies of endpoints without columns of their own."""

import pytest

from batchfiles.bodies.answer import Answer
from batchfiles.bodies.other import read


def test_images_have_a_time_and_tokens():
    """What all bodies have is read; the rest keeps the body."""
    body = {
        "created": 1713833628,
        "data": [{"b64_json": "aGk="}],
        "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
    }

    assert read(body) == Answer(created_at=1713833628_000000, input_tokens=1, output_tokens=2, total_tokens=3, fully_mapped=False)


@pytest.mark.parametrize(
    ("status", "outcome"), [("completed", "succeeded"), ("failed", "failed"), ("expired", "failed"), ("queued", "incomplete")]
)
def test_a_video_may_have_failed_inside_a_200(status, outcome):
    """Its status reports it."""
    answer = read({"id": "video_1", "object": "video", "model": "sora-2", "created_at": 1712697600, "status": status})

    assert (answer.outcome, answer.response_id, answer.created_at) == (outcome, "video_1", 1712697600_000000)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "no"}},
        {"error": "no"},
        {"object": "error", "message": "no"},
        {"type": "error", "error": {"type": "overloaded_error"}},
    ],
)
def test_an_error_is_a_failure(body):
    """OpenAI's, a bare text, vLLM's of old, Anthropic's."""
    assert read(body).outcome == "failed"


def test_a_status_that_is_a_number_is_not_a_conversion_error():
    """It may mean anything: there is no column that it should have fitted."""
    assert read({"status": 200}) == Answer()
