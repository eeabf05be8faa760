"""When an answer, or none, is worth another attempt, and after how long.

The rules and figures are openai-python's (e43b422, `_base_client.py`, `_constants.py`): 0.5 s doubling to 8 s, a quarter of it
left to chance, `retry-after` obeyed up to 120 s and taken as a no above.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

from batchfiles.api.messages import Response

__all__ = ["RetryPolicy", "asked_pause", "is_passing"]

FIRST, LONGEST, ASKED_AT_MOST = 0.5, 8.0, 120.0

PASSING: Final = frozenset({408, 409, 429})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long one call is tried.

    Attributes:
        max_retries: Attempts after the first.
        max_seconds: From the first attempt on; no attempt begins after it.
    """

    max_retries: int = 5
    max_seconds: float = 600.0

    def pause(self, attempt: int, headers: Mapping[str, str], chance: float) -> float | None:
        """Return the seconds until the next attempt; None if there is none to be.

        Args:
            attempt: How many attempts there were.
            headers: Of the answer; empty if there was none.
            chance: From 0.0 to 1.0.
        """
        if attempt > self.max_retries:
            return None
        asked = asked_pause(headers)
        if asked is not None:
            return asked if asked <= ASKED_AT_MOST else None
        # Above ten doublings nothing changes, and 2.0 ** attempt would overflow one day.
        return min(FIRST * 2.0 ** min(attempt - 1, 10), LONGEST) * (1.0 - 0.25 * chance)


def is_passing(response: Response, *, conflicts: bool = True) -> bool:
    """Return whether the same request may be answered otherwise in a moment.

    Args:
        response: The answer.
        conflicts: Whether a 409 passes; the one of a cancellation doesn't.
    """
    said = response.headers.get("x-should-retry", "").lower()
    if said in ("true", "false"):
        return said == "true"
    if response.status_code == 409 and not conflicts:
        return False
    return response.status_code in PASSING or response.status_code >= 500


def asked_pause(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the service asked for, in milliseconds, seconds or a date; None if it asked for none."""
    seconds = _number(headers.get("retry-after-ms"), in_a_second=1000)
    if seconds is not None:
        return seconds
    wanted = headers.get("retry-after")
    seconds = _number(wanted)
    return seconds if seconds is not None else _until(wanted, headers.get("date"))


def _number(text: str | None, *, in_a_second: int = 1) -> float | None:
    # Python's own numbers may be "1_000", "nan" or of other scripts' digits.
    if text is None or NUMBER.fullmatch(text.strip(" \t")) is None:
        return None
    value = float(text) / in_a_second
    return value if math.isfinite(value) and value > 0 else None


NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?")
"""Seconds, or milliseconds: RFC 9110 has digits only, and some services a fraction."""


def _until(wanted: str | None, now: str | None) -> float | None:
    """Return the seconds from the answer's own date to the wanted one, so that our clock need not be right."""
    if not wanted or not now:
        return None
    try:
        seconds = (parsedate_to_datetime(wanted) - parsedate_to_datetime(now)).total_seconds()
    except (ValueError, TypeError, OverflowError):  # no date, one without a zone, the year 10^20
        return None
    return seconds if seconds > 0 else None
