"""Text for a terminal: harmless whatever it holds, and as wide as it looks."""

from __future__ import annotations

import unicodedata
from itertools import accumulate

__all__ = ["cut", "cut_in_front", "padded", "visible", "width_of", "wrapped"]

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
