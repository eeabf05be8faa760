"""What callers may ask for: checked, and refused in the words of the service."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from batchfiles.api.batch_request import BATCH_ENDPOINTS, EXPIRY, MAX_KEY, MAX_PAIRS, MAX_VALUE
from batchfiles.limits import Limits
from batchfiles.testing.refusal import Refusal, missing_parameter

__all__ = ["check_batch", "check_purpose", "life_of", "page_size", "seconds_of", "sort_order", "whole_number"]

PURPOSES: Final = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
"""OpenAI's OpenAPI document, CreateFileRequest."""

KINDS: Final = {type(None): "null", bool: "a boolean", int: "an integer", float: "a decimal", list: "an array", dict: "an object"}
"""What the service calls the values of JSON."""


def check_batch(asked: dict[str, Any], limits: Limits, windows: Collection[str]) -> None:
    """Check what a batch is to be made of.

    Args:
        asked: The body of the call.
        limits: The rules, with the endpoints there are.
        windows: The completion windows there are.

    Raises:
        Refusal: A parameter is missing or wrong.
    """
    for name in ("input_file_id", "endpoint", "completion_window"):
        if asked.get(name) in (None, ""):
            raise missing_parameter(name)
        _check_text(name, asked[name])
    endpoints = [*BATCH_ENDPOINTS, *sorted(limits.known_urls.difference(BATCH_ENDPOINTS))]
    _check_word("endpoint", asked["endpoint"], endpoints)
    _check_word("completion_window", asked["completion_window"], sorted(windows))
    if asked.get("metadata") is not None:
        _check_metadata(asked["metadata"])
    if asked.get("output_expires_after") is not None:
        expires = asked["output_expires_after"]
        if not isinstance(expires, dict):
            raise _wrong_type("output_expires_after", "an object", expires)
        life_of("output_expires_after", expires.get("anchor"), expires.get("seconds"))


def seconds_of(window: str | None) -> int:
    """Return how long a completion window is, such as `24h`, `7d` or `30m`; another word is a day."""
    number, unit = (window or "")[:-1], (window or "")[-1:]
    known = number.isascii() and number.isdigit() and len(number) < 6 and unit in UNITS
    return int(number) * UNITS[unit] if known else UNITS["d"]


UNITS: Final = {"m": 60, "h": 60 * 60, "d": 24 * 60 * 60}
"""Seconds of what windows are counted in."""


def check_purpose(purpose: str) -> None:
    """Check what a file is to be for.

    Raises:
        Refusal: The service knows no such purpose.
    """
    _check_word("purpose", purpose, list(PURPOSES))


def life_of(name: str, anchor: object, seconds: object) -> int:
    """Return after how many seconds a file is to be deleted.

    Raises:
        Refusal: It is no number, or one out of bounds, or counted from something else than the file's making.
    """
    if anchor != "created_at":
        message = f"Invalid value for '{name}.anchor': the only anchor is 'created_at'."
        raise Refusal(400, message, code="invalid_value", param=f"{name}.anchor")
    if isinstance(seconds, str) and seconds.isascii() and seconds.isdigit() and len(seconds) < 10:
        seconds = int(seconds)  # forms have only texts
    if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds not in EXPIRY:
        message = f"Invalid value for '{name}.seconds': it must be from {EXPIRY[0]} to {EXPIRY[-1]}."
        raise Refusal(400, message, code="invalid_value", param=f"{name}.seconds")
    return seconds


def page_size(text: str | None, usual: int, most: int) -> int:
    """Return how many objects a page is to have.

    Raises:
        Refusal: It is no number, or one out of bounds.
    """
    if text is None:
        return usual
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not 1 <= int(text) <= most:
        raise Refusal(400, f"Invalid 'limit': it must be from 1 to {most}.", code="invalid_value", param="limit")
    return int(text)


def whole_number(name: str, value: object, least: int, most: int | None = None) -> int | None:
    """Return a whole number of a request, or None if it is missing.

    Raises:
        Refusal: It is something else, or out of bounds.
    """
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong_type(name, "an integer", value)
    if value < least or (most is not None and value > most):
        which, sign, bound = ("below min", ">=", least) if value < least else ("above max", "<=", most)
        message = f"Invalid '{name}': integer {which}imum value. Expected a value {sign} {bound}, but got {value} instead."
        raise Refusal(400, message, code=f"integer_{which.replace(' ', '_')}_value", param=name)
    return value


def sort_order(text: str | None) -> str:
    """Return `asc` or `desc`.

    Raises:
        Refusal: It is neither.
    """
    if text is None:
        return "desc"
    _check_word("order", text, ["asc", "desc"])
    return text


def _check_metadata(metadata: object) -> None:
    if not isinstance(metadata, dict):
        raise _wrong_type("metadata", "an object", metadata)
    if len(metadata) > MAX_PAIRS:
        message = f"Invalid 'metadata': too many properties. Expected at most {MAX_PAIRS}, but got {len(metadata)} instead."
        raise Refusal(400, message, code="object_above_max_properties", param="metadata")
    for key, value in metadata.items():
        name = f"metadata.{key}"
        _check_text(name, value)
        for what, text, most in (("key", key, MAX_KEY), ("value", value, MAX_VALUE)):
            if len(text) > most:
                message = f"Invalid '{name}': {what} too long. Expected at most {most} characters, but got {len(text)} instead."
                raise Refusal(400, message, code="string_above_max_length", param=name)


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise _wrong_type(name, "a string", value)


def _check_word(name: str, value: str, words: list[str]) -> None:
    if value not in words:
        known = ", ".join(f"'{word}'" for word in words)
        message = f"Invalid value: '{value[:100]}'. Supported values are: {known}. ('{name}')"
        raise Refusal(400, message, code="invalid_value", param=name)


def _wrong_type(name: str, wanted: str, value: object) -> Refusal:
    got = KINDS.get(type(value), "a string")
    return Refusal(400, f"Invalid type for '{name}': expected {wanted}, but got {got} instead.", code="invalid_type", param=name)
