"""The JSON Schema that types the answers of a table: named, or the first one in the requests; known before any row is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from batchfiles.errors import Mismatch
from batchfiles.jobs.first_line import first_request
from batchfiles.jobs.local_file import LocalFile
from batchfiles.table.parsed.json_schema import read_schema
from batchfiles.table.parsed.requested import may_ask, schema_of_request
from batchfiles.table.parsed.schema_source import SchemaLike, load_schema

__all__ = ["AnswerSchema", "named_schema", "requested_schema"]


class AnswerSchema(TypedDict):
    """What worker processes need to know; it is JSON.

    Attributes:
        json_schema: What answers must fit.
        parse_dates: Whether dates and times are such, or texts.
        named: Whether somebody named the schema; else it is the first one that a request asks for.
        requests_ask: Whether any request asks for a schema; then requests without one expect other answers.
    """

    json_schema: dict[str, Any]
    parse_dates: bool
    named: bool
    requests_ask: bool


def named_schema(source: SchemaLike, inputs: Sequence[LocalFile], *, parse_dates: bool, cap: int) -> AnswerSchema:
    """Load the schema that somebody named.

    Args:
        source: Where it is.
        inputs: The request files; none for results alone.
        parse_dates: Whether dates and times are such, or texts.
        cap: The longest line that the job reads, in bytes.

    Raises:
        FileError: The file can't be read.
        Mismatch: It is no JSON Schema that a type can be made of, or there is no such model.
        MissingDependency: A model was named and pydantic is not installed.
    """
    json_schema = load_schema(source)
    read_schema(json_schema, parse_dates=parse_dates)
    asks = first_request(inputs, _asks, cap=cap) is not None
    return {"json_schema": json_schema, "parse_dates": parse_dates, "named": True, "requests_ask": asks}


def requested_schema(inputs: Sequence[LocalFile], *, parse_dates: bool, cap: int) -> AnswerSchema:
    """Take the schema from the first request that asks for one.

    Raises:
        Mismatch: There is none, or its schema can't be converted to a type.
    """
    found = first_request(inputs, _asks, cap=cap)
    if found is None:
        raise Mismatch(
            "no request asks for a JSON Schema that could type the answers: name one (--schema)",
            path=inputs[0].name if len(inputs) == 1 else None,
            role="input",
        )
    name, line_number, request = found
    json_schema = schema_of_request(request.get("body")) or {}
    try:
        read_schema(load_schema(json_schema), parse_dates=parse_dates)
    except Mismatch as error:
        reason = f"{error.reason}; or name another schema (--schema)"
    else:
        return {"json_schema": json_schema, "parse_dates": parse_dates, "named": False, "requests_ask": True}
    raise Mismatch(reason, path=name, line_number=line_number, role="input")


def _asks(line: bytes, request: dict[str, Any] | None) -> bool:
    """Return whether a request asks for a schema; before it is decoded, whether it may."""
    return may_ask(line) if request is None else schema_of_request(request.get("body")) is not None
