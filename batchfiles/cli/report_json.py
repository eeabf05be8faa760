"""A report as programs read it."""

from __future__ import annotations

import json
from typing import Any, Protocol

__all__ = ["report_json"]


class Report(Protocol):
    """What a job reports, whichever it is."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""


def report_json(report: Report) -> str:
    """Return a report as one JSON object, in ASCII.

    The name of a file may hold bytes that are no UTF-8, which orjson would refuse; and nothing in it can reach into a terminal.
    """
    return json.dumps(report.to_dict(), indent=2)
