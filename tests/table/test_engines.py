"""The engines of the page that are fast to install: each reads all columns of our tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather as pa_feather
import pyarrow.parquet as pq
import pytest

from batchfiles.table.parquet import DICTIONARY_BYTES, GROUP_BYTES, ParquetTable
from batchfiles.table.rows import schema
from tests.table.sample_tables import FULL, table_of

PAGE = Path(__file__).parents[2] / "docs" / "engines.md"
ROWS: list[dict[str, Any]] = [
    FULL,
    {"custom_id": "00123", "outcome": "missing", "retryable": True},
    {
        "custom_id": "12345678901234567890",
        "outcome": "failed",
        "status_code": 429,
        "texts": [],
        "tool_calls": [],
        "category_scores": [],
    },
]
NESTED = ("texts", "flagged_categories", "tool_calls")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Return a Parquet file with a full row, one of nulls and one with empty lists."""
    batch = table_of(ROWS)
    with ParquetTable(tmp_path / "t.parquet", batch.schema) as writer:
        writer.write(batch)
    return tmp_path / "t.parquet"


def plain(value: Any) -> Any:
    """Return what an engine gives for a cell in Python's own types, a map as pairs."""
    if value is None or value is pd.NaT:
        return None
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, pd.Timestamp):
        value = value.to_pydatetime()
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return None if value != value else value


def pairs(value: Any) -> Any:
    """Return a map as a list of pairs, from any engine's form."""
    if isinstance(value, dict):
        return [list(each) for each in value.items()]
    if value and isinstance(value[0], dict):
        return [[each["key"], each["value"]] for each in value]
    return value


def with_pyarrow(path: Path) -> list[dict[str, Any]]:
    """Read it with pyarrow."""
    return list(pq.read_table(path).to_pylist())


def with_pandas(path: Path) -> list[dict[str, Any]]:
    """Read it with pandas."""
    return list(pd.read_parquet(path).to_dict("records"))


def with_polars(path: Path) -> list[dict[str, Any]]:
    """Read it with polars."""
    return pl.read_parquet(path).to_dicts()


def with_duckdb(path: Path) -> list[dict[str, Any]]:
    """Read it with DuckDB."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    found = connection.execute(f"FROM '{path}'")
    names = [each[0] for each in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


ENGINES: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    "pyarrow": with_pyarrow,
    "pandas": with_pandas,
    "polars": with_polars,
    "DuckDB": with_duckdb,
}


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_reads_every_column_as_the_page_says(table: Path, engine: str) -> None:
    """Values, nulls and empty lists; in pandas a count with nulls is a float."""
    rows = ENGINES[engine](table)
    expected = [dict.fromkeys(schema().names) | row for row in ROWS]
    assert len(rows) == len(expected)
    for found, wanted in zip(rows, expected, strict=True):
        assert list(found) == schema().names
        for name in schema().names:
            value, right = plain(found[name]), plain(wanted[name])
            assert (pairs(value), name) == (pairs(right), name) if name == "category_scores" else (value, name) == (right, name)
    counts = {type(row["input_tokens"]) for row in rows} - {type(None)}
    assert counts == ({float} if engine == "pandas" else {int})
    assert f"| {engine} " in PAGE.read_text()


def test_pandas_cannot_write_the_map_column(table: Path, tmp_path: Path) -> None:
    """It reads lists of pairs, which are not an Arrow type; without the column it writes the table."""
    frame = pd.read_parquet(table)
    with pytest.raises((pa.ArrowException, TypeError, ValueError)):
        frame.to_parquet(tmp_path / "back.parquet")
    frame.drop(columns=["category_scores"]).to_parquet(tmp_path / "back.parquet")


@pytest.mark.parametrize("engine", ["polars", "DuckDB"])
def test_an_engine_writes_what_it_read(table: Path, tmp_path: Path, engine: str) -> None:
    """And all cells are the same then; polars makes a list of structs of the map, or a map."""
    back = tmp_path / "back.parquet"
    if engine == "polars":
        pl.read_parquet(table).write_parquet(back)
    else:
        duckdb.connect().execute(f"COPY (FROM '{table}') TO '{back}' (FORMAT parquet)")
    for found, wanted in zip(with_pyarrow(back), with_pyarrow(table), strict=True):
        assert pairs(plain(found.pop("category_scores"))) == pairs(plain(wanted.pop("category_scores")))
        assert plain(found) == plain(wanted)


def test_ids_are_found_by_their_text(table: Path) -> None:
    """The Bloom filter has no false negatives."""
    connection = duckdb.connect()
    for row in ROWS:
        found = connection.execute(f"SELECT count(*) FROM '{table}' WHERE custom_id = ?", [row["custom_id"]]).fetchone()
        assert found == (1,)


def test_lists_of_texts_have_a_dictionary(table: Path) -> None:
    """For fastparquet, which reads None for each list where the column has none, or only for a part of the row group."""
    row_group = pq.read_metadata(table).row_group(0)
    chunks = [row_group.column(number) for number in range(row_group.num_columns)]
    assert [chunk.has_dictionary_page for chunk in chunks if chunk.path_in_schema == "texts.list.element"] == [True]
    assert DICTIONARY_BYTES > GROUP_BYTES


def test_arrow_files_and_streams(tmp_path: Path) -> None:
    """Polars reads both, pandas files; DuckDB needs an extension."""
    batch = table_of(ROWS)
    whole = pa.Table.from_batches([batch])
    pa_feather.write_feather(whole, str(tmp_path / "t.arrow"), compression="zstd")
    with pa.ipc.new_stream(str(tmp_path / "t.arrows"), batch.schema) as writer:
        writer.write_batch(batch)
    assert pl.read_ipc(tmp_path / "t.arrow")["custom_id"].to_list() == [row["custom_id"] for row in ROWS]
    assert pl.read_ipc_stream(tmp_path / "t.arrows")["custom_id"].to_list() == [row["custom_id"] for row in ROWS]
    assert list(pd.read_feather(tmp_path / "t.arrow")["custom_id"]) == [row["custom_id"] for row in ROWS]


def test_the_page_names_each_column_that_retry_reads() -> None:
    """So that a program may keep these and drop the others."""
    from batchfiles.jobs.retry.joined_table import COLUMNS

    sentence = re.search(r"It reads the\s+columns(.*?), in any type", PAGE.read_text(), re.DOTALL)
    assert sentence is not None
    assert set(re.findall(r"`(\w+)`", sentence[1])) == set(COLUMNS)
