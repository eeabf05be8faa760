"""CSV: the content of the cells."""

from __future__ import annotations

import csv
import io
import json

import pyarrow as pa
import pytest

from batchfiles.table.csv import CsvTable
from batchfiles.table.rows import schema
from batchfiles.table.writer import JsonlTable
from tests.table.sample_tables import AWKWARD, NORMAL, table_of


def written(batch: pa.RecordBatch, *, safe: bool = False) -> str:
    """Write one batch into memory."""
    sink = io.BytesIO()
    with CsvTable(sink, batch.schema, safe=safe) as table:
        table.write(batch)
    return sink.getvalue().decode()


def rows(batch: pa.RecordBatch, *, safe: bool = False) -> list[dict[str, str]]:
    """Write one batch and read it with the standard library."""
    return list(csv.DictReader(io.StringIO(written(batch, safe=safe), newline="")))


def test_cells_are_written_by_type() -> None:
    """Texts as they are, times in ISO 8601, nested cells as JSON, booleans in small letters."""
    first = rows(NORMAL)[0]
    assert first["text"] == 'He said "hello, world"\nand left'
    assert first["created_at"] == "2026-08-01T12:00:00.000000Z"
    assert first["flagged"] == "true"
    assert json.loads(first["texts"]) == ["one", "two", ""]
    assert json.loads(first["category_scores"]) == {"hate": 0.5, "violence": 1e-7}
    assert json.loads(first["tool_calls"])[1] == {"id": None, "name": "g", "arguments": None}
    assert first["input_line_number"] == str(2**40)


def test_null_and_empty_text_are_different() -> None:
    """Null is nothing, an empty text is two quotes."""
    columns = pa.schema([("a", pa.string()), ("b", pa.string())])
    assert written(table_of([{"a": "", "b": None}], columns)) == '"a","b"\n"",\n'


def test_zero_rows_have_a_header() -> None:
    """A file without rows still names its columns."""
    header = written(table_of([])).splitlines()
    assert len(header) == 1
    assert next(csv.reader(header)) == schema().names


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_texts_come_back(text: str) -> None:
    """NUL, line separators and quotes survive a reader that follows the rules."""
    assert rows(table_of([{"custom_id": text, "outcome": "succeeded"}]))[0]["custom_id"] == text


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
@pytest.mark.parametrize("name", [field.name for field in schema() if field.type == pa.string()])
def test_safe_cells_are_not_formulas(name: str, start: str) -> None:
    """What a spreadsheet would run gets a quote before it, in every column of text."""
    batch = table_of([{name: f"{start}cmd"}, {name: f"x{start}"}, {name: f"x\n{start}"}, {name: None}])
    assert [row[name] for row in rows(batch, safe=True)] == [f"'{start}cmd", f"x{start}", f"x\n{start}", ""]
    assert rows(batch)[0][name] == f"{start}cmd"


def test_vectors_are_json_with_short_numbers() -> None:
    """A single-precision 0.1 is `0.1`; a value that JSON lacks is null."""
    columns = schema("embeddings")
    batch = table_of([{"embedding": [0.1, float("inf"), 1.0]}, {"embedding": []}, {}], columns)
    assert [row["embedding"] for row in rows(batch)] == ["[0.1,null,1]", "[]", ""]
    assert [row["embedding"] for row in rows(batch.slice(1))] == ["[]", ""]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary(1)])
def test_bytes_are_base64(kind: pa.DataType) -> None:
    """A column of bytes that were not UTF-8 ended in "Invalid UTF8 payload", where JSONL has Base64."""
    batch = pa.record_batch([pa.array([b"\xff", None, b"a"], kind)], names=["bin"])
    assert written(batch) == '"bin"\n"/w=="\n\n"YQ=="\n'
    sink = io.BytesIO()
    with JsonlTable(sink, batch.schema) as table:
        table.write(batch)
    assert [json.loads(line)["bin"] for line in sink.getvalue().splitlines()] == ["/w==", None, "YQ=="]


@pytest.mark.parametrize(
    ("column", "cell"),
    [(pa.array([b"\xfb"]), "'+w=="), (pa.array(["=cmd"], pa.large_string()), "'=cmd")],
)
def test_safe_cells_of_the_users_own_types_are_not_formulas(column: pa.Array, cell: str) -> None:
    """Large strings, as pandas and polars write them, stayed formulas; and Base64 may begin with +."""
    assert rows(pa.record_batch([column], names=["own"]), safe=True) == [{"own": cell}]
