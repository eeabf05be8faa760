"""From a decoded answer to what Arrow takes, or the reason why it doesn't fit.

Checked is what the columns depend on: types, `required`, `additionalProperties: false`, `enum` and `const`. Nothing is rounded,
cut or converted on the way, but for `1.0`, which JSON Schema calls an integer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from batchfiles.codec import SURROGATE
from batchfiles.table.parsed.exact_json import written
from batchfiles.table.parsed.misfit import Misfit
from batchfiles.table.parsed.nodes import Array, Node, Object, Scalar
from batchfiles.table.parsed.times import read_date, read_date_time

__all__ = ["Fit", "fit_for"]

Fit: TypeAlias = Callable[[Any], Any]
"""Takes a decoded value; returns what Arrow takes, or raises `Misfit`."""

INT64 = 2**63


def fit_for(node: Node) -> Fit:
    """Make the function that fits values to a tree; made once, called for every answer."""
    if isinstance(node, Scalar):
        fit = _one_of(node.choices, SCALARS[node.kind]) if node.choices is not None else SCALARS[node.kind]
    elif isinstance(node, Array):
        fit = _array(fit_for(node.items))
    elif isinstance(node, Object):
        fit = _object(node)
    else:
        fit = written
    return _or_null(fit) if node.nullable else fit


def _or_null(fit: Fit) -> Fit:
    return lambda value: None if value is None else fit(value)


def _one_of(choices: frozenset[Any], fit: Fit) -> Fit:
    def one_of(value: Any) -> Any:  # noqa: ANN401 - any JSON value
        fitted = fit(value)
        if fitted not in choices:
            raise _wrong("is none of the values that the schema allows")
        return fitted

    return one_of


def _object(node: Object) -> Fit:
    fields = [(field.name, fit_for(field.node), field.required) for field in node.fields]
    names = frozenset(field.name for field in node.fields)

    def fit_object(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
        if type(value) is not dict:
            raise _no("an object", value)
        fitted: dict[str, Any] = {}
        for name, fit, required in fields:
            if name in value:
                try:
                    fitted[name] = fit(value[name])
                except Misfit as misfit:
                    raise misfit.within(name) from None
            elif required:
                raise _wrong("is missing").within(name)
            else:
                fitted[name] = None
        if node.closed and not names.issuperset(value):
            raise _wrong("is a key that the schema does not allow").within(next(key for key in value if key not in names))
        return fitted

    return fit_object


def _array(fit: Fit) -> Fit:
    def fit_array(value: Any) -> list[Any]:  # noqa: ANN401 - any JSON value
        if type(value) is not list:
            raise _no("an array", value)
        fitted: list[Any] = []
        try:
            for item in value:
                fitted.append(fit(item))  # noqa: PERF401 - its length is the index of the item that doesn't fit
        except Misfit as misfit:
            raise misfit.within(len(fitted)) from None
        return fitted

    return fit_array


def _string(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if type(value) is not str:
        raise _no("a string", value)
    if not value.isascii() and SURROGATE.search(value) is not None:
        raise _wrong("holds half a surrogate pair, which is no text")
    return value


def _integer(value: Any) -> int:  # noqa: ANN401 - any JSON value
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise _no("an integer", value)
    if not -INT64 <= value < INT64:
        raise _wrong("is an integer beyond 64 bits")
    return value


def _number(value: Any) -> float:  # noqa: ANN401 - any JSON value
    if type(value) is int:
        try:
            number = float(value)
        except OverflowError:
            raise _wrong("is a number beyond what a double can hold") from None
        if number != value:
            raise _wrong("is an integer that a double can't hold exactly")
        return number
    if type(value) is not float:
        raise _no("a number", value)
    if value in (float("inf"), float("-inf")):
        raise _wrong("is a number beyond what a double can hold")
    return value


def _boolean(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    if type(value) is not bool:
        raise _no("true or false", value)
    return value


SCALARS: dict[str, Fit] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": lambda value: read_date(_string(value)),
    "date-time": lambda value: read_date_time(_string(value)),
}

WORDS = {
    str: "a string",
    bool: "true or false",
    int: "an integer",
    float: "a number with a fraction or an exponent",
    type(None): "null",
    list: "an array",
    dict: "an object",
}


def _no(wanted: str, value: Any) -> Misfit:  # noqa: ANN401 - any JSON value
    return _wrong(f"is {WORDS[type(value)]}, not {wanted}")


def _wrong(reason: str) -> Misfit:
    return Misfit(reason, at_value=True)
