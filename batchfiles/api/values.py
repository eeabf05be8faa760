"""Values as services send them: what is a string here is null, empty or a number elsewhere.

Everything that can be read is read. An unreadable value of a field is null and kept in `odd`, so it affects no other field;
an answer that is not of its kind at all is an `APIResponseValidationError`. Unknown keys survive.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from batchfiles.api.config import is_id
from batchfiles.errors import APIResponseValidationError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")

JSONObject = dict[str, Any]

LAST_MOMENT = 253_402_300_799
"""The last second of the year 9999: larger times are milliseconds or invalid."""

SHOWN = 60
"""Characters of an odd value that a note shows."""


class Fields:
    """The members of an object, read one by one.

    Args:
        found: The object.
        odd: Where values go that can't be read, by their place.
        place: The prefix of each member in `odd`, such as `request_counts.`.
    """

    def __init__(self, found: Mapping[str, Any], odd: JSONObject, place: str = "") -> None:
        self._found = found
        self._odd = odd
        self._place = place

    def text(self, name: str) -> str | None:
        """Return a string; None for null and for an empty one, which OpenAI and Azure write for a file that is not there."""
        value = self._found.get(name)
        if value is None or value == "" or isinstance(value, str):
            return value or None
        self._null(name)
        return None

    def word(self, name: str) -> str | None:
        """Return a string or the digits of a number: vLLM writes the status instead of a code."""
        value = self._found.get(name)
        return str(value) if _is_number(value) else self.text(name)

    def identifier(self, name: str) -> str | None:
        """Return the service's name for something, or None; it becomes part of addresses and of names of files."""
        value = self._found.get(name)
        if isinstance(value, str) and value.strip().lower() in NO_ID:
            return None
        found = _numbered(value) or self.text(name)
        if found is None or is_id(found):
            return found
        self._null(name)
        return None

    def integer(self, name: str) -> int | None:
        """Return a whole number, also one that is written as a string; or None."""
        value = self._found.get(name)
        found = _integer(value)
        if found is None and value not in (None, ""):
            self._null(name)
        return found

    def count(self, name: str) -> int:
        """Return a number of things; null counts as none (Azure writes null counts), and so does one below zero."""
        found = self.integer(name)
        if found is not None and found < 0:
            self._null(name)
        return max(found or 0, 0)

    def flag(self, name: str) -> bool:
        """Return a yes or no, also one that is written as a string or a number; a missing one is a no."""
        value = self._found.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        word = str(value).strip().lower() if isinstance(value, (str, int)) else None
        if word not in FLAGS:
            self._null(name)
        return FLAGS.get(word, False)

    def moment(self, name: str) -> int | None:
        """Return a time as seconds since 1970-01-01 UTC: see `moment`."""
        value = self._found.get(name)
        if value in (None, ""):
            return None
        try:
            return moment(value)
        except ValueError:
            self._null(name)
        return None

    def texts(self, name: str) -> dict[str, str] | None:
        """Return a map of strings, such as metadata; None if there is none. Other values are written as JSON."""
        value = self._found.get(name)
        if value is None:
            return None
        if value == []:  # PHP writes an empty map as a list
            return {}
        if not isinstance(value, dict):
            self._null(name)
            return None
        return {key: item if isinstance(item, str) else json.dumps(item) for key, item in value.items() if item is not None}

    def within(self, name: str) -> tuple[JSONObject, Fields] | None:
        """Return an object among the members and its own fields; None if there is none."""
        value = self._found.get(name)
        if value is not None and not isinstance(value, dict):
            self._null(name)
        return (value, Fields(value, self._odd, f"{self._place}{name}.")) if isinstance(value, dict) else None

    def items(self, name: str, decode: Callable[[object, JSONObject, str], T | None]) -> list[T]:
        """Return a list of decoded values; a missing one is empty, and values that can't be read are left out.

        Args:
            name: The member.
            decode: Makes something of a value; it gets `odd` and the place of the value. None where it can't be read.
        """
        value = self._found.get(name)
        if not isinstance(value, list):
            if value is not None:
                self._null(name)
            return []
        found = []
        for number, item in enumerate(value):
            place = f"{self._place}{name}[{number}]"
            made = decode(item, self._odd, place)
            if made is None:
                self._odd[place] = item
            else:
                found.append(made)
        return found

    def _null(self, name: str) -> None:
        """Keep a value that can't be read."""
        self._odd[self._place + name] = self._found.get(name)


NO_ID = frozenset({"none", "null", "nil", "undefined"})
"""A null that a program has written as text, instead of an id."""

FLAGS: Mapping[str | None, bool] = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}


def notes_of(odd: JSONObject) -> list[str]:
    """Return a sentence for each value that could not be read."""
    return [f"{place!r} is {_named(value)}: read as null" for place, value in odd.items()]


def mapping(value: object, name: str) -> JSONObject:
    """Return an object.

    Raises:
        APIResponseValidationError: It is another value.
    """
    if not isinstance(value, dict):
        raise APIResponseValidationError(f"{name!r} is not an object, but {_kind(value)}")
    return value


def required_text(value: object, name: str) -> str:
    """Return a string that must not be empty.

    Raises:
        APIResponseValidationError: It is missing, empty, or not a string.
    """
    if value is None or value == "":
        raise APIResponseValidationError(f"the answer has no {name!r}")
    if not isinstance(value, str):
        raise APIResponseValidationError(f"{name!r} is not a string, but {_kind(value)}")
    return value


def required_id(value: object, name: str) -> str:
    """Return a name that must be there.

    Raises:
        APIResponseValidationError: It is missing, or not a valid id.
    """
    found = _numbered(value) or required_text(value, name)
    if not is_id(found):
        raise APIResponseValidationError(f"{name!r} can't be an id")
    return found


def _numbered(value: object) -> str | None:
    """Return the digits of an id that is a number: some gateways count their batches and files."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def moment(value: object) -> int | None:
    """Return a time as seconds since 1970-01-01 UTC; None for the zeros that mean "never".

    ISO 8601 (Together, Novita), dates of HTTP and milliseconds are read too; a missing zone is UTC, and parts of a second don't
    count.

    Raises:
        ValueError: It is not a time.
    """
    number = _number(value)
    if number is None and isinstance(value, str):
        number = _written(value.strip())
    if number is None:
        raise ValueError("not a time")
    if number > LAST_MOMENT * 1000:
        raise ValueError("beyond the year 9999")
    seconds = number / 1000 if number > LAST_MOMENT else number
    return int(seconds) if seconds >= 1 else None


def _written(text: str) -> float:
    """Read a date that is written out.

    Raises:
        ValueError: It is not a date.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        try:
            found = parsedate_to_datetime(text)
        except (TypeError, IndexError, OverflowError):
            raise ValueError("not a time") from None
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(value: object) -> float | None:
    """Return a number, also one that is written as a string; None for other values."""
    if isinstance(value, str) and value.strip().isascii() and len(value) <= SHOWN:
        try:
            value = float(value) if "_" not in value else None
        except ValueError:
            return None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    return value if abs(value) < float("inf") else None  # not NaN either


def _integer(value: object) -> int | None:
    if isinstance(value, str) and value.strip().isascii() and value.strip().lstrip("+-").isdigit() and len(value) <= SHOWN:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number = _number(value)
    return int(number) if number is not None and number == int(number) else None


def others(value: Mapping[str, Any], known: frozenset[str]) -> JSONObject:
    """Return the members that no field is for."""
    return {key: item for key, item in value.items() if key not in known}


def with_others(value: JSONObject, extra: Mapping[str, Any]) -> JSONObject:
    """Put the members back that no field is for; a field wins against them."""
    return {**extra, **value} if extra else value


def keys_of(kind: type[DataclassInstance], *more: str) -> frozenset[str]:
    """Return the keys that the fields of a class are for, and others that it needs no field for."""
    return frozenset({field.name for field in fields(kind)} - {"extra", "odd"} | set(more))


def _kind(value: object) -> str:
    return JSON_NAMES.get(type(value), "something else")


def _named(value: object) -> str:
    """Name the type of a value, and show one that is short."""
    if isinstance(value, (dict, list)) or value is None:
        return _kind(value) if value else f"an empty {_kind(value).split()[-1]}" if value is not None else "null"
    shown = json.dumps(value)
    return f"{_kind(value)} ({shown[:SHOWN]}{'…' if len(shown) > SHOWN else ''})"


JSON_NAMES: Mapping[type, str] = {
    type(None): "null",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
}
