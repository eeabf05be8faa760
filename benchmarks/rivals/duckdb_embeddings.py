"""Vectors to Parquet in DuckDB: `python -m benchmarks.rivals.duckdb_embeddings FILES -o FILE`.

A row for each vector, and one for each result without; the columns of our embeddings table. Nothing is compressed and no
dictionary is tried, which is fastest (we compress all columns but the vectors); small row groups let both threads write.

SQL has no function that reads base64 text as floats. With `--base64 sql`, the bytes are written as hexadecimal digits, which are
cut and reversed by regular expressions; a cast of four bytes to bits, and of these to a float, is exact. With
`--base64 function`, a function in Python decodes the texts of some thousand rows.
"""

from __future__ import annotations

import argparse
import sys
from base64 import b64decode
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import duckdb
import pyarrow as pa
from duckdb.func import PythonUDFType

from benchmarks.rivals.duckdb_columns import text

THREADS = 2
PARQUET = "FORMAT parquet, COMPRESSION uncompressed, DICTIONARY_SIZE_LIMIT 1, ROW_GROUP_SIZE 2048"

_ERROR = 'STRUCT(message VARCHAR, "type" VARCHAR, param VARCHAR, code VARCHAR)'
_BODY = f"""STRUCT(model VARCHAR, data STRUCT("index" INTEGER, embedding VECTOR_TYPE)[],
    "usage" STRUCT(prompt_tokens BIGINT, total_tokens BIGINT), error {_ERROR})"""
_RESPONSE = f"STRUCT(status_code INTEGER, request_id VARCHAR, body {_BODY})"
_TYPES = f"{{id: 'VARCHAR', custom_id: 'VARCHAR', response: '{_RESPONSE}', error: '{_ERROR}'}}"

_RESULT = """
    custom_id, id AS batch_request_id, response.status_code AS status_code, response.request_id AS request_id,
    response.body.model AS model, response.body.usage.prompt_tokens AS input_tokens,
    response.body.usage.total_tokens AS total_tokens,
    coalesce(error.code, response.body.error.code) AS error_code,
    coalesce(error.type, response.body.error.type) AS error_type,
    coalesce(error.param, response.body.error.param) AS error_param,
    coalesce(error.message, response.body.error.message) AS error_message,
    CASE WHEN error_code = 'batch_expired' THEN 'expired'
         WHEN error_code = 'batch_cancelled' THEN 'cancelled'
         WHEN error_code IS NOT NULL OR error_message IS NOT NULL OR status_code NOT BETWEEN 200 AND 299 THEN 'failed'
         WHEN response.body IS NULL THEN 'no_response' ELSE 'succeeded' END AS outcome,
    CASE WHEN outcome = 'failed' THEN to_json(response.body.error) END AS response_body,
    unnest(CASE WHEN len(response.body.data) > 0 THEN response.body.data ELSE [NULL] END) AS vector"""

_TABLE = """
    custom_id, outcome, status_code, error_code, error_type, error_param, error_message,
    CASE WHEN outcome = 'succeeded' THEN false
         WHEN outcome = 'failed' THEN coalesce(status_code IN (408, 409, 429) OR status_code >= 500, true)
         ELSE true END AS retryable,
    CASE WHEN vector IS NOT NULL THEN '/v1/embeddings' END AS endpoint, model,
    CASE WHEN coalesce(vector.index, 0) = 0 THEN input_tokens END AS input_tokens, NULL::BIGINT AS output_tokens,
    CASE WHEN coalesce(vector.index, 0) = 0 THEN total_tokens END AS total_tokens, NULL::TIMESTAMPTZ AS created_at,
    batch_id, batch_request_id, NULL::VARCHAR AS response_id, request_id, NULL::INTEGER AS attempts,
    result_source, NULL::BIGINT AS result_line_number, NULL::VARCHAR AS input_source, NULL::BIGINT AS input_line_number,
    NULL::VARCHAR AS request_model, NULL::VARCHAR AS request_body, response_body,
    vector.index AS embedding_index, NULL::VARCHAR AS input_text, VECTOR_VALUE AS embedding"""

_PLANS = {
    None: ("FLOAT[]", "vector.embedding"),
    "function": ("VARCHAR", "floats(vector.embedding)"),
    "sql": (
        "VARCHAR",
        r"""list_transform(
            regexp_extract_all(regexp_replace(hex(from_base64(vector.embedding)), '(..)(..)(..)(..)', '\4\3\2\1', 'g'), '.{8}'),
            lambda digits: unhex(digits)::BIT::FLOAT)""",
    ),
}
"""The type of a vector in the file, and the vector of the table."""


def _floats(texts: pa.Array) -> pa.Array:
    """Decode texts; without numpy, whose arrays let pyarrow import pandas."""
    vectors = list(map(b64decode, texts.to_pylist()))
    ends = [0, *accumulate(len(vector) // 4 for vector in vectors)]
    values = pa.Array.from_buffers(pa.float32(), ends[-1], [None, pa.py_buffer(b"".join(vectors))])
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), values)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the table."""
    parser = argparse.ArgumentParser(description="Vectors to Parquet in DuckDB.")
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--base64", choices=[plan for plan in _PLANS if plan is not None])
    options = parser.parse_args(argv)
    kind, embedding = _PLANS[options.base64]
    results = " UNION ALL ".join(
        f"SELECT {_RESULT}, {text(path)} AS result_source, {text(path.stem.rpartition('_')[0])} AS batch_id"
        f" FROM read_ndjson({text(path)}, columns = {_TYPES.replace('VECTOR_TYPE', kind)})"
        for path in options.results
    )
    database = duckdb.connect(config={"threads": THREADS})
    if options.base64 == "function":
        database.create_function("floats", _floats, ["VARCHAR"], "FLOAT[]", type=PythonUDFType.ARROW)
    database.execute(
        f"COPY (SELECT {_TABLE.replace('VECTOR_VALUE', embedding)} FROM ({results})) TO {text(options.output)} ({PARQUET})"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
