"""Where in a line: paths such as `body.messages[0].content`, as people write them.

Whether a word may stand in a text with some of its letters as escapes: JSON takes `"custom_i\u0064"` for `"custom_id"`.

Nobody writes ASCII letters so, but other characters are, in nearly every text that is not English: `\u00e9`. So it is the letters
that are looked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from batchfiles import codec
from batchfiles.errors import InvalidLineError

__all__ = ["EscapedLetters", "Path", "parse_path", "path_and_rest", "shown"]

Path: TypeAlias = tuple[str | int, ...]
"""Keys of objects and indices of arrays, from the outside in; the first is a key, for a line is an object."""

STEP = re.compile(
    r'(?:(?:^|\.)(?P<name>[^.\[\]"=]+))|(?:(?:^|\.)(?P<quoted>"(?:[^"\\]|\\.)*"))'
    r'|(?:\[(?P<index>[0-9]{1,9})\])|(?:\[(?P<key>"(?:[^"\\]|\\.)*")\])'
)
DEEPEST = 100
"""Steps of a path; no request is nested that deep."""

HOW = """write body.model, body.messages[0].content, or body["a key with . or = in it"]"""


def parse_path(text: str) -> Path:
    """Read a path.

    Args:
        text: Keys with dots between, indices of arrays in brackets, counted from 0. A key that holds `.`, `=`, `[`, `]` or `"`
            stands in double quotes, as JSON writes it, with brackets around or without. `$.` at the beginning, as findings have
            it, says nothing.

    Raises:
        ValueError: It is no path.
    """
    path, rest = path_and_rest(text)
    if rest:
        raise ValueError(f"{text!r} is no path: {HOW}")
    return path


def path_and_rest(text: str) -> tuple[Path, str]:
    """Read the path that a text begins with; returns it and what stands behind it, such as `=4000`.

    Raises:
        ValueError: It begins with no path.
    """
    rest = text.removeprefix("$.")
    at = 0
    steps: list[str | int] = []
    while match := STEP.match(rest, at):
        steps.append(_step(match, text))
        at = match.end()
    if len(steps) > DEEPEST:
        raise ValueError(f"the path {text[:60]!r}… has {len(steps)} steps, and {DEEPEST} are allowed")
    if not steps or not isinstance(steps[0], str):
        raise ValueError(f"{text!r} begins with no path: {HOW}")
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
        raise ValueError(f"{quoted} in {text!r} is no JSON string") from None


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
"""Escapes that are looked at one by one: to find one takes half the time of a regular expression, but a step of Python each."""


class EscapedLetters:
    """Finds escapes of the letters of a word.

    Args:
        word: ASCII letters and the like.
    """

    def __init__(self, word: str) -> None:
        self._codes = frozenset(b"%02x" % ord(letter) for letter in word)
        codes = "|".join(sorted(code.decode() for code in self._codes))
        self._pattern = re.compile(rf"\\u00(?:{codes})".encode(), re.IGNORECASE)

    def stand_in(self, text: bytes) -> bool:
        """Return whether a text contains one of them."""
        at = text.find(b"\\u00")
        for _ in range(FEW):
            if at < 0 or text[at + 4 : at + 6].lower() in self._codes:
                return at >= 0
            at = text.find(b"\\u00", at + 4)
        return at >= 0 and self._pattern.search(text, at) is not None
