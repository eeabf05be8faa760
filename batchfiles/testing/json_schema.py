"""JSON Schemas of requests: rewritten as draft 2020-12, and checked with the package `jsonschema`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from batchfiles.errors import MismatchError
from batchfiles.table.parsed.types import resolved

__all__ = ["SchemaError", "combined_schemas", "modern", "validity"]

MAPS: Final = ("properties", "$defs", "definitions", "dependentSchemas", "dependencies")
"""Keywords whose value has schemas by their names."""


class SchemaError(Exception):
    """A schema that can't be used, or that has no instance; the message states why."""


def modern(schema: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Rewrite a schema of an older draft as draft 2020-12, with patterns as Python writes them."""
    if isinstance(schema, list):
        return [modern(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {keyword: _modern_value(keyword, value) for keyword, value in schema.items()}
    for bound in ("Minimum", "Maximum"):
        if isinstance(made.get(f"exclusive{bound}"), bool) and made.pop(f"exclusive{bound}") and bound.lower() in made:
            made[f"exclusive{bound}"] = made.pop(bound.lower())
    if isinstance(made.get("items"), list):
        made["prefixItems"], made["items"] = made["items"], made.pop("additionalItems", True)
    for name, needed in made.pop("dependencies", {}).items():
        made.setdefault("dependentRequired" if isinstance(needed, list) else "dependentSchemas", {})[name] = needed
    if isinstance(made.get("required"), bool):  # draft 3
        del made["required"]
    return made


def _modern_value(keyword: str, value: Any) -> Any:  # noqa: ANN401 - any JSON values
    if keyword in ("const", "enum"):
        return value
    if keyword == "pattern" and isinstance(value, str):
        return _in_python(value)
    if keyword == "patternProperties" and isinstance(value, dict):
        return {_in_python(pattern): modern(child) for pattern, child in value.items()}
    if keyword in MAPS and isinstance(value, dict):
        return {name: modern(child) for name, child in value.items()}
    return modern(value)


def _in_python(pattern: str) -> str:
    """Write a named group of ECMA 262 as Python does: `(?P<name>…)`."""
    return re.sub(r"\(\?<(?![=!])", "(?P<", pattern)


def validity(root: Any) -> Callable[[Any, Any], bool]:  # noqa: ANN401 - any JSON value
    """Return a predicate: is a value valid against a schema within the root?

    The predicate raises `SchemaError` if the schema can't be used.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import UnknownType
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    # An empty registry, so that no reference is fetched from the network.
    validator = Draft202012Validator(root, registry=Registry(), format_checker=Draft202012Validator.FORMAT_CHECKER)

    def check(value: Any, schema: Any) -> bool:  # noqa: ANN401 - any JSON values
        try:
            return bool(validator.evolve(schema=schema).is_valid(value))
        except UnknownType as error:
            raise SchemaError(f"{error.type!r} is not a type of JSON Schema") from None
        except Unresolvable as error:
            raise SchemaError(f"it has the reference {error.ref[:80]!r}, which can't be followed") from None
        except re.error as error:
            raise SchemaError(f"the pattern {str(error.pattern)[:80]!r} can't be read") from None
        except RecursionError:
            raise SchemaError("it is nested too deeply, or refers to itself without an end") from None

    return check


def combined_schemas(keyword: str, argument: Any, root: Any) -> list[Any]:  # noqa: ANN401 - any JSON values
    """Return the schemas that a keyword such as `$ref` or `anyOf` applies to the same value.

    Raises:
        SchemaError: The reference can't be followed, or the value is not a list.
    """
    if keyword == "$ref":
        try:
            return [resolved(root, argument)]
        except MismatchError as error:
            raise SchemaError(error.reason.replace("the JSON Schema", "it", 1).partition(", and only")[0]) from None
    if not isinstance(argument, list) or not argument:
        raise SchemaError(f"{keyword!r} is not a list of schemas")
    return argument
