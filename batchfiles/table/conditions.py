"""The grammar of conditions on rows: text to tests of columns.

It is a small part of SQL:

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
from functools import reduce
from operator import and_, eq, ge, gt, le, lt, ne, or_
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from batchfiles.errors import BatchFilesError

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
class Test:
    """A test of one column."""

    column: Column
    kind: Kind
    build: Callable[[pc.Expression], pc.Expression]
    value: Value | None = None

    def expression(self, field: Field) -> pc.Expression:
        """Return the expression; `field` returns that of a column."""
        return self.build(field(self.column, self.kind))

    def tests(self) -> Iterator[Test]:
        """Yield the tests of columns."""
        yield self


@dataclass(frozen=True, slots=True)
class Combined:
    """Conditions combined with `and` or `or`, or one with `not`."""

    parts: tuple[Test | Combined, ...]
    combine: Callable[[Any, Any], Any] | None

    def expression(self, field: Field) -> pc.Expression:
        """Return the expression; `field` returns that of a column."""
        found = [part.expression(field) for part in self.parts]
        if self.combine is None:
            return ~found[0]
        return reduce(self.combine, found)

    def tests(self) -> Iterator[Test]:
        """Yield the tests of columns."""
        for part in self.parts:
            yield from part.tests()


class Parser:
    """Reads a condition by recursive descent."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split())
        self._next = 0
        self._depth = 0
        self._tests = 0

    def condition(self) -> Test | Combined:
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

    def _any(self) -> Test | Combined:
        parts = [self._all()]
        while self._accept("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Combined(tuple(parts), or_)

    def _all(self) -> Test | Combined:
        parts = [self._factor()]
        while self._accept("and"):
            parts.append(self._factor())
        return parts[0] if len(parts) == 1 else Combined(tuple(parts), and_)

    def _factor(self) -> Test | Combined:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._error(self._peek(), f"brackets and 'not' are nested more than {DEEPEST} deep")
        if self._accept("not"):
            found: Test | Combined = Combined((self._factor(),), None)
        elif self._accept("("):
            found = self._any()
            self._expect(")")
        else:
            found = self._test()
        self._depth -= 1
        return found

    def _test(self) -> Test | Combined:
        column = self._column()
        self._tests += 1
        if sign := self._accept(*COMPARISONS):
            return self._comparison(column, COMPARISONS[sign.text])
        if self._accept("is"):
            negated = self._accept("not")
            self._expect("null")
            test = Test(column, "any", lambda field: field.is_null())
            return Combined((test,), None) if negated else test
        negated = self._accept("not")
        if self._accept("in"):
            found: Test | Combined = self._list(column)
        elif self._accept("like"):
            found = self._like(column)
        elif negated:
            raise self._error(self._peek(), "expected 'in' or 'like'")
        else:
            return Test(column, "bool", lambda field: field)
        return Combined((found,), None) if negated else found

    def _column(self) -> Column:
        token = self._take()
        if token.kind == "name":
            return Column(token.text, token.position)
        if token.kind == "quoted":
            return Column(token.text[1:-1].replace('""', '"'), token.position)
        raise self._error(token, "expected a column", "as in outcome = 'failed'" if token.kind == "text" else "")

    def _comparison(self, column: Column, compare: Callable[[Any, Any], Any]) -> Test:
        _, value = self._value()
        return Test(column, _kind_of(value), lambda field: compare(field, pc.scalar(value)), value)

    def _list(self, column: Column) -> Test | Combined:
        self._expect("(")
        tests = [self._comparison(column, eq)]
        while self._accept(","):
            self._tests += 1
            tests.append(self._comparison(column, eq))
        self._expect(")")
        if len(tests) > LONG_LIST and len({test.kind for test in tests}) == 1:
            return self._long_list(column, tests)
        return tests[0] if len(tests) == 1 else Combined(tuple(tests), or_)

    def _long_list(self, column: Column, tests: Sequence[Test]) -> Test:
        values = pa.array([test.value for test in tests])
        self._tests -= len(tests) - 1

        def build(field: pc.Expression) -> pc.Expression:
            # `isin` is false for null, and not null: `not in` would take it.
            compared = field.cast(values.type) if pa.types.is_floating(values.type) else field
            return pc.if_else(field.is_null(), pc.scalar(pa.scalar(None, pa.bool_())), compared.isin(values))

        return Test(column, tests[0].kind, build)

    def _like(self, column: Column) -> Test:
        token, value = self._value()
        if not isinstance(value, str):
            raise self._error(token, "expected a text in quotes", "% is for any characters, _ for one")
        return Test(column, "text", lambda field: pc.match_like(field, value))

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
