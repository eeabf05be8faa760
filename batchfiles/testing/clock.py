"""The clock of the local server: real, or one that tests turn."""

from __future__ import annotations

import time

__all__ = ["Clock"]


class Clock:
    """A clock.

    Args:
        start: Seconds since 1970-01-01 UTC at which it stands until it is turned; None for the real time.
    """

    def __init__(self, start: float | None = None) -> None:
        self._stands_at = start
        self._turned = 0.0

    def now(self) -> float:
        """Return seconds since 1970-01-01 UTC."""
        return (time.time() if self._stands_at is None else self._stands_at) + self._turned

    def turn(self, seconds: float) -> None:
        """Let time pass, or, with a negative number, let the clock be set back."""
        self._turned += seconds
