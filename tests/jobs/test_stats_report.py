"""Percentiles in bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from batchfiles.jobs.stats.report import LengthHistogram, Lengths


def histogram(lengths: list[int]) -> LengthHistogram:
    """Count some lengths."""
    found = LengthHistogram()
    for length in lengths:
        found.add(length)
    return found


def test_nothing_has_no_lengths() -> None:
    """A zero would look like an empty text."""
    assert LengthHistogram().lengths() is None


def test_short_lengths_are_exact() -> None:
    """Each has its own bucket."""
    assert histogram(list(range(1, 101))).lengths() == Lengths(100, 5050, 1, 50, 90, 99, 100)
    assert histogram([7]).lengths() == Lengths(1, 7, 7, 7, 7, 7, 7)
    assert histogram([0, 0]).lengths() == Lengths(2, 0, 0, 0, 0, 0, 0)


@given(st.lists(st.integers(0, 2**40), min_size=1))
def test_percentiles_are_never_too_low_and_at_most_a_128th_too_high(lengths: list[int]) -> None:
    """Count, sum, least and most are exact."""
    found = histogram(lengths).lengths()
    assert found is not None
    ordered = sorted(lengths)
    assert (found.count, found.total, found.minimum, found.maximum) == (len(lengths), sum(lengths), ordered[0], ordered[-1])
    for share, value in ((50, found.p50), (90, found.p90), (99, found.p99)):
        exact = ordered[-(-len(ordered) * share // 100) - 1]
        assert exact <= value <= exact + exact / 128


def test_memory_does_not_grow_with_what_is_counted() -> None:
    """There are 128 buckets for each power of two."""
    found = histogram([step * 2**shift + 1 for shift in range(30) for step in range(0, 4096, 3)])
    assert len(found._buckets) < 6000
