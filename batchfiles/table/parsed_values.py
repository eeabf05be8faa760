"""From a decoded answer to what Arrow takes, or the reason why it doesn't fit.

Checked is what the columns depend on: types, `required`, `additionalProperties: false`, `enum` and `const`. Nothing is rounded,
cut or converted on the way, except `1.0`, which JSON Schema calls an integer.

`codec.loads` makes floats of integers beyond 64 bits and null of `NaN`, which is right for whole lines. A typed answer is exact
or it is null, so this is the standard library, which keeps every integer.

Dates and times as RFC 3339 writes them, which is what JSON Schema means by the formats `date` and `date-time`.

Rows of the requests table with two columns more: the answer as its JSON Schema types it, or why it has no place there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, Final, NoReturn, TypeAlias

from batchfiles.codec import SURROGATE
from batchfiles.jsontext.spans import shown
from batchfiles.table.parsed_schema import schema_of_request
from batchfiles.table.parsed_types import Array, Node, Object, Scalar, read_schema
from batchfiles.table.rows import PARSED_PLACE, REQUESTS, RequestRef, RequestRows, ResultRef, Row

LONGEST = 500
"""Characters of a sentence: keys in its path may have any length."""


class ConversionError(Exception):
    """An answer is not JSON, or doesn't fit the schema; `sentence` says why, without quoting values.

    Args:
        reason: What is wrong. Where a value is to blame, it follows the path of the value: `is a string, not an integer`.
        at_value: Whether a value is to blame.
    """

    def __init__(self, reason: str, *, at_value: bool = False) -> None:
        super().__init__(reason)
        self._reason = reason
        self._steps: list[str | int] = []
        self._at_value = at_value

    def within(self, step: str | int) -> ConversionError:
        """Add the property or item to the path; called from the inside out."""
        self._steps.append(SURROGATE.sub("\ufffd", step) if isinstance(step, str) else step)
        self._at_value = True
        return self

    @property
    def sentence(self) -> str:
        """The reason, and before it where in the answer, as a JSON path."""
        if not self._at_value:
            return self._reason
        sentence = f"{shown(self._steps[::-1])} {self._reason}"
        return sentence if len(sentence) <= LONGEST else f"{sentence[: LONGEST - 1]}…"


def read(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """Decode a text as `json.loads` does, but without `NaN` and infinities, which are not JSON.

    Raises:
        ConversionError: The text is not JSON, or holds what can't be kept.
    """
    try:
        return DECODER.decode(text)
    except json.JSONDecodeError as error:
        reason = f"the text is not JSON: {error.msg[:1].lower()}{error.msg[1:]} (character {error.pos + 1})"
    except RecursionError:
        reason = "the text is nested too deeply to be read"
    except ValueError:  # Python's own limit for the digits of an integer
        reason = "the text holds an integer of too many digits to be read"
    raise ConversionError(reason)


def read_answer(text: str) -> tuple[Any, bool]:
    """Decode the text of an answer: JSON, or one fenced block of Markdown with JSON in it and nothing around it.

    Returns:
        The value, and whether it was in a fence.

    Raises:
        ConversionError: As for `read`.
    """
    place = _fenced(text)
    if place is None:
        return read(text), False
    # The content of the fence keeps its offset, so that a message counts the characters of the whole text. A second block, or
    # words after the first one, are not JSON.
    start, end = place
    return read(" " * start + text[start:end]), True


def _fenced(text: str) -> tuple[int, int] | None:
    """Return the content of a fenced Markdown block that is the whole text; None for other texts.

    The opening fence may be followed by words, such as the name of the language, and by a new line; or the block is one line.
    """
    begin = len(text) - len(text.lstrip())
    mark = text[begin : begin + 1]
    if mark not in FENCES:  # nearly always: JSON never begins so
        return None
    bare = text.rstrip()
    start, end = len(text) - len(text[begin:].lstrip(mark)), len(bare.rstrip(mark))
    if not SHORTEST_FENCE <= start - begin <= len(bare) - end or end <= start:
        return None
    line_end = text.find("\n", start, end)
    word = LANGUAGE.match(text, start, end if line_end < 0 else line_end)
    if word is not None and (line_end < 0 or text[word.end() : word.end() + 1] in OPENING):
        return word.end(), end
    return start if line_end < 0 else line_end, end


FENCES: Final = ("`", "~")
SHORTEST_FENCE: Final = 3
LANGUAGE: Final = re.compile(r"[^\S\n]*(?:json\w*)?[^\S\n]*", re.IGNORECASE)
OPENING: Final = ("{", "[")
"""JSON on the line of the opening fence."""


def written(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Encode a value so that `json.loads` gives it back.

    Raises:
        ConversionError: It holds a number that JSON can't write, because it is beyond what a double can hold.
    """
    try:
        text = ENCODER.encode(value)
        return text if text.isascii() or SURROGATE.search(text) is None else ESCAPING_ENCODER.encode(value)
    except RecursionError:
        reason = "is nested too deeply to be written"
    except ValueError:  # infinite, or an integer of more digits than Python writes
        reason = "holds a number beyond what a double can hold"
    raise ConversionError(reason, at_value=True)


def _no_constant(name: str) -> NoReturn:
    raise ConversionError(f"the text is not JSON: it holds {name}")


DECODER = json.JSONDecoder(parse_constant=_no_constant)
ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
ESCAPING_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
"""Half a surrogate pair has no UTF-8; its escape has."""

DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
DATE_TIME = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ](?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.(?P<fraction>[0-9]+))?"
    r"(?P<offset>[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def read_date(text: str) -> date:
    """Read a date, such as `2026-08-01`.

    Raises:
        ConversionError: It is not a date, or one that the calendar doesn't have.
    """
    if DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise ConversionError("is not a date such as 2026-08-01", at_value=True)


def read_date_time(text: str) -> datetime:
    """Read a date with a time and an offset, such as `2026-08-01T12:00:00Z`; returns it in UTC.

    Raises:
        ConversionError: It is not a time, the calendar or the clock doesn't have it, or microseconds can't hold it.
    """
    match = DATE_TIME.fullmatch(text)
    if match is None:
        raise ConversionError("is not a time with an offset such as 2026-08-01T12:00:00Z", at_value=True)
    fraction = (match["fraction"] or "").rstrip("0")
    if len(fraction) > 6:
        raise ConversionError("is a time of more digits than microseconds have", at_value=True)
    try:
        offset = "+00:00" if match["offset"] in "Zz" else match["offset"]
        return datetime.fromisoformat(f"{match['date']}T{match['time']}.{fraction:0<6}{offset}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise ConversionError("is a time that the calendar or the clock does not have", at_value=True) from None


Fit: TypeAlias = Callable[[Any], Any]
"""Takes a decoded value; returns what Arrow takes, or raises `ConversionError`."""

INT64, EXACT = 2**63, 2**53


def fit_for(node: Node) -> Fit:
    """Make the function that fits values to a tree; made once, called for every answer."""
    if isinstance(node, Scalar):
        fit = _one_of(node.choices, SCALARS[node.kind]) if node.choices is not None else SCALARS[node.kind]
    elif isinstance(node, Array):
        fit = _array(fit_for(node.items))
    elif isinstance(node, Object):
        fit = _object(node)
    else:
        fit = written if node.kinds is None else _of_kinds(node.kinds)
    return _or_null(fit) if node.nullable else fit


def _or_null(fit: Fit) -> Fit:
    return lambda value: None if value is None else fit(value)


def _of_kinds(kinds: frozenset[str]) -> Fit:
    """Make the function that writes values of some types as JSON text."""
    types = {each for kind in kinds for each in TYPES.get(kind, ())}
    wanted = " or ".join(KIND_WORDS.get(kind, kind) for kind in sorted(kinds - {"null"})) or "null"

    def of_kinds(value: Any) -> str:  # noqa: ANN401 - any JSON value
        if type(value) not in types or ("number" not in kinds and type(value) is float and not value.is_integer()):
            raise _no(wanted, value)
        return written(value)

    return of_kinds


TYPES: Final = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int, float),
    "number": (int, float),
    "boolean": (bool,),
}
KIND_WORDS: Final = {
    "object": "an object",
    "array": "an array",
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
}


def _one_of(choices: frozenset[Any], fit: Fit) -> Fit:
    def one_of(value: Any) -> Any:  # noqa: ANN401 - any JSON value
        fitted = fit(value)
        if fitted not in choices:
            raise _wrong("is none of the values that the schema allows")
        return fitted

    return one_of


def _object(node: Object) -> Fit:
    fields = [(field.name, fit_for(field.node), field.required) for field in node.fields]
    names, unlisted = frozenset(field.name for field in node.fields), node.unlisted

    def fit_object(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
        if type(value) is not dict:
            raise _no("an object", value)
        fitted: dict[str, Any] = {}
        for name, fit, required in fields:
            if name in value:
                try:
                    fitted[name] = fit(value[name])
                except ConversionError as conversion_error:
                    raise conversion_error.within(name) from None
            elif required:
                raise _wrong("is missing").within(name)
            else:
                fitted[name] = None
        for name in unlisted:
            if name not in value:
                raise _wrong("is missing").within(name)
        if node.closed and not names.issuperset(value):
            raise _wrong("is a key that the schema does not allow").within(next(key for key in value if key not in names))
        return fitted

    return fit_object


def _array(fit: Fit) -> Fit:
    def fit_array(value: Any) -> list[Any]:  # noqa: ANN401 - any JSON value
        if type(value) is not list:
            raise _no("an array", value)
        fitted: list[Any] = []
        try:
            for item in value:
                fitted.append(fit(item))  # noqa: PERF401 - its length is the index of the item that doesn't fit
        except ConversionError as conversion_error:
            raise conversion_error.within(len(fitted)) from None
        return fitted

    return fit_array


def _string(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if type(value) is not str:
        raise _no("a string", value)
    if not value.isascii() and SURROGATE.search(value) is not None:
        raise _wrong("holds half a surrogate pair, which is not text")
    return value


def _integer(value: Any) -> int:  # noqa: ANN401 - any JSON value
    if type(value) is float and value.is_integer():
        if EXACT <= abs(value) < INT64:
            raise _wrong("is an integer that is written as a float, and that a double may not hold exactly")
        value = int(value)
    if type(value) is not int:
        raise _no("an integer", value)
    if not -INT64 <= value < INT64:
        raise _wrong("is an integer beyond 64 bits")
    return value


def _number(value: Any) -> float:  # noqa: ANN401 - any JSON value
    if type(value) is int:
        try:
            number = float(value)
        except OverflowError:
            raise _wrong("is a number beyond what a double can hold") from None
        if number != value:
            raise _wrong("is an integer that a double can't hold exactly")
        return number
    if type(value) is not float:
        raise _no("a number", value)
    if value in (float("inf"), float("-inf")):
        raise _wrong("is a number beyond what a double can hold")
    return value


def _boolean(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    if type(value) is not bool:
        raise _no("true or false", value)
    return value


SCALARS: dict[str, Fit] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": lambda value: read_date(_string(value)),
    "date-time": lambda value: read_date_time(_string(value)),
}

WORDS = {
    str: "a string",
    bool: "true or false",
    int: "an integer",
    float: "a number with a fraction or an exponent",
    type(None): "null",
    list: "an array",
    dict: "an object",
}


def _no(wanted: str, value: Any) -> ConversionError:  # noqa: ANN401 - any JSON value
    return _wrong(f"is {WORDS[type(value)]}, not {wanted}")


def _wrong(reason: str) -> ConversionError:
    return ConversionError(reason, at_value=True)


NAMES = list(REQUESTS)
TEXT = NAMES.index("text")
REFUSAL = NAMES.index("refusal")
TOOL_CALLS = NAMES.index("tool_calls")


class ParsedColumns(RequestRows):
    """Builds the requests table with `parsed` and `parse_error` batch by batch.

    Args:
        schema: What `table.rows.schema` returns, with these columns.
        keep: As for the requests table.
        json_schema: What answers must fit.
        parse_dates: Whether dates and times are such, or texts.
        named: Whether the user named the schema; otherwise it comes from a request, and others may ask for another one.
        requests_ask: Whether any request asks for a schema.
    """

    def __init__(
        self,
        schema: Any,  # noqa: ANN401 - pyarrow has no types
        *,
        keep: str = "auto",
        json_schema: dict[str, Any],
        parse_dates: bool = False,
        named: bool = True,
        requests_ask: bool = False,
    ) -> None:
        super().__init__(schema, keep=keep)
        self._json_schema = json_schema
        self._fit = fit_for(read_schema(json_schema, parse_dates=parse_dates))
        self._named = named
        self._requests_ask = requests_ask

    def row(self, request_ref: RequestRef | None, result_ref: ResultRef, keep_body: bool) -> Row:
        """Return the row of one request, with `parsed` and `parse_error` in their places."""
        row = super().row(request_ref, result_ref, keep_body)
        return row[:PARSED_PLACE] + self._parsed(request_ref, row) + row[PARSED_PLACE:]

    def _parsed(self, request_ref: RequestRef | None, row: Row) -> Row:
        """Return the answer in the types of its schema, or the reason why there is none."""
        text = row[TEXT]
        # With a refusal the text is not an answer, and some services write "" next to a tool call.
        if text is None or row[REFUSAL] or (row[TOOL_CALLS] and not text.strip()):
            return None, None
        without_schema = False
        if self._requests_ask and request_ref is not None:
            schema = schema_of_request(request_ref.decoded)
            without_schema = schema is None
            if not self._named and schema != self._json_schema:
                self.count("no_schema" if without_schema else f"other_schema:{request_ref.custom_id}")
                return None, None
        try:
            value, is_fenced = read_answer(text)
            if is_fenced:
                self.count("fenced")
            return self._fit(value), None
        except ConversionError as conversion_error:
            if without_schema:
                self.count("no_schema")
                return None, None
            self.parse_errors += 1
            return None, conversion_error.sentence
