"""Text for a terminal: harmless whatever it holds, and as wide as it looks.

A line of JSON written otherwise, token by token and never decoded: numbers keep their digits, and keys may repeat.

Cells in columns, for a terminal and for a log.

Times for people: how long ago, and what the clock on the wall said.
"""

from __future__ import annotations

import json
import math
import re
import time
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass

__all__ = [
    "age",
    "ascii_json",
    "cut",
    "cut_in_front",
    "json_of_row",
    "local_time",
    "padded",
    "pretty_json",
    "repaired_json",
    "text_table",
    "visible",
    "width_of",
    "wrapped",
]


def plural(count: int, noun: str, many: str | None = None) -> str:
    """Return a count with its noun: `1 error`, `2 errors`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {many or f'{noun}s'}"


def size(count: int) -> str:
    """Return bytes in the unit in which the services state their limits: powers of ten."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1e3:,.1f} kB" if count < 1e6 else f"{count / 1e6:,.1f} MB"


ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\\": "\\"}
ELLIPSIS = "…"


def visible(text: str) -> str:
    """Write out whatever is no letter, digit, sign or space: control characters, escape sequences, marks that turn the direction.

    Data comes from anybody; what it holds must never move the cursor, change the title or hide a line of a terminal.
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _written_out(letter) for letter in text)


def _written_out(letter: str) -> str:
    if unicodedata.category(letter) == "Zs":  # all the spaces that typography knows
        return " "
    return ESCAPES.get(letter) or ascii(letter)[1:-1]


def width_of(text: str) -> int:
    """Count the columns that visible text takes: two for wide letters of East Asia and pictures, none for accents."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(letter: str) -> int:
    if unicodedata.combining(letter) or unicodedata.category(letter) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def cut(text: str, width: int) -> str:
    """Shorten visible text to a width, with `…` at its end if anything is missing."""
    if width_of(text) <= width:
        return text
    return _first(text, width - 1) + ELLIPSIS


def cut_in_front(text: str, width: int) -> str:
    """Shorten visible text to a width and keep its end, as suits a path."""
    return text if width_of(text) <= width else ELLIPSIS + _first(text[::-1], width - 1)[::-1]


def padded(text: str, width: int) -> str:
    """Fill visible text with spaces up to a width."""
    return text + " " * (width - width_of(text))


def wrapped(text: str, width: int, lines: int) -> list[str]:
    """Break visible text into at most so many lines of a width; the last one ends with `…` if anything is missing."""
    found: list[str] = []
    while len(found) < lines - 1 and width_of(text) > width:
        line = _first(text, width) or text[0]
        space = line.rfind(" ")
        if space > width // 2 and not text[len(line) :].startswith(" "):
            line = line[: space + 1]
        found.append(line.rstrip())
        text = text[len(line) :].lstrip(" ")
    return [*found, cut(text, width)]


def _first(text: str, width: int) -> str:
    """Return the beginning of a text that fits into a width."""
    return text[: sum(used <= width for used in accumulate(map(_columns, text)))]


TOKEN = re.compile(
    r"""
    (?P<string> "[^"\\]*(?:\\.[^"\\]*)*" )
  | (?P<empty>  \[\s*\] | \{\s*\} )
  | (?P<open>   [\[{] )
  | (?P<close>  [\]}] )
  | (?P<sign>   [,:] )
  | (?P<scalar> [^\s,:\[\]{}"]+ )
    """,
    re.VERBOSE | re.DOTALL,
)

NUMBERS = re.compile(r"\[[-+.0-9eE,\s]+\]")
"""A list of numbers, such as a vector or tokens: it stays on one line."""

INDENT = "  "


def pretty_json(text: str) -> Iterator[str]:
    r"""Yield the lines of a JSON text that decodes, harmless for a terminal.

    Letters that stand in it as escapes are written as letters, as far as they can be seen: `caf\u00e9` is shown as `café`.
    """
    line, depth, at = "", 0, 0
    while at < len(text):
        if text[at] == "[" and (numbers := NUMBERS.match(text, at)):
            line += " ".join(numbers[0].split())
            at = numbers.end()
            continue
        token = TOKEN.match(text, at)
        if token is None:  # white space
            at += 1
            continue
        at = token.end()
        kind, words = token.lastgroup, token[0]
        if kind == "close":
            depth -= 1
            yield line
            line = INDENT * depth + words
        elif kind == "open":
            depth += 1
            yield line + words
            line = INDENT * depth
        elif words == ",":
            yield line + words
            line = INDENT * depth
        elif kind == "string":
            line += _shown(words)
        else:
            line += {"empty": words[:1] + words[-1:], "sign": ": "}.get(str(kind), visible(words))
    yield line


def _shown(string: str) -> str:
    """Return a string as JSON with letters in the place of their escapes; what can't be seen is written out."""
    if "\\" in string:
        string = json.dumps(json.loads(string), ensure_ascii=False)
    return visible(string)


def ascii_json(text: str) -> str:
    """Return a JSON text in ASCII: other letters become escapes, which is the same JSON, and nothing else changes."""
    return text if text.isascii() else NOT_ASCII.sub(lambda match: json.dumps(match[0])[1:-1], text)


NOT_ASCII = re.compile(r"[^\x00-\x7f]+")


def repaired_json(text: str) -> str:
    """Return what is not quite JSON as JSON, as `codec.loads` has it: `NaN` and infinities are null, lone surrogates U+FFFD."""
    return STRING_OR_CONSTANT.sub(_repaired, text)


STRING_OR_CONSTANT = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|NaN|-?Infinity', re.DOTALL)


def _repaired(token: re.Match[str]) -> str:
    from batchfiles.codec import SURROGATE

    words = token[0]
    if words[0] != '"':
        return "null"
    if "\\u" not in words:
        return words
    string = json.loads(words)  # joins the escapes of whole pairs, so that only lone halves are left
    mended = SURROGATE.sub("\ufffd", string)
    return words if mended == string else json.dumps(mended)


def json_of_row(value: Any, *, for_people: bool = False) -> str:  # noqa: ANN401 - any JSON value
    """Write a value as `json.dumps` does, at any depth; what JSON has no form for is text.

    Args:
        value: The value.
        for_people: Whether letters and NaN are written literally instead of in ASCII and as null.
    """
    ensure_ascii = not for_people
    pieces: list[str] = []
    waiting: list[Any] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, _Piece):
            pieces.append(item)
        elif isinstance(item, dict):
            members = [
                (_Piece(f"{', ' if number else ''}{json.dumps(key, ensure_ascii=ensure_ascii)}: "), each)
                for number, (key, each) in enumerate(item.items())
            ]
            waiting += reversed([_Piece("{"), *(each for member in members for each in member), _Piece("}")])
        elif isinstance(item, list):
            elements = [(_Piece(", " if number else ""), each) for number, each in enumerate(item)]
            waiting += reversed([_Piece("["), *(each for element in elements for each in element), _Piece("]")])
        elif not for_people and isinstance(item, float) and not math.isfinite(item):
            pieces.append("null")
        else:
            pieces.append(json.dumps(item, ensure_ascii=ensure_ascii, default=str))
    return "".join(pieces)


class _Piece(str):
    """Text that is written unchanged."""

    __slots__ = ()


def text_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int | Collection[str] = 1) -> list[str]:
    """Lay out visible cells below their headings.

    Args:
        headings: What the columns are called.
        rows: The cells.
        texts: The headings of the columns that are texts, or how many they are, counted from the first; the others are numbers
            and stand to the right.

    Returns:
        The lines; none where there is no row.
    """
    cells = [headings, *rows]
    if len(cells) == 1:
        return []
    widths = [max(map(width_of, column)) for column in zip(*cells, strict=True)]
    named = headings[:texts] if isinstance(texts, int) else texts
    are_texts = [heading in named for heading in headings]
    return ["  ".join(map(_aligned, row, widths, are_texts)).rstrip() for row in cells]


def _aligned(cell: str, width: int, is_text: bool) -> str:
    return padded(cell, width) if is_text else " " * (width - width_of(cell)) + cell


UNITS = ((86_400 * 2, 86_400, "days"), (3_600, 3_600, "h"), (60, 60, "min"), (0, 1, "s"))
"""From how many seconds on a unit is used, its seconds, and its name: days from two on."""


def age(moment: int, now: float | None = None) -> str:
    """Return how long ago something was, such as `3 min ago`, or when it will be, such as `in 23 h`.

    Args:
        moment: Seconds since 1970-01-01 UTC.
        now: The same; None for the present.
    """
    seconds = round((time.time() if now is None else now) - moment)
    unit, name = next((size, name) for least, size, name in UNITS if abs(seconds) >= least)
    words = f"{abs(seconds) // unit} {name}"
    return f"in {words}" if seconds < 0 else f"{words} ago"


def local_time(moment: int) -> str:
    """Return a time as the clock on the wall said it, such as `2026-11-23 14:03`; what no calendar has stays a number.

    Args:
        moment: Seconds since 1970-01-01 UTC.
    """
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
    except (OverflowError, ValueError, OSError):
        return str(moment)
