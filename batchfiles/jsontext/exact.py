"""The exact JSON text of a user's value, and integers beyond 64 bits, which `codec.loads` would round to floats."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from batchfiles import codec
from batchfiles.codec import NOT_STRICT, Repaired, loads
from batchfiles.errors import InvalidLineError

__all__ = ["AS_TEXT", "BEYOND", "beyond_64_bits", "json_of", "json_text", "leaves", "loads_exactly"]

DEEPEST = 254
"""Maximum nesting, as in `codec.dumps`; a list that contains itself is nested more deeply."""
STRING_OR_SPACE = re.compile(rb'("[^"\\]*(?:\\.[^"\\]*)*")|[ \t\r\n]+')


def json_of(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Return the JSON text of a Python value.

    `codec.dumps` alone would write null for `nan`, and refuse integers beyond 64 bits. Here they keep all their digits.

    Raises:
        ValueError: It is not a JSON value: `nan`, infinity, half a surrogate pair, a key that is not a string, or another object;
            or it is nested more than 254 deep; or an integer has more digits than `sys.get_int_max_str_digits()`.
    """
    try:
        return _written(value, 0)
    except InvalidLineError as error:
        raise ValueError(f"not a JSON value: {error.reason}") from None


def _written(value: Any, depth: int) -> bytes:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict | list | tuple):
        if depth == DEEPEST:
            raise ValueError(f"not a JSON value: nested more than {DEEPEST} deep")
        if isinstance(value, dict):
            return b"{%b}" % b",".join(_key(key) + b":" + _written(item, depth + 1) for key, item in value.items())
        return b"[%b]" % b",".join(_written(item, depth + 1) for item in value)
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(int(value)).encode()
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"not a JSON value: {value}")
    return codec.dumps(value)


def _key(key: Any) -> bytes:  # noqa: ANN401 - Python has keys of many types
    if not isinstance(key, str):
        raise ValueError(f"not a JSON value: the key {key!r} is not a string")  # noqa: TRY004 - as for other values
    return codec.dumps(key)


def json_text(text: str) -> bytes:
    """Return a user's text unchanged if it is JSON, without white space if it has several lines; else as a JSON string.

    Raises:
        ValueError: It contains bytes that are not UTF-8, or is nested too deeply to find out whether it is JSON.
    """
    if not _is_json(text):
        return json_of(text)
    raw = text.encode().strip(b" \t\r\n")
    if b"\n" in raw or b"\r" in raw:
        return STRING_OR_SPACE.sub(lambda match: match[1] or b"", raw)
    return raw


def _is_json(text: str) -> bool:
    """Return whether a text is JSON by its grammar, also with numbers and strings that can't be decoded."""
    with suppress(ValueError):  # including text that can't be encoded
        codec.parse(text.encode())
        return True
    try:
        text.encode()
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)
    except RecursionError:
        message = "the value is nested too deeply to be read as JSON; for a string, use --set-string or as_string"
        raise ValueError(message) from None
    except ValueError:
        return False
    return True


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"JSON has no {constant}")


KEPT = range(-(2**63), 2**64)
"""The integers that keep all digits: signed and unsigned 64 bits."""

FIRST_ROUNDED = 2.0**63
"""The smallest absolute value of an integer that was rounded to a float."""

BEYOND = "an integer beyond 64 bits"
AS_TEXT = "it would be rounded; write it as a string, in quotes"


def loads_exactly(line: bytes) -> dict[str, Any]:
    """Decode one line, integers with all their digits.

    Raises:
        InvalidLineError: It is not a JSON object, or not strictly JSON.
    """
    value = loads(line)
    if type(value) is Repaired:
        raise InvalidLineError(f"not strictly JSON: {NOT_STRICT}", code="invalid_json_line")
    if not any(type(leaf) is float and abs(leaf) >= FIRST_ROUNDED for leaf in leaves(value)):
        return value
    try:  # integers with too many digits for Python are infinite above
        exact: dict[str, Any] = json.loads(str(line, "utf-8"))
    except RecursionError:
        raise InvalidLineError("nested too deeply to be read", code="invalid_json_line") from None
    return exact


def beyond_64_bits(value: Any) -> Sequence[str | int] | None:  # noqa: ANN401 - any JSON value
    """Return the path of an integer beyond 64 bits in a value; None if there is none."""
    if not _has_big_integer(value):
        return None
    path: list[str | int] = []
    while isinstance(value, (dict, list)):
        items: Iterable[tuple[str | int, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
        step, value = next((step, item) for step, item in items if _has_big_integer(item))
        path.append(step)
    return path


def _has_big_integer(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return any(type(leaf) is int and leaf not in KEPT for leaf in leaves(value))


def leaves(value: Any) -> Iterator[Any]:  # noqa: ANN401 - any JSON value
    """Yield the values other than objects and arrays. Without recursion: JSON may be deeper than Python's stack."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        else:
            yield value
