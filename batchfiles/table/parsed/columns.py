"""Rows of the requests table with two columns more: the answer as its JSON Schema types it, or why it has no place there."""

from __future__ import annotations

from typing import Any

from batchfiles.table.columns import Asked, Found, RequestColumns, Row
from batchfiles.table.parsed.exact_json import read
from batchfiles.table.parsed.fit import fit_for
from batchfiles.table.parsed.json_schema import read_schema
from batchfiles.table.parsed.misfit import Misfit
from batchfiles.table.parsed.requested import schema_of_request
from batchfiles.table.schema import REQUESTS

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
        first: Where the request stands that gave the schema, which all others must have too; None where somebody named it.
    """

    def __init__(
        self,
        schema: Any,  # noqa: ANN401 - pyarrow has no types
        *,
        keep: str = "auto",
        json_schema: dict[str, Any],
        parse_dates: bool = False,
        first: str | None = None,
    ) -> None:
        super().__init__(schema, keep=keep)
        self._json_schema = json_schema
        self._fit = fit_for(read_schema(json_schema, parse_dates=parse_dates))
        self._first = first

    def row(self, asked: Asked | None, found: Found, keep_body: bool) -> Row:
        """Return the row of one request, `parsed` and `parse_error` at its end."""
        row = super().row(asked, found, keep_body)
        text = row[TEXT]
        # A refusal says that the text is no answer, and some services write "" beside a tool call.
        if text is None or row[REFUSAL] is not None or (row[TOOL_CALLS] and not text.strip()):
            return (*row, None, None)
        try:
            if self._first is not None:
                self._check_request(asked, self._first)
            return (*row, self._fit(read(text)), None)
        except Misfit as misfit:
            self.parse_errors += 1
            return (*row, None, misfit.sentence)

    def _check_request(self, asked: Asked | None, first: str) -> None:
        """Make sure that a request asked for the schema of the first one.

        Raises:
            Misfit: It did not.
        """
        schema = schema_of_request(asked.decoded) if asked is not None else None
        if schema != self._json_schema:
            words = "asks for no JSON Schema" if schema is None else "asks for another JSON Schema"
            raise Misfit(f"the request {words}, unlike the first one ({first})")
