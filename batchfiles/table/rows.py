"""The columns of the tables, and rows of the requests table, from decoded lines to Arrow batches.

Columns depend on options, never on the data, and later versions only append to them.

Rows are the hot loop's second half. A row is one tuple, put together from slices of the tuples that `outcome` and `bodies`
return; `zip` turns some hundred of them into columns, and Arrow converts a column at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

import pyarrow as pa

from batchfiles import bodies
from batchfiles.bodies.answer import EMPTY, without_token_counts
from batchfiles.findings import add_example, count_name, instead_of
from batchfiles.jsontext import spans
from batchfiles.outcome import INCOMPLETE, MALFORMED, SUCCEEDED, Result, retryable
from batchfiles.outcome import MISSING as MISSING_OUTCOME
from batchfiles.rules.keys import count_embedding_inputs

if TYPE_CHECKING:
    from batchfiles.table.parsed_schema import SchemaLike

SCHEMA_VERSION = 2
"""Goes up when a column is appended; no column ever changes its name, its type or its place."""

TableName: TypeAlias = Literal["requests", "embeddings"]

TABLES: tuple[TableName, ...] = get_args(TableName)
"""The tables there are: a row per request, or a row per vector."""

# Plain `string`, never Arrow's `dictionary`: Parquet encodes dictionaries anyway, and IPC files, Spark and pandas stumble over
# them. Microseconds: seconds don't survive Parquet. Every column is nullable in the schema, even `outcome`, which is never null:
# DuckDB, polars and pandas drop a `not null` as they pass a table on, and pyarrow then can't append or concatenate (tried).
TEXT = pa.string()
COUNT = pa.int64()

REQUESTS: dict[str, pa.DataType] = {
    "custom_id": TEXT,
    "outcome": TEXT,
    "status_code": pa.int32(),
    "error_code": TEXT,
    "error_type": TEXT,
    "error_param": TEXT,
    "error_message": TEXT,
    "retryable": pa.bool_(),
    "endpoint": TEXT,
    "model": TEXT,
    "finish_reason": TEXT,
    "text": TEXT,
    "texts": pa.list_(TEXT),
    "refusal": TEXT,
    "reasoning": TEXT,
    "tool_calls": pa.list_(pa.struct([("id", TEXT), ("name", TEXT), ("arguments", TEXT)])),
    "input_tokens": COUNT,
    "output_tokens": COUNT,
    "total_tokens": COUNT,
    "cached_tokens": COUNT,
    "reasoning_tokens": COUNT,
    "flagged": pa.bool_(),
    "flagged_categories": pa.list_(TEXT),
    "category_scores": pa.map_(TEXT, pa.float64()),
    "created_at": pa.timestamp("us", tz="UTC"),
    "batch_id": TEXT,
    "batch_request_id": TEXT,
    "response_id": TEXT,
    "request_id": TEXT,
    "attempts": pa.int32(),
    "result_source": TEXT,
    "result_line_number": COUNT,
    "input_source": TEXT,
    "input_line_number": COUNT,
    "request_model": TEXT,
    "request_body": TEXT,
    "response_body": TEXT,
    "cache_write_tokens": COUNT,  # since version 2
}

PARSED_PLACE = 37
"""The position of `parsed` and `parse_error`, the last columns of version 1; later columns come after them."""

# Columns of answers in text, not of vectors.
NOT_OF_VECTORS = frozenset(
    {
        "finish_reason",
        "text",
        "texts",
        "refusal",
        "reasoning",
        "tool_calls",
        "cached_tokens",
        "reasoning_tokens",
        "cache_write_tokens",
        "flagged",
        "flagged_categories",
        "category_scores",
    }
)


def schema(
    table: TableName = "requests",
    *,
    dimensions: int | None = None,
    parsed: SchemaLike | None = None,
    parse_dates: bool = False,
) -> pa.Schema:
    """Return the columns of a table.

    The embeddings table has the columns of the requests table that make sense for vectors, in the same order (`output_tokens`,
    `created_at` and `response_id` too, which OpenAI doesn't send for embeddings and other services do), and after them
    `embedding_index`, `input_text` and `embedding`.

    Args:
        table: `"requests"` or `"embeddings"`.
        dimensions: Only for embeddings: the length of every vector, which makes `embedding` a fixed-size list. Without it, the
            list may have any length. (In a Parquet file it is a list of any length in both cases: see `table.parquet`.)
        parsed: Only for requests: what answers must fit, which adds the columns `parsed` and `parse_error` after
            `response_body`: a JSON Schema, a file with one, or a pydantic model.
        parse_dates: Whether dates and times in `parsed` are such; without it they are texts.

    Raises:
        ValueError: `table` is unknown, it has no dimensions or no `parsed`, or `dimensions` is below 1.
        FileError: The file of the JSON Schema can't be read.
        MismatchError: The file has no JSON Schema, or the model was not found.
        MissingDependencyError: A model was given and pydantic is not installed.

    Example:
        >>> batchfiles.schema().names[:3]
        ['custom_id', 'outcome', 'status_code']
        >>> batchfiles.schema("embeddings", dimensions=3).field("embedding").type
        FixedSizeListType(fixed_size_list<item: float>[3])
    """
    if table not in TABLES:
        raise ValueError(f"unknown table {table!r}{instead_of(table, TABLES)}")
    if dimensions is not None and table != "embeddings":
        raise ValueError(f"dimensions are for the embeddings table; the {table} table has no vectors")
    if dimensions is not None and dimensions < 1:
        raise ValueError(f"dimensions must be 1 or more, not {dimensions}")
    if parsed is not None and table != "requests":
        raise ValueError(f"parsed answers are for the requests table; the {table} table has no texts")
    if parse_dates and parsed is None:
        raise ValueError("parse_dates goes with parsed: no other column depends on it")
    if table == "requests":
        columns = list(REQUESTS.items())
        if parsed is not None:
            columns[PARSED_PLACE:PARSED_PLACE] = _typed(parsed, parse_dates)
        return pa.schema(columns)
    shared = [(name, kind) for name, kind in REQUESTS.items() if name not in NOT_OF_VECTORS]
    vector = pa.list_(pa.float32()) if dimensions is None else pa.list_(pa.float32(), dimensions)
    return pa.schema([*shared, ("embedding_index", pa.int32()), ("input_text", TEXT), ("embedding", vector)])


def _typed(parsed: SchemaLike, parse_dates: bool) -> list[tuple[str, pa.DataType]]:
    """Return the columns of typed answers."""
    from batchfiles.table.parsed_schema import load_schema
    from batchfiles.table.parsed_types import arrow_type, read_schema

    return [("parsed", arrow_type(read_schema(load_schema(parsed), parse_dates=parse_dates))), ("parse_error", TEXT)]


Row = tuple[Any, ...]

ANSWERED = (SUCCEEDED, INCOMPLETE)
"""Outcomes whose answers' notes are counted; a failure has its own columns."""


class RequestRef(NamedTuple):
    """A request line: what the table takes from the inputs.

    Attributes:
        custom_id: None where the line can't be read.
        source: The input file's display name.
        line_number: Counted from 1.
        url: The endpoint that the line names.
        model: The model that the line names.
        body: The bytes of the request's body; None where there is none, or where the table has no use for them.
        decoded: What they decode to; None where they don't, or are not an object.
    """

    custom_id: str | None
    source: str | None
    line_number: int | None
    url: str | None
    model: str | None
    body: bytes | None
    decoded: dict[str, Any] | None


class ResultRef(NamedTuple):
    """A result line, for a request or alone.

    Attributes:
        result: The outcome of the request.
        line: The bytes of the line.
        value: What the line decodes to; None where it doesn't.
        source: The result file's display name.
        line_number: Counted from 1.
        batch_id: The batch that the file's name gives; None where it gives none.
        attempts: How many results there are for the request; None where they were not counted.
    """

    result: Result
    line: bytes
    value: dict[str, Any] | None
    source: str | None
    line_number: int | None
    batch_id: str | None
    attempts: int | None


def malformed_input(code: str, message: str) -> ResultRef:
    """Return the placeholder for a request line that can't be read: the same line can't succeed, so it is not retryable."""
    return ResultRef(
        Result(MALFORMED, None, None, code, None, None, message, False, None, EMPTY, 0), b"", None, None, None, None, 0
    )


MISSING = ResultRef(
    Result(MISSING_OUTCOME, None, None, None, None, None, None, retryable(MISSING_OUTCOME, None), None, EMPTY, 0),
    b"",
    None,
    None,
    None,
    None,
    0,
)
"""The placeholder for a request that no result names."""


class RequestRows:
    """Builds the requests table batch by batch.

    Args:
        schema: What `table.rows.schema` returns.
        keep: Which response bodies are kept: `"auto"` keeps what says more than the columns do, `"all"` every one, `"none"` none.

    Attributes:
        conversion_errors: How many values did not fit their column and are null.
        embeddings: How many answers are vectors, for which this table has no column.
        parse_errors: How many answers have a `parse_error`, in a table that has this column.
        counts: What else is counted, by the names of `findings.COUNTS`.
        examples: The first different examples by name.
    """

    def __init__(self, schema: Any, *, keep: str = "auto") -> None:  # noqa: ANN401 - pyarrow
        self._schema = schema
        self._keep_all = keep == "all"
        self._keep_some = keep != "none"
        self._rows: list[Row] = []
        self.conversion_errors = 0
        self.embeddings = 0
        self.parse_errors = 0
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, request_ref: RequestRef | None, result_ref: ResultRef) -> None:
        """Add the row of one request, or of one result without its request."""
        result = result_ref.result
        self._count_noted(result)
        answer = result.answer
        if (
            (answer.flagged is not None or answer.category_scores is not None)
            and request_ref is not None
            and result.body is not None
        ):
            self.compare(request_ref, _moderation_answers(request_ref.decoded), len(_list(result.body.get("results"))))
        if result.conversion_errors or not result.answer.fully_mapped or result.outcome != SUCCEEDED:
            if result.body and bodies.endpoint_of(result.body) == bodies.EMBEDDINGS:
                self.embeddings += 1
                if request_ref is not None and result.outcome == SUCCEEDED:
                    self.compare(request_ref, embedding_answers(request_ref.decoded), bodies.embeddings.count(result.body))
            self._rows.append(self.row(request_ref, result_ref, self._keep_some))
        else:
            self._rows.append(self.row(request_ref, result_ref, self._keep_all))

    def _count_noted(self, result: Result) -> None:
        answer = result.answer
        if (answer.noted or answer.input_tokens is None) and result.outcome in ANSWERED:
            self.count(*answer.noted)
            if without_token_counts(answer):
                self.count("no_token_counts")

    def count(self, *noted: str) -> None:
        """Count what an answer notes: a name of `findings.COUNTS`, with an example after a colon or without."""
        for each in noted:
            name = count_name(each)
            self.counts[name] += 1
            if name != each:
                add_example(self.examples, name, each[len(name) + 1 :])

    def compare(self, request_ref: RequestRef, wanted: int | None, got: int, *, beyond: int | None = None) -> None:
        """Count the texts of a request that have no answer, and the answers that have no text.

        Args:
            request_ref: The request.
            wanted: How many texts it has; None if unknown.
            got: How many answers there are, each for another text.
            beyond: How many of them are for a text beyond the last one; None if only their number shows it.
        """
        if wanted is None or (wanted == got and not beyond):
            return
        if beyond is None:
            beyond = max(0, got - wanted)
        self.count(*[f"short:{request_ref.custom_id}"] * (wanted - got + beyond), *[f"surplus:{request_ref.custom_id}"] * beyond)

    def row(self, request_ref: RequestRef | None, result_ref: ResultRef, keep_body: bool) -> Row:
        """Return the row of one request in the order of the requests table."""
        result, line, value, source, line_number, batch_id, attempts = result_ref
        outcome, status_code, request_id, code, kind, param, message, again, body, answer, conversion_errors = result
        if conversion_errors:
            self.conversion_errors += conversion_errors
        custom_id = batch_request_id = response_body = None
        if value is not None:
            batch_request_id = value.get("id")
            if type(batch_request_id) is not str:
                batch_request_id = None
            if keep_body:
                response_body = spans.body_of_output(line, value)
        if request_ref is None:
            custom_id = _string(value.get("custom_id")) if value else None
            endpoint = bodies.endpoint_of(body) if body else None
            input_source = input_line_number = model = request_body = None
        else:
            custom_id, input_source, input_line_number, endpoint, model, request_body, _ = request_ref
            if endpoint is None and body:
                endpoint = bodies.endpoint_of(body)
        asked_for: Row = (custom_id, outcome, status_code, code, kind, param, message, again, endpoint)
        where: Row = (
            batch_id, batch_request_id, answer.response_id, request_id, attempts, source, line_number,
            input_source, input_line_number, model, request_body, response_body,
            answer.cache_write_tokens,
        )  # fmt: skip
        # Fields 1 to 16 of an answer are columns in the order of the table: `model` to `created_at`.
        return asked_for + answer[1:17] + where

    def batches(self) -> Iterator[Any]:
        """Yield the rows added so far in record batches, and forget them."""
        if columns := self._take():
            yield from record_batches(self._schema, columns)

    def flush(self) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Return the rows added so far as one Arrow record batch, and forget them; None if there are none."""
        columns = self._take()
        return record_batch(self._schema, columns) if columns else None

    def _take(self) -> list[Any]:
        """Return the columns of the rows added so far, and forget the rows."""
        rows, self._rows = self._rows, []
        return list(zip(*rows, strict=True))


def record_batches(schema: Any, columns: list[Any]) -> Iterator[Any]:  # noqa: ANN401 - pyarrow has no types
    """Turn columns into one record batch, or into several where the text of a column is more than Arrow keeps in one: 2 GiB."""
    length = len(columns[0])
    try:
        batch = record_batch(schema, columns)
    except (AttributeError, TypeError):  # such a column is a ChunkedArray
        if length < 2 or max(map(_text_length, columns)) < MUCH_TEXT:
            raise
    else:
        yield batch
        return
    for part in (slice(None, length // 2), slice(length // 2, None)):
        yield from record_batches(schema, [column[part] for column in columns])


MUCH_TEXT = 2**29
"""Characters that may be 2 GiB as UTF-8."""


def _text_length(column: Any) -> int:  # noqa: ANN401 - pyarrow has no types
    return sum(len(value) for value in column if isinstance(value, str | bytes)) if type(column) is tuple else 0


def record_batch(schema: Any, columns: list[Any]) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Turn columns of Python values, or finished Arrow arrays, into a record batch."""
    import pyarrow as pa

    arrays = [
        pa.array(column, field.type) if type(column) is tuple else column for column, field in zip(columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def embedding_answers(request: dict[str, Any] | None) -> int | None:
    """Return how many vectors a request asks for; None if unknown, as for a conversation (vLLM accepts `messages`)."""
    given = request.get("input") if request is not None else None
    return count_embedding_inputs(given) if isinstance(given, (str, list)) else None


def _moderation_answers(request: dict[str, Any] | None) -> int | None:
    """Return how many results a moderation asks for; None where its parts are judged together, as texts with images are."""
    given = request.get("input") if request is not None else None
    if isinstance(given, str):
        return 1
    return len(given) if isinstance(given, list) and all(isinstance(each, str) for each in given) else None


def _list(value: object) -> list[Any]:
    return value if type(value) is list else []


def _string(value: object) -> str | None:
    return value if type(value) is str else None
