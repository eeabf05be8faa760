"""The queue of the service: when another batch is worth an attempt."""

from __future__ import annotations

from batchfiles.runner.passes import ATTEMPTS, Room


def test_a_full_queue_has_room_when_one_of_ours_has_ended() -> None:
    """And not before, however long that takes."""
    room = Room()
    assert room.is_open(0.0, alone=False)
    room.missed(0.0, alone=False)
    assert not room.is_open(1e9, alone=False)
    room.grew()
    assert room.is_open(1.0, alone=False)


def test_where_others_fill_it_the_pauses_grow_to_ten_minutes() -> None:
    """Nothing of ours will make room by ending."""
    room, pauses, now = Room(), [], 0.0
    for _ in range(7):
        room.missed(now, alone=True)
        began = now
        while not room.is_open(now, alone=True):
            now += 1.0
        pauses.append(now - began)
    assert pauses == [30, 60, 120, 300, 600, 600, 600]


def test_after_a_day_it_is_hopeless_unless_a_batch_of_ours_ends() -> None:
    """Then the part is too large for the queue, or somebody else lives in it."""
    room = Room()
    for _ in range(ATTEMPTS):
        assert not room.is_hopeless
        room.missed(0.0, alone=True)
    assert room.is_hopeless
    room.grew()
    assert not room.is_hopeless
