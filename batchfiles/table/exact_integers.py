"""Integers that JSON may hold and a request file can't keep: those beyond 64 bits.

`codec.loads` rounds them to floats. Whoever makes new lines of what it read must not pass that on as if it were the same number.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from batchfiles.codec import NOT_STRICT, Repaired, loads
from batchfiles.errors import InvalidLine

__all__ = ["AS_TEXT", "BEYOND", "beyond_64_bits", "leaves", "loads_exactly"]

KEPT = range(-(2**63), 2**64)
"""What is written to the digit: signed and unsigned integers of 64 bits."""

FIRST_ROUNDED = 2.0**63
"""No integer that was rounded to a float is nearer to 0."""

BEYOND = "an integer beyond 64 bits"
AS_TEXT = "it would be rounded, so write it as text, in quotes"


def loads_exactly(line: bytes) -> dict[str, Any]:
    """Decode one line so that nothing that is rounded or mended goes unnoticed.

    Returns:
        The object on the line, all integers with all their digits.

    Raises:
        InvalidLine: It is no JSON object, or not strictly one.
    """
    value = loads(line)
    if type(value) is Repaired:
        raise InvalidLine(f"not strictly JSON: {NOT_STRICT}", code="invalid_json_line")
    if not any(type(leaf) is float and abs(leaf) >= FIRST_ROUNDED for leaf in leaves(value)):
        return value
    try:  # those that Python has too many digits for are infinite above
        exact: dict[str, Any] = json.loads(str(line, "utf-8"))
    except RecursionError:
        pass
    else:
        return exact
    raise InvalidLine("nested too deeply to be read", code="invalid_json_line")


def beyond_64_bits(value: Any) -> Sequence[str | int] | None:  # noqa: ANN401 - any JSON value
    """Return where in a value an integer beyond 64 bits stands; None where there is none."""
    if not _holds_one(value):
        return None
    path: list[str | int] = []
    while isinstance(value, (dict, list)):
        items: Iterable[tuple[str | int, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
        step, value = next((step, item) for step, item in items if _holds_one(item))
        path.append(step)
    return path


def _holds_one(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return any(type(leaf) is int and leaf not in KEPT for leaf in leaves(value))


def leaves(value: Any) -> Iterator[Any]:  # noqa: ANN401 - any JSON value
    """Yield the values that hold no others; without recursion, for JSON may be deeper than Python's stack."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        else:
            yield value
