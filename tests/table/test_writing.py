"""Writing: every format, whole or not at all, and the same to every reader."""

from __future__ import annotations

import errno
import gzip
import io
import json
import resource
import sys
import threading
from pathlib import Path
from random import Random
from string import ascii_letters
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchfiles.errors import FileError, OutputExistsError
from batchfiles.io import threads
from batchfiles.table import parquet, writer
from batchfiles.table.csv import CsvTable
from batchfiles.table.open import FORMATS, format_of, open_table
from batchfiles.table.parquet import ParquetTable
from batchfiles.table.rows import schema
from batchfiles.table.writer import ArrowStream, ArrowTable, JsonlTable
from tests.table.sample_tables import FULL, NORMAL, SAMPLES, batches, table_of

SUFFIXES = ["parquet", "arrow", "arrows", "jsonl", "csv", "jsonl.gz", "jsonl.zst", "csv.gz", "csv.zst"]
WRITERS = {"parquet": ParquetTable, "arrow": ArrowTable, "arrows": ArrowStream, "jsonl": JsonlTable, "csv": CsvTable}


def write(path: Path, batch: pa.RecordBatch, **options: Any) -> None:
    """Write one batch to a file."""
    with open_table(path, batch.schema, **options) as table:
        table.write(batch)


def read_arrow(path: Path) -> pa.Table:
    """Read a Parquet file, an Arrow file or an Arrow stream with pyarrow."""
    if path.suffix == ".parquet":
        return pq.read_table(path)
    with pa.OSFile(str(path)) as file:
        return (pa.ipc.open_file(file) if path.suffix == ".arrow" else pa.ipc.open_stream(file)).read_all()


def stored(columns: pa.Schema, suffix: str) -> pa.Schema:
    """Return the stored type: Parquet has lists of any length only."""
    if suffix != "parquet":
        return columns
    fixed = pa.types.is_fixed_size_list
    return pa.schema([field.with_type(pa.list_(pa.float32())) if fixed(field.type) else field for field in columns])


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows"])
@pytest.mark.parametrize("name", SAMPLES)
def test_typed_formats_come_back_equal(tmp_path: Path, suffix: str, name: str) -> None:
    """Pyarrow reads the same schema, rows and metadata."""
    path = tmp_path / f"t.{suffix}"
    write(path, SAMPLES[name], metadata={"note": "n"})
    found = read_arrow(path)
    assert found.schema.equals(stored(SAMPLES[name].schema, suffix))
    assert found.schema.metadata[b"note"] == b"n"
    assert found.to_pylist() == SAMPLES[name].to_pylist()


@pytest.mark.parametrize("name", SAMPLES)
def test_polars_reads_the_same(tmp_path: Path, name: str) -> None:
    """Polars sees the same columns and cells in Parquet, file and stream, for any rows."""
    readers = {"parquet": pl.read_parquet, "arrow": pl.read_ipc, "arrows": pl.read_ipc_stream}
    for suffix, read in readers.items():
        columns = stored(SAMPLES[name].schema, suffix)
        expected = pl.from_arrow(pa.Table.from_batches([SAMPLES[name]]).cast(columns))
        path = tmp_path / f"t.{suffix}"
        write(path, SAMPLES[name])
        found = read(path)
        assert found.schema == expected.schema
        assert found.equals(expected)


@pytest.mark.parametrize("name", SAMPLES)
def test_pandas_reads_the_same(tmp_path: Path, name: str) -> None:
    """Pandas sees the same columns, and types that don't depend on the rows."""
    for suffix, read in {"parquet": pd.read_parquet, "arrow": pd.read_feather}.items():
        path = tmp_path / f"t.{suffix}"
        write(path, SAMPLES[name])
        found = read(path, dtype_backend="pyarrow")
        columns = stored(SAMPLES[name].schema, suffix)
        assert list(found.columns) == columns.names
        assert [kind.pyarrow_dtype for kind in found.dtypes] == columns.types
        assert len(found) == SAMPLES[name].num_rows


@pytest.mark.parametrize("name", SAMPLES)
def test_duckdb_reads_the_same(tmp_path: Path, name: str) -> None:
    """DuckDB sees the columns of the empty table of the same kind, and the same cells."""
    path, empty = tmp_path / "t.parquet", tmp_path / "empty.parquet"
    write(path, SAMPLES[name])
    write(empty, SAMPLES[name].slice(0, 0))
    with duckdb.connect() as connection:
        found = connection.sql(f"SELECT * FROM '{path}'")
        assert found.columns == SAMPLES[name].schema.names
        assert found.types == connection.sql(f"SELECT * FROM '{empty}'").types
        ids = [row[0] for row in found.project("custom_id").fetchall()]
    assert ids == SAMPLES[name]["custom_id"].to_pylist()


LONG_LINES = 30_000_000


def by_duckdb(source: str) -> pa.Table:
    """Read everything with DuckDB."""
    with duckdb.connect() as connection:
        return connection.sql(f"SELECT * FROM {source}").to_arrow_table()


def as_arrow(frame: pd.DataFrame) -> pa.Table:
    """Turn a frame of pandas into a table."""
    return pa.Table.from_pandas(frame, preserve_index=False)


CSV_READERS: dict[str, Any] = {
    "duckdb": lambda path: by_duckdb(
        f"read_csv('{path}', all_varchar=true, max_line_size={LONG_LINES}, buffer_size={2 * LONG_LINES})"
    ),
    "pandas": lambda path: as_arrow(pd.read_csv(path, dtype=str, keep_default_na=False)),
    "polars": lambda path: pl.read_csv(path, infer_schema=False).to_arrow(),
    "pyarrow": lambda path: pa_csv.read_csv(
        path,
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        read_options=pa_csv.ReadOptions(block_size=LONG_LINES),
        convert_options=pa_csv.ConvertOptions(column_types={"custom_id": pa.string()}),
    ),
}
JSONL_READERS: dict[str, Any] = {
    "duckdb": lambda path: by_duckdb(
        f"read_json('{path}', maximum_object_size={LONG_LINES}, format='newline_delimited', records=true)"
    ),
    "pandas": lambda path: as_arrow(pd.read_json(path, lines=True)),
    "polars": lambda path: pl.read_ndjson(path).to_arrow(),
    "pyarrow": lambda path: pa_json.read_json(path, read_options=pa_json.ReadOptions(block_size=LONG_LINES)),
}


@pytest.mark.parametrize("reader", CSV_READERS)
@pytest.mark.parametrize("name", SAMPLES)
def test_csv_is_the_same_to_every_reader(tmp_path: Path, reader: str, name: str) -> None:
    """All columns and all ids are found; some readers read an empty text as null or the other way round."""
    path = tmp_path / "t.csv"
    write(path, SAMPLES[name])
    found = CSV_READERS[reader](path)
    assert found.column_names == SAMPLES[name].schema.names
    ids = [text or "" for text in SAMPLES[name]["custom_id"].to_pylist()]
    assert [text or "" for text in found["custom_id"].to_pylist()] == ids


@pytest.mark.parametrize("reader", JSONL_READERS)
@pytest.mark.parametrize("name", ["normal", "one value", "awkward texts", "a cell of 20 MB", "vectors"])
def test_jsonl_is_the_same_to_every_reader(tmp_path: Path, reader: str, name: str) -> None:
    """All columns and all ids are found; an empty file has no schema to infer."""
    path = tmp_path / "t.jsonl"
    write(path, SAMPLES[name])
    found = JSONL_READERS[reader](path)
    assert sorted(found.column_names) == sorted(SAMPLES[name].schema.names)
    assert found["custom_id"].to_pylist() == SAMPLES[name]["custom_id"].to_pylist()


@pytest.mark.parametrize("suffix", ["csv.gz", "csv.zst"])
def test_compressed_csv_is_the_same_bytes_compressed(tmp_path: Path, suffix: str) -> None:
    """The second suffix only changes how the bytes are kept."""
    write(tmp_path / "t.csv", NORMAL)
    write(tmp_path / f"t.{suffix}", NORMAL)
    with pa.input_stream(str(tmp_path / f"t.{suffix}"), compression="detect") as stream:
        assert stream.read() == (tmp_path / "t.csv").read_bytes()
    data = (tmp_path / f"t.{suffix}").read_bytes()
    damaged = io.BytesIO(data[:-1] + bytes([data[-1] ^ 1]))
    stream = pa.input_stream(damaged, compression={"csv.gz": "gzip", "csv.zst": "zstd"}[suffix])
    with pytest.raises(OSError, match=r"checksum|incorrect (data|length) check"):
        stream.read()


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst"])
@pytest.mark.parametrize("name", SAMPLES)
def test_jsonl_is_read_with_all_its_rows(tmp_path: Path, suffix: str, name: str) -> None:
    """The standard library reads each line, and the ids are those that were written."""
    path = tmp_path / f"t.{suffix}"
    write(path, SAMPLES[name])
    with pa.input_stream(str(path), compression="detect") as stream:
        rows = [json.loads(line) for line in stream.read().split(b"\n")[:-1]]
    assert [row["custom_id"] for row in rows] == SAMPLES[name]["custom_id"].to_pylist()
    assert all(list(row) == SAMPLES[name].schema.names for row in rows)


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_batches_come_back_equal(suffix: str, data: st.DataObject) -> None:
    """Property: any value that fits the schema survives the typed formats exactly."""
    columns = data.draw(st.sampled_from([schema(), schema("embeddings"), schema("embeddings", dimensions=2)]))
    parts = data.draw(st.lists(batches(columns), max_size=3))
    sink = io.BytesIO()
    with WRITERS[suffix](sink, columns) as table:
        for part in parts:
            table.write(part)
    raw = io.BytesIO(sink.getvalue())
    readers = {"parquet": pq.read_table, "arrow": lambda file: pa.ipc.open_file(file).read_all()}
    found = readers.get(suffix, lambda file: pa.ipc.open_stream(file).read_all())(raw)
    assert found.to_pylist() == pa.Table.from_batches(parts, columns).to_pylist()
    assert found.schema.equals(stored(columns, suffix))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(batch=batches(schema()))
def test_any_batch_comes_back_from_jsonl_by_the_documented_mapping(batch: pa.RecordBatch) -> None:
    """Property: times are text, maps are objects, everything else is itself."""
    sink = io.BytesIO()
    with JsonlTable(sink, batch.schema) as table:
        table.write(batch)
    found = [json.loads(line) for line in sink.getvalue().split(b"\n")[:-1]]
    expected = batch.to_pylist()
    for row in expected:
        if row["created_at"] is not None:
            row["created_at"] = row["created_at"].isoformat(timespec="microseconds").replace("+00:00", "Z")
        if row["category_scores"] is not None:
            row["category_scores"] = dict(row["category_scores"])
    assert found == expected


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_exception_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    """Neither the file nor its unfinished copy is there afterwards."""
    with pytest.raises(RuntimeError), open_table(tmp_path / f"t.{suffix}", NORMAL.schema) as table:  # noqa: PT012
        table.write(NORMAL)
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_existing_file_is_refused_and_with_force_replaced(tmp_path: Path, suffix: str) -> None:
    """The old file stays until the new file is whole."""
    path = tmp_path / f"t.{suffix}"
    path.write_text("old")
    with pytest.raises(OutputExistsError):
        write(path, NORMAL)
    assert path.read_text() == "old"
    write(path, NORMAL, overwrite=True)
    assert path.read_bytes() != b"old"
    assert list(tmp_path.iterdir()) == [path]


class FailingSink(io.BytesIO):
    """A disk that is full at the k-th write, and stays full."""

    def __init__(self, good: int) -> None:
        super().__init__()
        self.good = good

    def write(self, piece: Any) -> int:
        """Write, or raise the error of a full disk."""
        if self.good == 0:
            raise OSError(28, "No space left on device")
        self.good -= 1
        return super().write(piece)


@pytest.mark.parametrize("good", range(4))
@pytest.mark.parametrize("suffix", WRITERS)
def test_a_full_disk_is_an_error_whenever_it_fills(monkeypatch: pytest.MonkeyPatch, suffix: str, good: int) -> None:
    """The writer raises the system's own error, and no second one from cleaning up."""
    monkeypatch.setattr("batchfiles.table.writer.BUFFER", 256)
    sink = FailingSink(good)
    with pytest.raises(OSError, match="No space left") as caught, WRITERS[suffix](sink, NORMAL.schema) as table:  # noqa: PT012
        for _ in range(50):
            table.write(NORMAL)
    assert caught.value.errno == 28
    assert not sink.closed


@pytest.mark.parametrize("limit", [0, 1, 1000, 100_000])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_disk_without_room_leaves_nothing(tmp_path: Path, suffix: str, limit: int) -> None:
    """A limit of the system on the size of files simulates a full disk: our error, the path, no file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    path = tmp_path / f"t.{suffix}"
    batch = table_of([{**FULL, "text": "".join(Random(number).choices(ascii_letters, k=40_000))} for number in range(20)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(FileError) as caught:
            write(path, batch)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.path == str(path)
    assert list(tmp_path.iterdir()) == []


class TakesLittle(io.RawIOBase):
    """An unbuffered file that takes seven bytes at a time."""

    def __init__(self) -> None:
        self.taken = bytearray()

    def writable(self) -> bool:
        """Return that it is writable."""
        return True

    def write(self, piece: Any) -> int:
        """Write seven bytes."""
        self.taken += bytes(piece[:7])
        return min(7, len(piece))


def test_an_unbuffered_file_gets_every_byte() -> None:
    """A short write does not write everything."""
    sink, whole = TakesLittle(), io.BytesIO()
    for target in (sink, whole):
        with ParquetTable(target, NORMAL.schema) as table:  # type: ignore[arg-type]
            table.write(NORMAL)
    assert bytes(sink.taken) == whole.getvalue()


class Stdout:
    """Standard output as bytes."""

    def __init__(self) -> None:
        self.buffer = io.BytesIO()


@pytest.mark.parametrize("name", FORMATS)
def test_standard_output_gets_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A dash with a format writes what the file would hold, and leaves standard output open."""
    stdout = Stdout()
    monkeypatch.setattr(sys, "stdout", stdout)
    with open_table("-", NORMAL.schema, format=name) as table:
        table.write(NORMAL)
    write(tmp_path / f"t.{name}", NORMAL)
    assert stdout.buffer.getvalue() == (tmp_path / f"t.{name}").read_bytes()


@pytest.mark.parametrize("name", ["parquet", "arrow"])
def test_standard_output_gets_no_half_file(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A format that needs its end is written at the end or not at all."""
    stdout = Stdout()
    monkeypatch.setattr(sys, "stdout", stdout)
    with pytest.raises(RuntimeError), open_table("-", NORMAL.schema, format=name) as table:  # noqa: PT012
        table.write(NORMAL)
        raise RuntimeError
    assert stdout.buffer.getvalue() == b""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.parquet", "parquet"),
        ("b/a.b.PARQUET", "parquet"),
        ("a.arrow", "arrow"),
        ("a.arrows", "arrows"),
        ("a.csv", "csv"),
        ("a.csv.gz", "csv"),
        ("a.jsonl.zst", "jsonl"),
    ],
)
def test_the_suffix_says_the_format(name: str, expected: str) -> None:
    """Large letters count as small ones."""
    assert format_of(name) == expected


@pytest.mark.parametrize("name", ["a", "a.xlsx", "a.parquet.gz", "a.gz", "parquet", ".csv", "-", ""])
def test_an_unknown_suffix_is_refused_with_the_list(name: str) -> None:
    """The message has the list of formats."""
    with pytest.raises(ValueError, match=r"\.parquet, \.arrow, \.arrows, \.jsonl, \.csv"):
        format_of(name)


@pytest.mark.parametrize(
    ("path", "options"),
    [("-", {}), ("a.txt", {}), ("a.csv", {"format": "xlsx"}), ("a.parquet", {"csv_safe": True})],
)
def test_wrong_calls_are_value_errors_at_once(path: str, options: dict[str, Any]) -> None:
    """Nothing is opened before the call is known to be right."""
    with pytest.raises(ValueError, match="format|csv_safe"):  # noqa: RUF043
        open_table(path, schema(), **options)


def test_the_format_may_be_said(tmp_path: Path) -> None:
    """A file with any name gets the requested format; its suffix still determines the compression."""
    write(tmp_path / "data.txt.gz", NORMAL, format="jsonl")
    assert gzip.decompress((tmp_path / "data.txt.gz").read_bytes()).count(b"\n") == 2


def test_csv_safe_reaches_the_writer(tmp_path: Path) -> None:
    """The option of `open_table` is the writer's."""
    batch = pa.record_batch({"custom_id": ["=1"]})
    write(tmp_path / "t.csv", batch, csv_safe=True)
    assert (tmp_path / "t.csv").read_text() == '"custom_id"\n"\'=1"\n'


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "jsonl"])
def test_a_file_is_synced_while_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    """All at the end is a wait: 0.15 s for 80 MB, in which no core works."""
    synced: list[str] = []
    real = threads.SYNC

    def sync(descriptor: int) -> None:
        synced.append(threading.current_thread().name)
        real(descriptor)

    monkeypatch.setattr(threads, "SYNC", sync)
    monkeypatch.setattr(threads, "SYNCED_IN_BACKGROUND", 1000)
    monkeypatch.setattr(parquet, "GROUP_BYTES", 1000)
    monkeypatch.setattr(writer, "GROUP_BYTES", 1000)
    with open_table(tmp_path / f"table.{suffix}", NORMAL.schema) as table:
        for _ in range(200):
            table.write(NORMAL)
    assert synced
    assert all(name.startswith("batchfiles-sync") for name in synced)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batchfiles-sync")]


def test_a_sync_that_fails_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system reports an error of the disk once: the sync at the end would find nothing."""

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(threads, "SYNC", fail)
    monkeypatch.setattr(threads, "SYNCED_IN_BACKGROUND", 1000)
    monkeypatch.setattr(parquet, "GROUP_BYTES", 1000)
    path = tmp_path / "table.parquet"
    with pytest.raises(FileError) as refused, open_table(path, NORMAL.schema) as table:
        list(writer.written([NORMAL] * 200, table))
    assert (refused.value.errno, refused.value.path) == (errno.EIO, str(path))
    assert not list(tmp_path.iterdir())
