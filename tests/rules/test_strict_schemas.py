"""What OpenAI refuses in a JSON Schema, strict or not, and where in the schema."""

import pytest

from batchfiles.rules.bodies import faults_of_schema, sent_schemas, wrong_kinds

OPEN = "'additionalProperties' is required to be supplied and to be false."
REQUIRED = "'required' is required to be supplied and to be an array including every key in properties."


def closed(properties, **more):
    """An object schema as the service wants it."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False, **more}


TEXT = {"type": "string"}

ACCEPTED = [
    closed({}),
    closed({"name": TEXT, "age": {"type": ["integer", "null"]}}),
    closed({"list": {"type": "array", "items": closed({"x": TEXT})}}),
    closed({"either": {"anyOf": [TEXT, closed({"x": TEXT})]}}),
    closed({"node": {"$ref": "#/$defs/node"}}, **{"$defs": {"node": closed({"next": {"$ref": "#/$defs/node"}})}}),
    closed({"colour": {"type": "string", "enum": ["red"]}, "one": {"const": 1, "type": "integer"}}),
    closed({"properties": TEXT, "required": TEXT, "type": TEXT, "not": TEXT}),
    closed({"a": TEXT}, description="words", title="T"),
    closed({"any": True, "list": {"type": "array", "prefixItems": [True, TEXT]}}),
]

REFUSED = [
    ({"type": "object", "properties": {}, "required": []}, "", OPEN),
    ({**closed({}), "additionalProperties": True}, "", OPEN),
    ({**closed({}), "additionalProperties": TEXT}, "", OPEN),
    ({**closed({"a": TEXT, "b": TEXT}), "required": ["a"]}, "", f"{REQUIRED} Missing 'b'."),
    ({**closed({"a": TEXT, "b": TEXT}), "required": None}, "", f"{REQUIRED} Missing 'a', 'b'."),
    ({**closed({"a": TEXT}), "required": ["a", "c"]}, "", f"{REQUIRED} Extra required key 'c' supplied."),
    (closed({"a": {"type": "object", "required": []}}), ".properties.a", OPEN),
    (closed({"a b": {"type": "object"}}), ".properties['a b']", OPEN),
    (closed({"a": {"properties": {}}}), ".properties.a", OPEN),
    (closed({"a": {"type": ["object", "null"]}}), ".properties.a", OPEN),
    (closed({"a": {"type": "array", "items": {"type": "object"}}}), ".properties.a.items", OPEN),
    (closed({"a": {"anyOf": [TEXT, {"type": "object"}]}}), ".properties.a.anyOf[1]", OPEN),
    (closed({}, **{"$defs": {"d": {"type": "object"}}}), ".$defs.d", OPEN),
    (closed({}, definitions={"d": {"type": "object"}}), ".definitions.d", OPEN),
    (closed({"a": {"type": "array"}}), ".properties.a", "array schema missing items."),
    (closed({"a": {}}), ".properties.a", "schema must have a 'type' key."),
    (closed({"a": {"title": "Any"}}), ".properties.a", "schema must have a 'type' key."),
    (closed({"a": {"oneOf": [TEXT]}}), ".properties.a", "'oneOf' is not permitted."),
    (closed({"a": {"allOf": [TEXT]}}), ".properties.a", "'allOf' is not permitted."),
    (closed({"a": {"$ref": "#/$defs/d", "description": "x"}}), ".properties.a", "$ref cannot have keywords {'description'}."),
    ({"type": "array", "items": TEXT}, "", "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"array\"'."),
    ({"anyOf": [closed({})]}, "", "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'."),
    (closed({}, anyOf=[closed({})]), "", "the root of the schema must be an object and not 'anyOf'."),
    ("text", "", "the schema must be an object"),
    (None, "", "the schema must be an object"),
]


@pytest.mark.parametrize("schema", ACCEPTED)
def test_a_schema_as_the_guide_wants_it_has_no_fault(schema):
    """Nullable fields, lists, alternatives, references, and properties that are called like keywords."""
    assert list(faults_of_schema(schema)) == []


@pytest.mark.parametrize(("schema", "json_path", "message"), REFUSED)
def test_a_fault_is_reported_with_its_place(schema, json_path, message):
    """With the service's message, and the path of the schema."""
    assert (message, json_path) in list(faults_of_schema(schema))


def test_all_faults_are_reported_at_once_in_the_order_of_the_schema():
    """To avoid sending a file five times."""
    schema = closed({"a": {"type": "object"}, "b": closed({"c": {"type": "array"}}), "d": {}})
    assert [fault.json_path for fault in faults_of_schema(schema)] == [
        ".properties.a",
        ".properties.b.properties.c",
        ".properties.d",
    ]


def test_a_schema_may_be_nested_as_deeply_as_a_line():
    """No recursion: a thousand levels are looked at like one."""
    schema = {"type": "object"}
    for _ in range(1000):
        schema = closed({"a": schema})
    (fault,) = faults_of_schema(schema)
    assert fault.json_path == ".properties.a" * 1000


@pytest.mark.parametrize(
    ("json_path", "user", "code", "body"),
    [
        (
            ".response_format.json_schema.schema",
            "response_format 'loan'",
            "invalid_json_schema",
            {"response_format": {"type": "json_schema", "json_schema": {"name": "loan", "strict": True, "schema": {}}}},
        ),
        (
            ".text.format.schema",
            "response_format 'hours'",
            "invalid_json_schema",
            {"text": {"format": {"type": "json_schema", "name": "hours", "strict": True, "schema": {}}}},
        ),
        (
            ".tools[1].function.parameters",
            "function 'find'",
            "invalid_function_parameters",
            {"tools": [{"type": "web"}, {"type": "function", "function": {"name": "find", "strict": True, "parameters": {}}}]},
        ),
        (
            ".tools[0].parameters",
            "function 'book'",
            "invalid_function_parameters",
            {"tools": [{"type": "function", "name": "book", "strict": True, "parameters": {}}]},
        ),
    ],
)
def test_schemas_are_found_where_the_apis_keep_them(json_path, user, code, body):
    """Chat completions and Responses have two places each."""
    (found,) = sent_schemas(body)
    assert found == (json_path, user, code, {}, True)


@pytest.mark.parametrize(
    "body",
    [
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": False, "schema": {}}}},
        {"tools": [{"type": "function", "function": {"name": "x", "parameters": {}}}]},
        {"functions": [{"name": "x", "parameters": {}}]},
    ],
)
def test_a_schema_may_be_one_that_is_not_strict(body):
    """Then only the kinds of its values are checked."""
    (found,) = sent_schemas(body)
    assert (found.schema, found.strict) == ({}, False)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"response_format": {"type": "json_object"}, "text": {"verbosity": "low"}, "tools": [{"type": "web_search"}]},
        {"tools": [{"type": "function", "function": {"name": "now", "strict": True}}]},
        {"response_format": "json", "text": [1], "tools": {"a": 1}, "functions": {"a": 1}},
        {"response_format": {"json_schema": 7}, "text": {"format": None}, "tools": [None, 3, {"function": []}]},
    ],
)
def test_a_body_with_other_values_has_no_schemas(body):
    """At the places where schemas are kept."""
    assert list(sent_schemas(body)) == []


@pytest.mark.parametrize("schema", [*ACCEPTED, True, {}, {"default": None, "enum": [None], "const": None, "x": None, "not": {}}])
def test_values_of_the_right_kind_have_no_fault(schema):
    """Booleans are schemas, and null is a value of `default`, `const` and `enum`."""
    assert list(wrong_kinds(schema)) == []


@pytest.mark.parametrize(
    ("schema", "json_path", "message"),
    [
        ({"properties": {"city": TEXT, "zone": None}}, ".properties.zone", "None is not of type 'object', 'boolean'."),
        ({"properties": {"a b": []}}, ".properties['a b']", "[] is not of type 'object', 'boolean'."),
        ({"properties": {"a": {"type": "string", "enum": None}}}, ".properties.a.enum", "None is not of type 'array'."),
        ({"properties": None}, ".properties", "None is not of type 'object'."),
        ({"properties": [TEXT]}, ".properties", "[…] is not of type 'object'."),
        ({"required": None}, ".required", "None is not of type 'array'."),
        ({"items": None}, ".items", "None is not of type 'object', 'boolean', 'array'."),
        ({"anyOf": [TEXT, "string"]}, ".anyOf[1]", "'string' is not of type 'object', 'boolean'."),
        ({"not": {"items": {"$defs": {"d": 7}}}}, ".not.items.$defs.d", "7 is not of type 'object', 'boolean'."),
        ({"additionalProperties": {"oneOf": {"a": {}}}}, ".additionalProperties.oneOf", "{…} is not of type 'array'."),
    ],
)
def test_a_value_of_the_wrong_kind_is_reported_with_its_place(schema, json_path, message):
    """DuckDB and polars write the properties of other tools as null, and the service refuses each such request."""
    assert list(wrong_kinds(schema)) == [(message, json_path)]


def test_kinds_are_checked_as_deeply_as_a_line():
    """No recursion, and no recursion in the message either."""
    value = []
    for _ in range(1000):
        value = [value]
    schema = {"items": value, "properties": {"a": value}}
    for _ in range(1000):
        schema = {"not": schema}
    assert [fault.message for fault in wrong_kinds(schema)][-1] == "[…] is not of type 'object', 'boolean'."
