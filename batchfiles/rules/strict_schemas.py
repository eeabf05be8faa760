"""What OpenAI refuses in a JSON Schema: a keyword with a value of the wrong kind in any, and more with `"strict": true`.

Strict schemas are a subset of JSON Schema (guide "Structured model outputs", section "Supported schemas", as of 2026-08).
A file with a wrong one passes the batch's validation, and then every request with it fails. Checked are the rules of the guide,
and those observed at the service; the limits on size and depth, which have grown over time, are not checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

__all__ = ["SchemaFault", "SentSchema", "faults_of_schema", "sent_schemas", "wrong_kinds"]

FORBIDDEN = ("oneOf", "allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas")
"""The guide lists all of them but `oneOf`, of which the service says "'oneOf' is not permitted"."""

TYPED_BY = frozenset({"type", "anyOf", "$ref", "enum", "const", "properties", "items", *FORBIDDEN})
"""A schema with none of these keys allows anything; pydantic writes one for `Any`."""

MAPS = ("properties", "$defs", "definitions")
"""Keywords with a schema for each name."""
NESTED = ("anyOf", "allOf", "oneOf", "items", "prefixItems", "additionalProperties", "not")
"""Keywords with one schema or a list of them."""

KINDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(MAPS, ("object",)),
    **dict.fromkeys(("anyOf", "allOf", "oneOf", "prefixItems", "required", "enum"), ("array",)),
    **dict.fromkeys(("additionalProperties", "not"), ("object", "boolean")),
    "items": ("object", "boolean", "array"),
}
"""The kinds of value that a keyword may have (JSON Schema, drafts 7 and 2020-12). OpenAI compares every schema with them, strict
or not: "[] is not of type 'object', 'boolean'" (FoundationAgents/OpenManus#1162), "None is not of type 'array'"
(yomorun/yomo#860)."""

PYTHON_KINDS = {dict: "object", list: "array", bool: "boolean"}
SCHEMA = ("object", "boolean")
"""The kinds of a schema."""

PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


class SchemaFault(NamedTuple):
    """One thing that the service would refuse; `json_path` begins at the schema's root, such as `.properties.name`."""

    message: str
    json_path: str


class SentSchema(NamedTuple):
    """A schema found in a body.

    Attributes:
        json_path: Its path, from the body on.
        user: What it is for, in the words of the service: `response_format 'name'` or `function 'name'`.
        code: What the service calls a fault in it.
        schema: The schema itself; anything, if the body is wrong.
        strict: Whether the body asks to follow it strictly.
    """

    json_path: str
    user: str
    code: str
    schema: Any
    strict: bool


def sent_schemas(body: dict[str, Any]) -> Iterator[SentSchema]:
    """Yield the schemas of a chat completions or Responses body."""
    chat_format = _object(_object(body.get("response_format")).get("json_schema"))
    yield from _output_schema(chat_format, ".response_format.json_schema.schema")
    yield from _output_schema(_object(_object(body.get("text")).get("format")), ".text.format.schema")
    tools = body.get("tools")
    for place, tool in enumerate(tools if isinstance(tools, list) else ()):
        # Chat completions keep a function one level deeper than Responses.
        yield from _function_schema(_object(tool), f".tools[{place}]")
        yield from _function_schema(_object(_object(tool).get("function")), f".tools[{place}].function")
    functions = body.get("functions")
    for place, function in enumerate(functions if isinstance(functions, list) else ()):
        yield from _function_schema(_object(function), f".functions[{place}]")


def _output_schema(holder: dict[str, Any], json_path: str) -> Iterator[SentSchema]:
    strict = holder.get("strict") is True
    if strict or "schema" in holder:
        user = f"response_format '{holder.get('name')}'"
        yield SentSchema(json_path, user, "invalid_json_schema", holder.get("schema"), strict)


def _function_schema(holder: dict[str, Any], json_path: str) -> Iterator[SentSchema]:
    if "parameters" in holder:
        user, strict = f"function '{holder.get('name')}'", holder.get("strict") is True
        yield SentSchema(f"{json_path}.parameters", user, "invalid_function_parameters", holder["parameters"], strict)


def _object(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    return value if isinstance(value, dict) else {}


def wrong_kinds(root: Any) -> Iterator[SchemaFault]:  # noqa: ANN401 - any JSON value
    """Yield the keywords of a schema whose value is of a kind that no schema has there, such as a property that is null."""
    waiting: list[tuple[Any, str]] = [(root, "")] if isinstance(root, dict) else []
    while waiting:
        schema, path = waiting.pop()
        if not isinstance(schema, dict):
            if not isinstance(schema, bool):
                yield _wrong_kind(schema, SCHEMA, path)
            continue
        for key, value in schema.items():
            if key in KINDS and PYTHON_KINDS.get(type(value)) not in KINDS[key]:
                yield _wrong_kind(value, KINDS[key], f"{path}.{key}")
        waiting.extend(reversed(list(_members(schema, path, MAPS + NESTED))))


def _wrong_kind(value: Any, kinds: tuple[str, ...], path: str) -> SchemaFault:  # noqa: ANN401 - any JSON value
    shown = ("[…]" if isinstance(value, list) else "{…}") if isinstance(value, list | dict) and value else repr(value)
    return SchemaFault(f"{shown} is not of type {', '.join(map(repr, kinds))}.", path)


def faults_of_schema(root: Any) -> Iterator[SchemaFault]:  # noqa: ANN401 - any JSON value
    """Yield what the service would refuse in a strict schema, in the order of the schema."""
    if not isinstance(root, dict):
        yield SchemaFault("the schema must be an object", "")
        return
    yield from _root_faults(root)
    # A stack, not recursion: a line may be nested a thousand levels deep.
    waiting: list[tuple[dict[str, Any], str]] = [(root, "")]
    while waiting:
        schema, path = waiting.pop()
        yield from (SchemaFault(message, path) for message in _faults_of_one(schema, is_root=not path))
        waiting.extend(reversed(list(_below(schema, path))))


def _root_faults(root: dict[str, Any]) -> Iterator[SchemaFault]:
    kind = root.get("type")
    if kind != "object" and "$ref" not in root:
        got = kind if isinstance(kind, str) else "None"
        yield SchemaFault(f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{got}\"'.", "")
    elif "anyOf" in root:
        yield SchemaFault("the root of the schema must be an object and not 'anyOf'.", "")


def _faults_of_one(schema: dict[str, Any], *, is_root: bool) -> Iterator[str]:
    """Look at one schema without those below it."""
    if "$ref" in schema:
        others = schema.keys() - {"$ref", "$defs", "definitions"}
        if others and not is_root:
            yield f"$ref cannot have keywords {{{', '.join(repr(key) for key in sorted(others))}}}."
        return
    yield from (f"'{word}' is not permitted." for word in FORBIDDEN if word in schema)
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if "object" in kinds or ("properties" in schema and kind is None):
        yield from _object_faults(schema)
    if "array" in kinds and "items" not in schema and "prefixItems" not in schema:
        yield "array schema missing items."
    if not is_root and schema.keys().isdisjoint(TYPED_BY):
        yield "schema must have a 'type' key."


def _object_faults(schema: dict[str, Any]) -> Iterator[str]:
    if schema.get("additionalProperties") is not False:
        yield "'additionalProperties' is required to be supplied and to be false."
    properties = _object(schema.get("properties"))
    required = schema.get("required")
    named = dict.fromkeys(key for key in required if isinstance(key, str)) if isinstance(required, list) else {}
    sentence = "'required' is required to be supplied and to be an array including every key in properties."
    if missing := [key for key in properties if key not in named]:
        yield f"{sentence} Missing {', '.join(map(repr, missing))}."
    if extra := [key for key in named if key not in properties]:
        yield f"{sentence} Extra required key {', '.join(map(repr, extra))} supplied."


def _below(schema: dict[str, Any], path: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the object schemas right below one that strict schemas may have, each with its path."""
    words = (*MAPS, "anyOf", "items", "prefixItems")
    yield from ((child, where) for child, where in _members(schema, path, words) if isinstance(child, dict))


def _members(schema: dict[str, Any], path: str, words: tuple[str, ...]) -> Iterator[tuple[Any, str]]:
    """Yield the values under these keywords that are read as schemas, each with its path."""
    for word in words:
        value, where = schema.get(word), f"{path}.{word}"
        if isinstance(value, list):
            yield from ((member, f"{where}[{place}]") for place, member in enumerate(value))
        elif isinstance(value, dict) and word in MAPS:
            yield from ((member, f"{where}{_step(key)}") for key, member in value.items())
        elif isinstance(value, dict):
            yield value, where


def _step(key: str) -> str:
    return f".{key}" if PLAIN_KEY.fullmatch(key) else f"[{key!r}]"
