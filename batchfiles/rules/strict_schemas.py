"""What OpenAI refuses in a JSON Schema that is sent with `"strict": true`.

Strict schemas are a subset of JSON Schema (guide "Structured model outputs", section "Supported schemas", as of 2026-08).
A file with a wrong one passes the batch's validation, and then every request with it fails. Checked are the rules of the guide,
and those observed at the service; the limits on size and depth, which have grown over time, are not checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

__all__ = ["SchemaFault", "StrictSchema", "faults_of_schema", "strict_schemas"]

FORBIDDEN = ("oneOf", "allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas")
"""The guide lists all of them but `oneOf`, of which the service says "'oneOf' is not permitted"."""

TYPED_BY = frozenset({"type", "anyOf", "$ref", "enum", "const", "properties", "items", *FORBIDDEN})
"""A schema with none of these keys allows anything; pydantic writes one for `Any`."""

PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


class SchemaFault(NamedTuple):
    """One thing that the service would refuse; `json_path` begins at the schema's root, such as `.properties.name`."""

    message: str
    json_path: str


class StrictSchema(NamedTuple):
    """A strict schema found in a body.

    Attributes:
        json_path: Its path, from the body on.
        user: What it is for, in the words of the service: `response_format 'name'` or `function 'name'`.
        code: What the service calls a fault in it.
        schema: The schema itself; anything, if the body is wrong.
    """

    json_path: str
    user: str
    code: str
    schema: Any


def strict_schemas(body: dict[str, Any]) -> Iterator[StrictSchema]:
    """Yield the schemas of a chat completions or Responses body that ask to be followed strictly."""
    chat_format = _object(_object(body.get("response_format")).get("json_schema"))
    if chat_format.get("strict") is True:
        yield _output_schema(chat_format, ".response_format.json_schema.schema")
    text_format = _object(_object(body.get("text")).get("format"))
    if text_format.get("strict") is True:
        yield _output_schema(text_format, ".text.format.schema")
    tools = body.get("tools")
    for place, tool in enumerate(tools if isinstance(tools, list) else ()):
        yield from _tool_schema(_object(tool), f".tools[{place}]")


def _output_schema(holder: dict[str, Any], json_path: str) -> StrictSchema:
    return StrictSchema(json_path, f"response_format '{holder.get('name')}'", "invalid_json_schema", holder.get("schema"))


def _tool_schema(tool: dict[str, Any], json_path: str) -> Iterator[StrictSchema]:
    """Chat completions keep a function one level deeper than Responses."""
    for holder, path in ((tool, json_path), (_object(tool.get("function")), f"{json_path}.function")):
        if holder.get("strict") is True and "parameters" in holder:
            user = f"function '{holder.get('name')}'"
            yield StrictSchema(f"{path}.parameters", user, "invalid_function_parameters", holder["parameters"])


def _object(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    return value if isinstance(value, dict) else {}


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
    """Yield the schemas right below one, each with its path."""
    for word in ("properties", "$defs", "definitions"):
        for key, child in _object(schema.get(word)).items():
            if isinstance(child, dict):
                yield child, f"{path}.{word}{_step(key)}"
    for word in ("anyOf", "items", "prefixItems"):
        child = schema.get(word)
        if isinstance(child, dict):
            yield child, f"{path}.{word}"
        for place, member in enumerate(child if isinstance(child, list) else ()):
            if isinstance(member, dict):
                yield member, f"{path}.{word}[{place}]"


def _step(key: str) -> str:
    return f".{key}" if PLAIN_KEY.fullmatch(key) else f"[{key!r}]"
