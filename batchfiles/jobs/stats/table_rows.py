"""Requests and results in the rows of tables that `join` or `export` wrote, for `stats`, `error_digest` and `get`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from batchfiles import bodies
from batchfiles.bodies.answer import EMPTY, Answer
from batchfiles.bodies.fields import FieldReader, normalized
from batchfiles.codec import loads
from batchfiles.errors import InvalidLineError, MismatchError
from batchfiles.io.sources import Source
from batchfiles.io.threads import Progress
from batchfiles.jobs.retry.joined_table import JoinedTable
from batchfiles.limits import RESULT_LINE_CAP
from batchfiles.outcome import MALFORMED, MISSING, ROW_KEYS, Result
from batchfiles.table.rows import ANSWERED
from batchfiles.table.typed_rows import own_rows

REASON: Final = "it is not a table of `join` or `export`, or a column was left out"
NEEDED: Final = dict.fromkeys(ROW_KEYS, REASON)
PLACES: Final = ("result_source", "result_line_number", "input_source", "input_line_number", "embedding_index")
TOKENS: Final = ("input_tokens", "output_tokens", "total_tokens", "cached_tokens", "reasoning_tokens", "cache_write_tokens")

OF_ERRORS: Final = (*NEEDED, "status_code", "error_code", "error_param", "error_message", "finish_reason")
OF_STATS: Final = (*OF_ERRORS, "endpoint", "model", "text", "flagged", *TOKENS, "request_model", "request_body", "response_body")
"""The columns that are read; `NEEDED` must be there."""

ALL: Final = (*OF_STATS, *PLACES)


def refuse_mixed(tables: Sequence[JoinedTable], files: Sequence[Source], pairs: Sequence[object]) -> None:
    """Refuse a table together with files of requests or results, which would count twice.

    Raises:
        MismatchError: There are both.
    """
    if tables and (files or pairs):
        raise MismatchError(
            "is a joined table, which already has the results: name tables, or files, but not both", path=tables[0].name
        )


class TableRow(NamedTuple):
    """A row of a table.

    Attributes:
        cells: Its cells, null where the table has no such column.
        table: The name of the file, or of the table.
        number: The number of the row in the file, from 1.
    """

    cells: Mapping[str, Any]
    table: str
    number: int

    @property
    def has_request(self) -> bool:
        """Whether there is a request; the rows of `export` have none."""
        return self.cells["input_source"] is not None or self.cells["outcome"] == MISSING

    @property
    def has_result(self) -> bool:
        """Whether there is a result: not for a missing one, nor for a request that can't be read."""
        if self.cells["outcome"] == MALFORMED:
            return self.cells["result_source"] is not None or self.cells["input_source"] is None
        return bool(self.cells["outcome"] != MISSING)

    def place(self) -> tuple[str, int]:
        """Return the file and the line of the result, or the row of the table."""
        source, number = self.cells["result_source"], self.cells["result_line_number"]
        return (self.table, self.number) if source is None or number is None else (source, number)

    def request_body(self) -> dict[str, Any]:
        """Return the body of the request; only its model if the table doesn't have the body."""
        found = _decoded(self.cells["request_body"])
        return {"model": self.cells["request_model"]} if found is None else found

    def endpoint(self) -> str | None:
        """Return the endpoint that answered; None for a failure."""
        found: str | None = self.cells["endpoint"]
        if self.cells["outcome"] in ANSWERED or not self.has_request:
            return found
        body = _decoded(self.cells["response_body"])
        return bodies.endpoint_of(body) if body else None

    def result(self) -> Result:
        """Return the result, as it is read from its line."""
        cells = self.cells
        body = _decoded(cells["response_body"]) or None
        status = cells["status_code"]
        is_refusal = bool(status) and not 200 <= status < 300  # then an answer in the body is not read, nor its tokens
        answer, errors = _answer(cells, None if is_refusal else body)
        return Result(
            cells["outcome"],
            cells["status_code"],
            None,
            cells["error_code"],
            None,
            cells["error_param"],
            cells["error_message"],
            bool(cells["retryable"]),
            body,
            answer._replace(finish_reason=cells["finish_reason"]),
            errors,
        )


def _answer(cells: Mapping[str, Any], body: dict[str, Any] | None) -> tuple[Answer, int]:
    """Return the answer of a row, and its conversion errors: of its body if the table has it, which says more."""
    if body is not None and (answer := bodies.read(body)) is not EMPTY:
        return answer, answer.conversion_errors
    reader = FieldReader()
    inputs, outputs, total, cached, reasoning, written = normalized(tuple(cells[name] for name in TOKENS), reader)
    answer = EMPTY._replace(
        outcome=cells["outcome"],
        model=cells["model"],
        text=cells["text"],
        flagged=cells["flagged"],
        input_tokens=inputs,
        output_tokens=outputs,
        total_tokens=total,
        cached_tokens=cached,
        reasoning_tokens=reasoning,
        cache_write_tokens=written,
        noted=tuple(reader.noted),
    )
    return answer, 0


def _decoded(body: str | None) -> dict[str, Any] | None:
    """Return a body that is an object; None for others."""
    try:
        return None if body is None else loads(body.encode(errors="replace"))
    except InvalidLineError:
        return None


def table_rows(
    tables: Sequence[JoinedTable], columns: Sequence[str], absent: set[str], progress: Progress | None = None
) -> Iterator[TableRow]:
    """Yield the rows of tables; of embeddings, the first row of each request.

    Args:
        tables: The tables.
        columns: The columns to read.
        absent: Gets those of the columns that no row of one of the tables has.
        progress: Called after each file.

    Raises:
        MismatchError: A needed column is missing, or a value does not fit its column.
        TruncatedFileError: A table is damaged.
        FileError: A table can't be read.
    """
    wanted = (*columns, *PLACES)
    parts = [part for table in tables for part in table.parts]
    sizes = [part.size() or 0 if isinstance(part, Source) else 0 for part in parts]
    done = 0
    for part, size in zip(parts, sizes, strict=True):
        name = part.name if isinstance(part, Source) else "a table in memory"
        number, missing = 0, set(columns)
        for number, row in enumerate(own_rows(part, wanted, needed=NEEDED, max_line_bytes=RESULT_LINE_CAP), 1):
            missing.difference_update(row)
            found = TableRow(dict.fromkeys(ALL) | row, name, number)
            if not found.cells["embedding_index"]:
                yield found
        if number:
            absent |= missing
        done += size
        if progress is not None:
            progress(done, sum(sizes))
