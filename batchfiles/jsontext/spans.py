r"""Where a value stands in a line of JSON, so that its own bytes can be kept, copied or changed.

`cut_last` is quick and says None when it isn't sure; `members` walks the text and is always right on a line that decodes. Neither
reads JSON the way `codec` does: they are asked about lines that decoded already, and only say where things stand.

Where a path leads in an ordinary line, found by searching and not by walking: a hundred times as quick as `spans.members`.

A line is ordinary for a path if each of its keys stands in it just once, in plain letters, and nothing else in the line may be
such a key in disguise (`"mod\u0065l"`). If the decoded line has a value at the path, then that one place must be its key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from batchfiles import codec
from batchfiles.errors import InvalidLineError
from batchfiles.jsontext.paths import EscapedLetters, Path

__all__ = [
    "ORDINARY_INPUT",
    "Match",
    "Member",
    "Missing",
    "body_of_input",
    "body_of_output",
    "elements",
    "find",
    "last_member",
    "leads_somewhere",
    "members",
]

SPACES = b" \t\r\n"
SPACE = re.compile(rb"[ \t\r\n]*")
STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
SCALAR = re.compile(rb"[^ \t\r\n,\]}]+")
INSIDE = re.compile(rb'[^"\[\]{}]*')


class Member(NamedTuple):
    """A key of an object and the place of its value: `text[start:end]`."""

    key: str
    key_start: int
    start: int
    end: int


def members(text: bytes, start: int = 0) -> Iterator[Member]:
    """Walk the members of the object that begins at `start`, white space before it allowed; repeated keys come repeatedly.

    Raises:
        ValueError: There is no object at that place, or it is not well formed as far as it was walked.
    """
    at = _skip(text, start)
    if text[at : at + 1] != b"{":
        raise ValueError("no JSON object at this place")
    at = _skip(text, at + 1)
    while text[at : at + 1] != b"}":
        key_start = at
        key_end = _end_of_string(text, at)
        at = _skip(text, key_end)
        if text[at : at + 1] != b":":
            raise ValueError("a key without a colon")
        value = _skip(text, at + 1)
        end = end_of_value(text, value)
        yield Member(_key(text[key_start + 1 : key_end - 1]), key_start, value, end)
        at = _skip(text, end)
        if text[at : at + 1] == b",":
            at = _skip(text, at + 1)
        elif text[at : at + 1] != b"}":
            raise ValueError("a member without an end")


def elements(text: bytes, start: int = 0) -> Iterator[tuple[int, int]]:
    """Walk the elements of the array that begins at `start`, white space before it allowed: the place of each, as a slice.

    Raises:
        ValueError: There is no array at that place, or it is not well formed as far as it was walked.
    """
    at = _skip(text, start)
    if text[at : at + 1] != b"[":
        raise ValueError("no JSON array at this place")
    at = _skip(text, at + 1)
    while text[at : at + 1] != b"]":
        end = end_of_value(text, at)
        yield at, end
        at = _skip(text, end)
        if text[at : at + 1] == b",":
            at = _skip(text, at + 1)
        elif text[at : at + 1] != b"]":
            raise ValueError("an element without an end")


def last_member(text: bytes, key: str, start: int = 0) -> Member | None:
    """Find the member that decoding keeps: the last one of that key."""
    found = None
    for member in members(text, start):
        if member.key == key:
            found = member
    return found


def end_of_value(text: bytes, start: int) -> int:
    """Return where the value that begins at `start` ends.

    Raises:
        ValueError: No value begins there, or it has no end.
    """
    first = text[start : start + 1]
    if first == b'"':
        return _end_of_string(text, start)
    if first not in (b"{", b"["):
        match = SCALAR.match(text, start)
        if match is None:
            raise ValueError("no JSON value at this place")
        return match.end()
    depth = 0
    at = start
    while at < len(text):
        char = text[at]
        if char == 0x22:
            at = _end_of_string(text, at)
        else:
            # What the decoder accepted has matching brackets, so their kinds need no look.
            depth += 1 if char in b"{[" else -1
            at += 1
            if depth == 0:
                return at
        at = INSIDE.match(text, at).end()  # type: ignore[union-attr]
    raise ValueError("a value without an end")


def _skip(text: bytes, at: int) -> int:
    return SPACE.match(text, at).end()  # type: ignore[union-attr]


def _end_of_string(text: bytes, start: int) -> int:
    match = STRING.match(text, start)
    if match is None:
        raise ValueError("a string without an end")
    return match.end()


def _key(raw: bytes) -> str:
    if b"\\" not in raw:
        return raw.decode()
    return next(iter(codec.loads(b'{"' + raw + b'":0}')))


PLAIN = rb'[^"\\\x00-\x1f]*'
ORDINARY_INPUT = re.compile(
    rb'{ ?"custom_id": ?"(?P<custom_id>%s)", ?"method": ?"%s", ?"url": ?"(?P<url>[!#-[\]-~]*)", ?"body": ?(?={)' % (PLAIN, PLAIN)
)
"""The beginning of a request line with its keys in the order that everybody writes and nothing escaped."""


def body_of_input(line: bytes, value: dict[str, Any]) -> bytes | None:
    """Return the bytes of `body` in a request line; None where there is none.

    Args:
        line: The line as it stands in the file.
        value: What it decodes to.
    """
    # Mostly `body` is the last key and the values before it are scalars.
    if value and next(reversed(value)) == "body" and _all_scalar(value, "body"):
        cut = _cut(line, value["body"], closing=1)
        if cut is not None:
            return cut
    member = last_member(line, "body") if "body" in value else None
    return line[member.start : member.end] if member else None


def body_of_output(line: bytes, value: dict[str, Any]) -> bytes | None:
    """Return the bytes of `response.body` in a result line; of `response` where a service puts the bare completion there.

    Args:
        line: The line as it stands in the file.
        value: What it decodes to.
    """
    response = value.get("response")
    if type(response) is not dict:
        return None
    if response and next(reversed(response)) == "body" and _all_scalar(response, "body"):
        cut = _cut_of_output(line, value, response["body"])
        if cut is not None:
            return cut
    member = last_member(line, "response")
    if member is None or "body" not in response:
        return member and line[member.start : member.end]
    body = last_member(line, "body", member.start)
    return line[body.start : body.end] if body else None


def _all_scalar(value: dict[str, Any], but: str) -> bool:
    """Return whether no value but one is an array or an object."""
    return all(type(item) not in CONTAINERS or key == but for key, item in value.items())


CONTAINERS = frozenset({dict, list})


def _cut_of_output(line: bytes, value: dict[str, Any], body: object) -> bytes | None:
    """Cut the body out of `{scalars…, "response": {scalars…, "body": {…}}, "error": null}`, with or without the error."""
    if not _all_scalar(value, "response"):
        return None
    last = next(reversed(value))
    if last == "response":
        return _cut(line, body, closing=2)
    if last != "error" or value["error"] is not None or list(value)[-2:] != ["response", "error"]:
        return None
    end = line.rfind(b"}", 0, line.rfind(b"}")) + 1
    return _cut(line[:end], body, closing=1, rival=b'"error"') if ERROR_NULL.fullmatch(line, end) else None


ERROR_NULL = re.compile(rb'[ \t\r\n]*,[ \t\r\n]*"error"[ \t\r\n]*:[ \t\r\n]*null[ \t\r\n]*}[ \t\r\n]*')
BODY_KEY = re.compile(rb'"body"[ \t\r\n]*:[ \t\r\n]*')
KEY_LETTERS = EscapedLetters("bodyerror")
r"""A repeated key may hide in `"bod\u0079"`."""


def _cut(line: bytes, body: object, closing: int, rival: bytes = b"") -> bytes | None:
    """Cut from behind the first `"body":` to the brace before the last `closing` ones; None where that is not the value.

    It is the value if nothing before the key is escaped (so that it is the key), only white space stands between the closing
    braces, and no key of the same name, nor a `rival` that the caller took for the last member, is repeated behind it. Where one
    may be, in plain letters or in escaped ones, the cut must show that it decodes to the body.
    """
    key = line.find(b'"body"')
    if key < 0 or type(body) is not dict or line.find(b"\\", 0, key) >= 0:
        return None
    match = BODY_KEY.match(line, key)
    if match is None:
        return None
    end = line.rfind(b"}")
    for _ in range(closing):
        before = line.rfind(b"}", 0, end)
        if line[before + 1 : end].strip(SPACES):
            return None
        end = before
    start = match.end()
    cut = line[start : end + 1]
    doubtful = (
        cut.find(b'"body"') >= 0 or (rival and cut.find(rival) >= 0) or (cut.find(b"\\u00") >= 0 and KEY_LETTERS.stand_in(cut))
    )
    return None if doubtful and not _decodes_to(cut, body) else cut


def _decodes_to(cut: bytes, body: object) -> bool:
    try:
        value = codec.loads(cut)
    except InvalidLineError:
        return False
    try:
        return value == body
    except RecursionError:
        return codec.same(value, body)


PLAIN_PATH = re.compile(r"[A-Za-z0-9_-]+")
"""Keys that can be disguised only by escapes such as `\\u0065`."""
COLON = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*")
PATH_SPACES = b" \t\r\n"


class Match(NamedTuple):
    """The place of a member: its key begins at `key_start`, its value is `line[start:end]`."""

    key_start: int
    start: int
    end: int


class Missing(NamedTuple):
    """The place for a new last member, of which `path[depth:]` is missing.

    Attributes:
        at: Behind the last member, or behind the opening brace of an empty object; -1 where the object is not the last one.
        depth: How many steps of the path are there.
        is_empty: Whether the object has no members yet.
    """

    at: int
    depth: int
    is_empty: bool


def find(line: bytes, value: dict[str, Any], path: Path) -> Match | Missing | None:
    """Find a path in a line.

    Args:
        line: The line.
        value: What it decodes to.
        path: Where to go.

    Returns:
        Where the value is, or where it is missing; None if the line or the path is not ordinary.
    """
    if b"\\u00" in line:
        return None
    at: Any = value
    is_last = True
    for depth, step in enumerate(path):
        if type(at) is not dict or type(step) is not str:
            return None
        if step not in at:
            return Missing(_end_of_last_member(line, depth) if is_last else -1, depth, not at)
        if line.count(b'"%b"' % step.encode()) != 1 or not PLAIN_PATH.fullmatch(step):
            return None
        is_last = is_last and next(reversed(at)) == step
        at = at[step]
    return _spot(line, str(path[-1]).encode())


def leads_somewhere(value: dict[str, Any], path: Path) -> bool:
    """Return whether there is a value at a path of keys in a decoded line."""
    at: Any = value
    for step in path:
        if type(at) is not dict or step not in at:
            return False
        at = at[step]
    return True


def _spot(line: bytes, key: bytes) -> Match | None:
    key_start = line.find(b'"%b"' % key)
    colon = COLON.match(line, key_start + len(key) + 2)
    return Match(key_start, colon.end(), end_of_value(line, colon.end())) if colon else None


def _end_of_last_member(line: bytes, depth: int) -> int:
    """Return where the last member ends of the object that is closed by the last brace but `depth` ones."""
    end = len(line)
    for _ in range(depth + 1):
        end = line.rindex(b"}", 0, end)
    while line[end - 1] in PATH_SPACES:
        end -= 1
    return end
