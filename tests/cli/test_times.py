"""Times for people."""

from __future__ import annotations

import time

import pytest

from batchfiles.layout import age, local_time


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s ago"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (3 * 60 + 59, "3 min ago"),
        (3_600, "1 h ago"),
        (47 * 3_600, "47 h ago"),
        (48 * 3_600, "2 days ago"),
        (-90, "in 1 min"),
        (-24 * 3_600, "in 24 h"),
    ],
)
def test_an_age_has_one_number_and_the_unit_that_suits_it(seconds: int, words: str) -> None:
    """Rounded down, as people count; what is to come is `in` so long."""
    assert age(1_000_000, now=1_000_000 + seconds) == words


def test_a_time_is_that_of_the_clock_on_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the zone of the machine."""
    monkeypatch.setenv("TZ", "Europe/Vienna")
    time.tzset()
    try:
        assert local_time(1_711_471_533) == "2024-03-26 17:45"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_time_that_no_calendar_has_stays_a_number() -> None:
    """Whatever a service says, the rest is shown."""
    assert local_time(10**30) == str(10**30)
