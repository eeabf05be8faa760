"""Times for people: how long ago, and what the clock on the wall said."""

from __future__ import annotations

import time

__all__ = ["age", "local_time"]

UNITS = ((86_400 * 2, 86_400, "days"), (3_600, 3_600, "h"), (60, 60, "min"), (0, 1, "s"))
"""From how many seconds on a unit is used, its seconds, and its name: days from two on."""


def age(moment: int, now: float | None = None) -> str:
    """Return how long ago something was, such as `3 min ago`, or when it will be, such as `in 23 h`.

    Args:
        moment: Seconds since 1970-01-01 UTC.
        now: The same; None for the present.
    """
    seconds = round((time.time() if now is None else now) - moment)
    unit, name = next((size, name) for least, size, name in UNITS if abs(seconds) >= least)
    words = f"{abs(seconds) // unit} {name}"
    return f"in {words}" if seconds < 0 else f"{words} ago"


def local_time(moment: int) -> str:
    """Return a time as the clock on the wall said it, such as `2026-11-23 14:03`; what no calendar has stays a number.

    Args:
        moment: Seconds since 1970-01-01 UTC.
    """
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
    except (OverflowError, ValueError, OSError):
        return str(moment)
