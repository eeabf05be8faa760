"""The columns of the tables are a promise: this page pins them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from batchfiles.table.rows import SCHEMA_VERSION, TABLES, schema
from tests.table.sample_tables import NORMAL

REQUESTS = """
custom_id string, outcome string, status_code int32, error_code string, error_type string, error_param string,
error_message string, retryable bool, endpoint string, model string, finish_reason string, text string, texts list<item: string>,
refusal string, reasoning string, tool_calls list<item: struct<id: string; name: string; arguments: string>>, input_tokens int64,
output_tokens int64, total_tokens int64, cached_tokens int64, reasoning_tokens int64, flagged bool,
flagged_categories list<item: string>, category_scores map<string; double>, created_at timestamp[us; tz=UTC], batch_id string,
batch_request_id string, response_id string, request_id string, attempts int32, result_source string, result_line_number int64,
input_source string, input_line_number int64, request_model string, request_body string, response_body string
"""

SINCE_2 = "cache_write_tokens int64"

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


@pytest.mark.parametrize(("table", "text"), [("requests", f"{REQUESTS}, {SINCE_2}"), ("embeddings", EMBEDDINGS)])
def test_the_columns_are_pinned(table: str, text: str) -> None:
    """Names, types and order of version 1, followed by the columns of later versions."""
    assert described(schema(table)) == expected(text)
    assert SCHEMA_VERSION == 2


def test_typed_answers_keep_the_places_that_they_had_in_version_1() -> None:
    """Columns of later versions are appended."""
    names = schema(parsed={"type": "string"}).names
    first = [entry.split()[0] for entry in expected(REQUESTS)]
    assert names == [*first, "parsed", "parse_error", "cache_write_tokens"]


def _version_1() -> tuple[pa.Table, pa.Table]:
    """Make a table as version 1 wrote it, and one of today."""
    new = pa.Table.from_batches([NORMAL])
    first = [entry.split()[0] for entry in expected(REQUESTS)]
    return new.select(first).replace_schema_metadata({"batchfiles.schema_version": "1"}), new


def test_a_table_of_version_1_appends_to_one_of_today_by_name(tmp_path: Path) -> None:
    """In pyarrow, as a dataset, in polars and in DuckDB: its rows keep their values and have a null in the new column."""
    duckdb, polars = pytest.importorskip("duckdb"), pytest.importorskip("polars")
    old, new = _version_1()
    expected_rows = [*new.to_pylist(), *({**row, "cache_write_tokens": None} for row in old.to_pylist())]
    assert expected_rows[0]["cache_write_tokens"] == 7

    assert pa.concat_tables([new, old], promote_options="default").to_pylist() == expected_rows

    paths = [str(tmp_path / "new.parquet"), str(tmp_path / "old.parquet")]
    pq.write_table(new, paths[0])
    pq.write_table(old, paths[1])
    assert ds.dataset(paths, schema=schema()).to_table().to_pylist() == expected_rows

    frame = polars.concat([polars.from_arrow(new), polars.from_arrow(old)], how="diagonal")
    assert frame["cache_write_tokens"].to_list() == [7, None, None, None]
    assert frame["custom_id"].to_list() == [row["custom_id"] for row in expected_rows]

    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE results AS FROM '{paths[0]}'")
        connection.execute(f"INSERT INTO results BY NAME FROM '{paths[1]}'")
        rows = connection.execute("SELECT custom_id, response_body, cache_write_tokens FROM results ORDER BY rowid").fetchall()
    assert rows == [(row["custom_id"], row["response_body"], row["cache_write_tokens"]) for row in expected_rows]


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
    """`import batchfiles` and its table package stay fast."""
    code = "import sys, batchfiles, batchfiles.table; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
