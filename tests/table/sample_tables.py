"""Tables to write: the awkward ones by name, and any at all by chance."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from batchfiles.table.rows import schema

NOON = datetime(2026, 8, 1, 12, 0, 0, tzinfo=UTC)

FULL: dict[str, Any] = {
    "custom_id": "request-1",
    "outcome": "succeeded",
    "status_code": 200,
    "error_code": "",
    "error_type": None,
    "error_param": None,
    "error_message": None,
    "retryable": False,
    "endpoint": "/v1/chat/completions",
    "model": "gpt-4o-mini",
    "finish_reason": "stop",
    "text": 'He said "hello, world"\nand left',
    "texts": ["one", "two", ""],
    "refusal": None,
    "reasoning": "because",
    "tool_calls": [{"id": "call_1", "name": "f", "arguments": '{"a": 1}'}, {"id": None, "name": "g", "arguments": None}],
    "input_tokens": 12,
    "output_tokens": 34,
    "total_tokens": 46,
    "cached_tokens": 0,
    "reasoning_tokens": None,
    "flagged": True,
    "flagged_categories": ["hate"],
    "category_scores": [("hate", 0.5), ("violence", 1e-7)],
    "created_at": NOON,
    "batch_id": "batch_1",
    "batch_request_id": "batch_req_1",
    "response_id": "chatcmpl-1",
    "request_id": "req_1",
    "attempts": 1,
    "result_source": "out.jsonl",
    "result_line_number": 7,
    "input_source": "in.jsonl",
    "input_line_number": 2**40,
    "request_model": "gpt-4o-mini",
    "request_body": '{"model": "gpt-4o-mini"}',
    "response_body": '{"id": "chatcmpl-1"}',
    "cache_write_tokens": 7,
}

AWKWARD = [
    "a\x00b",
    "line\u2028separator\u2029",
    "\r\n",
    "\ufeffmark",
    "",
    " ",
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\tx",
    "\rx",
    "'",
    '"',
    ",",
    "null",
    "\U0001f600",
    "e\u0301\u202e",
    "\ufffd",
]


def table_of(rows: list[dict[str, Any]], columns: pa.Schema | None = None) -> pa.RecordBatch:
    """Build a batch; columns that a row doesn't name are null in it."""
    columns = columns or schema()
    return pa.record_batch([pa.array([row.get(field.name) for row in rows], field.type) for field in columns], schema=columns)


NORMAL = table_of([FULL, {"custom_id": "request-2", "outcome": "missing"}])

SAMPLES = {
    "normal": NORMAL,
    "zero rows": table_of([]),
    "all null": table_of([{}, {}, {}]),
    "one value": table_of([{"outcome": "missing"}]),
    "awkward texts": table_of(
        [{"custom_id": text, "outcome": "succeeded", "text": text, "texts": [text, text]} for text in AWKWARD]
    ),
    "a cell of 20 MB": table_of([{"custom_id": "big", "outcome": "succeeded", "text": "x" * 20_000_000}]),
    "vectors": table_of(
        [{"custom_id": "a", "embedding_index": 0, "embedding": [0.1, -1.5, 3e-8]}, {"custom_id": "b"}],
        schema("embeddings", dimensions=3),
    ),
    "vectors of any length": table_of([{"custom_id": "a", "embedding": [0.1]}, {"embedding": []}, {}], schema("embeddings")),
}


def _values(kind: pa.DataType) -> st.SearchStrategy[Any]:
    texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    if pa.types.is_string(kind):
        return texts | st.sampled_from(AWKWARD)
    if pa.types.is_boolean(kind):
        return st.booleans()
    if pa.types.is_integer(kind):
        bits = kind.bit_width - 1
        return st.integers(-(2**bits), 2**bits - 1)
    if pa.types.is_timestamp(kind):
        return st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)).map(lambda time: time.replace(tzinfo=UTC))  # noqa: DTZ001
    if pa.types.is_map(kind):
        scores = st.floats(allow_nan=False, allow_infinity=False)
        return st.dictionaries(texts, scores, max_size=3).map(lambda pairs: list(pairs.items()))
    if pa.types.is_floating(kind):
        return st.floats(width=32, allow_nan=False, allow_infinity=False)
    if pa.types.is_struct(kind):
        return st.fixed_dictionaries(
            {kind.field(i).name: st.none() | _values(kind.field(i).type) for i in range(kind.num_fields)}
        )
    size = kind.list_size if pa.types.is_fixed_size_list(kind) else None
    return st.lists(_values(kind.value_type), min_size=size or 0, max_size=size or 3)


def batches(columns: pa.Schema) -> st.SearchStrategy[pa.RecordBatch]:
    """Draw any batch with these columns."""
    row = st.fixed_dictionaries({field.name: st.none() | _values(field.type) for field in columns})
    return st.lists(row, max_size=4).map(lambda rows: table_of(rows, columns))
