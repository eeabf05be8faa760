"""Dates and times as RFC 3339 writes them, which is what JSON Schema means by the formats `date` and `date-time`."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from batchfiles.table.parsed.misfit import Misfit

__all__ = ["read_date", "read_date_time"]

DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
DATE_TIME = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ](?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.(?P<fraction>[0-9]+))?"
    r"(?P<offset>[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def read_date(text: str) -> date:
    """Read a date, such as `2026-08-01`.

    Raises:
        Misfit: It is none, or one that the calendar doesn't have.
    """
    if DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise Misfit("is no date such as 2026-08-01", at_value=True)


def read_date_time(text: str) -> datetime:
    """Read a date with a time and an offset, such as `2026-08-01T12:00:00Z`; returns it in UTC.

    Raises:
        Misfit: It is none, the calendar or the clock doesn't have it, or microseconds can't hold it.
    """
    match = DATE_TIME.fullmatch(text)
    if match is None:
        raise Misfit("is no time with an offset such as 2026-08-01T12:00:00Z", at_value=True)
    fraction = (match["fraction"] or "").rstrip("0")
    if len(fraction) > 6:
        raise Misfit("is a time of more digits than microseconds have", at_value=True)
    try:
        offset = "+00:00" if match["offset"] in "Zz" else match["offset"]
        return datetime.fromisoformat(f"{match['date']}T{match['time']}.{fraction:0<6}{offset}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise Misfit("is a time that the calendar or the clock does not have", at_value=True) from None
