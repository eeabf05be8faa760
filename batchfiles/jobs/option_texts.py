"""Options that another program keeps as strings, such as Spark."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, TypeAlias

from batchfiles.findings import instead_of
from batchfiles.io.urls import local_path_of, parse_url

__all__ = ["OptionKinds", "absolute", "json_or_path", "option_values"]

OptionKinds: TypeAlias = Mapping[str, type]
"""The known options, each with `str`, `int` or `bool`."""


def option_values(given: Mapping[str, str], kinds: OptionKinds) -> dict[str, Any]:
    """Return options as values.

    Raises:
        ValueError: An option is unknown, or is not a value of its type.
    """
    values: dict[str, Any] = {}
    for name, text in given.items():
        kind = kinds.get(name)
        if kind is None:
            raise ValueError(f"unknown option {name!r}{instead_of(name, kinds)}")
        try:
            values[name] = {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
        except (KeyError, ValueError):
            expected = "true or false" if kind is bool else "a whole number"
            raise ValueError(f"{name} is {expected}, not {text!r}") from None
    return values


def absolute(path: str) -> str:
    """Return an absolute path, also of a `file:` URL; another URL is returned as it is."""
    local = None if parse_url(path) is not None else local_path_of(path)
    return path if local is None else os.path.abspath(local)  # noqa: PTH100 - Path.resolve follows links


def json_or_path(name: str, text: str) -> Any:  # noqa: ANN401 - any JSON object
    """Return the JSON object of an option; a text that does not begin as one is the path of a file with it.

    Raises:
        ValueError: It begins as one, and is not valid.
    """
    try:
        return json.loads(text) if text.lstrip().startswith("{") else text
    except ValueError as error:
        raise ValueError(f"{name} is not valid JSON: {error}") from None
