"""Instances of a JSON Schema, as a model writes them."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from itertools import islice, product
from typing import Any, Final

from batchfiles.testing.json_schema import SchemaError, combined_schemas, modern, numbers, texts, validity, words

Schema = Mapping[str, Any]

MOST_STEPS: Final = 20_000
"""Candidates that are tried for one instance before the schema is refused."""

DEEPEST: Final = 40
"""The deepest nesting of an instance; a schema whose smallest instance is deeper is refused."""

GENEROUS: Final = (3, 1, -1)
"""The depth up to which optional properties are written and arrays have two items; below it, only required ones. The next value
is used if the instance becomes too large."""

MOST_ALTERNATIVES: Final = 64
"""Combinations of the unions of one schema that are tried."""


def instance_of(schema: Any, seed: str) -> Any:  # noqa: ANN401 - any JSON values
    """Make an instance of a schema; the same seed makes the same one.

    Raises:
        SchemaError: No instance was found, or the schema can't be read.
    """
    try:
        root = modern(schema)
        for generous in GENEROUS:
            with suppress(_TooLarge):
                return _Maker(root, random.Random(seed), generous).make(root, 0)  # noqa: S311 - no secret
        raise SchemaError("its instances are larger than what this server writes")
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RecursionError):
        raise SchemaError("a keyword of it has a value of another type than JSON Schema says") from None


class _NoInstance(SchemaError):
    """No instance was found here; another alternative may have one."""


class _TooLarge(SchemaError):
    """More steps than `MOST_STEPS`."""


class _Maker:
    """Makes an instance from the outside in; each value is checked against its schema before it is used."""

    def __init__(self, root: Any, chance: random.Random, generous: int) -> None:  # noqa: ANN401 - any JSON value
        self._root = root
        self._chance = chance
        self._generous = generous
        self._steps = 0
        self._heights: dict[tuple[int, int], bool] = {}
        self._kept: list[Any] = []  # schemas whose ids are in `_heights`

    @cached_property
    def _is_valid(self) -> Callable[[Any, Any], bool]:
        return validity(self._root)

    def make(self, schema: Any, depth: int) -> Any:  # noqa: ANN401 - any JSON values
        """Return an instance of a schema within the root."""
        for flat in self._alternatives(schema, depth) if depth <= 2 * DEEPEST else ():
            for candidate in self._candidates(flat, depth):
                self._steps += 1
                if self._steps > MOST_STEPS:
                    raise _TooLarge
                if self._is_valid(candidate, schema):
                    return candidate
        raise _NoInstance("no instance of it was found")

    # Alternatives

    def _alternatives(self, schema: Any, depth: int) -> list[Schema]:  # noqa: ANN401 - any JSON value
        """Return the alternatives of a schema, without references and unions; the shallow ones first."""
        found = list(islice(self._flat(schema, frozenset()), MOST_ALTERNATIVES))
        heights = {id(flat): self._height(flat) for flat in found}
        found = [flat for flat in found if heights[id(flat)] <= DEEPEST]
        if depth > self._generous:
            return sorted(found, key=lambda flat: heights[id(flat)])
        return sorted(found, key=lambda flat: _kinds(flat) == ["null"])

    def _flat(self, schema: Any, way: frozenset[int]) -> Iterator[Schema]:  # noqa: ANN401 - any JSON value
        if isinstance(schema, bool):
            if schema:
                yield {}
            return
        if not isinstance(schema, Mapping):
            raise SchemaError("a schema is an object, or true or false")
        if id(schema) in way:
            raise SchemaError("it refers to itself alone")
        groups = list(self._groups(schema, way | {id(schema)}))
        own = {key: value for key, value in schema.items() if key not in ("$ref", "allOf", "anyOf", "oneOf", "if")}
        for choice in islice(product(*groups), MOST_ALTERNATIVES):
            merged: Schema = own
            for other in choice:
                merged = _merged(merged, other)
            yield merged

    def _groups(self, schema: Schema, way: frozenset[int]) -> Iterator[list[Schema]]:
        """Yield the alternatives of each keyword that applies other schemas to the same value."""
        for keyword in ("$ref", "allOf"):
            if keyword in schema:
                yield from (list(self._flat(each, way)) for each in combined_schemas(keyword, schema[keyword], self._root))
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                members = combined_schemas(keyword, schema[keyword], self._root)
                yield [flat for member in members for flat in self._flat(member, way)]
        if "if" in schema:
            then = {"allOf": [schema["if"], schema.get("then", True)]}
            yield [*self._flat(then, way), *self._flat(schema.get("else", True), way)]
        for child in schema.get("dependentSchemas", {}).values():
            yield [*self._flat(child, way), {}]

    def _height(self, schema: Any) -> int:  # noqa: ANN401 - any JSON value
        """Return the number of levels of the smallest instance; more than `DEEPEST` if there is none."""
        return next((height for height in range(DEEPEST + 1) if self._fits(schema, height)), DEEPEST + 1)

    def _fits(self, schema: Any, height: int) -> bool:  # noqa: ANN401 - any JSON value
        """Return whether an instance with this many levels is possible."""
        if not isinstance(schema, Mapping):
            return schema is not False
        key = id(schema), height
        if key not in self._heights:
            self._heights[key] = False  # a schema that needs itself has no finite instance
            self._kept.append(schema)
            self._heights[key] = self._combined_fit(schema, height) and self._parts_fit(schema, height)
        return self._heights[key]

    def _combined_fit(self, schema: Schema, height: int) -> bool:
        for keyword, enough in (("$ref", all), ("allOf", all), ("anyOf", any), ("oneOf", any)):
            if keyword in schema:
                found = (self._fits(each, height) for each in combined_schemas(keyword, schema[keyword], self._root))
                if not enough(found):
                    return False
        return True

    def _parts_fit(self, schema: Schema, height: int) -> bool:
        if "const" in schema or "enum" in schema or not {*_kinds(schema)} <= {"object", "array"}:
            return True
        fits = {"object": self._members_fit, "array": self._items_fit}
        return any(fits[kind](schema, height) for kind in _kinds(schema))

    def _members_fit(self, schema: Schema, height: int) -> bool:
        needed = (schema.get("properties", {}).get(name, True) for name in schema.get("required", ()))
        return all(height > 0 and self._fits(child, height - 1) for child in needed)

    def _items_fit(self, schema: Schema, height: int) -> bool:
        items = (_item_schema(schema, number) for number in range(min(schema.get("minItems", 0), 100)))
        return all(height > 0 and self._fits(item, height - 1) for item in items)

    # Values

    def _candidates(self, schema: Schema, depth: int) -> Iterator[Any]:
        """Yield values that may fit a schema without references and unions."""
        if "const" in schema:
            yield schema["const"]
            return
        if "enum" in schema:
            choices = list(schema["enum"])
            start = self._chance.randrange(len(choices)) if choices else 0
            yield from sorted(choices[start:] + choices[:start], key=lambda choice: choice is None)
            return
        for kind in _kinds(schema):
            yield from self._of_kind(kind, schema, depth)

    def _of_kind(self, kind: str, schema: Schema, depth: int) -> Iterator[Any]:
        if kind in ("object", "array"):
            make = self._object if kind == "object" else self._array
            for generous in (True, False) if depth <= self._generous else (False,):
                try:
                    yield make(schema, depth, generous)
                except _NoInstance:
                    continue
        elif kind == "string":
            yield from texts(schema, self._chance)
        elif kind in ("integer", "number"):
            yield from numbers(schema, self._chance, whole=kind == "integer")
        elif kind == "boolean":
            first = self._chance.random() < 0.5
            yield from (first, not first)
        elif kind == "null":
            yield None
        else:
            raise SchemaError(f"{kind!r} is not a type of JSON Schema")

    def _object(self, schema: Schema, depth: int, generous: bool) -> dict[str, Any]:
        properties, needed = schema.get("properties", {}), schema.get("required", [])
        made: dict[str, Any] = {}
        most = schema.get("maxProperties", math.inf)
        for name in (*properties, *(name for name in needed if name not in properties)):
            child = _member_schema(schema, name)
            if name in needed:
                made[name] = self.make(child, depth + 1)
            elif generous and len(made) + sum(other not in made for other in needed) < most and self._height(child) <= DEEPEST:
                try:
                    made[name] = self.make(child, depth + 1)
                except _NoInstance:
                    continue
        for key, others in schema.get("dependentRequired", {}).items():
            for name in others if key in made else ():
                if name not in made:
                    made[name] = self.make(_member_schema(schema, name), depth + 1)
        self._fill(made, schema, depth, generous)
        return made

    def _fill(self, made: dict[str, Any], schema: Schema, depth: int, generous: bool) -> None:
        """Add unnamed properties: as many as required, and some to a map."""
        patterns, others = schema.get("patternProperties", {}), schema.get("additionalProperties", True)
        is_map = generous and not schema.get("properties") and (bool(patterns) or isinstance(others, Mapping))
        count = max(schema.get("minProperties", 0), min(2 if is_map else 0, schema.get("maxProperties", math.inf)))
        if is_map and self._height(next(iter(patterns.values()), others)) > DEEPEST:
            count = schema.get("minProperties", 0)
        for _ in range(3 * count):
            if len(made) >= count:
                return
            name = self._name(schema.get("propertyNames", {}), next(iter(patterns), None), len(made))
            if name not in made:
                made[name] = self.make(_member_schema(schema, name), depth + 1)

    def _name(self, names: Any, pattern: str | None, number: int) -> str:  # noqa: ANN401 - any JSON value
        """Return a name for an unnamed property."""
        if pattern is not None:
            stem = str(self.make({"type": "string", "pattern": pattern}, DEEPEST))
            longer = f"{stem}{number}"
            return longer if number and re.search(pattern, longer) else stem
        if names:
            return str(self.make({"allOf": [names, {"type": "string"}]}, DEEPEST))
        return f"{words(self._chance, 1)}_{number + 1}"

    def _array(self, schema: Schema, depth: int, generous: bool) -> list[Any]:
        least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
        contained = schema.get("minContains", 1) if "contains" in schema else 0
        usual = max(2, len(schema.get("prefixItems", [])), contained) if generous else contained
        made: list[Any] = []
        for number in range(int(max(least, min(usual, most)))):
            child = _item_schema(schema, number)
            if number < contained:
                child = {"allOf": [child, schema["contains"]]}
            is_required = number < max(least, contained)
            if not is_required and self._height(child) > DEEPEST:
                break
            try:
                made.append(self._item(child, depth + 1, made if schema.get("uniqueItems") else []))
            except _NoInstance:
                if is_required:
                    raise
                break
        return made

    def _item(self, schema: Any, depth: int, others: list[Any]) -> Any:  # noqa: ANN401 - any JSON values
        """Make an item that differs from all others."""
        for _ in range(20):
            made = self.make(schema, depth)
            if made not in others:
                return made
        return self.make({"allOf": [schema, {"not": {"enum": others}}]}, depth)


def _kinds(schema: Schema) -> list[str]:
    """Return the possible types of a value, null last; without `type`, those that the keywords apply to."""
    declared = schema.get("type")
    if declared is not None:
        return sorted(_as_list(declared), key=lambda kind: kind == "null")
    implied = [kind for kind, keywords in KEYWORDS.items() if not schema.keys().isdisjoint(keywords)][:1]
    return implied or ["string", "number", "boolean", "object", "array", "null"]


KEYWORDS: Final = {
    "object": (
        "properties",
        "required",
        "additionalProperties",
        "patternProperties",
        "minProperties",
        "maxProperties",
        "propertyNames",
        "dependentRequired",
    ),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"),
    "string": ("pattern", "format", "minLength", "maxLength"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
"""Keywords that apply to values of one type."""


def _member_schema(schema: Schema, name: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the schema of a property."""
    found = [child for pattern, child in schema.get("patternProperties", {}).items() if re.search(pattern, name)]
    if name in schema.get("properties", {}):
        found.append(schema["properties"][name])
    if not found:
        found = [schema.get("additionalProperties", schema.get("unevaluatedProperties", True))]
    return found[0] if len(found) == 1 else {"allOf": found}


def _item_schema(schema: Schema, number: int) -> Any:  # noqa: ANN401 - any JSON value
    """Return the schema of an item."""
    prefix = schema.get("prefixItems", [])
    return prefix[number] if number < len(prefix) else schema.get("items", True)


def _merged(one: Schema, other: Schema) -> Schema:
    """Combine two schemas approximately; each value is checked against the originals."""
    made = {**other, **one}
    for key in one.keys() & other.keys():
        first, second = one[key], other[key]
        if key in ("properties", "patternProperties", "dependentRequired"):
            both = {name: {"allOf": [first[name], second[name]]} for name in first.keys() & second.keys()}
            made[key] = {**second, **first, **(both if key != "dependentRequired" else {})}
        elif key == "required":
            made[key] = [*first, *(name for name in second if name not in first)]
        elif key == "type":
            made[key] = _common_types(first, second)
        elif key == "enum":
            made[key] = [choice for choice in first if choice in second]
        elif key in ("additionalProperties", "propertyNames", "items", "contains"):
            made[key] = {"allOf": [first, second]}
        elif key.startswith(("min", "exclusiveMin")):
            made[key] = max(first, second)
        elif key.startswith(("max", "exclusiveMax")):
            made[key] = min(first, second)
    return made


def _common_types(one: str | list[str], other: str | list[str]) -> list[str]:
    first, second = _as_list(one), _as_list(other)
    common = [kind for kind in first if kind in second or (kind == "integer" and "number" in second)]
    return common + [kind for kind in second if kind == "integer" and "number" in first and kind not in common]


def _as_list(kinds: str | list[str]) -> list[str]:
    return [kinds] if isinstance(kinds, str) else kinds
