"""Which Arrow type becomes of which JSON Schema, feature by feature."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

import batchfiles
from batchfiles import MismatchError

OPEN = pa.string()
"""What has no Arrow type is JSON text."""

DATES = {
    "type": "object",
    "properties": {"day": {"type": "string", "format": "date"}, "at": {"type": "string", "format": "date-time"}},
}


def type_of(schema: Any, **options: Any) -> pa.DataType:
    """Return the type of the column `parsed`."""
    return batchfiles.schema(parsed=schema, **options).field("parsed").type


def test_the_two_columns_follow_response_body() -> None:
    """All others stay as they are."""
    schema = batchfiles.schema(parsed={"type": "integer"})
    place = schema.names.index("response_body") + 1
    assert schema.names[place : place + 2] == ["parsed", "parse_error"]
    assert [name for name in schema.names if not name.startswith("parse")] == batchfiles.schema().names
    assert schema.field("parse_error").type == pa.string()


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, pa.string()),
        ({"type": "integer"}, pa.int64()),
        ({"type": "number"}, pa.float64()),
        ({"type": "boolean"}, pa.bool_()),
        ({"type": ["integer", "number"]}, pa.float64()),
        ({"enum": ["a", "b"]}, pa.string()),
        ({"type": "string", "enum": ["a", "b"]}, pa.string()),
        ({"enum": [1, 2]}, pa.int64()),
        ({"type": "number", "enum": [1, 2.5]}, pa.float64()),
        ({"enum": [1, 2.5]}, pa.float64()),
        ({"const": "a"}, pa.string()),
        ({"const": True}, pa.bool_()),
        ({"const": 7}, pa.int64()),
        ({"type": "array", "items": {"type": "integer"}}, pa.list_(pa.int64())),
        ({"items": {"type": "integer"}}, pa.list_(pa.int64())),
        ({"type": "object", "properties": {"b": {}, "a": {"type": "integer"}}}, pa.struct([("b", OPEN), ("a", pa.int64())])),
        ({"properties": {"a": {"type": "integer"}}}, pa.struct([("a", pa.int64())])),
        ({"properties": {"a": {"type": "integer"}}, "additionalProperties": True}, pa.struct([("a", pa.int64())])),
    ],
)  # fmt: skip
def test_what_has_an_arrow_type_gets_it(schema: Any, expected: pa.DataType) -> None:
    """Properties in the order of the schema."""
    assert type_of(schema) == expected


@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["integer", "null"]},
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        {"anyOf": [{"type": "integer"}, {"type": "null", "description": "unknown"}]},
        {"oneOf": [{"title": "none", "const": None}, {"type": "integer"}, {"enum": [None]}]},
        {"oneOf": [{"type": "null"}, {"type": "integer"}]},
        {"enum": [1, None]},
        {"allOf": [{"type": "integer"}], "description": "how many"},
        {"$ref": "#/$defs/count", "$defs": {"count": {"type": "integer"}}},
        {"$ref": "#/definitions/a~1b%20c", "definitions": {"a/b c": {"type": "integer"}}},
        {"anyOf": [{"$ref": "#/$defs/count"}, {"type": "null"}], "$defs": {"count": {"type": "integer"}}},
        {"anyOf": [{"const": 1}, {"const": 2}]},
        {"anyOf": [{"$ref": "#/anyOf/1"}, {"type": "integer"}]},
    ],
)
def test_nullable_and_referenced_schemas_have_the_type_of_their_values(schema: Any) -> None:
    """Each of these is an integer."""
    assert type_of(schema) == pa.int64()


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"description": "anything"},
        {"type": "object"},
        {"type": "object", "properties": {}, "additionalProperties": False},
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": {"type": "integer"}},
        {"type": "object", "properties": {"a": {"type": "integer"}}, "patternProperties": {"^x": {"type": "integer"}}},
        {"type": "array"},
        {"type": "array", "prefixItems": [{"type": "integer"}], "items": {"type": "integer"}},
        {"type": ["integer", "string"]},
        {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        {"anyOf": [{"type": "integer"}], "type": "integer"},
        {"anyOf": [{"type": "integer"}, {"const": "null"}]},
        {"anyOf": []},
        {"allOf": [{"type": "integer"}, {"minimum": 1}]},
        {"enum": [1, "a"]},
        {"const": {"a": 1}},
        {"type": "null"},
        {"type": "tuple"},
        {"$ref": "#"},
    ],
)
def test_what_has_no_arrow_type_is_json_text(schema: Any) -> None:
    """As the whole column, and instead of a property with its neighbours untouched."""
    assert type_of(schema) == OPEN
    if "$ref" not in schema:
        around = {"type": "object", "properties": {"n": {"type": "integer"}, "x": schema, "m": {"type": "boolean"}}}
        assert type_of(around) == pa.struct([("n", pa.int64()), ("x", OPEN), ("m", pa.bool_())])


def test_true_and_false_are_schemas_of_anything() -> None:
    """As items or as a property."""
    assert type_of({"type": "array", "items": True}) == pa.list_(OPEN)


def test_recursion_is_json_text_where_it_begins_again() -> None:
    """The first level is a struct anyway, from the root and from a definition."""
    tree = {"type": "object", "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}}}
    expected = pa.struct([("name", pa.string()), ("children", pa.list_(OPEN))])
    assert type_of(tree) == expected
    node = {"type": "object", "properties": {"name": {"type": "string"}, "children": {"items": {"$ref": "#/$defs/node"}}}}
    assert type_of({"$ref": "#/$defs/node", "$defs": {"node": node}}) == expected


def test_one_definition_may_be_used_twice() -> None:
    """That is not a recursion."""
    used = {"$ref": "#/$defs/count"}
    schema = {"properties": {"a": used, "b": used}, "$defs": {"count": {"type": "integer"}}}
    assert type_of(schema) == pa.struct([("a", pa.int64()), ("b", pa.int64())])


def test_dates_are_texts_unless_asked_for() -> None:
    """The option decides, for both formats."""
    assert type_of(DATES) == pa.struct([("day", pa.string()), ("at", pa.string())])
    assert type_of(DATES, parse_dates=True) == pa.struct([("day", pa.date32()), ("at", pa.timestamp("us", tz="UTC"))])


def test_depth_ends_where_readers_give_up() -> None:
    """After 32 levels there is JSON text, and the file can be read."""
    schema: Any = {"type": "integer"}
    for _ in range(60):
        schema = {"type": "array", "items": schema}
    kind, depth = type_of(schema), 0
    while pa.types.is_list(kind):
        kind, depth = kind.value_type, depth + 1
    assert (depth, kind) == (32, OPEN)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"$ref": "#/$defs/nothing"}, "which leads nowhere"),
        ({"$ref": "https://example.com/s.json"}, "only those within it"),
        ({"$ref": 5}, "only those within it"),
    ],
)
def test_references_that_lead_nowhere_are_an_error(schema: Any, words: str) -> None:
    """Their meaning is unknown."""
    with pytest.raises(MismatchError, match=words):
        type_of(schema)


def test_a_schema_that_unfolds_without_end_is_refused_at_once() -> None:
    """Twenty definitions, each the next one twice, are a million types."""
    pair = {f"d{n}": {"properties": {key: {"$ref": f"#/$defs/d{n + 1}"} for key in "ab"}} for n in range(20)}
    with pytest.raises(MismatchError, match="more than 10,000 types"):
        type_of({"$ref": "#/$defs/d0", "$defs": {**pair, "d20": {"type": "integer"}}})


def test_options_that_do_not_go_together_are_wrong_calls() -> None:
    """Vectors are not answers in words, and without `parsed` there are no dates."""
    with pytest.raises(ValueError, match="for the requests table"):
        batchfiles.schema("embeddings", parsed={"type": "integer"})
    with pytest.raises(ValueError, match="goes with parsed"):
        batchfiles.schema(parse_dates=True)
