"""JSON Schemas that the user names: a value, a file, or a pydantic model.

The JSON Schema that a request asks its answer to follow.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeAlias

from batchfiles.codec import dumps, loads
from batchfiles.errors import InvalidLineError, MismatchError, MissingDependencyError
from batchfiles.findings import nearest
from batchfiles.io.texts import name_of, small_file
from batchfiles.jsontext.spans import EscapedLetters

SchemaLike: TypeAlias = "Mapping[str, Any] | str | os.PathLike[str] | type[Any]"
"""A JSON Schema, the name of its file, `module:Class`, or a pydantic model."""

TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
SCHEMA_WORDS = frozenset(
    (
        *("$defs", "$id", "$ref", "$schema", "definitions", "description", "title", "default", "examples"),
        *("properties", "required", "additionalProperties", "patternProperties", "items", "prefixItems"),
        *("anyOf", "allOf", "oneOf", "not", "discriminator"),
        *("const", "enum", "format", "pattern", "maximum", "minimum"),
    )
)
"""Keywords that identify a JSON Schema; `type` alone is in many other objects."""
FORMATS = frozenset({"json_schema", "json_object", "text"})
"""Types of a `response_format`."""
REQUEST_KEYS = frozenset({"custom_id", "method", "url", "body", "model", "messages", "input", "prompt"})

MODEL = re.compile(r"(?P<module>[^\W\d]\w*(?:\.[^\W\d]\w*)*):(?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*)")


def load_schema(source: SchemaLike, *, filesystem: object = None) -> dict[str, Any]:
    """Return the JSON Schema that the user named, as plain values.

    Args:
        source: The schema itself, or a file with it; or a pydantic model (or a dataclass or `TypedDict`, which pydantic
            understands), as a class or as `module:Class`, imported from where Python finds it or from the current folder.
        filesystem: The filesystem in which the file's path is one, of `pyarrow.fs` or of fsspec; None takes the local one.

    Raises:
        FileError: The file can't be read.
        MismatchError: It is not a JSON Schema, there is no such class, or its module can't be imported.
        MissingDependencyError: A model was named and pydantic is not installed.
    """
    if isinstance(source, Mapping):
        return _plain(source, "the JSON Schema")
    if isinstance(source, str) and not os.path.lexists(source) and (named := MODEL.fullmatch(source)):
        _need_pydantic(source)
        return _plain(_schema_of_model(_imported(named["module"], named["name"], source), source), source)
    if isinstance(source, (str, os.PathLike)):
        return _from_file(source, filesystem)
    _need_pydantic(str(source))
    return _plain(_schema_of_model(source, str(source)), str(source))


def _plain(schema: Any, name: str) -> dict[str, Any]:  # noqa: ANN401 - any value
    """Make sure that the schema is JSON, as it has to travel to other processes and into the file."""
    try:
        plain = loads(dumps(schema if not isinstance(schema, Mapping) else dict(schema)))
    except InvalidLineError as error:
        reason = error.reason
    else:
        reason = _why_no_schema(plain)
        if not reason:
            return plain
    raise MismatchError(f"{name} can't be used: {reason}")


def _why_no_schema(value: dict[str, Any]) -> str:
    """Return why an object is not a JSON Schema; an empty text if it is one.

    Strictly, every object is a JSON Schema, and one without its keywords accepts everything. So a request was
    used as a schema.
    """
    for path in (("json_schema", "schema"), ("schema",), ("response_format",), ("text", "format"), ("format", "schema")):
        inner: Any = value
        for step in path:
            inner = inner.get(step) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and SCHEMA_WORDS.isdisjoint(value):
            return f"it is not a JSON Schema itself; the schema is in its '{'.'.join(path)}'"
    kinds = value.get("type")
    names = [kind for kind in (kinds if isinstance(kinds, list) else [kinds]) if isinstance(kind, str) and kind not in TYPES]
    if value and SCHEMA_WORDS.isdisjoint(value) and (not kinds or not FORMATS.isdisjoint(names)):
        if not value.keys().isdisjoint(REQUEST_KEYS):
            return "it is a request, not a JSON Schema of answers"
        return f"it is not a JSON Schema: none of its keys ({', '.join(list(value)[:5])}) is a keyword of one"
    near = next((result_ref for name in names if (result_ref := nearest(name, TYPES, likeness=0.75))), None)
    if near is not None:
        return f"unknown type {names[0][:50]!r} in a JSON Schema; did you mean {near!r}?"
    return ""


def _from_file(path: str | os.PathLike[str], filesystem: object) -> dict[str, Any]:
    text = small_file(path, filesystem=filesystem)
    try:
        result_ref = dict(loads(text.removeprefix(b"\xef\xbb\xbf")))
    except InvalidLineError as error:
        reason = error.reason.replace("the line is JSON", "it is JSON")
    else:
        reason = _why_no_schema(result_ref)
        if not reason:
            return result_ref
    raise MismatchError(f"a JSON Schema was expected: {reason}", path=name_of(path, filesystem=filesystem))


def _need_pydantic(name: str) -> None:
    if find_spec("pydantic") is None:
        raise MissingDependencyError(f"the schema of {name} takes pydantic, which is not installed: pip install pydantic")


def _imported(module: str, name: str, source: str) -> Any:  # noqa: ANN401 - whatever is there
    """Import a class by its name."""
    try:
        with _current_folder_importable():
            result_ref = import_module(module)
        for step in name.split("."):
            result_ref = getattr(result_ref, step)
    except Exception as error:  # noqa: BLE001 - the user's module may raise anything
        reason = f"{type(error).__name__}: {error}"
    else:
        return result_ref
    raise MismatchError(f"{source} can't be imported: {reason}; --schema takes a file with a JSON Schema, or module:Class")


@contextmanager
def _current_folder_importable() -> Iterator[None]:
    """Let modules of the current folder be found, last: a program that is installed doesn't look there."""
    folder = str(Path.cwd())
    added = folder not in sys.path
    if added:
        sys.path.append(folder)
    try:
        yield
    finally:
        if added and folder in sys.path:
            sys.path.remove(folder)


def _schema_of_model(model: Any, name: str) -> Any:  # noqa: ANN401 - any value of the user
    """Ask pydantic for the JSON Schema of a model, or of another type that it understands."""
    from pydantic import TypeAdapter

    try:
        return TypeAdapter(model).json_schema()
    except Exception as error:  # noqa: BLE001 - models may hold anything, and pydantic raises many exceptions
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
    raise MismatchError(f"pydantic makes no JSON Schema of {name}: {reason}")


WAYS: Final = (
    ("response_format", "json_schema", "schema"),  # chat completions: OpenAI and most others
    ("text", "format", "schema"),  # Responses
    ("response_format", "schema"),  # Together, Fireworks
    ("structured_outputs", "json"),  # vLLM
    ("guided_json",),  # vLLM before
)
"""Where a schema is, in order. `json_object` alone asks for JSON of any shape; a tool's parameters are not the answer's."""

WORDS: Final = ("schema", "json")
"""One of them is a part of a key in each of `WAYS`."""

LETTERS: Final = tuple(word.encode() for word in WORDS)
ESCAPED: Final = tuple(EscapedLetters(word) for word in WORDS)


def may_ask(line: bytes) -> bool:
    """Return whether a request line may ask for a schema, without decoding it."""
    if any(letters in line for letters in LETTERS):
        return True
    return b"\\" in line and any(escaped.stand_in(line) for escaped in ESCAPED)


def schema_of_request(body: Any) -> dict[str, Any] | None:  # noqa: ANN401 - any JSON value
    """Return the schema that a request asks for; None where it asks for none.

    Args:
        body: The request's body, decoded.
    """
    for way in WAYS:
        result_ref = body
        for key in way:
            result_ref = result_ref.get(key) if isinstance(result_ref, dict) else None
        if isinstance(result_ref, dict):
            return result_ref
    return None
