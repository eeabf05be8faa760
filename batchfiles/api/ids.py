"""The names that the service gives to batches and files: what is none must not become part of an address."""

from __future__ import annotations

import re

__all__ = ["checked_id", "is_id"]

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,255}")
"""OpenAI's `batch_…` and `file-…`, Azure's with a UUID, Mistral's bare UUIDs, DashScope's `file-batch_output-…`."""


def is_id(value: str) -> bool:
    """Return whether a text can be an id: nothing in it has a meaning in an address or a path."""
    return ID.fullmatch(value) is not None and ".." not in value


def checked_id(value: str, what: str) -> str:
    """Return an id.

    Raises:
        ValueError: It can't be one: it is empty, has signs that have a meaning in an address, or is too long.
    """
    if not isinstance(value, str) or not is_id(value):
        raise ValueError(f"{str(value)[:40]!r} is no id of a {what}")
    return value
