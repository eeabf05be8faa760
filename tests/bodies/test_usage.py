"""The token counts, in both dialects."""

import pytest

from batchfiles.bodies.tally import Tally
from batchfiles.bodies.usage import read

CHAT = {
    "prompt_tokens": 5,
    "completion_tokens": 4,
    "total_tokens": 9,
    "prompt_tokens_details": {"cached_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 1},
}
RESPONSES = {
    "input_tokens": 5,
    "output_tokens": 4,
    "total_tokens": 9,
    "input_tokens_details": {"cached_tokens": 2},
    "output_tokens_details": {"reasoning_tokens": 1},
}


def test_both_dialects_say_the_same():
    """Input, output, total, cached, reasoning."""
    assert read(CHAT, Tally()) == read(RESPONSES, Tally()) == (5, 4, 9, 2, 1)


def test_both_in_one_object():
    """LiteLLM writes that; the unused one stands at 0."""
    zeros = {"prompt_tokens": 0, "completion_tokens": 0, "prompt_tokens_details": None}

    assert read(CHAT | RESPONSES, Tally()) == (5, 4, 9, 2, 1)
    assert read(RESPONSES | zeros, Tally()) == (5, 4, 9, 2, 1)


def test_absent_counts_are_null_and_zero_is_zero():
    """The total is never summed by us."""
    assert read({"prompt_tokens": 0, "completion_tokens": 7}, Tally()) == (0, 7, None, None, None)
    assert read(None, Tally()) == (None,) * 5


def test_other_keys_are_housekeeping():
    """Groq's times, audio tokens."""
    tally = Tally()

    assert read(CHAT | {"queue_time": 0.02, "prompt_tokens_details": {"audio_tokens": 3}}, tally) == (5, 4, 9, None, 1)
    assert (tally.misfits, tally.carried) == (0, True)


@pytest.mark.parametrize("value", [1.5, 2.0**53 + 2, float("inf"), True, "5", 2**63, -(2**63) - 1, [], {}])
@pytest.mark.parametrize("key", ["prompt_tokens", "completion_tokens", "total_tokens"])
def test_a_count_is_an_int64_or_null(key, value):
    """One misfit each; a fraction is not rounded."""
    tally = Tally()

    assert read(CHAT | {key: value}, tally).count(None) == 1
    assert (tally.misfits, tally.carried) == (1, False)


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63), -1])
def test_the_edges_of_int64(value):
    """They fit."""
    assert read(CHAT | {"total_tokens": value}, Tally())[2] == value


def test_details_that_are_no_object():
    """One misfit for both counts that could have stood there."""
    tally = Tally()

    assert read(CHAT | {"prompt_tokens_details": 7, "completion_tokens_details": None}, tally) == (5, 4, 9, None, None)
    assert tally.misfits == 1
