"""DuckDB, polars, pandas and pyarrow see the same columns and the same cells in every table, an empty one included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import batchfiles
from batchfiles.jobs.join import scan
from batchfiles.jobs.join.lazy_join import Join

FIXTURES = Path(__file__).parent.parent / "fixtures"
FOLDERS = ["chat_completions", "responses", "completions", "embeddings", "moderations", "images", "azure", "all_failed", "empty"]
TASKS = scan.tasks


def table_of(folder: str) -> str:
    """Name the table that a fixture makes."""
    return "embeddings" if folder in ("embeddings", "no vectors") else "requests"


def join(folder: str, **options: Any) -> Join:
    """Join a fixture."""
    return batchfiles.join(FIXTURES / folder, **options)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write every fixture as one Parquet file, and the shapes."""
    room = tmp_path_factory.mktemp("tables")
    paths = {}
    for folder in FOLDERS:
        paths[folder] = room / f"{folder}.parquet"
        join(folder).to_parquet(paths[folder])
    shapes = FIXTURES / "shapes"
    results = [path for path in sorted(shapes.glob("*.jsonl")) if not path.name.startswith(("input_", "requests"))]
    paths["shapes"] = room / "shapes.parquet"
    batchfiles.join(*results, inputs=[shapes / "requests.jsonl"], table="requests", bodies="all").to_parquet(paths["shapes"])
    paths["no vectors"] = room / "no vectors.parquet"
    join("empty", table="embeddings").to_parquet(paths["no vectors"])
    return paths


def duckdb_type(kind: pa.DataType) -> str:
    """Return the name of a type of ours in DuckDB."""
    if pa.types.is_list(kind):
        return duckdb_type(kind.value_type) + "[]"
    if pa.types.is_struct(kind):
        inner = ", ".join(f"{field.name} {duckdb_type(field.type)}" for field in kind)
        return f"STRUCT({inner})"
    if pa.types.is_map(kind):
        return f"MAP({duckdb_type(kind.key_type)}, {duckdb_type(kind.item_type)})"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP WITH TIME ZONE"
    return {"string": "VARCHAR", "int32": "INTEGER", "int64": "BIGINT", "bool": "BOOLEAN", "float": "FLOAT", "double": "DOUBLE"}[
        str(kind)
    ]


def seen_by_duckdb(source: str) -> list[tuple[str, str]]:
    """Return the columns of a Parquet file, or of several, as DuckDB sees them."""
    with duckdb.connect() as connection:
        found = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [source]).fetchall()
    return [(name, kind.replace('"', "")) for name, kind, *_ in found]


@pytest.mark.parametrize("folder", [*FOLDERS, "shapes", "no vectors"])
def test_pyarrow_sees_our_columns(tables: dict[str, Path], folder: str) -> None:
    """The file's schema is that of `batchfiles.schema`."""
    assert pq.read_schema(tables[folder]).remove_metadata().equals(batchfiles.schema(table_of(folder)))


@pytest.mark.parametrize("folder", [*FOLDERS, "shapes", "no vectors"])
def test_duckdb_sees_our_columns(tables: dict[str, Path], folder: str) -> None:
    """In the same order, with types that don't depend on the rows."""
    right = [(field.name, duckdb_type(field.type)) for field in batchfiles.schema(table_of(folder))]
    assert seen_by_duckdb(str(tables[folder])) == right


@pytest.mark.parametrize("folder", [*FOLDERS, "shapes"])
def test_polars_sees_our_columns(tables: dict[str, Path], folder: str) -> None:
    """The same as in a table without rows, in the file's schema and in the data."""
    right = pl.read_parquet_schema(tables["empty" if table_of(folder) == "requests" else "no vectors"])
    assert list(right) == batchfiles.schema(table_of(folder)).names
    assert pl.read_parquet_schema(tables[folder]) == right
    assert dict(pl.read_parquet(tables[folder]).schema) == dict(right)
    plain = {"string": pl.String, "int32": pl.Int32, "int64": pl.Int64, "bool": pl.Boolean}
    for field in batchfiles.schema(table_of(folder)):
        if str(field.type) in plain:
            assert right[field.name] == plain[str(field.type)]
    assert right["created_at"] == pl.Datetime("us", "UTC")


@pytest.mark.parametrize("folder", [*FOLDERS, "shapes", "no vectors"])
def test_pandas_sees_our_columns(tables: dict[str, Path], folder: str) -> None:
    """With Arrow's types, which are as exact as ours."""
    frame = pd.read_parquet(tables[folder], dtype_backend="pyarrow")
    right = batchfiles.schema(table_of(folder))
    assert list(frame.columns) == right.names
    assert [kind.pyarrow_dtype for kind in frame.dtypes] == [field.type for field in right]


CELLS = ["custom_id", "outcome", "status_code", "retryable", "error_message", "total_tokens", "created_at", "result_line_number"]


@pytest.mark.parametrize("folder", [*FOLDERS, "shapes"])
def test_readers_see_the_same_cells(tables: dict[str, Path], folder: str) -> None:
    """Texts, numbers, truth and times, nulls included."""
    right = pq.read_table(tables[folder], columns=CELLS).to_pylist()
    rows = [tuple(row[name] for name in CELLS) for row in right]
    assert pl.read_parquet(tables[folder], columns=CELLS).select(CELLS).rows() == rows
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        # Times as numbers: DuckDB asks for another package to make Python's.
        names = ", ".join("epoch_us(created_at)" if name == "created_at" else name for name in CELLS)
        found = connection.execute(f"SELECT {names} FROM read_parquet(?)", [str(tables[folder])]).fetchall()
    micro = [
        tuple(int(value.timestamp() * 1_000_000) if name == "created_at" and value else value for name, value in row.items())
        for row in right
    ]
    assert found == micro
    frame = pd.read_parquet(tables[folder], columns=CELLS, dtype_backend="pyarrow")
    assert pa.Table.from_pandas(frame[CELLS], preserve_index=False).to_pylist() == right


@pytest.mark.parametrize("folder", [*FOLDERS, "shapes"])
def test_every_table_has_as_many_rows_as_requests(tables: dict[str, Path], folder: str) -> None:
    """For the table of vectors: as many requests."""
    lines = [line for line in (FIXTURES / folder / "requests.jsonl").read_bytes().split(b"\n") if line.strip()]
    table = pq.read_table(tables[folder])
    assert len(table["custom_id"].unique()) == len(lines)
    assert folder == "embeddings" or table.num_rows == len(lines)
    assert table["outcome"].null_count == 0


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_of_parts_is_one_table(
    tables: dict[str, Path], folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To all readers, and the same one as the single file: parts whose columns are all null have the same types."""
    monkeypatch.setattr(scan, "tasks", lambda sizes, *_: TASKS(sizes, 250))
    join(folder).to_parquet(tmp_path / "parts", min_file_bytes=0)
    parts = sorted((tmp_path / "parts").iterdir())
    assert len(parts) > 1 or folder == "empty"
    right = pq.read_table(tables[folder])
    assert ds.dataset(tmp_path / "parts").to_table().equals(right)
    assert pl.read_parquet(tmp_path / "parts" / "*.parquet").equals(pl.read_parquet(tables[folder]))
    assert seen_by_duckdb(str(tmp_path / "parts" / "*.parquet")) == seen_by_duckdb(str(tables[folder]))
    frame = pd.read_parquet(tmp_path / "parts", dtype_backend="pyarrow")
    assert pa.Table.from_pandas(frame, preserve_index=False).to_pylist() == right.to_pylist()


def test_tables_of_all_fixtures_are_one_dataset(tables: dict[str, Path]) -> None:
    """With any endpoint: the columns depend on options and not on data."""
    paths = [str(path) for folder, path in tables.items() if table_of(folder) == "requests"]
    rows = sum(pq.read_metadata(path).num_rows for path in paths)
    assert ds.dataset(paths).to_table().num_rows == rows
    assert pl.read_parquet(paths).height == rows
    with duckdb.connect() as connection:
        assert connection.execute("SELECT count(*) FROM read_parquet(?)", [paths]).fetchall() == [(rows,)]
    assert pa.concat_tables([pq.read_table(path).replace_schema_metadata() for path in paths]).num_rows == rows


@pytest.mark.parametrize("dimensions", [None, 8])
def test_vectors_are_the_same_to_all(tmp_path: Path, dimensions: int | None) -> None:
    """With and without a length, a null where there is none."""
    path = tmp_path / "table.parquet"
    job = join("embeddings", dimensions=dimensions)
    job.to_parquet(path)
    right = [row["embedding"] for row in job]
    assert None in right
    assert pq.read_table(path)["embedding"].to_pylist() == right
    assert pl.read_parquet(path)["embedding"].to_list() == right
    frame = pd.read_parquet(path)
    assert [None if vector is None else vector.tolist() for vector in frame["embedding"]] == right
    with duckdb.connect() as connection:
        found = connection.execute("SELECT embedding FROM read_parquet(?)", [str(path)]).fetchall()
    assert [None if vector is None else list(vector) for (vector,) in found] == right


@pytest.mark.parametrize("folder", ["chat_completions", "embeddings", "empty"])
def test_a_join_is_a_table_without_a_file(folder: str) -> None:
    """Readers of the Arrow C stream protocol accept it."""
    job = join(folder)
    right = job.to_arrow()
    assert pa.table(job).equals(right)
    frame = pl.DataFrame(job)
    assert frame.height == right.num_rows
    assert frame.columns == right.schema.names or folder == "empty"  # early polars reads a stream without rows as empty
    with duckdb.connect() as connection:
        stream = pa.RecordBatchReader.from_stream(job)
        assert connection.from_arrow(stream).aggregate("count(*)").fetchall() == [(right.num_rows,)]
