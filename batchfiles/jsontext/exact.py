"""The JSON text of a value that somebody gives, in Python or on a command line, with nothing of it changed in silence.

Integers that JSON may hold and a request file can't keep: those beyond 64 bits.

`codec.loads` rounds them to floats. Whoever makes new lines of what it read must not pass that on as if it were the same number.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

from batchfiles import codec
from batchfiles.codec import NOT_STRICT, Repaired, loads
from batchfiles.errors import InvalidLineError

__all__ = ["AS_TEXT", "BEYOND", "beyond_64_bits", "json_of", "json_text", "leaves", "loads_exactly"]

DEEPEST = 254
"""Objects and arrays within one another that `codec.dumps` writes too. No request is nested that deep, but a list that holds
itself is."""
NO_VALUE = "no value for a line of JSON"
STRING_OR_SPACE = re.compile(rb'("[^"\\]*(?:\\.[^"\\]*)*")|[ \t\r\n]+')


def json_of(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Return the JSON text of a value of Python.

    `codec.dumps` alone would make null of `nan`, and refuse integers beyond 64 bits, which JSON has. They get all their digits.

    Raises:
        ValueError: It is no JSON value: `nan`, infinity, half a surrogate pair, a key that is no string or any other object; or
            it is nested more than 254 deep; or an integer has more digits than `sys.get_int_max_str_digits()`.
    """
    try:
        return _written(value, 0)
    except InvalidLineError as error:
        raise ValueError(f"{error.reason}: {NO_VALUE}") from None


def _written(value: Any, depth: int) -> bytes:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict | list | tuple):
        if depth == DEEPEST:
            raise ValueError(f"the value is nested more than {DEEPEST} deep: {NO_VALUE}")
        if isinstance(value, dict):
            return b"{%b}" % b",".join(_key(key) + b":" + _written(item, depth + 1) for key, item in value.items())
        return b"[%b]" % b",".join(_written(item, depth + 1) for item in value)
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(int(value)).encode()
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no JSON number: {NO_VALUE}")
    return codec.dumps(value)


def _key(key: Any) -> bytes:  # noqa: ANN401 - Python has keys of many types
    if not isinstance(key, str):
        raise ValueError(f"the key {key!r} is no string: {NO_VALUE}")  # noqa: TRY004 - as for every value that is no JSON
    return codec.dumps(key)


def json_text(text: str) -> bytes:
    """Return the JSON text that somebody typed: as it stands if it is JSON, without white space if it has several lines; else a
    JSON string of it.

    Raises:
        ValueError: It holds bytes that are no UTF-8, or is nested too deeply to find out whether it is JSON.
    """  # noqa: D205 - one sentence
    if not _is_json(text):
        return json_of(text)
    raw = text.encode().strip(b" \t\r\n")
    if b"\n" in raw or b"\r" in raw:
        return STRING_OR_SPACE.sub(lambda match: match[1] or b"", raw)
    return raw


def _is_json(text: str) -> bool:
    """Return whether a text is JSON by its grammar, which also has numbers and strings that a decoder has no value for.

    Raises:
        ValueError: It is nested too deeply to tell.
    """
    try:
        codec.parse(text.encode())
    except ValueError:  # also what can't be encoded
        pass
    else:
        return True
    try:
        text.encode()
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)
    except RecursionError:
        pass
    except ValueError:
        return False
    else:
        return True
    raise ValueError("the value is nested too deeply to be read as JSON; if it is a string, say so: --set-string, or as_string")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"JSON has no {constant}")


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
        InvalidLineError: It is no JSON object, or not strictly one.
    """
    value = loads(line)
    if type(value) is Repaired:
        raise InvalidLineError(f"not strictly JSON: {NOT_STRICT}", code="invalid_json_line")
    if not any(type(leaf) is float and abs(leaf) >= FIRST_ROUNDED for leaf in leaves(value)):
        return value
    try:  # those that Python has too many digits for are infinite above
        exact: dict[str, Any] = json.loads(str(line, "utf-8"))
    except RecursionError:
        pass
    else:
        return exact
    raise InvalidLineError("nested too deeply to be read", code="invalid_json_line")


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
