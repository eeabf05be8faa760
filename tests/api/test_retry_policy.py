"""When an answer is worth another attempt, and after how long: the rules of openai-python, as a table."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles import RetryPolicy
from batchfiles.api import Response
from batchfiles.api.config import is_worth_retrying

MANY = RetryPolicy(max_retries=10**7)
DATE = "Fri, 29 Sep 2023 16:26:{:02d} GMT"


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        # openai-python's table (tests/test_client.py, e43b422); what is None there is our own pause here
        ({"retry-after": "20"}, 20.0),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-10"}, None),
        ({"retry-after": "60"}, 60.0),
        ({"retry-after": "61"}, 61.0),
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "99999999999999999999999999999999999"}, "never"),
        ({"retry-after": "120.1"}, "never"),
        ({"retry-after": "Zun, 29 Sep 2023 16:26:27 GMT"}, None),
        ({"retry-after": ""}, None),
        # Python reads all of these as numbers
        ({"retry-after": "1_0"}, None),
        ({"retry-after": "1e1"}, None),
        ({"retry-after": "+10"}, None),
        ({"retry-after": "\u0661\u0660"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after-ms": "1_000", "retry-after": "20"}, 20.0),
        ({"retry-after": " 20\t"}, 20.0),
        ({}, None),
        # dates are measured against the answer's own
        ({"retry-after": DATE.format(57), "date": DATE.format(37)}, 20.0),
        ({"retry-after": DATE.format(37), "date": DATE.format(37)}, None),
        ({"retry-after": DATE.format(27), "date": DATE.format(37)}, None),
        ({"retry-after": "Fri, 29 Sep 2023 16:29:37 GMT", "date": DATE.format(37)}, "never"),
        ({"retry-after": "Fri, 29 Sep 2023 16:26:57", "date": DATE.format(37)}, None),
        ({"retry-after": DATE.format(57)}, None),
        ({"retry-after": "Fri, 29 Sep 99999999999999999999 16:26:57 GMT", "date": DATE.format(37)}, None),
        # milliseconds come first
        ({"retry-after-ms": "1500", "retry-after": "20"}, 1.5),
        ({"retry-after-ms": "1"}, 0.001),
        ({"retry-after-ms": "0", "retry-after": "20"}, 20.0),
        ({"retry-after-ms": "soon", "retry-after": "20"}, 20.0),
        ({"retry-after-ms": "nan", "retry-after": "inf"}, None),
        ({"retry-after-ms": "120001"}, "never"),
        ({"retry-after-ms": "1e400"}, None),
    ],
)
def test_what_the_service_asks_for_is_obeyed(headers: dict[str, str], pause: float | str | None) -> None:
    """Up to two minutes; above that there is no other attempt. An invalid time means our own pause."""
    found = RetryPolicy().pause(1, headers, 0.0)
    assert found == (None if pause == "never" else 0.5 if pause is None else pytest.approx(pause))


@pytest.mark.parametrize(
    ("attempt", "longest"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 8.0), (20, 8.0), (10**6, 8.0)]
)
def test_our_own_pause_doubles_from_half_a_second_to_eight(attempt: int, longest: float) -> None:
    """A quarter of it is random; the caller passes the random number."""
    assert MANY.pause(attempt, {}, 0.0) == longest
    assert MANY.pause(attempt, {}, 0.5) == longest * 0.875
    assert MANY.pause(attempt, {}, 1.0) == longest * 0.75


def test_there_are_so_many_retries_and_no_more() -> None:
    """Five by default; 0 is valid too."""
    assert [RetryPolicy().pause(attempt, {}, 0.0) is None for attempt in range(1, 8)] == [False] * 5 + [True] * 2
    assert RetryPolicy(max_retries=0).pause(1, {"retry-after": "1"}, 0.0) is None


@given(
    st.integers(1, 10**6),
    st.dictionaries(
        st.sampled_from(["retry-after", "retry-after-ms", "date"]),
        st.text() | st.floats().map(str) | st.integers().map(str) | st.sampled_from([DATE.format(1), DATE.format(59)]),
    ),
    st.floats(0.0, 1.0),
)
def test_no_pause_is_negative_endless_or_no_number(attempt: int, headers: dict[str, str], chance: float) -> None:
    """With any headers."""
    pause = MANY.pause(attempt, headers, chance)
    assert pause is None or (math.isfinite(pause) and 0 < pause <= 120)


def test_a_number_that_vanishes_when_it_is_divided_asks_for_no_pause() -> None:
    """The smallest number of milliseconds is 0 in seconds: once that was a pause of 0 seconds."""
    assert MANY.pause(1, {"retry-after-ms": "5e-324"}, 0.0) == 0.5
    assert MANY.pause(1, {"retry-after-ms": "5e-324", "retry-after": "3"}, 0.0) == 3.0


def test_which_answers_pass() -> None:
    """408, 409, 429 and everything from 500 on."""
    passing = [status for status in range(100, 1000) if is_worth_retrying(Response(status))]
    assert passing == [408, 409, 429, *range(500, 1000)]


def test_the_service_itself_may_say_whether_to_try_again() -> None:
    """Its header wins against the status."""
    assert is_worth_retrying(Response(400, {"x-should-retry": "true"}))
    assert not is_worth_retrying(Response(503, {"x-should-retry": "False"}))
    assert is_worth_retrying(Response(503, {"x-should-retry": "perhaps"}))


def test_a_conflict_of_a_cancellation_does_not_pass() -> None:
    """A batch that is over stays over."""
    assert not is_worth_retrying(Response(409), conflicts=False)
    assert is_worth_retrying(Response(429), conflicts=False)
