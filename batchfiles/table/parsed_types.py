"""From a JSON Schema to a tree of types.

What has no Arrow type becomes `JsonText` in its place: objects without named properties, maps, true unions, tuples, recursion.
Keywords that don't affect the type (`minimum`, `pattern`, `minItems`, …) are not checked.

What a table makes of a JSON Schema: a small tree, of which both the Arrow type and the check of values are made.

The Arrow type of a tree. Everything in it is nullable: what an answer leaves out is null.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias, cast
from urllib.parse import unquote

import pyarrow as pa

from batchfiles.errors import MismatchError

Kind: TypeAlias = Literal["string", "integer", "number", "boolean", "date", "date-time"]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, a number, a truth value or a time.

    Attributes:
        kind: Which of them.
        choices: The values that an `enum` or a `const` allows; None where any will do.
        nullable: Whether it may be null.
    """

    kind: Kind
    choices: frozenset[str | int | float] | None = None
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Array:
    """A list of values of one type."""

    items: Node
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """A property of an object."""

    name: str
    node: Node
    required: bool


@dataclass(frozen=True, slots=True)
class Object:
    """An object with known properties.

    Attributes:
        fields: The properties in the order of the schema; at least one.
        closed: Whether there may be no others.
        nullable: Whether it may be null.
        unlisted: Required keys that are not among the properties.
    """

    fields: tuple[Field, ...]
    closed: bool
    nullable: bool = False
    unlisted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JsonText:
    """What has no Arrow type: a JSON value, kept as text.

    Attributes:
        nullable: Whether it may be null.
        kinds: The types that the schema names for it; None for any.
    """

    nullable: bool = True
    kinds: frozenset[str] | None = None


Node: TypeAlias = Scalar | Array | Object | JsonText


MOST_NODES = 10_000
"""Types within types that a schema may unfold to. OpenAI takes 5,000 properties in all (guide "Structured model outputs"); a few
definitions that name each other twice could ask for millions."""

DEEPEST = 32
"""Objects and arrays within each other that become Arrow types. Parquet readers give up at 100 levels, of which a list takes two,
and Arrow's messages at 64."""

LONGEST_WAY = 100
"""Schemas within schemas, references and unions included, that are followed."""

UNIONS = ("anyOf", "oneOf")

OF_OBJECTS = frozenset({"properties", "required", "additionalProperties", "patternProperties"})
TYPING = OF_OBJECTS | {"$ref", "type", "enum", "const", "items", "prefixItems", "anyOf", "oneOf", "allOf"}
"""Keywords for the type of a value; next to a reference or a union they would have to be merged with it."""


def read_schema(schema: Any, *, parse_dates: bool = False) -> Node:  # noqa: ANN401 - any JSON value
    """Make the tree of a JSON Schema.

    Args:
        schema: The schema, decoded.
        parse_dates: Whether texts with the format `date` or `date-time` are times.

    Raises:
        MismatchError: It is not an object, unfolds to too much, or has a reference that leads nowhere.
    """
    if not isinstance(schema, Mapping):
        raise MismatchError("the JSON Schema must be an object")
    return _Reader(schema, parse_dates).node(schema, 0, frozenset())


def resolved(root: Any, reference: Any) -> Any:  # noqa: ANN401 - any JSON values
    """Resolve a reference within a schema, a JSON pointer (RFC 6901).

    Raises:
        MismatchError: It leads out of the schema, or nowhere.
    """
    if not isinstance(reference, str) or (reference != "#" and not reference.startswith("#/")):
        raise MismatchError(
            f"the JSON Schema has the reference {_short(reference)}, and only those within it, '#/…', can be followed"
        )
    result_ref = root
    for step in reference.split("/")[1:]:
        key = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(result_ref, Mapping) and key in result_ref:
            result_ref = result_ref[key]
        elif isinstance(result_ref, list) and key.isdecimal() and int(key[:9]) < len(result_ref):
            result_ref = result_ref[int(key[:9])]
        else:
            raise MismatchError(f"the JSON Schema has the reference {_short(reference)}, which leads nowhere")
    return result_ref


class _Reader:
    """Walks one schema."""

    def __init__(self, root: Any, parse_dates: bool) -> None:  # noqa: ANN401 - any JSON value
        self._root = root
        self._parse_dates = parse_dates
        self._nodes = 0

    def node(self, schema: Any, depth: int, way: frozenset[int]) -> Node:  # noqa: ANN401 - any JSON value
        """Make the node of a schema.

        Args:
            schema: The schema, or any other value in its place.
            depth: How many objects and arrays it is in.
            way: The schemas that led here, by their addresses: one that leads to itself is recursive.
        """
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise MismatchError(f"the JSON Schema unfolds to more than {MOST_NODES:,} types: give a simpler one")
        if not isinstance(schema, Mapping) or id(schema) in way or len(way) >= LONGEST_WAY:
            return _json_text(schema)
        way |= {id(schema)}
        typing = TYPING & schema.keys()
        if "$ref" in typing:
            target = resolved(self._root, schema["$ref"])
            return self.node(target, depth, way) if len(typing) == 1 else JsonText()
        for word in (*UNIONS, "allOf"):
            if word in typing:
                return self._combined(word, schema[word], depth, way) if len(typing) == 1 else JsonText()
        return self._typed(schema, depth, way)

    def _combined(self, word: str, members: Any, depth: int, way: frozenset[int]) -> Node:  # noqa: ANN401 - any JSON value
        """Make the node of a union, whose members may be null beside one type, or of an `allOf` with one member."""
        if not isinstance(members, list) or not members:
            return JsonText()
        if word == "allOf":
            return self.node(members[0], depth, way) if len(members) == 1 else JsonText()
        others = [member for member in members if not _is_null(member)]
        nodes = [self.node(member, depth, way) for member in others]
        merged = _merged(nodes)
        return replace(merged, nullable=merged.nullable or len(others) < len(members))

    def _typed(self, schema: Mapping[str, Any], depth: int, way: frozenset[int]) -> Node:
        """Make the node of a schema that has a type."""
        choices = _choices(schema)
        kinds = _kinds(schema, choices)
        nullable = "null" in kinds and (choices is None or None in choices)
        kinds = kinds - {"null"}
        if kinds == {"integer", "number"}:
            kinds = {"number"}
        if len(kinds) != 1:
            return _json_text(schema)
        (kind,) = kinds
        if kind == "object" and choices is None and depth < DEEPEST:
            return self._object(schema, nullable, depth, way) or _json_text(schema)
        if kind == "array" and choices is None and depth < DEEPEST and "items" in schema and "prefixItems" not in schema:
            return Array(self.node(schema["items"], depth + 1, way), nullable)
        if kind in SCALARS:
            return self._scalar(schema, cast("Kind", kind), choices, nullable)
        return _json_text(schema)

    def _object(self, schema: Mapping[str, Any], nullable: bool, depth: int, way: frozenset[int]) -> Node | None:
        """Make the node of an object: a struct; None if it may have properties that only the answer knows."""
        properties, others = schema.get("properties"), schema.get("additionalProperties", True)
        if not isinstance(properties, Mapping) or not properties or schema.get("patternProperties"):
            return None
        if others not in (True, False, {}):
            return None
        required = schema.get("required")
        needed = required if isinstance(required, list) else []
        fields = [Field(name, self.node(child, depth + 1, way), name in needed) for name, child in properties.items()]
        unlisted = tuple(name for name in needed if isinstance(name, str) and name not in properties)
        return Object(tuple(fields), others is False or schema.get("unevaluatedProperties") is False, nullable, unlisted)

    def _scalar(self, schema: Mapping[str, Any], kind: Kind, choices: list[Any] | None, nullable: bool) -> Scalar:
        allowed = None
        if choices is not None:
            allowed = frozenset(value for value in choices if _kind_of(value) in SCALARS[kind])
        elif self._parse_dates and kind == "string" and schema.get("format") in ("date", "date-time"):
            kind = schema["format"]
        return Scalar(kind, allowed, nullable)


SCALARS = {
    "string": ("string",),
    "integer": ("integer", "number"),
    "number": ("integer", "number"),
    "boolean": ("boolean",),
}
"""Kinds of a single value, and the kinds of values that it may have."""


def _is_null(schema: object) -> bool:
    """Return whether a member of a union is null, with or without a description."""
    if not isinstance(schema, Mapping):
        return False
    typing = TYPING & schema.keys()
    return bool(typing) and all(schema[key] in NULLS.get(key, ()) for key in typing)


NULLS: Final[dict[str, tuple[Any, ...]]] = {"type": ("null", ["null"]), "const": (None,), "enum": ([None],)}
"""What says that a value is null."""


def _json_text(schema: object) -> JsonText:
    """Return the node of a schema without an Arrow type: only the type that it names is checked."""
    kinds = _named_kinds(schema) if isinstance(schema, Mapping) else set[str]()
    return JsonText("null" in kinds, frozenset(kinds)) if kinds else JsonText()


def _choices(schema: Mapping[str, Any]) -> list[Any] | None:
    """Return the values that a schema allows; None where it doesn't list them."""
    if "const" in schema:
        return [schema["const"]]
    choices = schema.get("enum")
    return choices if isinstance(choices, list) else None


def _named_kinds(schema: Mapping[str, Any]) -> set[str]:
    said = schema.get("type")
    return {kind for kind in (said if isinstance(said, list) else [said]) if isinstance(kind, str)}


def _kinds(schema: Mapping[str, Any], choices: list[Any] | None) -> set[str]:
    """Return the types that a schema names, or those of the values that it lists."""
    if "type" in schema:
        return _named_kinds(schema)
    if choices is not None:
        return {_kind_of(value) for value in choices}
    # Without a `type` other values would be allowed too; with properties or items, an object or an array is meant.
    return {"object"} if "properties" in schema else {"array"} if "items" in schema else set()


def _kind_of(value: Any) -> str:  # noqa: ANN401 - any JSON value
    kinds = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null", list: "array"}
    return kinds.get(type(value), "object")


def _merged(nodes: list[Node]) -> Node:
    """Make one node of the members of a union: all alike, or single values of one kind."""
    if not nodes:
        return JsonText()
    first = nodes[0]
    nullable = any(node.nullable for node in nodes)
    if all(replace(node, nullable=first.nullable) == first for node in nodes):
        return replace(first, nullable=nullable)
    scalars = [node for node in nodes if isinstance(node, Scalar)]
    if len(scalars) < len(nodes) or len({node.kind for node in scalars}) > 1:
        return JsonText()
    listed = [node.choices for node in scalars if node.choices is not None]
    choices = frozenset[str | int | float]().union(*listed) if len(listed) == len(scalars) else None
    return Scalar(scalars[0].kind, choices, nullable)


def _short(value: Any) -> str:  # noqa: ANN401 - any JSON value
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:99]}…"


ARROW_SCALARS = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "date-time": pa.timestamp("us", tz="UTC"),
}


def arrow_type(node: Node) -> pa.DataType:
    """Return the type of a column, or of a value in it."""
    if isinstance(node, Scalar):
        return ARROW_SCALARS[node.kind]
    if isinstance(node, Array):
        return pa.list_(arrow_type(node.items))
    if isinstance(node, Object):
        return pa.struct([(field.name, arrow_type(field.node)) for field in node.fields])
    return pa.string()
