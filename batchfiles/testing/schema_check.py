"""Whether a value is an instance of a JSON Schema: draft 2020-12, and what older drafts wrote otherwise."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final
from uuid import UUID

from batchfiles.errors import MismatchError
from batchfiles.table.parsed.types import resolved

__all__ = ["FORMATS", "SchemaError", "equal", "holds", "in_python", "schemas_of", "searched"]

Value = Any
Check = Callable[[Value, Any, Mapping[str, Any], Any], bool]
"""Gets the value, the argument of the keyword, the schema that it is in, and the root of all."""

MOST_STEPS: Final = 60
"""The deepest nesting of schemas: a schema that refers to itself endlessly is an error, not a loop."""


class SchemaError(Exception):
    """A schema that can't be followed, or that no value fits; the message states why."""


def holds(value: Value, schema: Any, root: Any, depth: int = 0) -> bool:  # noqa: ANN401 - any JSON value
    """Return whether a value is an instance of a schema.

    Args:
        value: The value, decoded.
        schema: The schema.
        root: The whole schema, in which references are looked up.
        depth: How many schemas led here.

    Raises:
        SchemaError: The schema can't be followed.
    """
    if isinstance(schema, bool):
        return schema
    if not isinstance(schema, Mapping):
        raise SchemaError("a schema is an object, or true or false")
    if depth > MOST_STEPS:
        raise SchemaError("the schema is nested too deeply, or refers to itself without an end")
    for keyword, argument in schema.items():
        if (check := CHECKS.get(keyword)) is not None and not check(value, argument, schema, root):
            return False
        if (combined := COMBINED.get(keyword)) is not None:
            fits = [holds(value, each, root, depth + 1) for each in schemas_of(keyword, argument, root)]
            if not combined(fits):
                return False
    return _parts_hold(value, schema, root, depth)


def schemas_of(keyword: str, argument: Any, root: Any) -> list[Any]:  # noqa: ANN401 - any JSON values
    """Return the schemas of a keyword that combines some."""
    if keyword == "$ref":
        try:
            return [resolved(root, argument)]
        except MismatchError as error:
            raise SchemaError(error.reason.replace("the JSON Schema", "it", 1).partition(", and only")[0]) from None
    if keyword == "not":
        return [argument]
    if not isinstance(argument, list) or not argument:
        raise SchemaError(f"{keyword!r} is not a list of schemas")
    return argument


def _parts_hold(value: Value, schema: Mapping[str, Any], root: Any, depth: int) -> bool:  # noqa: ANN401 - any JSON value
    """Check the content of a value, and the keywords that work together."""
    if "if" in schema:
        branch = "then" if holds(value, schema["if"], root, depth + 1) else "else"
        if branch in schema and not holds(value, schema[branch], root, depth + 1):
            return False
    if isinstance(value, dict):
        return _members_hold(value, schema, root, depth)
    return not isinstance(value, list) or _items_hold(value, schema, root, depth)


def _members_hold(value: dict[str, Any], schema: Mapping[str, Any], root: Any, depth: int) -> bool:  # noqa: ANN401
    properties, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, member in value.items():
        applied = [properties[name]] if name in properties else []
        applied += [child for pattern, child in patterns.items() if searched(pattern, name)]
        if not applied and "additionalProperties" in schema:
            applied = [schema["additionalProperties"]]
        if "propertyNames" in schema and not holds(name, schema["propertyNames"], root, depth + 1):
            return False
        if not all(holds(member, child, root, depth + 1) for child in applied):
            return False
    dependent = {**schema.get("dependencies", {}), **schema.get("dependentSchemas", {})}
    return all(
        holds(value, child, root, depth + 1) for name, child in dependent.items() if name in value and not isinstance(child, list)
    )


def _items_hold(value: list[Any], schema: Mapping[str, Any], root: Any, depth: int) -> bool:  # noqa: ANN401
    items = schema.get("items", True)
    prefix = schema.get("prefixItems", items if isinstance(items, list) else [])
    rest = schema.get("additionalItems", True) if isinstance(items, list) else items
    for number, item in enumerate(value):
        if not holds(item, prefix[number] if number < len(prefix) else rest, root, depth + 1):
            return False
    if "contains" not in schema:
        return True
    found = sum(holds(item, schema["contains"], root, depth + 1) for item in value)
    return bool(schema.get("minContains", 1) <= found <= schema.get("maxContains", len(value)))


def searched(pattern: str, text: str) -> bool:
    """Return whether a pattern is in a text.

    Raises:
        SchemaError: The pattern can't be read.
    """
    try:
        return re.search(in_python(pattern), text) is not None
    except (re.error, TypeError):
        raise SchemaError(f"the pattern {str(pattern)[:80]!r} can't be read") from None


def in_python(pattern: str) -> str:
    """Return a pattern of ECMA 262, which JSON Schema has, as Python writes it: a named group is `(?P<name>…)`."""
    return re.sub(r"\(\?<(?![=!])", "(?P<", pattern)


def equal(one: Value, other: Value) -> bool:
    """Return whether two JSON values are equal: 1 is 1.0, and true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    return bool(one == other)


def _is_number(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_kind(value: Value, kind: str) -> bool:
    if kind == "integer":
        return _is_number(value) and value == int(value)
    if kind == "number":
        return _is_number(value)
    if kind not in KINDS:
        raise SchemaError(f"{kind!r} is not a type of JSON Schema")
    return isinstance(value, KINDS[kind])


KINDS: Final = {"string": str, "boolean": bool, "null": type(None), "array": list, "object": dict}


def _has_type(value: Value, wanted: Any, _schema: Mapping[str, Any], _root: Any) -> bool:  # noqa: ANN401
    return any(_is_kind(value, kind) for kind in ([wanted] if isinstance(wanted, str) else wanted))


def _of_numbers(compare: Callable[[Any, Any], bool]) -> Check:
    """Make the check of a bound; a bound that is true or false (draft 4) belongs to another keyword."""
    return lambda value, bound, *_: not _is_number(value) or not _is_number(bound) or compare(value, bound)


def _of_sizes(kind: type[str | list[Any] | dict[str, Any]], compare: Callable[[int, int], bool]) -> Check:
    return lambda value, bound, *_: not isinstance(value, kind) or compare(len(value), bound)


def _is_multiple(value: float, step: float) -> bool:
    """Check a multiple as decimals, and as floats."""
    return Fraction(str(value)) % Fraction(str(step)) == 0 and (isinstance(step, int) or (value / step).is_integer())


def _minimum(value: float, schema: Mapping[str, Any]) -> bool:
    low, high = schema.get("minimum"), schema.get("maximum")
    above = low is None or (value > low if schema.get("exclusiveMinimum") is True else value >= low)
    return above and (high is None or (value < high if schema.get("exclusiveMaximum") is True else value <= high))


def _unique(value: Value, wanted: Any, *_: Any) -> bool:  # noqa: ANN401
    if not wanted or not isinstance(value, list):
        return True
    return not any(equal(one, other) for number, one in enumerate(value) for other in value[:number])


def _has_dependents(value: Value, needed: Mapping[str, Any], *_: Any) -> bool:  # noqa: ANN401
    if not isinstance(value, dict):
        return True
    return all(name not in value or not isinstance(others, list) or value.keys() >= {*others} for name, others in needed.items())


CHECKS: Final[dict[str, Check]] = {
    "type": _has_type,
    "enum": lambda value, choices, *_: any(equal(value, choice) for choice in choices),
    "const": lambda value, only, *_: equal(value, only),
    "minimum": lambda value, _, schema, __: not _is_number(value) or _minimum(value, schema),
    "maximum": lambda value, _, schema, __: not _is_number(value) or _minimum(value, schema),
    "exclusiveMinimum": _of_numbers(lambda value, bound: value > bound),
    "exclusiveMaximum": _of_numbers(lambda value, bound: value < bound),
    "multipleOf": _of_numbers(_is_multiple),
    "minLength": _of_sizes(str, lambda size, bound: size >= bound),
    "maxLength": _of_sizes(str, lambda size, bound: size <= bound),
    "pattern": lambda value, pattern, *_: not isinstance(value, str) or searched(pattern, value),
    "format": lambda value, name, *_: not isinstance(value, str) or name not in FORMATS or _reads(FORMATS[name], value),
    "minItems": _of_sizes(list, lambda size, bound: size >= bound),
    "maxItems": _of_sizes(list, lambda size, bound: size <= bound),
    "uniqueItems": _unique,
    "minProperties": _of_sizes(dict, lambda size, bound: size >= bound),
    "maxProperties": _of_sizes(dict, lambda size, bound: size <= bound),
    "required": lambda value, names, *_: not isinstance(value, dict) or isinstance(names, bool) or value.keys() >= {*names},
    "dependentRequired": _has_dependents,
    "dependencies": _has_dependents,
}
"""Keywords that look at the value alone."""

COMBINED: Final[dict[str, Callable[[list[bool]], bool]]] = {
    "$ref": all,
    "allOf": all,
    "anyOf": any,
    "oneOf": lambda fits: sum(fits) == 1,
    "not": lambda fits: not fits[0],
}
"""Keywords that apply other schemas to the same value, and how many of them must fit."""


def _reads(read: Callable[[str], object], text: str) -> bool:
    try:
        return bool(read(text))
    except ValueError:
        return False


def _matches(pattern: str) -> Callable[[str], object]:
    return re.compile(pattern).fullmatch


FORMATS: Final[dict[str, Callable[[str], object]]] = {
    "date": lambda text: len(text) == 10 and date.fromisoformat(text),
    "date-time": lambda text: re.fullmatch(r"\d{4}-\d\d-\d\d[Tt].+([Zz]|[+-]\d\d:\d\d)", text) and datetime.fromisoformat(text),
    "time": _matches(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)"),
    "duration": _matches(r"P(?=\w)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?"),
    "email": _matches(r"[\w.+-]+@[\w-]+(\.[\w-]+)*"),
    "hostname": _matches(r"(?=.{1,253}$)[A-Za-z0-9]([\w-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([\w-]*[A-Za-z0-9])?)*"),
    "ipv4": IPv4Address,
    "ipv6": IPv6Address,
    "uuid": lambda text: len(text) == 36 and UUID(text),
    "uri": _matches(r"[A-Za-z][\w+.-]*:\S+"),
}
"""Formats that are known, and what reads a text of each; a text of another format may be any [JSON Schema, Validation, 7.3]."""
