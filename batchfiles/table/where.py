"""Conditions on rows, as text: `outcome = 'failed' and output_tokens > 100`. They become expressions of pyarrow.

The grammar is a small part of SQL:

    condition  = term {"or" term}
    term       = factor {"and" factor}
    factor     = "not" factor | "(" condition ")" | column test | column
    test       = ("=" | "!=" | "<>" | "<" | "<=" | ">" | ">=") value
               | ["not"] "in" "(" value {"," value} ")"
               | ["not"] "like" text
               | "is" ["not"] "null"
    value      = 'text' | number | true | false

A column alone is a column of bools. Names with other characters are in double quotes. As in SQL, a comparison with null is null,
and only rows for which the condition is true are taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from operator import and_, eq, ge, gt, le, lt, ne, or_
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from batchfiles.codec import dumps
from batchfiles.errors import BatchFilesError
from batchfiles.findings import instead_of

__all__ = ["Where", "WhereError"]

TOKEN: Final = re.compile(
    r"""
    \s* (?:
      (?P<text>   '(?:[^']|'')*' )
    | (?P<quoted> "(?:[^"]|"")+" )
    | (?P<number> [+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]) )
    | (?P<name>   [^\W\d][\w.-]* )
    | (?P<sign>   <> | != | <= | >= | == | [=<>(),] )
    | (?P<end>    $ )
    )
    """,
    re.VERBOSE,
)

WORDS: Final = frozenset({"and", "or", "not", "in", "is", "null", "like", "true", "false"})
"""Words with a meaning, in any case; a column of such a name is written in double quotes."""

COMPARISONS: Final = {"=": eq, "==": eq, "!=": ne, "<>": ne, "<": lt, "<=": le, ">": gt, ">=": ge}

DEEPEST: Final = 100
"""The deepest nesting of brackets and `not`."""

MOST_TESTS: Final = 1000
"""The most comparisons: pyarrow needs stack for each, and the process ends where there is none."""

LONG_LIST: Final = 50
"""Longer lists of `in` are one comparison; shorter ones are compared with the statistics of row groups too."""

Kind: TypeAlias = Literal["text", "number", "bool", "any"]
"""What a column is compared with."""

Value: TypeAlias = str | int | float | bool
Field: TypeAlias = Callable[["Column", Kind], pc.Expression]


class WhereError(BatchFilesError, ValueError):
    """A condition that can't be read, or that doesn't fit the table.

    Attributes:
        text: The condition.
        position: The character of it, counted from 0.
        reason: What is wrong there.
    """

    def __init__(self, text: str, position: int, reason: str) -> None:
        self.text, self.position, self.reason = text, position, reason
        super().__init__(f"{reason}, at character {position + 1} of the condition {text!r}")


class Token(NamedTuple):
    """A token of a condition, in its form and as a value."""

    kind: str
    text: str
    position: int


class Column(NamedTuple):
    """A column that a condition names."""

    name: str
    position: int


@dataclass(frozen=True, slots=True)
class _Test:
    """A test of one column."""

    column: Column
    kind: Kind
    build: Callable[[pc.Expression], pc.Expression]
    value: Value | None = None

    def expression(self, field: Field) -> pc.Expression:
        return self.build(field(self.column, self.kind))

    def tests(self) -> Iterator[_Test]:
        yield self


@dataclass(frozen=True, slots=True)
class _Combined:
    """Conditions combined with `and` or `or`, or one with `not`."""

    parts: tuple[_Test | _Combined, ...]
    combine: Callable[[Any, Any], Any] | None

    def expression(self, field: Field) -> pc.Expression:
        found = [part.expression(field) for part in self.parts]
        if self.combine is None:
            return ~found[0]
        return reduce(self.combine, found)

    def tests(self) -> Iterator[_Test]:
        for part in self.parts:
            yield from part.tests()


class Where:
    """A condition on rows.

    Args:
        text: The condition.

    Raises:
        WhereError: It can't be read.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._root = _Parser(text).condition()

    @classmethod
    def of_id(cls, custom_id: str) -> Where:
        """Return the condition that rows have this `custom_id`."""
        escaped = custom_id.replace("'", "''")
        return cls(f"custom_id = '{escaped}'")

    @property
    def columns(self) -> list[Column]:
        """The columns that the condition names, each once."""
        return list({test.column.name: test.column for test in self._root.tests()}.values())

    def expression(self, schema: pa.Schema) -> pc.Expression:
        """Return the condition for a table of this schema.

        Raises:
            WhereError: A column doesn't exist, or has another type than the value.
        """
        return self._root.expression(lambda column, kind: self._typed(column, kind, schema))

    def _typed(self, column: Column, kind: Kind, schema: pa.Schema) -> pc.Expression:
        path, found = self._found(column, schema)
        field = pc.field(*path)
        if kind == "any":
            return field
        if pa.types.is_dictionary(found):
            found = found.value_type
            field = field.cast(found)
        if kind == "text" and (pa.types.is_temporal(found) or _is_text(found)):
            return field if _is_text(found) and not _is_view(found) else field.cast(pa.string())
        if kind == "number" and (pa.types.is_integer(found) or pa.types.is_floating(found)):
            return field
        if kind == "number" and pa.types.is_decimal(found):
            return field.cast(pa.float64())
        if kind == "bool" and pa.types.is_boolean(found):
            return field
        wanted = {"text": "a text in quotes", "number": "a number", "bool": "true or false"}[kind]
        words = f"column {column.name!r} is of type {found}, and can't be compared with {wanted}"
        raise WhereError(self.text, column.position, words)

    def _found(self, column: Column, schema: pa.Schema) -> tuple[list[str], pa.DataType]:
        """Find a column by its name, or a field in it by its path."""
        if column.name in schema.names:
            return [column.name], schema.field(column.name).type
        head, *rest = column.name.split(".")
        if rest and head in schema.names:
            found = schema.field(head).type
            for name in rest:
                if not pa.types.is_struct(found) or found.get_field_index(name) < 0:
                    break
                found = found.field(name).type
            else:
                return [head, *rest], found
        raise self._unknown(column, schema.names)

    def _unknown(self, column: Column, names: Sequence[str]) -> WhereError:
        return WhereError(self.text, column.position, f"unknown column {column.name!r}{instead_of(column.name, names)}")

    def check_names(self, names: Sequence[str]) -> None:
        """Check the columns of a table of text.

        Raises:
            WhereError: A column doesn't exist.
        """
        for column in self.columns:
            if column.name not in names and column.name.partition(".")[0] not in names:
                raise self._unknown(column, names)

    def heads(self, names: Sequence[str]) -> list[str]:
        """Return the columns of a table that are read for the condition, in their order."""
        wanted = {column.name if column.name in names else column.name.partition(".")[0] for column in self.columns}
        return [name for name in names if name in wanted]

    def among(self, table: pa.Table | pa.RecordBatch, schema: pa.Schema | None = None) -> list[int]:
        """Return the numbers of the rows that fulfil the condition, from 0."""
        expression = self.expression(table.schema if schema is None else schema)
        heads = self.heads(table.schema.names)
        numbers = pa.array(range(table.num_rows), pa.int64())
        read = pa.table([*(table.column(name) for name in heads), numbers], names=[*heads, NUMBER])
        kept: list[int] = read.filter(expression).column(NUMBER).to_pylist()
        return kept

    def among_rows(self, rows: Sequence[dict[str, Any]]) -> list[int]:
        """Return the numbers of the rows of text that fulfil the condition, from 0: a text may be a number."""
        wanted = {(test.column.name, test.kind) for test in self._root.tests()}
        cells = {_key(name, kind): _array([_cell(row, name) for row in rows], kind) for name, kind in wanted}
        numbers = pa.array(range(len(rows)), pa.int64())
        read = pa.table([*cells.values(), numbers], names=[*cells, NUMBER])
        expression = self._root.expression(lambda column, kind: pc.field(_key(column.name, kind)))
        kept: list[int] = read.filter(expression).column(NUMBER).to_pylist()
        return kept


NUMBER: Final = "\0number"
"""The name of the column with row numbers."""


def _key(name: str, kind: Kind) -> str:
    return f"{name}\0{kind}"


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or _is_view(kind))


def _is_view(kind: pa.DataType) -> bool:
    return str(kind) == "string_view"


def _cell(row: dict[str, Any], name: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a column, or of a path in it."""
    if name in row:
        return row[name]
    found: Any = row
    for part in name.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(part)
    return found


def _array(values: list[Any], kind: Kind) -> pa.Array:
    if kind == "any":
        return pa.array([None if value is None else True for value in values], pa.bool_())
    if kind == "bool":
        return pa.array([BOOLS.get(value) if isinstance(value, (str, bool)) else None for value in values], pa.bool_())
    if kind == "text":
        return pa.array([_text(value) for value in values], pa.string())
    numbers = list(map(_number, values))
    try:
        return pa.array([None if each is None else int(each) if each == int(each) else 1 / 0 for each in numbers], pa.int64())
    except (ArithmeticError, ValueError, pa.ArrowException):
        return pa.array([None if each is None else float(each) for each in numbers], pa.float64())


BOOLS: Final[dict[str | bool, bool]] = {True: True, False: False, "true": True, "false": False, "True": True, "False": False}


def _text(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    if value is None or isinstance(value, str):
        return value
    return dumps(value).decode()


def _number(value: Any) -> int | float | Decimal | None:  # noqa: ANN401 - any JSON value
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, str) and NUMERIC.fullmatch(value):
        return Decimal(value)
    return None


NUMERIC: Final = re.compile(r"[+-]?(?:\d{1,300}(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)


class _Parser:
    """Reads a condition by recursive descent."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split())
        self._next = 0
        self._depth = 0
        self._tests = 0

    def condition(self) -> _Test | _Combined:
        """Read the whole text."""
        found = self._any()
        if self._tests > MOST_TESTS:
            words = f"more than {MOST_TESTS:,} comparisons: write column in (…) instead of column = … or column = …"
            raise WhereError(self._text, 0, words)
        if (token := self._peek()).kind != "end":
            raise self._error(token, "expected 'and', 'or' or the end")
        return found

    def _split(self) -> Iterator[Token]:
        at = 0
        while True:
            match = TOKEN.match(self._text, at)
            if match is None:
                rest = len(self._text) - len(self._text[at:].lstrip())
                letter = self._text[rest]
                words = (
                    "this text has no end: a quote is missing" if letter in "'\"" else f"unexpected {self._text[rest:][:12]!r}"
                )
                raise WhereError(self._text, rest, words)
            kind = str(match.lastgroup)
            text = match[kind]
            yield Token("word" if kind == "name" and text.lower() in WORDS else kind, text, match.start(kind))
            if kind == "end":
                return
            at = match.end()

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._tokens[self._next]
        self._next += token.kind != "end"
        return token

    def _accept(self, *words: str) -> Token | None:
        """Take the next token if it is one of these words or signs."""
        token = self._peek()
        return self._take() if token.kind in ("word", "sign") and token.text.lower() in words else None

    def _expect(self, word: str) -> None:
        if self._accept(word) is None:
            raise self._error(self._peek(), f"expected {word!r}")

    def _error(self, token: Token, words: str, hint: str = "") -> WhereError:
        found = " at the end" if token.kind == "end" else f", not {token.text[:20]}"
        return WhereError(self._text, token.position, words + found + (hint and f": {hint}"))

    def _any(self) -> _Test | _Combined:
        parts = [self._all()]
        while self._accept("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else _Combined(tuple(parts), or_)

    def _all(self) -> _Test | _Combined:
        parts = [self._factor()]
        while self._accept("and"):
            parts.append(self._factor())
        return parts[0] if len(parts) == 1 else _Combined(tuple(parts), and_)

    def _factor(self) -> _Test | _Combined:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._error(self._peek(), f"brackets and 'not' are nested more than {DEEPEST} deep")
        if self._accept("not"):
            found: _Test | _Combined = _Combined((self._factor(),), None)
        elif self._accept("("):
            found = self._any()
            self._expect(")")
        else:
            found = self._test()
        self._depth -= 1
        return found

    def _test(self) -> _Test | _Combined:
        column = self._column()
        self._tests += 1
        if sign := self._accept(*COMPARISONS):
            return self._comparison(column, COMPARISONS[sign.text])
        if self._accept("is"):
            negated = self._accept("not")
            self._expect("null")
            test = _Test(column, "any", lambda field: field.is_null())
            return _Combined((test,), None) if negated else test
        negated = self._accept("not")
        if self._accept("in"):
            found: _Test | _Combined = self._list(column)
        elif self._accept("like"):
            found = self._like(column)
        elif negated:
            raise self._error(self._peek(), "expected 'in' or 'like'")
        else:
            return _Test(column, "bool", lambda field: field)
        return _Combined((found,), None) if negated else found

    def _column(self) -> Column:
        token = self._take()
        if token.kind == "name":
            return Column(token.text, token.position)
        if token.kind == "quoted":
            return Column(token.text[1:-1].replace('""', '"'), token.position)
        raise self._error(token, "expected a column", "as in outcome = 'failed'" if token.kind == "text" else "")

    def _comparison(self, column: Column, compare: Callable[[Any, Any], Any]) -> _Test:
        _, value = self._value()
        return _Test(column, _kind_of(value), lambda field: compare(field, pc.scalar(value)), value)

    def _list(self, column: Column) -> _Test | _Combined:
        self._expect("(")
        tests = [self._comparison(column, eq)]
        while self._accept(","):
            self._tests += 1
            tests.append(self._comparison(column, eq))
        self._expect(")")
        if len(tests) > LONG_LIST and len({test.kind for test in tests}) == 1:
            return self._long_list(column, tests)
        return tests[0] if len(tests) == 1 else _Combined(tuple(tests), or_)

    def _long_list(self, column: Column, tests: Sequence[_Test]) -> _Test:
        values = pa.array([test.value for test in tests])
        self._tests -= len(tests) - 1

        def build(field: pc.Expression) -> pc.Expression:
            # `isin` is false for null, and not null: `not in` would take it.
            compared = field.cast(values.type) if pa.types.is_floating(values.type) else field
            return pc.if_else(field.is_null(), pc.scalar(pa.scalar(None, pa.bool_())), compared.isin(values))

        return _Test(column, tests[0].kind, build)

    def _like(self, column: Column) -> _Test:
        token, value = self._value()
        if not isinstance(value, str):
            raise self._error(token, "expected a text in quotes", "% is for any characters, _ for one")
        return _Test(column, "text", lambda field: pc.match_like(field, value))

    def _value(self) -> tuple[Token, Value]:
        token = self._take()
        if token.kind == "text":
            return token, token.text[1:-1].replace("''", "'")
        if token.kind == "number":
            return token, self._number(token)
        if token.kind == "word" and token.text.lower() in ("true", "false"):
            return token, token.text.lower() == "true"
        if token.kind == "word" and token.text.lower() == "null":
            raise self._error(token, "expected a value", "use 'is null' or 'is not null'")
        hint = f"texts need single quotes, {_quoted(token)}" if token.kind in ("name", "quoted") else ""
        raise self._error(token, "expected a value", hint)

    def _number(self, token: Token) -> int | float:
        try:
            number = int(token.text)
        except ValueError:
            return float(token.text)
        if not -(2**63) <= number < 2**63:
            raise self._error(token, "expected a number of at most 64 bits")
        return number


def _quoted(token: Token) -> str:
    text = token.text[1:-1] if token.kind == "quoted" else token.text
    return "'" + text.replace("'", "''") + "'"


def _kind_of(value: Value) -> Kind:
    return "bool" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
