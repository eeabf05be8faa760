"""Typed answers equal those of `json.loads`, or are null: for any schema and any answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from batchfiles.table.parsed_types import arrow_type, read_schema
from batchfiles.table.parsed_values import ConversionError, fit_for, read

Json = Any


class Typed(NamedTuple):
    """A JSON Schema, answers that fit it, and how to read what Arrow holds of them."""

    schema: dict[str, Json]
    answers: st.SearchStrategy[Json]
    back: Callable[[Any], Json]


TEXTS = st.text(max_size=6)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(2**60, 2**70) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc") | TEXTS, inner, max_size=3),
    max_leaves=6,
)
KEPT = ANYTHING.filter(lambda value: "Infinity" not in json.dumps(value))


def same(value: Any) -> Any:
    """Take a value as it is."""
    return value


def from_text(value: str | None) -> Json:
    """Read JSON text."""
    return None if value is None else json.loads(value)


def nullable(one: Typed) -> Typed:
    """Allow null too."""
    schema = {"anyOf": [one.schema, {"type": "null"}]}
    return Typed(schema, st.none() | one.answers, lambda value: None if value is None else one.back(value))


def array(one: Typed) -> Typed:
    """Make a list of it."""
    schema = {"type": "array", "items": one.schema}
    return Typed(schema, st.lists(one.answers, max_size=3), lambda value: [one.back(item) for item in value])


def structure(parts: dict[str, tuple[Typed, bool]]) -> Typed:
    """Make an object of named parts, some of them required."""
    required = [name for name, (_, needed) in parts.items() if needed]
    properties = {name: one.schema for name, (one, _) in parts.items()}
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    needed = {name: parts[name][0].answers for name in required}
    others = {name: one.answers for name, (one, needed) in parts.items() if not needed}

    def back(value: dict[str, Any]) -> Json:
        return {name: None if item is None else parts[name][0].back(item) for name, item in value.items()}

    return Typed(schema, st.fixed_dictionaries(needed, optional=others), back)


SINGLE = st.sampled_from(
    [
        Typed({"type": "string"}, TEXTS, same),
        Typed({"type": "integer"}, INTEGERS, same),
        Typed({"type": "number"}, NUMBERS, same),
        Typed({"type": "boolean"}, st.booleans(), same),
        Typed({"enum": ["a", "b"]}, st.sampled_from(["a", "b"]), same),
        Typed({"const": 5}, st.just(5), same),
        Typed({}, KEPT, from_text),
        Typed({"type": ["string", "integer"]}, TEXTS | st.integers(), from_text),
        Typed({"type": "object", "additionalProperties": {"type": "integer"}}, st.dictionaries(TEXTS, st.integers()), from_text),
    ]
)
TYPED = st.recursive(
    SINGLE,
    lambda inner: (
        inner.map(nullable)
        | inner.map(array)
        | st.dictionaries(TEXTS, st.tuples(inner, st.booleans()), min_size=1, max_size=3).map(structure)
    ),
    max_leaves=5,
)


def without_nulls(value: Json) -> Json:
    """Leave properties away that are null: a column can't tell them from those that are not there."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


@given(TYPED, st.data())
def test_an_answer_that_fits_is_in_the_column_as_json_reads_it(one: Typed, data: st.DataObject) -> None:
    """Through Arrow and back, with keys in any order and texts escaped or not."""
    answer = data.draw(one.answers)
    text = json.dumps(answer, ensure_ascii=data.draw(st.booleans()), sort_keys=data.draw(st.booleans()))
    node = read_schema(one.schema)
    (held,) = pa.array([fit_for(node)(read(text))], arrow_type(node)).to_pylist()
    found = None if held is None else one.back(held)
    assert without_nulls(found) == without_nulls(json.loads(text))


def told(fit: Callable[[], Any]) -> tuple[Any, str | None]:
    """Return what fits, or the reason why it doesn't."""
    try:
        return fit(), None
    except ConversionError as conversion_error:
        return None, conversion_error.sentence


@given(TYPED, ANYTHING)
def test_any_answer_fits_as_json_reads_it_or_has_a_reason(one: Typed, answer: Json) -> None:
    """For any answer, Arrow accepts the fitting value, and the message is text."""
    text = json.dumps(answer)
    node = read_schema(one.schema)
    value, reason = told(lambda: fit_for(node)(read(text)))
    (held,) = pa.array([value], arrow_type(node)).to_pylist()
    assert reason is None or (held is None and reason.encode())
    assert reason or without_nulls(None if held is None else one.back(held)) == without_nulls(json.loads(text))
