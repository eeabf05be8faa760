"""Edits of values in a line that change no other byte: digits, spaces, the order of keys and repeated keys remain.

The JSON text of a new value is exact, also that of integers beyond 64 bits, which `codec.loads` would round to floats.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, NoReturn, Self, TypeAlias

from batchfiles import codec
from batchfiles.codec import NOT_STRICT, Repaired, loads
from batchfiles.errors import InvalidLineError
from batchfiles.jsontext.spans import (
    HOW,
    Missing,
    Path,
    elements,
    find,
    leads_somewhere,
    members,
    parse_path,
    path_and_rest,
    shown,
)

Action: TypeAlias = Literal["set", "default", "unset"]
Replacement: TypeAlias = tuple[int, int, bytes]
"""`(start, end, text)`: the text that replaces a range of bytes."""

COMMA = re.compile(rb"[ \t\r\n]*,[ \t\r\n]*")
KINDS = {b"{": "an object", b"[": "an array", b'"': "a string", b"t": "true", b"f": "false", b"n": "null"}


@dataclass(frozen=True, slots=True)
class Edit:
    """One change to every line.

    Attributes:
        action: `"set"` a value, set a `"default"` if there is none, or `"unset"`: remove the value.
        path: The place of the value.
        value: The JSON text of the value; empty for `unset`.
    """

    action: Action
    path: Path
    value: bytes = b""

    @classmethod
    def set(cls, path: str, value: Any) -> Self:  # noqa: ANN401 - any JSON value
        """Set the value at `path`, such as `"body.max_tokens"`; integers beyond 64 bits keep all their digits.

        Raises:
            ValueError: The path is not valid, or the value is not a JSON value, such as `nan` and infinity.
        """
        return cls("set", parse_path(path), json_of(value))

    @classmethod
    def default(cls, path: str, value: Any) -> Self:  # noqa: ANN401 - any JSON value
        """Set the value at `path` if there is none.

        Raises:
            ValueError: The path is not valid, or the value is not a JSON value.
        """
        return cls("default", parse_path(path), json_of(value))

    @classmethod
    def unset(cls, path: str) -> Self:
        """Remove the value at `path`, if there is one.

        Raises:
            ValueError: The path is not valid.
        """
        return cls("unset", parse_path(path))

    @classmethod
    def parse(cls, text: str, *, as_string: bool = False) -> Self:
        """Read `PATH=VALUE`, as on a command line.

        Args:
            text: VALUE is JSON if it parses, and is kept unchanged, even if it can't be decoded, such as `1e400`; otherwise it is
                a string.
            as_string: Whether VALUE is always a string, for example `"1"`.

        Raises:
            ValueError: It is not of that form, or VALUE is nested too deeply to find out whether it is JSON.
        """
        path, rest = path_and_rest(text)
        if rest and not rest.startswith("="):
            raise ValueError(f"{text!r} does not begin with a path: unexpected {rest!r}; {HOW}")
        if not rest:
            raise ValueError(f"{text!r} has no value: write PATH=VALUE, such as body.max_tokens=4000")
        return cls("set", path, json_of(rest[1:]) if as_string else json_text(rest[1:]))

    @classmethod
    def from_spec(cls, spec: Sequence[Any]) -> Self:
        """Return the edit of a `to_spec`."""
        action, path, value = spec
        return cls(action, tuple(path), value.encode())

    def to_spec(self) -> list[Any]:
        """Return the edit as JSON values, for another process."""
        return [self.action, list(self.path), self.value.decode()]


def edited(line: bytes, edits: Iterable[Edit]) -> bytes:
    r"""Change a line.

    Args:
        line: Without its `\n`.
        edits: The changes, in order.

    Returns:
        The changed line; `line` itself if nothing changed.

    Raises:
        InvalidLineError: `invalid_json_line`: it is not a JSON object. `path_not_found`: a value can't be set, because its path
            leads through a value that is not an object, or not a long enough array.
    """
    value: dict[str, Any] | None = codec.loads(line)
    for edit in edits:
        replacements = _fast_replacements(line, codec.loads(line) if value is None else value, edit)
        if replacements is None:
            replacements = _replacements(line, edit)
        if replacements:
            line, value = _replaced(line, replacements), None
    return line


def _fast_replacements(line: bytes, value: dict[str, Any], edit: Edit) -> list[Replacement] | None:
    """Return the replacements for an edit without walking the line; None if it must be walked."""
    place = find(line, value, edit.path)
    if isinstance(place, Missing):
        if edit.action == "unset":
            return []
        if place.at < 0:
            return None
        text = codec.dumps(edit.path[place.depth]) + b":" + _with_parents(edit, place.depth + 1)
        at = line.rindex(b"{", 0, place.at + 1) + 1 if place.is_empty else place.at
        replacements = [(at, at, text if place.is_empty else b"," + text)]
        # With a repeated key, the last object may be another one: then the path leads nowhere now.
        return replacements if _is_there(_replaced(line, replacements), edit.path) else None
    if place is None or edit.action == "default":
        return None if place is None else []
    if edit.action == "set":
        return [] if line[place.start : place.end] == edit.value else [(place.start, place.end, edit.value)]
    before = place.key_start
    while line[before - 1] in b" \t\r\n":
        before -= 1
    if line[before - 1] == ord(","):
        return [(before - 1, place.end, b"")]
    comma = COMMA.match(line, place.end)
    return [(place.key_start, comma.end() if comma else place.end, b"")]


def _is_there(line: bytes, path: Path) -> bool:
    try:
        return leads_somewhere(codec.loads(line), path)
    except InvalidLineError:
        return False


def _replacements(line: bytes, edit: Edit) -> list[Replacement]:
    """Return the replacements for an edit by walking the line."""
    start = line.index(b"{")
    return list(_removals(line, start, edit.path) if edit.action == "unset" else _settings(line, start, edit, 0))


def _replaced(line: bytes, replacements: list[Replacement]) -> bytes:
    pieces: list[bytes] = []
    at = 0
    for start, end, text in replacements:  # in the order of the line
        pieces += (line[at:start], text)
        at = end
    return b"".join((*pieces, line[at:]))


def _settings(line: bytes, start: int, edit: Edit, depth: int) -> Iterator[Replacement]:
    """Yield the replacements that set a value in the object or array at `start`."""
    step = edit.path[depth]
    if isinstance(step, int):
        place = next(islice(elements(line, start), step, None), None) if line[start : start + 1] == b"[" else None
        if place is None:
            raise _not_found(line, start, edit.path, depth)
        yield from _settings_in(line, *place, edit, depth + 1)
        return
    if line[start : start + 1] != b"{":
        raise _not_found(line, start, edit.path, depth)
    end = 0
    found = False
    for member in members(line, start):
        end = member.end
        if member.key == step:
            found = True
            yield from _settings_in(line, member.start, member.end, edit, depth + 1)
    if not found:
        text = codec.dumps(step) + b":" + _with_parents(edit, depth + 1)
        if end:
            yield end, end, b"," + text
        else:
            at = line.index(b"{", start) + 1
            yield at, at, text


def _settings_in(line: bytes, start: int, end: int, edit: Edit, depth: int) -> Iterator[Replacement]:
    """Yield the replacements that set a value in `line[start:end]`, or replace it if the path ends there."""
    if depth < len(edit.path):
        yield from _settings(line, start, edit, depth)
    elif edit.action == "set" and line[start:end] != edit.value:
        yield start, end, edit.value


def _with_parents(edit: Edit, depth: int) -> bytes:
    """Return the value inside the missing objects of its path."""
    text = edit.value
    for at in range(len(edit.path) - 1, depth - 1, -1):
        step = edit.path[at]
        if isinstance(step, int):
            where = shown(edit.path[:at])
            raise InvalidLineError(f"there is no array {where} for element {step}", code="path_not_found", json_path=where)
        text = b"{" + codec.dumps(step) + b":" + text + b"}"
    return text


def _not_found(line: bytes, start: int, path: Path, depth: int) -> InvalidLineError:
    """Return the error for a path that does not continue at `start`."""
    step, where = path[depth], shown(path[:depth])
    if isinstance(step, int) and line[start : start + 1] == b"[":
        count = sum(1 for _ in elements(line, start))
        reason = f"the array has {count} element{'' if count == 1 else 's'}, so it has no element {step}; the first is 0"
    else:
        kind = KINDS.get(line[start : start + 1], "a number")
        reason = f"the value is {kind}, so nothing can be set at {shown(path)}"
    return InvalidLineError(reason, code="path_not_found", json_path=where)


def _removals(line: bytes, start: int, path: Path) -> Iterator[Replacement]:
    """Yield the replacements that remove a value from the object or array at `start`."""
    step = path[0]
    if line[start : start + 1] != (b"[" if isinstance(step, int) else b"{"):
        return
    if isinstance(step, int):
        places = [(at, at, end) for at, end in elements(line, start)]
        chosen = [number == step for number in range(len(places))]
    else:
        walked = list(members(line, start))
        places = [(member.key_start, member.start, member.end) for member in walked]
        chosen = [member.key == step for member in walked]
    if len(path) == 1:
        yield from _without(line, [(begin, end) for begin, _, end in places], chosen)
        return
    for (_, value, _), is_chosen in zip(places, chosen, strict=True):
        if is_chosen:
            yield from _removals(line, value, path[1:])


def _without(line: bytes, places: list[tuple[int, int]], removed: list[bool]) -> Iterator[Replacement]:
    """Yield the replacements that remove members or elements, each with the comma before it, or after it if it is the first."""
    kept_before = False
    for number, (start, end) in enumerate(places):
        if not removed[number]:
            kept_before = True
        elif kept_before:
            yield line.index(b",", places[number - 1][1]), end, b""
        elif number + 1 < len(places):
            yield start, places[number + 1][0], b""
        else:
            yield start, end, b""


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
        elif isinstance(value, (list, tuple)):
            waiting += value
        else:
            yield value
