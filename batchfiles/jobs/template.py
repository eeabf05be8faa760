"""A request with holes: strings that name the columns of a table, filled in for each row."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from batchfiles.codec import dumps
from batchfiles.findings import nearest
from batchfiles.jsontext.edits import beyond_64_bits, leaves

NullPolicy: TypeAlias = Literal["error", "null", "drop"]
NULLS: tuple[NullPolicy, ...] = ("error", "null", "drop")

Row: TypeAlias = Mapping[str, Any]

MARK = re.compile(r"\{\{\{\{|\{\{(?P<name>.*?)\}\}|\{\{", re.DOTALL)
"""Four braces mean two, two open the name of a column, and two that are never closed are an error."""

MISSING: Any = object()
"""The value of a name that the row doesn't have."""

DROPPED: Any = object()
"""Marks a value whose key, or place in a list, is left out."""


class NullInRow(Exception):
    """A row has a null, or nothing, where the template needs a value.

    Attributes:
        name: What the template calls it.
        missing: Whether the row has no such value at all.
    """

    def __init__(self, name: str, *, missing: bool) -> None:
        super().__init__(name)
        self.name = name
        self.missing = missing


class NotANumber(Exception):
    """A row has NaN or an infinite number, which JSON can't represent."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class IntegerTooLarge(Exception):
    """A row has an integer beyond 64 bits, which a request can't keep with all digits."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Hole(NamedTuple):
    """A placeholder.

    Attributes:
        name: As the template has it: a column, or with dots a value within a column.
    """

    name: str

    def value(self, row: Row) -> Any:  # noqa: ANN401 - any JSON value
        """Return the row's value: the column of exactly this name, else the value within a column; or `MISSING`."""
        value = row.get(self.name, MISSING)
        if value is MISSING and "." in self.name:
            value = row
            for part in self.name.split("."):
                if not isinstance(value, Mapping):
                    return None if value is None else MISSING
                value = value.get(part, MISSING)
        if type(value) in (float, list, dict) and not _is_finite(value):
            raise NotANumber(self.name)
        if type(value) in (int, list, dict) and beyond_64_bits(value) is not None:
            raise IntegerTooLarge(self.name)
        return value


Fill: TypeAlias = Callable[[Row], Any]


class Template:
    """A JSON value whose strings name columns.

    A string that is exactly one placeholder, `"{{question}}"`, becomes the column's value with its type: a number, a
    list, an object. Within a longer string a value is put in as text: strings as they are, everything else as JSON.
    `{{author.name}}` is the field `name` of the column `author`, unless there is a column of the whole name. `{{{{` means two
    braces. The keys of objects name nothing.

    Args:
        value: The JSON value.
        null: What to do with a null: `"error"` refuses the row; `"null"` is null for a whole string, and nothing within a longer
            one; `"drop"` leaves out the key, or the item of a list, whose string names it.

    Attributes:
        holes: The placeholders, each once.
        unseen: Placeholders for which no row had a value or a null until now.

    Raises:
        ValueError: A placeholder is not closed, or has no name.
    """

    def __init__(self, value: Any, *, null: NullPolicy = "error") -> None:  # noqa: ANN401 - any JSON value
        if null not in NULLS:
            raise ValueError(f"null is one of {', '.join(NULLS)}, not {null!r}")
        self._null = null
        self.holes: dict[str, Hole] = {}
        self.unseen: set[str] = set()
        self.nulls = 0
        self._fill = self._compiled(value)
        self.unseen.update(self.holes)

    def fill(self, row: Row) -> Any:  # noqa: ANN401 - any JSON value
        """Return the value for one row; what has no placeholder is shared between rows.

        Raises:
            NullInRow: With `null="error"`: a value is null or missing.
            NotANumber: A value is NaN or infinite, or holds such a number.
            IntegerTooLarge: A value is an integer beyond 64 bits, or holds one.
        """
        if self._fill is None:
            return self._constant
        value = self._fill(row)
        return None if value is DROPPED else value

    def _compiled(self, value: Any) -> Fill | None:  # noqa: ANN401 - any JSON value
        """Return a function that fills a value; None if it names no column, so that the value itself is kept."""
        fill = self._filler(value)
        self._constant = unescaped(value) if fill is None else None
        return fill

    def _filler(self, value: Any) -> Fill | None:  # noqa: ANN401 - any JSON value
        if isinstance(value, str):
            return self._of_text(value)
        if isinstance(value, dict):
            return self._of_object(value)
        if isinstance(value, (list, tuple)):
            return self._of_list(value)
        return None

    def _of_object(self, value: dict[str, Any]) -> Fill | None:
        fills = {key: self._filler(item) for key, item in value.items()}
        if not any(fills.values()):
            return None
        parts = [(key, fill or _always(unescaped(value[key]))) for key, fill in fills.items()]

        def fill_object(row: Row) -> dict[str, Any]:
            return {key: item for key, fill in parts if (item := fill(row)) is not DROPPED}

        return fill_object

    def _of_list(self, value: list[Any] | tuple[Any, ...]) -> Fill | None:
        fills = [self._filler(item) for item in value]
        if not any(fills):
            return None
        parts = [fill or _always(unescaped(item)) for fill, item in zip(fills, value, strict=True)]

        def fill_list(row: Row) -> list[Any]:
            return [item for fill in parts if (item := fill(row)) is not DROPPED]

        return fill_list

    def _of_text(self, text: str) -> Fill | None:
        pieces = list(_pieces(text))
        holes = [piece for piece in pieces if isinstance(piece, Hole)]
        if not holes:
            return None
        self.holes |= {hole.name: hole for hole in holes}
        take = self._take
        if len(pieces) == 1:
            only = holes[0]
            return lambda row: take(only, row)

        def fill_text(row: Row) -> Any:  # noqa: ANN401 - a text, or DROPPED
            texts = []
            for piece in pieces:
                if isinstance(piece, str):
                    texts.append(piece)
                    continue
                value = take(piece, row)
                if value is DROPPED:
                    return DROPPED
                texts.append(value if type(value) is str else "" if value is None else _text(value))
            return "".join(texts)

        return fill_text

    def _take(self, hole: Hole, row: Row) -> Any:  # noqa: ANN401 - any JSON value
        value = hole.value(row)
        if value is not MISSING:
            self.unseen.discard(hole.name)
            if value is not None:
                return value
        if self._null == "error":
            raise NullInRow(hole.name, missing=value is MISSING)
        self.nulls += 1
        return None if self._null == "null" else DROPPED


class IdTemplate:
    """Makes a `custom_id` from each row: always text.

    Args:
        text: The template, such as `{{doc}}-{{chunk}}`.

    Raises:
        ValueError: It names no column, so that all ids would be the same, or a placeholder is not closed.
    """

    def __init__(self, text: str) -> None:
        self.template = Template(text)
        if not self.template.holes:
            raise ValueError(f"the id {text!r} names no column, so that all rows would have the same: write {{{{column}}}}")

    @property
    def only(self) -> str | None:
        """The column, if the id is exactly one column."""
        holes = list(self.template.holes)
        return holes[0] if len(holes) == 1 and self.template.fill({holes[0]: "\0"}) == "\0" else None

    def of(self, row: Row) -> str:
        """Return the id of a row.

        Raises:
            NullInRow: A value is null or missing.
            NotANumber: A value is NaN or infinite.
            IntegerTooLarge: A value is an integer beyond 64 bits.
        """
        value = self.template.fill(row)
        return value if type(value) is str else _text(value)


def columns_needed(holes: Sequence[str], there: Sequence[str], table: str) -> list[str]:
    """Return the columns that placeholders name, in the order of the table.

    Args:
        holes: The names.
        there: The columns of the table.
        table: The name of the table, for errors.

    Raises:
        ValueError: There is no such column; the table is named, and the nearest column.
    """
    needed = set()
    for name in holes:
        column = name if name in there else name.split(".")[0]
        if column not in there:
            raise ValueError(f"{table}: {no_column(name, there)}")
        needed.add(column)
    return [name for name in there if name in needed]


def no_column(name: str, there: Sequence[str]) -> str:
    """Return the message for an unknown column, with the most similar one."""
    near = nearest(name, there)
    if not there:
        return f"the template names {{{{{name}}}}}, and the table has no columns: is it empty?"
    shown = ", ".join(there[:20]) + (", …" if len(there) > 20 else "")
    return f"the template names {{{{{name}}}}}, and there is no such column" + (
        f", did you mean {{{{{near}}}}}?" if near else f": there are {shown}"
    )


SINGLE = re.compile(r"(?<!{){(\w[\w. -]*)}(?!})")
"""A name in single braces, as in Python's `str.format`."""


def single_braces(value: Any) -> set[str]:  # noqa: ANN401 - any JSON value
    """Return the names that strings of a value have in single braces."""
    if isinstance(value, str):
        return set(SINGLE.findall(value))
    items = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return {name for item in items for name in single_braces(item)}


def unescaped(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a value without placeholders: each four braces become two."""
    if isinstance(value, str):
        return "".join(piece for piece in _pieces(value) if isinstance(piece, str))
    if isinstance(value, (list, tuple)):
        return [unescaped(item) for item in value]
    if isinstance(value, dict):
        return {key: unescaped(item) for key, item in value.items()}
    return value


def _always(value: Any) -> Fill:  # noqa: ANN401 - any JSON value
    return lambda _: value


def _pieces(text: str) -> Iterator[str | Hole]:
    """Yield the placeholders and the texts between them."""
    literal = ""
    end = 0
    for match in MARK.finditer(text):
        literal += text[end : match.start()]
        end = match.end()
        if match[0] == "{{{{":
            literal += "{{"
            continue
        name = (match["name"] or "").strip()
        if not name:
            words = "names no column" if match["name"] is not None else "is not closed"
            shown = text if len(text) <= 60 else f"{text[:60]}…"
            raise ValueError(f"a placeholder {words} in {shown!r}: write {{{{column}}}}, and {{{{{{{{ for two braces")
        if literal:
            yield literal
            literal = ""
        yield Hole(name)
    if literal := literal + text[end:]:
        yield literal


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return dumps(value).decode()


def _is_finite(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return all(math.isfinite(leaf) for leaf in leaves(value) if isinstance(leaf, float))
