"""JSONL: one object a row."""

from __future__ import annotations

import io
import json

import pyarrow as pa

from batchfiles.table.rows import schema
from batchfiles.table.writer import JsonlTable
from tests.table.sample_tables import AWKWARD, NORMAL, table_of


def lines(batch: pa.RecordBatch) -> list[bytes]:
    """Write one batch into memory."""
    sink = io.BytesIO()
    with JsonlTable(sink, batch.schema) as table:
        table.write(batch)
    assert not sink.getvalue() or sink.getvalue().endswith(b"\n")
    return sink.getvalue().split(b"\n")[:-1]


def test_every_row_has_every_column_in_order() -> None:
    """Readers that infer a schema see the same one in each file."""
    assert [list(json.loads(line)) for line in lines(NORMAL)] == [schema().names] * 2


def test_values_are_written_by_type() -> None:
    """Times are ISO 8601, maps are objects, bodies stay text."""
    first = json.loads(lines(NORMAL)[0])
    assert first["created_at"] == "2026-08-01T12:00:00.000000Z"
    assert first["category_scores"] == {"hate": 0.5, "violence": 1e-7}
    assert first["request_body"] == '{"model": "gpt-4o-mini"}'
    assert first["input_line_number"] == 2**40
    assert first["refusal"] is None


def test_awkward_texts_stay_on_their_line() -> None:
    """Newlines and separators in a text never break a line."""
    batch = table_of([{"custom_id": text} for text in AWKWARD])
    assert [json.loads(line)["custom_id"] for line in lines(batch)] == AWKWARD


def test_nan_is_null() -> None:
    """JSON has no NaN."""
    columns = pa.schema([("score", pa.float64())])
    assert lines(table_of([{"score": float("nan")}], columns)) == [b'{"score":null}']


def test_maps_and_times_inside_of_structs_are_json_too() -> None:
    """For any column type of a JSON Schema, a row is JSON."""
    inner = pa.struct([("scores", pa.map_(pa.string(), pa.float64())), ("note", pa.string())])
    columns = pa.schema([("parsed", pa.list_(inner))])
    value = [{"scores": [("a", 1.0)], "note": "n"}, None, {"scores": None, "note": None}]
    assert json.loads(lines(table_of([{"parsed": value}, {}], columns))[0]) == {
        "parsed": [{"scores": {"a": 1.0}, "note": "n"}, None, {"scores": None, "note": None}]
    }


def test_vectors_come_last() -> None:
    """The numbers are the shortest that give the same single-precision value."""
    columns = schema("embeddings", dimensions=2)
    first, second = lines(table_of([{"custom_id": "a", "embedding": [0.1, 2.0]}, {"custom_id": "b"}], columns))
    assert first.endswith(b',"input_text":null,"embedding":[0.1,2]}')
    assert json.loads(second)["embedding"] is None


def test_long_tables_are_written_in_pieces() -> None:
    """Rows beyond the first piece are there too, in order."""
    ids = [f"r{number}" for number in range(1000)]
    assert [json.loads(line)["custom_id"] for line in lines(table_of([{"custom_id": text} for text in ids]))] == ids
