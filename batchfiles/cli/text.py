"""Text for a terminal: escaping, widths, tables, JSON, sizes and times."""

from __future__ import annotations

import json
import math
import re
import time
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any

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


def size(count: int) -> str:
    """Format a number of bytes, in powers of ten like the limits of the services."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1e3:,.1f} kB" if count < 1e6 else f"{count / 1e6:,.1f} MB"


ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\\": "\\"}
ELLIPSIS = "…"


def visible(text: str) -> str:
    """Escape characters that are not printable, such as control characters and direction marks.

    Data is untrusted: it must not move the cursor, change the title or hide a line of a terminal.
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    if unicodedata.category(letter) == "Zs":  # all typographic spaces
        return " "
    return ESCAPES.get(letter) or ascii(letter)[1:-1]


def width_of(text: str) -> int:
    """Return the columns of visible text: two for wide East Asian characters and emoji, none for combining marks."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(letter: str) -> int:
    if unicodedata.combining(letter) or unicodedata.category(letter) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def cut(text: str, width: int) -> str:
    """Cut visible text to a width, with `…` at the end if it was longer."""
    if width_of(text) <= width:
        return text
    return _first(text, width - 1) + ELLIPSIS


def cut_in_front(text: str, width: int) -> str:
    """Cut visible text to a width at its start, as for a path."""
    return text if width_of(text) <= width else ELLIPSIS + _first(text[::-1], width - 1)[::-1]


def padded(text: str, width: int) -> str:
    """Pad visible text with spaces to a width."""
    return text + " " * (width - width_of(text))


def wrapped(text: str, width: int, lines: int) -> list[str]:
    """Wrap visible text to at most so many lines; the last one ends with `…` if text is missing."""
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
    """Return the start of a text that fits into a width."""
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
"""A list of numbers, such as a vector or tokens, which stays on one line."""

INDENT = "  "


def pretty_json(text: str) -> Iterator[str]:
    r"""Yield the indented lines of a valid JSON text, token by token: numbers keep all digits, and keys may repeat.

    Escapes of printable letters are shown as letters: `caf\u00e9` as `café`.
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
    """Return a JSON string with letters instead of their escapes; other characters are escaped."""
    if "\\" in string:
        string = json.dumps(json.loads(string), ensure_ascii=False)
    return visible(string)


def ascii_json(text: str) -> str:
    """Return a JSON text in ASCII: only other characters become escapes."""
    return text if text.isascii() else NOT_ASCII.sub(lambda match: json.dumps(match[0])[1:-1], text)


NOT_ASCII = re.compile(r"[^\x00-\x7f]+")


def repaired_json(text: str) -> str:
    """Return a text as strict JSON, like `codec.loads`: `NaN` and infinities as null, lone surrogates as U+FFFD."""
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
    repaired = SURROGATE.sub("\ufffd", string)
    return words if repaired == string else json.dumps(repaired)


def json_of_row(value: Any, *, for_people: bool = False) -> str:  # noqa: ANN401 - any JSON value
    """Encode a value like `json.dumps`, at any depth; other types as strings.

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
    """Encoded JSON."""

    __slots__ = ()


def text_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int | Collection[str] = 1) -> list[str]:
    """Return the lines of a table with headings; none without rows.

    Args:
        headings: The headings.
        rows: The cells, as visible text.
        texts: The headings of the text columns, or the number of text columns at the start; others are numbers, aligned right.
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
"""From how many seconds a unit is used, its seconds, and its name: days from two."""


def age(moment: int, now: float | None = None) -> str:
    """Return how long ago a Unix time was, such as `3 min ago`, or when it will be, such as `in 23 h`."""
    seconds = round((time.time() if now is None else now) - moment)
    unit, name = next((size, name) for least, size, name in UNITS if abs(seconds) >= least)
    words = f"{abs(seconds) // unit} {name}"
    return f"in {words}" if seconds < 0 else f"{words} ago"


def local_time(moment: int) -> str:
    """Return a Unix time in the local time zone, such as `2026-11-23 14:03`; the number if it is out of range."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
    except (OverflowError, ValueError, OSError):
        return str(moment)
