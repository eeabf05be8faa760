"""Values as they come over the wire: what is a text here is null, empty or a number elsewhere.

Everything that can be read is read; what can't be is an `UnreadableResponse` that names the field. Unknown keys survive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from batchfiles.api.ids import is_id
from batchfiles.errors import UnreadableResponse

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "count",
    "flag",
    "identifier",
    "integer",
    "items",
    "keys_of",
    "mapping",
    "moment",
    "others",
    "required_id",
    "required_text",
    "text",
    "texts",
    "with_others",
]

T = TypeVar("T")

JSONObject = dict[str, Any]


def mapping(value: object, name: str) -> JSONObject:
    """Return an object.

    Raises:
        UnreadableResponse: It is none.
    """
    if not isinstance(value, dict):
        raise _wrong(name, "an object", value)
    return value


def text(value: object, name: str) -> str | None:
    """Return a text; None for null and for an empty one, which OpenAI and Azure write for a file that is not there.

    Raises:
        UnreadableResponse: It is neither.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _wrong(name, "a string", value)
    return value


def required_text(value: object, name: str) -> str:
    """Return a text that must say something.

    Raises:
        UnreadableResponse: It is missing, empty, or no text.
    """
    return _present(text(value, name), name)


def identifier(value: object, name: str) -> str | None:
    """Return the service's name for something, or None; it becomes part of addresses and of names of files.

    Raises:
        UnreadableResponse: It can't be one.
    """
    found = text(value, name)
    if found is not None and not is_id(found):
        raise UnreadableResponse(f"{name!r} is no id")
    return found


def required_id(value: object, name: str) -> str:
    """Return a name that must be there.

    Raises:
        UnreadableResponse: It is missing, or can't be one.
    """
    return _present(identifier(value, name), name)


def integer(value: object, name: str) -> int | None:
    """Return a whole number, or None.

    Raises:
        UnreadableResponse: It is neither.
    """
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise _wrong(name, "an integer", value)


def count(value: object, name: str) -> int:
    """Return a number of things; null counts as none (Azure writes null counts).

    Raises:
        UnreadableResponse: It is no whole number.
    """
    return integer(value, name) or 0


def flag(value: object, name: str) -> bool:
    """Return a yes or no; a missing one is a no.

    Raises:
        UnreadableResponse: It is neither.
    """
    if value is None or isinstance(value, bool):
        return bool(value)
    raise _wrong(name, "true or false", value)


def moment(value: object, name: str) -> int | None:
    """Return a time as seconds since 1970-01-01 UTC; ISO 8601 (Together, Novita) is read too, a zone that is missing is UTC.

    Raises:
        UnreadableResponse: It is no time.
    """
    if isinstance(value, str) and value:
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            raise _wrong(name, "a time", value) from None
        aware = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        return int(aware.timestamp())
    return integer(None if value == "" else value, name)


def texts(value: object, name: str) -> dict[str, str] | None:
    """Return a map of texts, such as metadata; None where there is none.

    Raises:
        UnreadableResponse: It is no map of texts.
    """
    if value is None:
        return None
    found = mapping(value, name)
    return {
        key: item if isinstance(item, str) else _raise(_wrong(f"{name}.{key}", "a string", item)) for key, item in found.items()
    }


def items(value: object, name: str, decode: Callable[[object], T]) -> list[T]:
    """Return a list of decoded objects; a missing one is empty.

    Raises:
        UnreadableResponse: It is no list, or an object in it can't be read.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise _wrong(name, "a list", value)
    return [decode(item) for item in value]


def others(value: Mapping[str, Any], known: frozenset[str]) -> JSONObject:
    """Return the members that no field is for."""
    return {key: item for key, item in value.items() if key not in known}


def with_others(value: JSONObject, extra: Mapping[str, Any]) -> JSONObject:
    """Put the members back that no field is for; a field wins against them."""
    return {**extra, **value} if extra else value


def keys_of(kind: type[DataclassInstance], *more: str) -> frozenset[str]:
    """Return the keys that the fields of a class are for, and others that it needs no field for."""
    return frozenset({field.name for field in fields(kind)} - {"extra"} | set(more))


def _present(found: str | None, name: str) -> str:
    if found is None:
        raise UnreadableResponse(f"the answer has no {name!r}")
    return found


def _wrong(name: str, wanted: str, value: object) -> UnreadableResponse:
    return UnreadableResponse(f"{name!r} is not {wanted}, but {JSON_NAMES.get(type(value), 'something else')}")


JSON_NAMES: Mapping[type, str] = {
    type(None): "null",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
}


def _raise(error: Exception) -> str:
    raise error
