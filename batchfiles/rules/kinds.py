"""Checks of one value: each is called with the value and its path, and returns what is wrong with it.

A path is written as the service writes it, `body.messages[0].role`; a fault has it as a JSON path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from batchfiles.findings import Severity
from batchfiles.key_rules import JSON_KINDS, Fault, cut
from batchfiles.nearest import instead_of, nearest

__all__ = [
    "Check",
    "Faults",
    "anything",
    "are_texts",
    "array",
    "boolean",
    "either",
    "ended",
    "fields",
    "integer",
    "mapping",
    "missing",
    "null",
    "number",
    "optional",
    "refused",
    "tagged",
    "text",
    "unknown",
    "word",
    "wrong_kind",
]

Faults: TypeAlias = Sequence[Fault]
Check: TypeAlias = "Callable[[Any, str], Faults]"

MOST_OF_ONE_ARRAY = 20
"""Faults that are listed of one array: a list of thousands may be wrong in each item."""


def refused(path: str, message: str, severity: Severity = "error") -> list[Fault]:
    """Return the one fault of a value."""
    return [Fault("invalid_body", ended(message), f"$.{path}", severity)]


def ended(message: str) -> str:
    """Return a message with a full stop, because the path follows: `expected none, auto, required at` would read on."""
    return message if message.endswith((".", "?")) else f"{message}."


def wrong_kind(path: str, wanted: str, value: Any, hint: str = "") -> list[Fault]:  # noqa: ANN401 - any JSON value
    """Return the fault of a value of the wrong type."""
    kind = type(value)
    got = JSON_KINDS.get(kind, kind.__name__)
    return refused(path, f"Invalid type for '{path}': expected {wanted}, but got {got} instead{hint}.")


def missing(path: str, hint: str = "") -> list[Fault]:
    """Return the fault of a parameter that must be there."""
    return refused(path, f"Missing required parameter: '{path}'{hint}.")


def unknown(path: str, name: str, known: Mapping[str, Any] | Sequence[str], hint: str | None = None) -> list[Fault]:
    """Return the warning about a parameter that the endpoint is not known to have."""
    near = None if hint else nearest(name, known)
    end = f": {hint}" if hint else f"; did you mean {near!r}?" if near else ""
    return [Fault("unknown_parameter", ended(f"Unknown parameter: '{cut(name)}'{end}"), cut(f"$.{path}", 300), "warning")]


def anything(value: Any, path: str) -> Faults:  # noqa: ANN401, ARG001 - any JSON value
    """Take every value."""
    return ()


def boolean(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
    """Take true and false."""
    return () if value is True or value is False else wrong_kind(path, "a boolean", value)


def null(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
    """Take null."""
    return () if value is None else wrong_kind(path, "null", value)


def integer(low: int | None = None, high: int | None = None) -> Check:
    """Take integers of a range."""

    def check(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
        if type(value) is not int:
            return wrong_kind(path, "an integer", value)
        return _outside(value, path, low, high)

    return check


def number(low: float | None = None, high: float | None = None) -> Check:
    """Take numbers of a range."""

    def check(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
        if type(value) is not float and type(value) is not int:
            return wrong_kind(path, "a number", value)
        return _outside(value, path, low, high)

    return check


def _outside(value: float, path: str, low: float | None, high: float | None) -> Faults:
    if low is not None and value < low:
        return refused(path, f"Invalid '{path}': {value} is below the minimum of {low}.")
    if high is not None and value > high:
        return refused(path, f"Invalid '{path}': {value} is above the maximum of {high}.")
    return ()


def text(longest: int | None = None, *, shortest: int = 0) -> Check:
    """Take strings of a length."""

    def check(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
        if type(value) is not str:
            return wrong_kind(path, "a string", value)
        if len(value) < shortest:
            return refused(path, f"Invalid '{path}': the string is empty.")
        if longest is not None and len(value) > longest:
            return refused(path, f"Invalid '{path}': {len(value):,} characters, and {longest:,} are allowed.")
        return ()

    return check


def word(*words: str, closed: bool = True) -> Check:
    """Accept some words; another one is only a warning if the list has grown before."""
    allowed = frozenset(words)

    def check(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
        if type(value) is not str:
            return wrong_kind(path, "a string", value)
        if value in allowed:
            return ()
        return refused(path, f"Invalid value for '{path}': {cut(value)!r}{instead_of(value, words)}", _bad(closed))

    return check


def _bad(closed: bool) -> Severity:
    return "error" if closed else "warning"


def array(item: Check = anything, *, fewest: int = 0, most: int | None = None) -> Check:
    """Take arrays of a length."""

    def check(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
        if type(value) is not list:
            return wrong_kind(path, "an array", value)
        if len(value) < fewest:
            return refused(path, f"Invalid '{path}': {len(value)} items, and at least {fewest} must be there.")
        if most is not None and len(value) > most:
            return refused(path, f"Invalid '{path}': {len(value):,} items, and {most:,} are allowed.")
        found: list[Fault] = []
        for place, each in enumerate(value):
            found += item(each, f"{path}[{place}]")
            if len(found) >= MOST_OF_ONE_ARRAY:
                break
        return found

    return check


def mapping(item: Check, *, most: int | None = None, longest_key: int | None = None) -> Check:
    """Accept objects with user-defined keys."""

    def check(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
        if type(value) is not dict:
            return wrong_kind(path, "an object", value)
        if most is not None and len(value) > most:
            return refused(path, f"Invalid '{path}': {len(value):,} keys, and {most:,} are allowed.")
        found: list[Fault] = []
        for key, each in value.items():
            if longest_key is not None and len(key) > longest_key:
                found += refused(path, f"Invalid '{path}': a key has {len(key):,} characters, and {longest_key:,} are allowed.")
            found += item(each, f"{path}.{cut(key)}")
        return found

    return check


def either(wanted: str, **checks: Check) -> Check:
    """Accept values of several types, each with its own check; the keys are `text`, `list` and `object`."""
    kinds: dict[str, type] = {"text": str, "list": list, "object": dict}
    by_kind: dict[type, Check] = {kinds[name]: check for name, check in checks.items()}

    def check(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
        chosen = by_kind.get(type(value))
        return wrong_kind(path, wanted, value) if chosen is None else chosen(value, path)

    return check


def are_texts(parts: Any, kind: str) -> bool:  # noqa: ANN401 - any JSON value
    """Return quickly whether a content is an array of only texts; a KeyError or TypeError means no too."""
    if type(parts) is not list or not parts:
        return False
    for part in parts:  # noqa: SIM110 - a generator costs as much as the parts
        if part["type"] != kind or type(part["text"]) is not str:
            return False
    return True


def optional(check: Check) -> Check:
    """Take null too."""
    return lambda value, path: () if value is None else check(value, path)


def fields(required: Mapping[str, Check] | None = None, others: Mapping[str, Check] | None = None, *, hint: str = "") -> Check:
    """Take objects with some keys; keys that are not known are left to the service.

    Args:
        required: The checks of what must be there.
        others: The checks of keys that may be missing or null.
        hint: What to add where a key that must be there is missing.
    """
    needed, extra = required or {}, others or {}

    def check(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
        if type(value) is not dict:
            return wrong_kind(path, "an object", value)
        found: list[Fault] = []
        for key, inner in needed.items():
            if key not in value:  # one is enough: the object is probably of another form
                found += missing(f"{path}.{key}", hint)
                break
            found += inner(value[key], f"{path}.{key}")
        for key, inner in extra.items():
            if value.get(key) is not None:
                found += inner(value[key], f"{path}.{key}")
        return found

    return check


def tagged(kinds: Mapping[str, Check], *, closed: bool = True, others: Mapping[str, str] | None = None) -> Check:
    """Accept objects whose `type` decides their other keys.

    Args:
        kinds: The check of each type.
        closed: Whether another type is an error instead of a warning.
        others: The messages for types that belong elsewhere.
    """
    hints = others or {}

    def check(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
        if type(value) is not dict:
            return wrong_kind(path, "an object", value)
        if "type" not in value:
            return missing(f"{path}.type", f"; it is one of {', '.join(kinds)}")
        kind = value["type"]
        if type(kind) is not str:
            return wrong_kind(f"{path}.type", "a string", kind)
        if kind in kinds:
            return kinds[kind](value, path)
        end = f": {hints[kind]}." if kind in hints else instead_of(kind, kinds)
        return refused(f"{path}.type", f"Invalid value for '{path}.type': {cut(kind)!r}{end}", _bad(closed or kind in hints))

    return check
