"""Text for a terminal: escaping, widths, tables that fit, colours, sizes and times."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Final


def size(count: int) -> str:
    """Format a number of bytes, in powers of ten like the limits of the services."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1e3:,.1f} kB" if count < 1e6 else f"{count / 1e6:,.1f} MB"


ESCAPES: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\\": "\\"}
ELLIPSIS: Final = "…"


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


def cut_in_middle(text: str, width: int) -> str:
    """Cut visible text to a width in its middle, as for a name: its end, which has numbers and suffixes, is kept longer."""
    if width_of(text) <= width:
        return text
    end = _first(text[::-1], max((width - 1) * 3 // 5, 0))[::-1]
    return _first(text, width - 1 - width_of(end)) + ELLIPSIS + end


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


SPACES: Final = re.compile(r"( +)")


def folded(text: str, width: int | None, indent: str = "    ") -> list[str]:
    """Break visible text at spaces, and indent the lines after the first.

    A wider word, such as a path, is left in its line, but two of them are in two lines.

    Args:
        text: The text.
        width: The columns; None for no limit.
        indent: The start of each further line.
    """
    if width is None or width_of(text) <= width:
        return [text]
    lines = [""]
    gap = ""
    for number, part in enumerate(SPACES.split(text)):
        if number % 2:
            gap = part
        elif lines[-1].strip() and (used := width_of(lines[-1])) + len(gap) + width_of(part) > width:
            if width_of(indent + part) > width >= used:
                lines[-1] += gap + part
            else:
                lines.append(indent + part)
        else:
            lines[-1] += gap + part
    return lines


@dataclass(frozen=True, slots=True)
class Screen:
    """What text is written for.

    Attributes:
        width: The columns; None for no limit, as in files and pipes.
        colors: Whether outcomes and statuses are coloured.
    """

    width: int | None = None
    colors: bool = False

    def painted(self, cell: str) -> str:
        """Color a cell if it is an outcome or a status, with or without spaces around it."""
        color = COLORS.get(cell.strip()) if self.colors else None
        return cell if color is None else f"\x1b[{color}m{cell}\x1b[0m"

    def faint(self, text: str) -> str:
        """Return less important text, such as headings."""
        return f"\x1b[2m{text}\x1b[0m" if self.colors and text else text


PLAIN: Final = Screen()

GREEN, RED, YELLOW, CYAN, MAGENTA = "32", "31", "33", "36", "35"

COLORS: Final = {
    **dict.fromkeys(("succeeded", "completed"), GREEN),
    **dict.fromkeys(("failed", "malformed", "error"), RED),
    **dict.fromkeys(("incomplete", "expired", "cancelled", "cancelling", "warning"), YELLOW),
    **dict.fromkeys(("missing", "no_response"), MAGENTA),
    **dict.fromkeys(("validating", "in_progress", "finalizing"), CYAN),
}
"""The colors of outcomes, statuses of batches and severities. The word is there too: no fact is shown by color only."""

GAP: Final = 2
SHORTEST_TEXT: Final = 12
SHORTEST_SENTENCE: Final = 20
"""The columns that a text, and a sentence, keep when a table is narrowed."""


def text_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    texts: int | Collection[str] = 1,
    whole: Collection[str] = (),
    optional: Sequence[str] = (),
    sentences: Collection[str] = (),
    screen: Screen = PLAIN,
) -> list[str]:
    """Return the lines of a table with headings; none without rows. No line is wider than the screen.

    If the table is too wide, `optional` columns that are the same in every row become one line below it. Then texts are cut
    in the middle. If that is not enough, optional columns are left out, and named below.

    Args:
        headings: The headings.
        rows: The cells, as visible text.
        texts: The headings of the text columns, or the number of text columns at the start; others are numbers, aligned right
            and never cut.
        whole: Text columns that are not cut either, such as ids.
        optional: The columns that may be left out, the least important first.
        sentences: Text columns that are cut at the end.
        screen: The width and the colors.
    """
    cells = [list(headings), *map(list, rows)]
    if len(cells) == 1:
        return []
    named = headings[:texts] if isinstance(texts, int) else texts
    columns = [
        _Column(name, list(column), name in named, name in named and name not in whole, name in sentences)
        for name, column in zip(headings, zip(*cells, strict=True), strict=True)
    ]
    columns, notes = _fitting(columns, optional, screen.width)
    lines = []
    for number in range(len(cells)):
        parts = [column.aligned(number) for column in columns]
        last = len(parts) - 1 if columns[-1].is_text else None
        shown = [part.rstrip() if place == last else part for place, part in enumerate(parts)]
        line = (" " * GAP).join(map(screen.faint if number == 0 else screen.painted, shown))
        lines.append(line if screen.colors else line.rstrip())
    return [*lines, *(line for note in notes for line in folded(note, screen.width))]


@dataclass(slots=True)
class _Column:
    """A column while a table is laid out; the first cell is the heading."""

    name: str
    cells: list[str]
    is_text: bool
    is_cut: bool
    is_sentence: bool

    @property
    def width(self) -> int:
        return max(map(width_of, self.cells))

    @property
    def least(self) -> int:
        """The width to which the column may be narrowed."""
        least = SHORTEST_SENTENCE if self.is_sentence else max(SHORTEST_TEXT, width_of(self.name))
        return min(self.width, least) if self.is_cut else self.width

    def narrow(self, width: int) -> None:
        """Cut the cells to a width."""
        if self.is_sentence:
            self.cells = [cut(cell, width) for cell in self.cells]
        else:
            heading, *names = self.cells
            self.cells = [cut_in_middle(heading, width), *_cut_apart(names, width)]

    def aligned(self, number: int) -> str:
        cell = self.cells[number]
        return padded(cell, self.width) if self.is_text else " " * (self.width - width_of(cell)) + cell


def _cut_apart(names: list[str], width: int) -> list[str]:
    """Cut names to a width so that as many as possible still differ: in the middle, in front, or what they share first."""
    start, end = _shared(names), _shared([name[::-1] for name in names])
    before, after = ELLIPSIS if start else "", ELLIPSIS if end else ""
    inner = [before + name[start : len(name) - end] + after if len(name) > start + end else name for name in names]
    ways = (
        [cut_in_middle(name, width) for name in names],
        [cut_in_front(name, width) for name in names],
        [cut_in_middle(name, width) for name in inner],
    )
    return max(ways, key=lambda way: len(set(way)))  # the first of those with the most


def _shared(names: list[str]) -> int:
    """Return how many letters all names have in common at their start."""
    first, last = min(names), max(names)
    return next((place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))


def _fitting(columns: list[_Column], optional: Sequence[str], width: int | None) -> tuple[list[_Column], list[str]]:
    """Narrow columns until they fit, and return notes about those that are left out."""
    notes: list[str] = []
    if width is None or _total(column.width for column in columns) <= width:
        return columns, notes
    same = [each for each in columns if each.name in optional and len(set(each.cells[1:])) == 1 and each.is_text]
    if same:
        columns = [column for column in columns if column not in same]
        notes.append(", ".join(f"{column.name}: {column.cells[1]}" for column in same))
    left_out = []
    for name in optional:
        if _total(column.least for column in columns) <= width:
            break
        left_out += [column.name for column in columns if column.name == name]
        columns = [column for column in columns if column.name != name]
    if left_out:
        notes.append(f"not enough width for: {', '.join(left_out)}")
    _narrow(columns, width)
    return columns, notes


def _total(widths: Iterable[int]) -> int:
    """Return the width of columns with the gaps between them."""
    found = list(widths)
    return sum(found) + GAP * (len(found) - 1)


def _narrow(columns: list[_Column], width: int) -> None:
    """Narrow sentences first, then the widest texts, so that short ones stay whole."""
    room = max(width - _total(column.least for column in columns), 0)
    for sentences in (False, True):
        waiting = [column for column in columns if column.width > column.least and column.is_sentence is sentences]
        for number, column in enumerate(sorted(waiting, key=lambda column: column.width)):
            more = min(column.width - column.least, room // (len(waiting) - number))
            column.narrow(column.least + more)
            room -= more


UNITS: Final = ((86_400 * 2, 86_400, "days"), (3_600, 3_600, "h"), (60, 60, "min"), (0, 1, "s"))
"""From how many seconds a unit is used, its seconds, and its name: days from two."""


def age(moment: int, now: float | None = None) -> str:
    """Return how long ago a Unix time was, such as `3 min ago`, or when it will be, such as `in 23 h`."""
    seconds = round((time.time() if now is None else now) - moment)
    unit, name = next((size, name) for least, size, name in UNITS if abs(seconds) >= least)
    words = f"{abs(seconds) // unit} {name}"
    return f"in {words}" if seconds < 0 else f"{words} ago"


def duration(seconds: float) -> str:
    """Return a time span, such as `42 s`, `3:05 min` or `26:14 h`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d} h"
    return f"{minutes}:{rest:02d} min" if minutes else f"{rest} s"


def time_of_day(moment: datetime) -> str:
    """Return the time of day in the local time zone, such as `14:05:12`."""
    return moment.astimezone().strftime("%H:%M:%S")


def local_time(moment: int) -> str:
    """Return a Unix time in the local time zone, such as `2026-11-23 14:03`; the number if it is out of range."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
    except (OverflowError, ValueError, OSError):
        return str(moment)
