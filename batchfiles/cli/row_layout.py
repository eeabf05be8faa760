"""Lays out rows for a terminal: as a table if it fits, else as records of names and values. Also JSON for people and programs."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from batchfiles.layout import PLAIN, Screen, cut, padded, visible, width_of, wrapped

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


Row = dict[str, Any]

NARROW = 72
FEW_ROWS = 2
"""Narrower terminals, and this number of rows or fewer, get records."""

MIN_WIDTH = 16
MIN_TEXT_WIDTH = 40
"""The minimum widths of a long value in a table, and of the main text."""

GAP = 2
LONGEST_CELL = 10_000
LONGEST_LIST = 100
"""More of a cell is never shown."""

RECORD_LINES = 4
"""The maximum number of lines of a value in a record."""

FIRST = (
    "custom_id",
    "outcome",
    "text",
    "response.body.choices",
    "response.body.output",
    "body.messages",
    "body.input",
    "error_code",
    "error_message",
    "refusal",
    "embedding_index",
    "input_text",
    "embedding",
)
"""The preferred columns if not all fit; the others follow in their order."""

COLORED = ("outcome", "status")
"""Columns whose words have colors."""

ALWAYS = ("custom_id", "outcome", "text")
"""Columns that are shown even if they are the same in every row."""

TEXTS = frozenset({"text", "input_text", "response.body.choices", "response.body.output", "body.messages", "body.input"})

WIRE_OBJECTS = ("body", "response", "response.body", "error")
"""The objects in the lines of batch files that are shown key by key."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The lines of the rows, and notes on what is not shown and why."""

    lines: list[str]
    notes: list[str]


def lay_out(
    columns: list[str],
    rows: list[Row],
    width: int,
    *,
    asked: bool = False,
    screen: Screen = PLAIN,
    numbers: Sequence[int] = (),
) -> Layout:
    """Lay rows out for a terminal.

    Args:
        columns: The columns, in order.
        rows: The rows, as JSON values by column.
        width: The columns of the terminal.
        asked: Whether the columns were named by the user: then all of them are shown, even empty ones.
        screen: The colors.
        numbers: What the rows are called; from 1 on if there are none.
    """
    if not rows:
        return Layout([], [f"columns: {_names(columns)}"] if columns else [])
    if not asked:
        columns, rows = _opened(columns, rows)
    empty = [] if asked else [name for name in columns if all(row.get(name) is None for row in rows)]
    texts = {name: [_text(row.get(name)) for row in rows] for name in columns if name not in empty}
    notes = [f"null in {_these_rows(len(rows))}: {_names(empty)}"] if empty else []
    if not texts:
        return Layout([], notes)
    if len(rows) > FEW_ROWS and not asked and _comfortable_width(texts) > width:
        texts, note = _without_repetition(texts, len(rows))
        notes += note
    if len(rows) > FEW_ROWS and width >= NARROW and (table := _table(texts, rows, width, screen)):
        return Layout(table.lines, notes + table.notes)
    return Layout(list(_records(texts, numbers or range(1, len(rows) + 1), width, screen, with_empty=asked)), notes)


def _opened(columns: list[str], rows: list[Row]) -> tuple[list[str], list[Row]]:
    """Show the objects of batch file lines key by key: `response.status_code`, `response.body.choices`."""
    if "custom_id" in columns:
        for name in WIRE_OBJECTS:
            if any(isinstance(row.get(name), dict) for row in rows):
                columns, rows = _one_opened(name, columns, rows)
    return columns, rows


def _one_opened(name: str, columns: list[str], rows: list[Row]) -> tuple[list[str], list[Row]]:
    """Replace an object by its keys; other values are kept."""
    opened = []
    keys: dict[str, None] = {}
    for row in rows:
        inner = row.get(name)
        if isinstance(inner, dict):
            found = {f"{name}.{key}": value for key, value in inner.items()}
            opened.append({**row, name: None, **found})
        else:
            found = {} if inner is None else {name: inner}
            opened.append(row)
        keys |= dict.fromkeys(found)
    place = columns.index(name)
    return [*columns[:place], *keys, *columns[place + 1 :]], opened


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return a cell as one printable line."""
    if value is None:
        return ""
    if isinstance(value, list):
        value = value[:LONGEST_LIST]
    if not isinstance(value, str):
        value = json_of_row(value, for_people=True)
    return visible(value[:LONGEST_CELL])


def _without_repetition(texts: dict[str, list[str]], count: int) -> tuple[dict[str, list[str]], list[str]]:
    """Remove columns that are the same in every row, and return a note about them."""
    same = {name: cells[0] for name, cells in texts.items() if name not in ALWAYS and len(set(cells)) == 1}
    if not same:
        return texts, []
    values = ", ".join(f"{visible(name)} {cut(text, 40)}" for name, text in same.items())
    return {name: cells for name, cells in texts.items() if name not in same}, [f"the same in {_these_rows(count)}: {values}"]


def _table(texts: dict[str, list[str]], rows: list[Row], width: int, screen: Screen) -> Layout | None:
    """Lay out a table of the columns that fit; None if too few do."""
    shown = _fitting(texts, width)
    if len(shown) < min(3, len(texts)):
        return None
    hidden = [name for name in texts if name not in shown]
    notes = [f"not enough width for: {_names(hidden)}"] if hidden else []
    widths = _widths({name: texts[name] for name in shown}, width)
    right = {name for name in shown if all(isinstance(row.get(name), (int, float, type(None))) for row in rows)}
    lines = [_line({name: visible(name) for name in shown}, widths, right), "  ".join("─" * widths[name] for name in shown)]
    lines += [_line({name: texts[name][number] for name in shown}, widths, right, screen) for number in range(len(rows))]
    return Layout(lines, notes)


def _full_width(name: str, cells: list[str]) -> int:
    return max(width_of(visible(name)), *map(width_of, cells))


def _min_width(name: str, cells: list[str]) -> int:
    return min(_full_width(name, cells), MIN_TEXT_WIDTH if name in TEXTS else max(width_of(visible(name)), MIN_WIDTH))


def _comfortable_width(texts: dict[str, list[str]]) -> int:
    """Return the width at which all columns are easy to read."""
    widths = [_full_width(name, cells) for name, cells in texts.items()]
    return sum(width if width <= 2 * MIN_WIDTH else MIN_WIDTH for width in widths) + GAP * (len(widths) - 1)


def _fitting(texts: dict[str, list[str]], width: int) -> list[str]:
    """Return the columns that fit at their minimum width, preferring those in `FIRST`, in the original order."""
    room = width + GAP
    chosen = set()
    for name in sorted(texts, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST)):
        needed = _min_width(name, texts[name]) + GAP
        if needed <= room:
            room -= needed
            chosen.add(name)
    return [name for name in texts if name in chosen]


def _widths(texts: dict[str, list[str]], width: int) -> dict[str, int]:
    """Give the columns their minimum width, and share the rest among those that need more."""
    full = {name: _full_width(name, cells) for name, cells in texts.items()}
    widths = {name: _min_width(name, cells) for name, cells in texts.items()}
    room = width - sum(widths.values()) - GAP * (len(widths) - 1)
    for name in sorted(widths, key=lambda name: full[name]):
        waiting = sum(full[other] > widths[other] for other in widths)
        if waiting:
            more = min(full[name] - widths[name], room // waiting)
            widths[name] += more
            room -= more
    return widths


def _line(cells: dict[str, str], widths: dict[str, int], right: set[str], screen: Screen = PLAIN) -> str:
    parts = []
    for name, text in cells.items():
        short = cut(text, widths[name])
        part = " " * (widths[name] - width_of(short)) + short if name in right else padded(short, widths[name])
        parts.append(screen.painted(part) if name in COLORED else part)
    return (" " * GAP).join(parts).rstrip()


def _records(
    texts: dict[str, list[str]], numbers: Sequence[int], width: int, screen: Screen, *, with_empty: bool
) -> Iterator[str]:
    """Write each row as lines of name and value."""
    names = {name: cut(visible(name), max(width // 3, 1)) for name in texts}
    left = max(map(width_of, names.values()))
    room = max(width - left - GAP, 1)
    for number, called in enumerate(numbers):
        yield cut(f"── row {called:,} ".ljust(min(width, 40), "─"), width)
        for name, cells in texts.items():
            first, *rest = wrapped(cells[number], room, RECORD_LINES)
            if first or with_empty:
                value = screen.painted(first) if name in COLORED else first
                yield f"{screen.faint(padded(names[name], left))}{' ' * GAP}{value}".rstrip()
            for line in rest:
                yield " " * (left + GAP) + line


def _names(names: list[str]) -> str:
    return ", ".join(map(visible, names))


def _these_rows(count: int) -> str:
    return "this row" if count == 1 else f"these {count} rows"
