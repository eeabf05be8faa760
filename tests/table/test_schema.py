"""The columns of the tables are a promise: this page pins them."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pytest

from batchfiles.table.schema import SCHEMA_VERSION, TABLES, schema

REQUESTS = """
custom_id string, outcome string, status_code int32, error_code string, error_type string, error_param string,
error_message string, retryable bool, endpoint string, model string, finish_reason string, text string, texts list<item: string>,
refusal string, reasoning string, tool_calls list<item: struct<id: string; name: string; arguments: string>>, input_tokens int64,
output_tokens int64, total_tokens int64, cached_tokens int64, reasoning_tokens int64, flagged bool,
flagged_categories list<item: string>, category_scores map<string; double>, created_at timestamp[us; tz=UTC], batch_id string,
batch_request_id string, response_id string, request_id string, attempts int32, result_source string, result_line_number int64,
input_source string, input_line_number int64, request_model string, request_body string, response_body string
"""

EMBEDDINGS = """
custom_id string, outcome string, status_code int32, error_code string, error_type string, error_param string,
error_message string, retryable bool, endpoint string, model string, input_tokens int64, output_tokens int64, total_tokens int64,
created_at timestamp[us; tz=UTC], batch_id string, batch_request_id string, response_id string, request_id string,
attempts int32, result_source string, result_line_number int64, input_source string, input_line_number int64,
request_model string, request_body string, response_body string, embedding_index int32, input_text string,
embedding list<item: float>
"""


def described(table: pa.Schema) -> list[str]:
    """Write a schema as the texts above do."""
    return [f"{field.name} {field.type}".replace(", ", "; ") for field in table]


def expected(text: str) -> list[str]:
    """Split one of the texts above into its columns."""
    return [entry.strip() for entry in " ".join(text.split()).split(",")]


@pytest.mark.parametrize(("table", "text"), [("requests", REQUESTS), ("embeddings", EMBEDDINGS)])
def test_the_columns_are_pinned(table: str, text: str) -> None:
    """Names, types and order of version 1; a later version may only append."""
    assert described(schema(table)) == expected(text)
    assert SCHEMA_VERSION == 1


def test_dimensions_make_the_vector_a_fixed_size_list() -> None:
    """Only the type of the vector depends on the option."""
    free, fixed = schema("embeddings"), schema("embeddings", dimensions=3)
    assert free.names == fixed.names
    assert fixed.field("embedding").type == pa.list_(pa.float32(), 3)


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_nullable(table: str) -> None:
    """A `not null` would be lost by other writers, and pyarrow would then refuse to append."""
    assert all(field.nullable for field in schema(table))


@pytest.mark.parametrize(
    ("table", "dimensions"), [("responses", None), ("", None), ("requests", 3), ("embeddings", 0), ("embeddings", -1)]
)
def test_a_wrong_call_is_a_value_error(table: str, dimensions: int | None) -> None:
    """An unknown table, dimensions where there are none, and dimensions below one are mistakes of the caller."""
    with pytest.raises(ValueError, match=r"table|dimensions"):
        schema(table, dimensions=dimensions)


def test_the_package_is_imported_without_pyarrow() -> None:
    """`import batchfiles` and its table package stay quick."""
    code = "import sys, batchfiles, batchfiles.table; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
