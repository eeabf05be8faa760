"""The error object, in the many ways in which providers write it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

__all__ = ["Fault", "merge", "read", "said"]

NESTED: Final = 3
"""How many `{"error": {"error": …}}` are opened; vLLM's `run-batch` writes two."""

INT64: Final = range(-(2**63), 2**63)


class Fault(NamedTuple):
    """What one error says.

    Attributes:
        code: The machine's word; a number (vLLM: the HTTP status) becomes its digits.
        type: The family of errors that it belongs to.
        param: The parameter that is to blame.
        message: The sentence for a person.
        misfits: How many of the values could not be read and are None here.
    """

    code: str | None = None
    type: str | None = None
    param: str | None = None
    message: str | None = None
    misfits: int = 0


def said(error: object) -> bool:
    """Tell whether the value of an `error` key says that something went wrong: null, `{}`, `""` and all-null objects don't."""
    if isinstance(error, dict):
        return any(error.values())
    return bool(error)


def read(error: object) -> Fault | None:
    """Read an error, whatever its form.

    It may be an object (OpenAI), an object in an object (vLLM), a string (vLLM), a number or a list, and its keys may be
    `code` and `message` or others' words for them: `error_code` and `error_message` (DashScope), `detail` (FastAPI), `msg`.

    Args:
        error: The value of the `error` key, or a whole body that is an error object itself.

    Returns:
        What it says, the innermost object first; None if it says nothing.
    """
    fault: Fault | None = None
    for _ in range(NESTED):
        if type(error) is list and len(error) == 1:
            error = error[0]
        if not said(error):
            break
        fault = merge(_flat(error), fault)
        error = _inner(error)
    return fault


def merge(first: Fault | None, second: Fault | None) -> Fault | None:
    """Return `first` with what it leaves open from `second`."""
    if first is None or second is None:
        return first or second
    code, type_, param, message = (
        mine if mine is not None else theirs for mine, theirs in zip(first[:4], second[:4], strict=True)
    )
    return Fault(code, type_, param, message, first.misfits + second.misfits)


def _inner(error: object) -> object:
    """Return the error within an error; FastAPI puts whole objects into `detail`."""
    if not isinstance(error, dict):
        return None
    detail = error.get("detail")
    return detail if type(detail) is dict and not said(error.get("error")) else error.get("error")


def _flat(error: object) -> Fault:
    """Read one level of an error."""
    found: tuple[object, ...]
    if isinstance(error, dict):
        message = _first(error, "message", "error_message", "msg")
        if message is None and type(error.get("detail")) is not dict:  # an object there is opened by _inner
            message = error.get("detail")
        found = (_digits(_first(error, "code", "error_code")), error.get("type"), error.get("param"), _sentence(message))
    elif type(error) is int:
        found = (_digits(error), None, None, None)
    else:
        found = (None, None, None, _sentence(error))
    code, type_, param, message = (value if type(value) is str and value else None for value in found)
    return Fault(code, type_, param, message, sum(value is not None and type(value) is not str for value in found))


def _first(error: dict[str, Any], *keys: str) -> object:
    return next((error[key] for key in keys if error.get(key) is not None), None)


def _digits(code: object) -> object:
    """Write a numeric code as text; codes are strings at OpenAI, the HTTP status as a number at vLLM."""
    return str(code) if type(code) is int and code in INT64 else code


def _sentence(message: object) -> object:
    """Join a list of problems, FastAPI's `[{"loc": …, "msg": …}, …]` or plain strings, into one sentence."""
    if type(message) is not list:
        return message
    parts = [part.get("msg") if type(part) is dict else part for part in message]
    texts = [part for part in parts if type(part) is str]
    return "; ".join(texts) if len(texts) == len(parts) else message
