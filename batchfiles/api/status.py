"""The states of a batch, in OpenAI's words, whatever the provider calls them."""

from __future__ import annotations

from typing import Final

__all__ = ["BATCH_STATUSES", "TERMINAL", "status_of"]

BATCH_STATUSES: Final = (
    "validating",
    "failed",
    "in_progress",
    "finalizing",
    "completed",
    "expired",
    "cancelling",
    "cancelled",
)
"""OpenAI's OpenAPI document, schema `Batch`, f85dbe2. Others may come: they are kept as they are, and are not terminal."""

TERMINAL: Final = frozenset({"failed", "completed", "expired", "cancelled"})
"""Nothing changes any more."""

OTHER_WORDS: Final = {
    # spelling
    "canceled": "cancelled",
    "canceling": "cancelling",
    # Novita
    "progress": "in_progress",
    # Mistral
    "queued": "validating",
    "running": "in_progress",
    "success": "completed",
    "timeout_exceeded": "expired",
    "cancellation_requested": "cancelling",
}
"""Words of other services for the same [batch-format of each service's documentation, read 2026-11]."""


def status_of(word: str) -> str:
    """Return a state in OpenAI's words: lower case, and other services' words translated; a new one stays as it is."""
    lower = word.lower().removeprefix("job_state_")
    if lower in BATCH_STATUSES:
        return lower
    return OTHER_WORDS.get(lower, lower)
