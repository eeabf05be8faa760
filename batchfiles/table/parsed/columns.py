"""Rows of the requests table with two columns more: the answer as its JSON Schema types it, or why it has no place there."""

from __future__ import annotations

from typing import Any

from batchfiles.table.columns import Asked, Found, RequestColumns, Row
from batchfiles.table.parsed.exact_json import read_answer
from batchfiles.table.parsed.fit import fit_for
from batchfiles.table.parsed.json_schema import read_schema
from batchfiles.table.parsed.misfit import Misfit
from batchfiles.table.parsed.requested import schema_of_request
from batchfiles.table.schema import PARSED_PLACE, REQUESTS

__all__ = ["ParsedColumns"]

NAMES = list(REQUESTS)
TEXT = NAMES.index("text")
REFUSAL = NAMES.index("refusal")
TOOL_CALLS = NAMES.index("tool_calls")


class ParsedColumns(RequestColumns):
    """Builds the requests table with `parsed` and `parse_error` batch by batch.

    Args:
        schema: What `table.schema.schema` says, with these columns.
        keep: As for the requests table.
        json_schema: What answers must fit.
        parse_dates: Whether dates and times are such, or texts.
        named: Whether the user named the schema; otherwise it comes from a request, and others may ask for another one.
        requests_ask: Whether any request asks for a schema.
    """

    def __init__(
        self,
        schema: Any,  # noqa: ANN401 - pyarrow has no types
        *,
        keep: str = "auto",
        json_schema: dict[str, Any],
        parse_dates: bool = False,
        named: bool = True,
        requests_ask: bool = False,
    ) -> None:
        super().__init__(schema, keep=keep)
        self._json_schema = json_schema
        self._fit = fit_for(read_schema(json_schema, parse_dates=parse_dates))
        self._named = named
        self._requests_ask = requests_ask

    def row(self, asked: Asked | None, found: Found, keep_body: bool) -> Row:
        """Return the row of one request, with `parsed` and `parse_error` in their places."""
        row = super().row(asked, found, keep_body)
        return row[:PARSED_PLACE] + self._parsed(asked, row) + row[PARSED_PLACE:]

    def _parsed(self, asked: Asked | None, row: Row) -> Row:
        """Return the answer in the types of its schema, or the reason why there is none."""
        text = row[TEXT]
        # A refusal says that the text is no answer, and some services write "" beside a tool call.
        if text is None or row[REFUSAL] is not None or (row[TOOL_CALLS] and not text.strip()):
            return None, None
        without_schema = False
        if self._requests_ask and asked is not None:
            schema = schema_of_request(asked.decoded)
            without_schema = schema is None
            if not self._named and schema != self._json_schema:
                self.count("no_schema" if without_schema else f"other_schema:{asked.custom_id}")
                return None, None
        try:
            value, is_fenced = read_answer(text)
            if is_fenced:
                self.count("fenced")
            return self._fit(value), None
        except Misfit as misfit:
            if without_schema:
                self.count("no_schema")
                return None, None
            self.parse_errors += 1
            return None, misfit.sentence
