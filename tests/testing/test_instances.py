"""Instances of JSON Schemas, validated with `jsonschema`, and the errors of schemas without one."""

from __future__ import annotations

import json
import re
from datetime import date, datetime
from typing import Any
from uuid import UUID

import jsonschema
import pytest

from batchfiles.testing.instances import instance_of
from batchfiles.testing.json_schema import SchemaError

STRICT = {"required": ["kind"], "additionalProperties": False}
TREE = {
    "$defs": {
        "sum": {
            "anyOf": [
                {
                    "type": "object",
                    "properties": {"kind": {"const": "add"}, "left": {"$ref": "#/$defs/sum"}, "right": {"$ref": "#/$defs/sum"}},
                    "required": ["kind", "left", "right"],
                    "additionalProperties": False,
                },
                {"type": "object", "properties": {"kind": {"const": "one"}}, **STRICT},
            ]
        }
    },
    "$ref": "#/$defs/sum",
}

SCHEMAS: dict[str, Any] = {
    "anything": {},
    "true": True,
    "string": {"type": "string"},
    "short": {"type": "string", "maxLength": 2},
    "long": {"type": "string", "minLength": 300},
    "exact": {"type": "string", "minLength": 7, "maxLength": 7},
    "integer": {"type": "integer"},
    "bounds": {"type": "integer", "minimum": 3, "maximum": 5},
    "open bounds": {"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5},
    "below": {"type": "integer", "maximum": -5},
    "beyond 64 bits": {"type": "integer", "minimum": 2**70},
    "multiple": {"type": "integer", "multipleOf": 7, "minimum": 50, "maximum": 57},
    "number": {"type": "number"},
    "between": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    "narrow": {"type": "number", "minimum": 0.1234, "maximum": 0.1235},
    "tenths": {"type": "number", "multipleOf": 0.1, "minimum": 0.25, "maximum": 0.75},
    "boolean": {"type": "boolean"},
    "null": {"type": "null"},
    "nullable": {"type": ["string", "null"]},
    "enum": {"enum": ["a", 2, None, {"b": [1]}]},
    "enum with a bound": {"type": "string", "enum": ["longer", "b"], "maxLength": 1},
    "const": {"const": {"a": [1, None]}},
    "list": {"type": "array", "items": {"type": "integer"}, "minItems": 4},
    "few": {"type": "array", "items": {"type": "integer"}, "maxItems": 1},
    "empty": {"type": "array", "maxItems": 0},
    "tuple": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False, "minItems": 2},
    "unique": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True, "minItems": 3},
    "unique objects": {
        "type": "array",
        "items": {"type": "object", "properties": {"x": {"enum": [1, 2]}}, "required": ["x"], "additionalProperties": False},
        "uniqueItems": True,
        "minItems": 2,
    },
    "contains": {"type": "array", "contains": {"const": "x"}, "items": {"type": "string"}, "minContains": 2},
    "nested": {
        "type": "object",
        "properties": {
            "a": {"type": "object", "properties": {"b": {"type": "array", "items": {"type": "number"}}}, "required": ["b"]}
        },
        "required": ["a"],
    },
    "optional": {"type": "object", "properties": {"a": {"type": "string"}}},
    "one of many": {"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "maxProperties": 1},
    "map": {"type": "object", "additionalProperties": {"type": "integer"}},
    "some": {"type": "object", "minProperties": 3},
    "pattern of names": {"type": "object", "patternProperties": {"^x_": {"type": "integer"}}, "additionalProperties": False},
    "names": {"type": "object", "propertyNames": {"pattern": "^[a-z]{3}$"}, "minProperties": 2},
    "not described": {"type": "object", "required": ["z"]},
    "dependent": {"type": "object", "properties": {"a": {}}, "dependentRequired": {"a": ["b"]}},
    "dependent schema": {"type": "object", "properties": {"a": {}}, "dependentSchemas": {"a": {"required": ["b"]}}},
    "ref": {"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer"}}},
    "definitions": {"$ref": "#/definitions/a~1b", "definitions": {"a/b": {"type": "integer"}}},
    "ref beside others": {"$ref": "#/$defs/a", "maximum": 3, "$defs": {"a": {"type": "integer", "minimum": 3}}},
    "ref to a property": {
        "type": "object",
        "properties": {"a": {"$ref": "#/properties/b"}, "b": {"type": "null"}},
        "required": ["a"],
    },
    "recursive list": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "parts": {"type": "array", "items": {"$ref": "#"}}},
        "required": ["name", "parts"],
        "additionalProperties": False,
    },
    "recursive union": TREE,
    "recursive null": {
        "type": "object",
        "properties": {side: {"anyOf": [{"$ref": "#"}, {"type": "null"}]} for side in ("left", "right", "above")},
        "required": ["left", "right", "above"],
        "additionalProperties": False,
    },
    "anyOf": {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "integer"}]},
    "oneOf": {"oneOf": [{"type": "integer", "multipleOf": 3}, {"type": "integer", "multipleOf": 5}]},
    "allOf": {"allOf": [{"properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"type": "object", "required": ["b"]}]},
    "allOf of one property": {
        "type": "object",
        "allOf": [{"properties": {"a": {"minimum": 3}}}, {"properties": {"a": {"type": "integer", "maximum": 4}}}],
        "required": ["a"],
    },
    "not": {"not": {"type": ["string", "number"]}},
    "if": {
        "type": "object",
        "properties": {"kind": {"enum": ["a", "b"]}, "x": {"type": "integer"}},
        "required": ["kind"],
        "if": {"properties": {"kind": {"const": "a"}}},
        "then": {"required": ["x"]},
        "else": {"not": {"required": ["x"]}},
    },
    "pattern": {"type": "string", "pattern": r"^[A-Z]{2}-\d{3,5}(a|b)?$"},
    "pattern and length": {"type": "string", "pattern": "^[a-z]+$", "minLength": 20, "maxLength": 20},
    "pattern that looks ahead": {"type": "string", "pattern": "^(?!fo)[a-z]{3,9}$"},
    "pattern anywhere": {"type": "string", "pattern": "ab", "minLength": 9},
    "pattern with classes": {"type": "string", "pattern": r"^(?:\d{4})-\w+ [^\s,]\.?$"},
    "deep": {
        "type": "array",
        "minItems": 1,
        "items": {"type": "array", "minItems": 1, "items": {"type": "array", "minItems": 1}},
    },
}
"""By name; each has an instance."""


@pytest.mark.parametrize("name", SCHEMAS)
def test_an_instance_fits_its_schema(name: str) -> None:
    """With any seed; the same seed makes the same instance."""
    schema = SCHEMAS[name]
    validator = jsonschema.Draft202012Validator(schema)
    for seed in range(8):
        made = instance_of(schema, str(seed))
        assert list(validator.iter_errors(made)) == []
        assert json.dumps(made) == json.dumps(instance_of(schema, str(seed)))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": [{"type": "integer"}, {"type": "string"}], "additionalItems": False, "minItems": 2},
        {"type": "integer", "minimum": 3, "exclusiveMinimum": True, "maximum": 5, "exclusiveMaximum": True},
        {"type": "object", "properties": {"a": {}}, "dependencies": {"a": ["b"]}},
    ],
)
def test_older_drafts_are_read_too(schema: dict[str, Any]) -> None:
    """Keywords of draft 4."""
    jsonschema.Draft4Validator(schema).validate(instance_of(schema, "seed"))


def test_properties_may_have_the_names_of_keywords() -> None:
    """The rewriting of older drafts must not change a property called `items` or `dependencies`."""
    properties = {name: {"type": "array", "items": {"type": "integer"}} for name in ("items", "dependencies", "required")}
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    made = instance_of(schema, "a")
    assert set(made) == set(properties)
    jsonschema.Draft202012Validator(schema).validate(made)


def test_a_remote_reference_is_an_error_and_not_a_request() -> None:
    """Also where only the check of an instance meets it."""
    with pytest.raises(SchemaError, match=r"the reference 'https://example\.com/a'"):
        instance_of({"not": {"$ref": "https://example.com/a"}}, "a")


def test_a_pattern_is_one_of_javascript() -> None:
    """Named groups have another syntax than in Python."""
    schema = {"type": "string", "pattern": r"^(?<year>\d{4})-(?<same>[ab])$"}
    assert re.fullmatch(r"\d{4}-[ab]", instance_of(schema, "a"))


FORMATS = {
    "date": date.fromisoformat,
    "date-time": lambda text: datetime.fromisoformat(text).utcoffset(),
    "time": lambda text: re.fullmatch(r"\d\d:\d\d:\d\dZ", text),
    "uuid": UUID,
    "email": lambda text: re.fullmatch(r"\w+@\w+\.example\.com", text),
    "hostname": lambda text: re.fullmatch(r"\w+\.example\.com", text),
    "uri": lambda text: re.fullmatch(r"https://\w+\.example\.com/\w+", text),
    "ipv4": lambda text: re.fullmatch(r"192\.0\.2\.\d+", text),
    "ipv6": lambda text: text.startswith("2001:db8::"),
    "duration": lambda text: re.fullmatch(r"P\d+DT\d+H", text),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_kept(name: str) -> None:
    """A parser of each format accepts the text."""
    schema = {"type": "string", "format": name}
    for seed in range(20):
        text = instance_of(schema, str(seed))
        assert FORMATS[name](text) is not None


def test_a_recursive_schema_ends_though_it_may_go_on() -> None:
    """Below some depth it uses the smallest instance, so the text stays small."""
    assert len(json.dumps(instance_of(TREE, "a"))) < 5_000
    assert len(json.dumps(instance_of(SCHEMAS["recursive null"], "a"))) < 20_000


def test_optional_properties_are_there() -> None:
    """Otherwise tables of instances would be empty."""
    assert set(instance_of(SCHEMAS["optional"], "a")) == {"a"}
    assert len(instance_of(SCHEMAS["map"], "a")) == 2


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "integer", "minimum": 3, "maximum": 2}, "no instance of it was found"),
        ({"type": "array", "items": {"enum": [1]}, "uniqueItems": True, "minItems": 2}, "no instance of it was found"),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "no instance of it was found"),
        ({"type": "object", "required": ["a"], "additionalProperties": False}, "no instance of it was found"),
        (False, "no instance of it was found"),
        ({"$ref": "#/$defs/gone"}, "it has the reference '#/$defs/gone', which leads nowhere"),
        ({"$ref": "#"}, "it refers to itself alone"),
        ({"type": "strin"}, "'strin' is not a type of JSON Schema"),
        ({"type": "string", "pattern": r"^\p{L}+$"}, r"the pattern '^\\p{L}+$' can't be read"),
        ({"type": "string", "minLength": 10**9}, "a text of 1,000,000,000 characters is longer than this server writes"),
        ({"type": "object", "properties": 3}, "a keyword of it has a value of another type than JSON Schema says"),
        (
            {"type": "array", "minItems": 10**7, "items": {"type": "integer"}},
            "its instances are larger than what this server writes",
        ),
        ([], "a schema is an object, or true or false"),
    ],
)
def test_a_schema_without_an_instance_is_said(schema: Any, reason: str) -> None:
    """In one sentence, in bounded time."""
    with pytest.raises(SchemaError) as error:
        instance_of(schema, "a")
    assert str(error.value) == reason
