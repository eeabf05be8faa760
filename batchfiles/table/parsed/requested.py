"""The JSON Schema that a request asks its answer to follow."""

from __future__ import annotations

from typing import Any

__all__ = ["schema_of_request"]


def schema_of_request(body: Any) -> dict[str, Any] | None:  # noqa: ANN401 - any JSON value
    """Return the schema in `response_format.json_schema` (chat completions) or in `text.format` (Responses); None without one.

    Args:
        body: The request's body, decoded.
    """
    for way in (("response_format", "json_schema", "schema"), ("text", "format", "schema")):
        found = body
        for key in way:
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, dict):
            return found
    return None
