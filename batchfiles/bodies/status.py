"""The `status` that a body may hold although the HTTP answer was 200: Responses, videos."""

from __future__ import annotations

from typing import Final

from batchfiles.bodies.fault import Fault
from batchfiles.bodies.tally import Tally

__all__ = ["fault", "outcome_of_status"]

OUTCOMES: Final = {
    "completed": "succeeded",
    "incomplete": "incomplete",
    "queued": "incomplete",
    "in_progress": "incomplete",
    "failed": "failed",
    "cancelled": "failed",
    "canceled": "failed",
    "expired": "failed",  # videos
}


def outcome_of_status(status: object, tally: Tally) -> str:
    """Return the outcome that a body's own status means.

    An absent one is a success, and so is an unknown one, but that keeps its body.
    """
    word = tally.text(status)
    if word not in OUTCOMES:
        tally.carried = tally.carried and word is None
        return "succeeded"
    return OUTCOMES[word]


def fault(status: object) -> Fault | None:
    """Return what is wrong with a body whose status says that it failed, for one that holds no error: the word is its code."""
    return Fault(status) if type(status) is str and OUTCOMES.get(status) == "failed" else None
