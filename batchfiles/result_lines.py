"""The `custom_id` of each line, exactly, and mostly without decoding the line."""

from __future__ import annotations

import re
from typing import Any

from batchfiles.bodies.answer import EMPTY
from batchfiles.codec import loads
from batchfiles.errors import InvalidLineError
from batchfiles.jsontext.paths import EscapedLetters
from batchfiles.outcome import MALFORMED, Result, read, retryable

__all__ = ["ID", "ID_LETTERS", "id_of_line", "id_of_malformed", "ids_of", "may_repeat_its_key", "read_result"]


def read_result(line: bytes) -> tuple[dict[str, Any] | None, Result]:
    """Decode a result line and say what became of its request; a line that can't be read is `malformed`, with the reason."""
    try:
        value = loads(line)
    except InvalidLineError as error:
        return None, _malformed(error.code, error.reason)
    if ("response" not in value and "error" not in value) or type(value.get("custom_id")) not in ID_TYPES:
        reason = why_unreadable(value)
        if reason is not None:
            return None, _malformed(reason.code, reason.reason)
    return value, read(value)


ID_TYPES = frozenset({str, type(None)})


def _malformed(code: str, message: str) -> Result:
    return Result(MALFORMED, None, None, code, None, None, message, retryable(MALFORMED, None), None, EMPTY, 0)


def id_of_line(line: bytes) -> str | None:
    """Read the id of a line that can't be read as a result: from its JSON if it is some, else from its beginning."""
    try:
        custom_id = loads(line).get("custom_id")
    except InvalidLineError:
        return id_of_malformed(line)
    return custom_id if type(custom_id) is str else None


ID = re.compile(rb'[ \t\r]*{[ \t\r]*(?:"id"[ \t\r]*:[ \t\r]*"[^"\\]*"[ \t\r]*,[ \t\r]*)?"custom_id"[ \t\r]*:[ \t\r]*"([^"\\]*)"')
ID_WITH_ESCAPES = re.compile(ID.pattern.replace(rb'"([^"\\]*)"', rb'("(?:[^"\\]|\\.)*")'))
r"""The key may hide in `"custom_i\u0064"`."""
ID_LETTERS = EscapedLetters("custom_id")


def may_repeat_its_key(line: bytes) -> bool:
    """Return whether `custom_id` may occur in a line more than once, plainly or with letters as escapes."""
    return line.count(b'"custom_id"') != 1 or ID_LETTERS.stand_in(line)


def why_unreadable(value: dict[str, Any]) -> InvalidLineError | None:
    """Say why a decoded line is no result; None if it is one."""
    if "response" not in value and "error" not in value:
        return InvalidLineError("the line has neither 'response' nor 'error'", code="missing_required_parameter")
    custom_id = value.get("custom_id")
    if type(custom_id) is not str and custom_id is not None:
        return InvalidLineError("'custom_id' must be a string", code="invalid_type", json_path="$.custom_id")
    return None


def id_of_malformed(line: bytes) -> str | None:
    """Read the id of a line that is no JSON, if the damage stands behind it."""
    found = ID_WITH_ESCAPES.match(line)
    try:
        return str(loads(b'{"custom_id":' + found[1] + b"}")["custom_id"]) if found else None
    except InvalidLineError:
        return None


def ids_of(lines: list[bytes], text: bytes) -> list[str | None]:
    r"""Return the decoded id of each line; None where a line is no JSON object or has no id that is a string.

    Args:
        lines: Lines of requests or of results, with their newlines or without.
        text: The same in one piece.
    """
    # If each line begins with an id and there are no more ids than lines, none comes again behind the first.
    if text.count(b'"custom_id"') == len(lines) and not ID_LETTERS.stand_in(text):
        matches = list(map(ID.match, lines))
        if all(matches):
            try:
                return [match[1].decode() for match in matches]  # type: ignore[index]
            except UnicodeDecodeError:
                pass
    return list(map(_id_of, lines))


def _id_of(line: bytes) -> str | None:
    try:
        custom_id = loads(line).get("custom_id")
    except InvalidLineError:
        return None
    return custom_id if isinstance(custom_id, str) else None
