"""Parquet: what the file looks like inside."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batchfiles.table import parquet
from batchfiles.table.parquet import ParquetTable
from batchfiles.table.rows import schema
from tests.table.sample_tables import NORMAL, table_of


def written(*batches: pa.RecordBatch, metadata: dict[str, str] | None = None) -> pq.ParquetFile:
    """Write batches of one schema into memory and open the result."""
    sink = io.BytesIO()
    with ParquetTable(sink, batches[0].schema, metadata=metadata) as table:
        for batch in batches:
            table.write(batch)
    return pq.ParquetFile(io.BytesIO(sink.getvalue()))


def column(file: pq.ParquetFile, path: str, group: int = 0) -> pq.ColumnChunkMetaData:
    """Find the metadata of one leaf column."""
    chunks = (file.metadata.row_group(group).column(i) for i in range(file.metadata.num_columns))
    return next(chunk for chunk in chunks if chunk.path_in_schema == path)


def test_small_batches_share_a_row_group() -> None:
    """Five batches of two rows are one row group."""
    assert written(*[NORMAL] * 5).num_row_groups == 1


def test_row_groups_are_split_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long texts fill a row group before its rows do."""
    monkeypatch.setattr(parquet, "GROUP_BYTES", 1_000_000)
    file = written(*[table_of([{"text": "x" * 300_000}])] * 10)
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [4, 4, 2]


def test_row_groups_are_split_by_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short rows fill a row group by their number."""
    monkeypatch.setattr(parquet, "GROUP_ROWS", 4)
    assert written(*[NORMAL] * 5).num_row_groups == 3


def test_dictionaries_are_for_columns_of_few_values() -> None:
    """Outcomes are numbered, also those inside of lists; ids and texts are not."""
    file = written(NORMAL)
    assert column(file, "outcome").has_dictionary_page
    assert column(file, "tool_calls.list.element.name").has_dictionary_page
    assert not column(file, "custom_id").has_dictionary_page
    assert not column(file, "text").has_dictionary_page


def test_statistics_are_for_all_but_texts_and_bodies() -> None:
    """A reader can skip row groups by id, token count and time."""
    file = written(NORMAL)
    for name in ("custom_id", "outcome", "status_code", "total_tokens", "created_at", "flagged"):
        assert column(file, name).is_stats_set, name
    for name in ("text", "refusal", "reasoning", "request_body", "response_body"):
        assert not column(file, name).is_stats_set, name


def test_a_flipped_bit_in_the_data_is_noticed() -> None:
    """Each page has a checksum; without it, a flipped bit in a column that is not compressed was another number."""
    sink = io.BytesIO()
    vectors = table_of([{"custom_id": "a", "embedding": [0.5] * 64}], schema("embeddings", dimensions=64))
    with ParquetTable(sink, vectors.schema) as table:
        table.write(vectors)
    data = sink.getvalue()
    chunk = column(pq.ParquetFile(io.BytesIO(data)), "embedding.list.element")
    end = chunk.data_page_offset + chunk.total_compressed_size
    for place in range(end - 256, end, 9):
        flipped = bytearray(data)
        flipped[place] ^= 1
        with pytest.raises(OSError, match="CRC"):
            pq.ParquetFile(io.BytesIO(flipped), page_checksum_verification=True).read()


def test_everything_but_vectors_is_zstd() -> None:
    """Vectors hardly get smaller and are read much faster as they are."""
    file = written(table_of([{"custom_id": "a", "embedding": [0.5, 1.0]}], schema("embeddings", dimensions=2)))
    assert column(file, "custom_id").compression == "ZSTD"
    assert column(file, "embedding.list.element").compression == "UNCOMPRESSED"
    assert column(written(NORMAL), "category_scores.key_value.value").compression == "ZSTD"


@pytest.mark.parametrize("start", [0, 1, 2])
def test_vectors_of_fixed_length_are_stored_as_lists(start: int) -> None:
    """Most pyarrows can't read a null among fixed-size lists, and a failed request has one."""
    rows = [{"embedding": [0.5, 1.0]}, {"outcome": "failed"}, {"embedding": [2.0, 4.0]}]
    file = written(table_of(rows, schema("embeddings", dimensions=2)).slice(start))
    assert file.schema_arrow.field("embedding").type == pa.list_(pa.float32())
    assert file.read()["embedding"].to_pylist() == [row.get("embedding") for row in rows[start:]]


def test_there_is_a_page_index() -> None:
    """Readers can skip pages."""
    assert column(written(NORMAL), "custom_id").has_offset_index


def test_the_bloom_filter_is_as_large_as_the_first_row_group_needs() -> None:
    """Where this pyarrow can write one, a small file stays small."""
    sink = io.BytesIO()
    with ParquetTable(sink, NORMAL.schema) as table:
        table.write(NORMAL)
    assert len(sink.getvalue()) < 25_000


def test_a_pyarrow_without_bloom_filters_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A nicety must not raise the floor."""
    monkeypatch.setattr(parquet, "HAS_BLOOM_FILTER", False)
    assert written(NORMAL).read().to_pylist() == pa.Table.from_batches([NORMAL]).to_pylist()


def test_provenance_is_in_the_metadata() -> None:
    """The schema's version, ours, the table, and what the caller adds."""
    found = written(NORMAL, metadata={"batchfiles.command": "join"}).metadata.metadata
    assert found[b"batchfiles.schema_version"] == b"2"
    assert found[b"batchfiles.table"] == b"requests"
    assert found[b"batchfiles.command"] == b"join"
    assert b"batchfiles.version" in found
    vectors = table_of([], schema("embeddings"))
    assert written(vectors).metadata.metadata[b"batchfiles.table"] == b"embeddings"


def test_a_struct_of_the_caller_is_written_too() -> None:
    """Columns after ours may be nested as deep as a JSON Schema says."""
    kind = pa.struct([("label", pa.string()), ("parts", pa.list_(pa.struct([("score", pa.float64())])))])
    columns = schema().append(pa.field("parsed", kind))
    rows = table_of([{"outcome": "succeeded", "parsed": {"label": "a", "parts": [{"score": 0.5}]}}], columns)
    file = written(rows)
    assert column(file, "parsed.parts.list.element.score").compression == "ZSTD"
    assert file.read().to_pylist() == rows.to_pylist()


def test_a_path_is_written_in_place(tmp_path: Path) -> None:
    """Parts of a folder need no temporary name of their own."""
    path = tmp_path / "part-0.parquet"
    with ParquetTable(path, NORMAL.schema) as table:
        assert list(tmp_path.iterdir()) == [path]
        table.write(NORMAL)
    assert pq.read_table(path).num_rows == 2


def test_other_columns_are_refused() -> None:
    """A batch of another table is a mistake of the caller."""
    with pytest.raises(ValueError, match="other columns"), ParquetTable(io.BytesIO(), schema()) as table:
        table.write(table_of([], schema("embeddings")))
