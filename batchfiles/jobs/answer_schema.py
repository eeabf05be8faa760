"""The JSON Schema that types the answers of a table: named by somebody, or the first request's; known before any row is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from batchfiles.errors import Mismatch
from batchfiles.jobs.first_line import first_request
from batchfiles.jobs.local_file import LocalFile
from batchfiles.table.parsed.json_schema import read_schema
from batchfiles.table.parsed.requested import schema_of_request
from batchfiles.table.parsed.schema_source import SchemaLike, load_schema

__all__ = ["AnswerSchema", "named_schema", "requested_schema"]


class AnswerSchema(TypedDict):
    """What worker processes need to know; it is JSON.

    Attributes:
        json_schema: What answers must fit.
        parse_dates: Whether dates and times are such, or texts.
        first: Where the request stands that gave the schema; None where somebody named it.
    """

    json_schema: dict[str, Any]
    parse_dates: bool
    first: str | None


def named_schema(source: SchemaLike, *, parse_dates: bool) -> AnswerSchema:
    """Load the schema that somebody named.

    Raises:
        FileError: The file can't be read.
        Mismatch: It is no JSON Schema that a type can be made of, or there is no such model.
        MissingDependency: A model was named and pydantic is not installed.
    """
    json_schema = load_schema(source)
    read_schema(json_schema, parse_dates=parse_dates)
    return {"json_schema": json_schema, "parse_dates": parse_dates, "first": None}


def requested_schema(inputs: Sequence[LocalFile], *, parse_dates: bool) -> AnswerSchema:
    """Take the schema from the first request that can be read.

    Raises:
        Mismatch: There is none, it asks for no schema, or for one that no type can be made of.
    """
    found = first_request(inputs)
    if found is None:
        raise Mismatch("there is no request to take the JSON Schema of the answers from: name one (--schema)")
    name, line_number, request = found
    json_schema = schema_of_request(request.get("body"))
    if json_schema is None:
        reason = "the first request asks for no JSON Schema that could type the answers: name one (--schema)"
        raise Mismatch(reason, path=name, line_number=line_number, role="input")
    try:
        read_schema(load_schema(json_schema), parse_dates=parse_dates)
    except Mismatch as error:
        reason = f"{error.reason}; or name another schema (--schema)"
    else:
        return {"json_schema": json_schema, "parse_dates": parse_dates, "first": f"{name}:{line_number}"}
    raise Mismatch(reason, path=name, line_number=line_number, role="input")
