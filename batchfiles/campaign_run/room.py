"""The queue of the service: whether there is room for one more batch."""

from __future__ import annotations

__all__ = ["Room"]

PAUSES = (30.0, 60.0, 120.0, 300.0, 600.0)
"""Seconds before the next attempt where none of our own batches will make room by ending: others fill the queue."""

ATTEMPTS = 150
"""A part that found no room so often, with nothing of ours before it, for about a day, will not find any."""


class Room:
    """Remembers that the queue was full.

    Attributes:
        refused: How often there was no room in a row, with none of our batches at the service.
    """

    def __init__(self) -> None:
        self._full = False
        self._until = 0.0
        self.refused = 0

    @property
    def is_hopeless(self) -> bool:
        """Whether waiting has been of no use for too long."""
        return self.refused >= ATTEMPTS

    def missed(self, now: float, *, alone: bool) -> None:
        """Note that a batch found no room.

        Args:
            now: The time, in seconds.
            alone: Whether none of our batches is at the service.
        """
        self._full = True
        self._until = now + PAUSES[min(self.refused, len(PAUSES) - 1)]
        self.refused += alone

    def grew(self) -> None:
        """Note that one of our batches has ended."""
        self._full = False
        self.refused = 0

    def is_open(self, now: float, *, alone: bool) -> bool:
        """Return whether another batch is worth an attempt."""
        return not self._full or (alone and now >= self._until)
