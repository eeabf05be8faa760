r"""The positions of values in a line of JSON, to keep, copy or change their bytes, and the paths that name them.

Only for lines that were decoded. `members` and `elements` walk the text, and are always right. `find` searches for the keys of a
path, a hundred times as fast, in lines where each of these keys occurs once, and no other key may be the same with escapes
(`"mod\u0065l"`): if the decoded line has a value at the path, then the one place must be its key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from batchfiles import codec
from batchfiles.errors import InvalidLineError

Path: TypeAlias = tuple[str | int, ...]
"""Keys of objects and indices of arrays, from the outside in; the first is a key, because a line is an object."""

STEP = re.compile(
    r'(?:(?:^|\.)(?P<name>[^.\[\]"=]+))|(?:(?:^|\.)(?P<quoted>"(?:[^"\\]|\\.)*"))'
    r'|(?:\[(?P<index>[0-9]{1,9})\])|(?:\[(?P<key>"(?:[^"\\]|\\.)*")\])'
)
DEEPEST = 100
"""Maximum number of steps."""

HOW = """write body.model, body.messages[0].content, or body["a key with . or = in it"]"""


def parse_path(text: str) -> Path:
    """Read a path.

    Args:
        text: Keys separated by dots, and indices of arrays in brackets, counted from 0. A key with `.`, `=`, `[`, `]` or `"` is a
            JSON string, with or without brackets. A leading `$.`, as in findings, is ignored.

    Raises:
        ValueError: It is not a valid path.
    """
    path, rest = path_and_rest(text)
    if rest:
        raise ValueError(f"{text!r} is not a valid path: {HOW}")
    return path


def path_and_rest(text: str) -> tuple[Path, str]:
    """Read the path at the beginning of a text, and return it and the rest, such as `=4000`.

    Raises:
        ValueError: The text does not begin with a path.
    """
    rest = text.removeprefix("$.")
    at = 0
    steps: list[str | int] = []
    while match := STEP.match(rest, at):
        steps.append(_step(match, text))
        at = match.end()
    if len(steps) > DEEPEST:
        raise ValueError(f"the path {text[:60]!r}… has {len(steps)} steps; the maximum is {DEEPEST}")
    if not steps or not isinstance(steps[0], str):
        raise ValueError(f"{text!r} does not begin with a path: {HOW}")
    return tuple(steps), rest[at:]


def _step(match: re.Match[str], text: str) -> str | int:
    if match["index"] is not None:
        return int(match["index"])
    if match["name"] is not None:
        return match["name"]
    quoted = match["quoted"] or match["key"]
    try:
        return str(next(iter(codec.loads(f"{{{quoted}:0}}"))))
    except InvalidLineError:
        raise ValueError(f"{quoted} in {text!r} is not a JSON string") from None


def shown(path: Sequence[str | int]) -> str:
    """Return a path as findings write it: `$.body.messages[0]`."""
    parts = []
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif re.fullmatch(r'[^.\[\]"=]+', step):
            parts.append(f".{step}")
        else:
            parts.append(f"[{codec.dumps(step).decode()}]")
    return "$" + "".join(parts)


FEW = 100
"""The number of escapes that are searched one by one, which is faster for a few than a regular expression."""


class EscapedLetters:
    r"""Finds escapes of the letters of a word, which is ASCII.

    Not just any escapes: `\u00e9` and the like are in nearly every text that is not English.
    """

    def __init__(self, word: str) -> None:
        self._codes = frozenset(b"%02x" % ord(letter) for letter in word)
        codes = "|".join(sorted(code.decode() for code in self._codes))
        self._pattern = re.compile(rf"\\u00(?:{codes})".encode(), re.IGNORECASE)

    def stand_in(self, text: bytes) -> bool:
        """Return whether a text contains an escape of one of the letters."""
        at = text.find(b"\\u00")
        for _ in range(FEW):
            if at < 0 or text[at + 4 : at + 6].lower() in self._codes:
                return at >= 0
            at = text.find(b"\\u00", at + 4)
        return at >= 0 and self._pattern.search(text, at) is not None


SPACES = b" \t\r\n"
SPACE = re.compile(rb"[ \t\r\n]*")
STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
SCALAR = re.compile(rb"[^ \t\r\n,\]}]+")
INSIDE = re.compile(rb'[^"\[\]{}]*')


class Member(NamedTuple):
    """A key of an object and its value: `text[start:end]`."""

    key: str
    key_start: int
    start: int
    end: int


def members(text: bytes, start: int = 0) -> Iterator[Member]:
    """Yield the members of the object at `start` or after white space; repeated keys are repeated.

    Raises:
        ValueError: There is no object, or the part that was read is not valid.
    """
    at = _first(text, start, b"{", "object")
    while text[at : at + 1] != b"}":
        key_start = at
        key_end = _end_of_string(text, at)
        at = _skip(text, key_end)
        if text[at : at + 1] != b":":
            raise ValueError("a key without a colon")
        value = _skip(text, at + 1)
        end = end_of_value(text, value)
        yield Member(_key(text[key_start + 1 : key_end - 1]), key_start, value, end)
        at = _next(text, end, b"}")


def elements(text: bytes, start: int = 0) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each element of the array at `start` or after white space.

    Raises:
        ValueError: There is no array, or the part that was read is not valid.
    """
    at = _first(text, start, b"[", "array")
    while text[at : at + 1] != b"]":
        end = end_of_value(text, at)
        yield at, end
        at = _next(text, end, b"]")


def _first(text: bytes, start: int, bracket: bytes, kind: str) -> int:
    at = _skip(text, start)
    if text[at : at + 1] != bracket:
        raise ValueError(f"no JSON {kind} at this place")
    return _skip(text, at + 1)


def _next(text: bytes, end: int, bracket: bytes) -> int:
    """Return the position after a comma, or that of the closing bracket."""
    at = _skip(text, end)
    if text[at : at + 1] == b",":
        return _skip(text, at + 1)
    if text[at : at + 1] != bracket:
        raise ValueError(f"a comma or {bracket.decode()} is missing")
    return at


def last_member(text: bytes, key: str, start: int = 0) -> Member | None:
    """Return the last member with a key, which is the one that decoding keeps."""
    return next((member for member in reversed(list(members(text, start))) if member.key == key), None)


def end_of_value(text: bytes, start: int) -> int:
    """Return the end of the value at `start`.

    Raises:
        ValueError: There is no value, or it has no end.
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
            # The brackets match, because the line was decoded, so their kinds don't matter.
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


def body_of_input(line: bytes, value: dict[str, Any]) -> bytes | None:
    """Return the bytes of `body` in a request line; None if there is none.

    Args:
        line: The bytes of the line.
        value: The decoded line.
    """
    # Mostly `body` is the last key and the values before it are scalars.
    if value and next(reversed(value)) == "body" and _all_scalar(value, "body"):
        cut = _cut(line, value["body"], closing=1)
        if cut is not None:
            return cut
    member = last_member(line, "body") if "body" in value else None
    return line[member.start : member.end] if member else None


def body_of_output(line: bytes, value: dict[str, Any]) -> bytes | None:
    """Return the bytes of `response.body` in a result line; of `response` if it is the bare completion.

    Args:
        line: The bytes of the line.
        value: The decoded line.
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


def _all_scalar(value: dict[str, Any], except_key: str) -> bool:
    """Return whether no value except one is an array or an object."""
    return all(type(item) not in CONTAINERS or key == except_key for key, item in value.items())


CONTAINERS = frozenset({dict, list})


def _cut_of_output(line: bytes, value: dict[str, Any], body: object) -> bytes | None:
    """Return the body of `{scalars…, "response": {scalars…, "body": {…}}, "error": null}`, with or without the error."""
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
r"""A repeated key may be written as `"bod\u0079"`."""


def _cut(line: bytes, body: object, closing: int, rival: bytes = b"") -> bytes | None:
    """Return the bytes after the first `"body":`, up to the brace before the last `closing` ones; None if they are not the value.

    They are the value if nothing before the key is escaped (so that it is the key), there is only white space between the closing
    braces, and neither this key nor `rival`, which the caller took for the last member, is repeated after it. If one
    may be, with or without escapes, the bytes must decode to the body.
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
"""Keys that can be written otherwise only with escapes such as `\\u0065`."""
COLON = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*")


class Match(NamedTuple):
    """The position of a member: its key begins at `key_start`, its value is `line[start:end]`."""

    key_start: int
    start: int
    end: int


class Missing(NamedTuple):
    """The position for a new last member, if `path[depth:]` is missing.

    Attributes:
        at: After the last member, or after the opening brace of an empty object; -1 if the object is not the last one.
        depth: The number of steps that exist.
        is_empty: Whether the object is empty.
    """

    at: int
    depth: int
    is_empty: bool


def find(line: bytes, value: dict[str, Any], path: Path) -> Match | Missing | None:
    """Find a path in a line.

    Args:
        line: The bytes of the line.
        value: The decoded line.
        path: The path.

    Returns:
        The position of the value, or for it; None if the line must be walked.
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
    key = str(path[-1]).encode()
    key_start = line.find(b'"%b"' % key)
    colon = COLON.match(line, key_start + len(key) + 2)
    return Match(key_start, colon.end(), end_of_value(line, colon.end())) if colon else None


def leads_somewhere(value: dict[str, Any], path: Path) -> bool:
    """Return whether there is a value at a path of keys in a decoded line."""
    at: Any = value
    for step in path:
        if type(at) is not dict or step not in at:
            return False
        at = at[step]
    return True


def _end_of_last_member(line: bytes, depth: int) -> int:
    """Return the end of the last member of the object whose closing brace is followed by `depth` others."""
    end = len(line)
    for _ in range(depth + 1):
        end = line.rindex(b"}", 0, end)
    while line[end - 1] in SPACES:
        end -= 1
    return end
