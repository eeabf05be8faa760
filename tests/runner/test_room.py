"""The backoff when the queue of the service is full."""

from __future__ import annotations

from batchfiles.runner.passes import ATTEMPTS, QueueBackoff


def test_a_full_queue_has_room_when_one_of_ours_has_ended() -> None:
    """And not before, however long that takes."""
    backoff = QueueBackoff()
    assert backoff.is_open(0.0, alone=False)
    backoff.rejected(0.0, alone=False)
    assert not backoff.is_open(1e9, alone=False)
    backoff.released()
    assert backoff.is_open(1.0, alone=False)


def test_where_others_fill_it_the_pauses_grow_to_ten_minutes() -> None:
    """None of our batches will make room."""
    backoff, pauses, now = QueueBackoff(), [], 0.0
    for _ in range(7):
        backoff.rejected(now, alone=True)
        began = now
        while not backoff.is_open(now, alone=True):
            now += 1.0
        pauses.append(now - began)
    assert pauses == [30, 60, 120, 300, 600, 600, 600]


def test_after_a_day_it_is_hopeless_unless_a_batch_of_ours_ends() -> None:
    """The part is too large for the queue, or others use it."""
    backoff = QueueBackoff()
    for _ in range(ATTEMPTS):
        assert not backoff.is_exhausted
        backoff.rejected(0.0, alone=True)
    assert backoff.is_exhausted
    backoff.released()
    assert not backoff.is_exhausted
