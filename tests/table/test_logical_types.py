"""Tables of other engines: columns whose bytes mean text, times without a date, narrow floats, categories."""

from __future__ import annotations

import json
import math
import struct
import uuid
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pa_dataset
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import batchfiles
from batchfiles.cli.main import exit_code
from batchfiles.errors import InvalidLineError, MismatchError, TruncatedFileError
from batchfiles.table.cells import plain_values
from batchfiles.table.logical_types import LogicalTypes
from batchfiles.table.read import user_tables
from tests.jobs.wire import put, request, success

ID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
BODY = {"model": "m", "messages": [{"role": "user", "content": "{{value}}"}]}


def rows_of(table: Any, but: str = "") -> list[dict[str, Any]]:
    """Return all rows of a table as `prepare` gets them."""
    return [row for opened in user_tables(table) for row in opened.rows(lambda there: [name for name in there if name != but])]


def cells_of(table: pa.Table) -> list[Any]:
    """Return the cells of the column `value`, of a type that a stream of this pyarrow may not carry."""
    types = LogicalTypes("<table>", table.schema)
    return [cell for batch in table.to_batches() for cell in plain_values(types.converted(batch)["value"])]


def prepared(table: Any, tmp_path: Path, custom_id: str = "{{id}}") -> list[tuple[str, Any]]:
    """Return the id and the text of each request that is made of a table."""
    made = tmp_path / "made.jsonl"
    batchfiles.prepare(
        table, made, template=BODY, url="/v1/chat/completions", id_template=custom_id, overwrite=True, limits=batchfiles.NONE
    )
    lines = map(json.loads, (tmp_path / "made.jsonl").read_bytes().splitlines())
    return [(line["custom_id"], line["body"]["messages"][0]["content"]) for line in lines]


@pytest.fixture
def of_duckdb(tmp_path: Path) -> Path:
    """Return a Parquet file with the types of DuckDB."""
    connection = duckdb.connect()
    connection.execute("CREATE TYPE mood AS ENUM ('sad', 'happy')")
    columns = f"""'{ID}'::UUID AS id, 'happy'::mood AS mood, '{{"x": 1}}'::JSON AS doc, ['{ID}'::UUID, NULL] AS list,
        {{'a': '{ID}'::UUID, 'b': 1}} AS struct, MAP {{'k': '{ID}'::UUID}} AS map, [{{'u': '{ID}'::UUID}}] AS deep,
        INTERVAL 3 MONTH AS span, 'ab'::BLOB AS bytes, 0.7::FLOAT AS number"""
    connection.execute(f"COPY (SELECT {columns} UNION ALL BY NAME SELECT NULL AS id) TO '{tmp_path}/d.parquet' (FORMAT parquet)")
    return tmp_path / "d.parquet"


def test_uuid_enum_and_json_are_text(of_duckdb: Path) -> None:
    """A UUID became the Base64 of its 16 bytes, in prompts and ids; also within lists, structs and maps."""
    rows = rows_of(of_duckdb, but="span")
    assert rows[0] == {
        "id": ID,
        "mood": "happy",
        "doc": '{"x": 1}',
        "list": [ID, None],
        "struct": {"a": ID, "b": 1},
        "map": {"k": ID},
        "deep": [{"u": ID}],
        "bytes": "YWI=",
        "number": 0.7,
    }
    assert set(rows[1].values()) == {None}


def test_ids_of_a_uuid_column_are_its_texts(tmp_path: Path) -> None:
    """There and back: prepare, and join --with, from a file and from memory."""
    query = f"SELECT '{ID}'::UUID AS id, 'sad'::ENUM('sad') AS value"
    duckdb.execute(f"COPY ({query}) TO '{tmp_path}/t.parquet' (FORMAT parquet)")
    for table in (tmp_path / "t.parquet", duckdb.sql(query)):
        assert prepared(table, tmp_path) == [(ID, "sad")]
        results = put(tmp_path / "out.jsonl", success(ID))
        joined = batchfiles.join(tmp_path / "made.jsonl", results, with_table=table, id_template="{{id}}").to_arrow()
        assert (joined["id"].to_pylist(), joined["value"].to_pylist()) == ([ID], ["sad"])
        assert joined.schema.field("id").type == pa.string()


def test_types_without_a_text_are_refused_by_name(of_duckdb: Path, tmp_path: Path) -> None:
    """An interval of Parquet is twelve bytes; it is an error only if the column is used."""
    pq.write_table(pa.table({"x": [1]}), tmp_path / "x.parquet")
    with pytest.raises(
        MismatchError, match=r"d\.parquet: column 'span' is of type INTERVAL, which has no text: convert or remove"
    ):
        rows_of(of_duckdb)
    assert exit_code(["show", str(of_duckdb)]) == 0


def storage(values: list[Any], kind: pa.DataType, extension: str) -> pa.Table:
    """Return a table with a column of an extension that this pyarrow does not know."""
    field = pa.field("value", kind, metadata={"ARROW:extension:name": extension})
    return pa.Table.from_arrays(
        [pa.array(["a"] * len(values)), pa.array(values, kind)], schema=pa.schema([("id", pa.string()), field])
    )


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (storage([uuid.UUID(ID).bytes, None], pa.binary(16), "arrow.uuid"), [ID, None]),
        (storage(['{"x":1}', None], pa.string(), "arrow.json"), ['{"x":1}', None]),
        (storage([b'{"x":1}', None], pa.binary(), "arrow.json"), ['{"x":1}', None]),
        (storage([1, 0, None], pa.int8(), "arrow.bool8"), [True, False, None]),
        (storage(["POINT (1 2)"], pa.string(), "geoarrow.wkt"), ["POINT (1 2)"]),
        (storage([[1.0, 2.0]], pa.list_(pa.float32(), 2), "arrow.fixed_shape_tensor"), [[1.0, 2.0]]),
    ],
    ids=["uuid", "json", "json as bytes", "bool8", "text of others", "tensor"],
)
def test_extensions_that_this_pyarrow_does_not_know(table: pa.Table, expected: list[Any]) -> None:
    """With pyarrow 16 nearly all of them: the field names them anyway."""
    assert cells_of(table) == expected


@pytest.mark.parametrize(
    ("values", "kind", "extension"),
    [
        ([b"\x01\x02"], pa.binary(), "geoarrow.wkb"),
        ([5], pa.int64(), "pandas.period"),
        ([bytes(16)], pa.binary(16), "arrow.opaque"),
    ],
)
def test_other_extensions_are_refused_by_name(values: list[Any], kind: pa.DataType, extension: str) -> None:
    """A period of pandas would be a number of days, and a HUGEINT of DuckDB the Base64 of its bytes."""
    with pytest.raises(MismatchError, match=f"column 'value' is of type {extension}, which has no text"):
        cells_of(storage(values, kind, extension))


def test_the_marks_of_old_parquet_files_say_it_too(tmp_path: Path) -> None:
    """With pyarrow 16 the bytes have no type; the schema of the file has it in any case."""
    kind = pa.struct([("metadata", pa.binary()), ("value", pa.binary())])
    pq.write_table(pa.table({"v": pa.array([{"metadata": b"\1", "value": b"\2"}], kind)}), tmp_path / "variant.parquet")
    with pytest.raises(MismatchError, match="column 'v' is of type VARIANT"):
        rows_of(tmp_path / "variant.parquet")

    class Column:
        def __init__(self, logical: str, converted: str) -> None:
            self.logical_type = type("Logical", (), {"type": logical})
            self.converted_type = converted

    class Parquet(list):  # type: ignore[type-arg]
        column = list.__getitem__

    marks: Any = Parquet(
        Column(*each) for each in [("ENUM", "ENUM"), ("JSON", "JSON"), ("UUID", "NONE"), ("NONE", "ENUM"), ("NONE", "NONE")]
    )
    values = [
        pa.array([b"e"]),
        pa.array([b"{}"]),
        pa.array([uuid.UUID(ID).bytes], pa.binary(16)),
        pa.array([b"e"]),
        pa.array([b"\xff"]),
    ]
    batch = pa.RecordBatch.from_arrays(values, names=list("ejuob"))
    types = LogicalTypes("t", batch.schema, marks)
    assert types.converted(batch).to_pylist() == [{"e": "e", "j": "{}", "u": ID, "o": "e", "b": b"\xff"}]
    assert types.schema.field("u").type == pa.string()


@pytest.mark.parametrize("slice_of", [(0, 4), (1, 2), (3, 1)])
def test_slices_and_nulls_of_nested_columns(slice_of: tuple[int, int]) -> None:
    """A batch may be a part of a larger one."""
    bytes_of = uuid.UUID(ID).bytes
    of_uuid = pa.field("item", pa.binary(16), metadata={"ARROW:extension:name": "arrow.uuid"})
    kinds: dict[str, pa.DataType] = {
        "list": pa.list_(of_uuid),
        "large": pa.large_list(of_uuid),
        "fixed": pa.list_(of_uuid, 1),
        "struct": pa.struct([of_uuid]),
        "struct of list": pa.struct([pa.field("l", pa.list_(of_uuid))]),
    }
    values: dict[str, list[Any]] = {
        "list": [[bytes_of], None, [], [None, bytes_of]],
        "large": [None, [bytes_of, bytes_of], [None], []],
        "fixed": [[bytes_of], None, [None], [bytes_of]],
        "struct": [{"item": bytes_of}, None, {"item": None}, {"item": bytes_of}],
        "struct of list": [{"l": [bytes_of]}, {"l": None}, None, {"l": []}],
    }
    table = pa.table({name: pa.array(values[name], kind) for name, kind in kinds.items()}).slice(*slice_of)
    expected = json.loads(json.dumps(values, default=lambda _: ID))
    start, count = slice_of
    assert rows_of(table) == [{name: cells[row] for name, cells in expected.items()} for row in range(start, start + count)]


def test_slices_and_nulls_of_maps(tmp_path: Path) -> None:
    """In keys and in values."""
    maps = f"MAP {{'a': '{ID}'::UUID}}", "NULL", "MAP {}", f"MAP {{'b': NULL, 'c': '{ID}'::UUID}}"
    rows = " UNION ALL ".join(f"SELECT {number} AS n, {each} AS m" for number, each in enumerate(maps))
    duckdb.execute(f"COPY (SELECT m FROM ({rows}) ORDER BY n) TO '{tmp_path}/m.parquet' (FORMAT parquet)")
    assert [row["m"] for row in rows_of(tmp_path / "m.parquet")] == [{"a": ID}, None, {}, {"b": None, "c": ID}]
    [opened] = [LogicalTypes("m", file.schema_arrow, file.schema) for file in [pq.ParquetFile(tmp_path / "m.parquet")]]
    [batch] = pq.read_table(tmp_path / "m.parquet").to_batches()
    assert plain_values(opened.converted(batch.slice(1, 3))["m"]) == [None, {}, {"b": None, "c": ID}]
    duckdb.execute(f"COPY (SELECT MAP {{'{ID}'::UUID: 1}} AS m) TO '{tmp_path}/k.parquet' (FORMAT parquet)")
    assert rows_of(tmp_path / "k.parquet") == [{"m": {ID: 1}}]


INFINITE = [
    "'infinity'::TIMESTAMP",
    "'-infinity'::TIMESTAMP",
    "'infinity'::TIMESTAMPTZ",
    "'infinity'::DATE",
    "['infinity'::TIMESTAMP]",
    "{'a': 'infinity'::DATE}",
    "MAP {'k': 'infinity'::TIMESTAMPTZ}",
    "'infinity'::TIMESTAMP_NS",
    "'infinity'::TIMESTAMP_MS",
    "'infinity'::TIMESTAMP_S",
    "DATE '10000-01-01'",
    "DATE '0044-03-15 (BC)'",
]


@pytest.mark.parametrize("value", INFINITE)
@pytest.mark.parametrize("form", ["parquet", "memory"])
def test_infinite_times_are_errors_with_row_and_column(value: str, form: str, tmp_path: Path) -> None:
    """They were sent to the model as <valueToutTofTrange:T9223372036854775807>; as NaN, they have no text."""
    query = f"SELECT i::VARCHAR AS id, CASE WHEN i = 1500 THEN {value} END AS value FROM range(2000) AS t(i)"
    connection = duckdb.connect()
    table: Any = connection.sql(query).to_arrow_table() if form == "memory" else tmp_path / "t.parquet"
    if form == "parquet":
        connection.execute(f"COPY ({query}) TO '{table}' (FORMAT parquet)")
    with pytest.raises(InvalidLineError, match=r"row 1,501 has a time that is infinite or out of range, .* in 'value'") as caught:
        batchfiles.prepare(table, tmp_path / "r.jsonl", template=BODY, url="/v1/x", id_template="{{id}}", null="null")
    assert caught.value.code == "time_out_of_range"
    assert not (tmp_path / "r.jsonl").exists()


def test_infinite_nanoseconds_are_not_a_date_of_2262() -> None:
    """DuckDB's infinity is the greatest integer, which nanoseconds have a date for."""
    for kind in (pa.timestamp("ns"), pa.timestamp("ns", "UTC"), pa.list_(pa.timestamp("ns"))):
        for value in (2**63 - 1, -(2**63) + 1):
            column = pa.array([[value] if pa.types.is_list(kind) else value], kind)
            with pytest.raises(InvalidLineError, match="infinite"):
                plain_values(column)
    assert plain_values(pa.array([2**62], pa.timestamp("ns"))) == ["2116-02-20T23:53:38.427387904"]


def test_a_table_with_infinite_times_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To look at it is how one finds them."""
    pq.write_table(pa.table({"at": pa.array([2**63 - 1], pa.timestamp("us"))}), tmp_path / "t.parquet")
    assert exit_code(["show", str(tmp_path / "t.parquet"), "--json"]) == 0
    assert "<value out of range: 9223372036854775807>" in capsys.readouterr().out


def test_infinite_times_beside_results(tmp_path: Path) -> None:
    """Parquet keeps them; in an id, and in CSV and JSONL, they have no text."""
    inputs, results = put(tmp_path / "in.jsonl", request("a")), put(tmp_path / "out.jsonl", success("a"))
    table = pa.table({"id": ["a"], "at": pa.array([2**63 - 1], pa.timestamp("us"))})
    joined = batchfiles.join(inputs, results, with_table=table, id_template="{{id}}").to_arrow()
    assert joined["at"].cast(pa.int64()).to_pylist() == [2**63 - 1]
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.date32(), pa.list_(pa.date32())):
        value = 2**31 - 1 if kind.num_fields or pa.types.is_date(kind) else 2**63 - 1
        many = pa.table({"id": ["a"], "at": pa.array([[value] if kind.num_fields else value], kind)})
        for name in ("t.csv", "t.jsonl"):
            pq.write_table(many, tmp_path / "many.parquet")
            arguments = ["--with", str(tmp_path / "many.parquet"), "--id", "{{id}}", "-o", str(tmp_path / name)]
            assert exit_code(["join", str(inputs), str(results), *arguments]) == 3
            assert not (tmp_path / name).exists()
    with pytest.raises(InvalidLineError, match="row 1 has a time that is infinite"):
        batchfiles.join(inputs, results, with_table=table, id_template="{{id}}-{{at}}").to_arrow()


def floats(kind: pa.DataType, code: str, *values: float) -> pa.Array:
    """Make a column of narrow floats; old pyarrow makes those of 16 bits of NumPy's only."""
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(b"".join(struct.pack(code, value) for value in values))])


@given(st.floats(width=32), st.floats(width=16))
def test_narrow_floats_are_the_shortest_text_of_their_own_width(single: float, half: float) -> None:
    """0.7 in 32 bits was written as 0.699999988079071."""
    for value, kind, code in ((single, pa.float32(), "<f"), (half, pa.float16(), "<e")):
        [found] = plain_values(floats(kind, code, value))
        assert struct.pack(code, found) == struct.pack(code, value) or math.isnan(value)
        assert len(repr(found)) <= len(repr(value))
    values = [0.7, 0.1, 16777216.0, 3.4028235e38, 1e-45]
    assert plain_values(pa.array(values, pa.float32())) == values
    assert plain_values(floats(pa.float16(), "<e", 0.7, 65504.0, 6e-08)) == [0.7, 65500.0, 6e-08]
    assert plain_values(pa.array([[0.7]], pa.large_list(pa.float32()))) == [[0.7]]
    assert plain_values(pa.array([{"a": 0.7}], pa.struct([("a", pa.float32())]))) == [{"a": 0.7}]


def test_narrow_floats_in_prompts(tmp_path: Path) -> None:
    """As polars and DuckDB hand them over."""
    frame = pl.DataFrame({"id": ["a"], "value": [0.7]}).with_columns(pl.col("value").cast(pl.Float32))
    assert prepared(frame, tmp_path, "{{id}}-{{value}}") == [("a-0.7", 0.7)]
    assert prepared(duckdb.sql("SELECT 'a' AS id, 0.7::FLOAT AS value"), tmp_path) == [("a", 0.7)]


def test_categories_of_polars(tmp_path: Path) -> None:
    """A dictionary of views, which pyarrow does not cast, was refused; within lists and structs, and in `--with` too."""
    categories = pl.DataFrame({"id": ["a", "b"], "value": ["x", None]}).with_columns(pl.col("value").cast(pl.Categorical))
    enums = categories.with_columns(pl.col("value").cast(pl.String).cast(pl.Enum(["x", "y"])))
    for frame in (categories, enums):
        batchfiles.prepare(
            frame,
            tmp_path / "r.jsonl",
            template=BODY,
            url="/v1/chat/completions",
            id_template="{{id}}",
            overwrite=True,
            null="null",
            limits=batchfiles.NONE,
        )
        assert [row["value"] for row in rows_of(frame)] == ["x", None]
        nested = frame.select(pl.col("value").implode().alias("list"), pl.struct("value").implode().alias("structs"))
        assert rows_of(nested) == [{"list": ["x", None], "structs": [{"value": "x"}, {"value": None}]}]
        results = put(tmp_path / "out.jsonl", success("a"), success("b"))
        joined = batchfiles.join(tmp_path / "r.jsonl", results, with_table=frame, id_template="{{id}}").to_arrow()
        assert joined["value"].to_pylist() == ["x", None]


def test_bytes_of_polars_are_base64() -> None:
    """They are views."""
    assert rows_of(pl.DataFrame({"b": [b"ab", None]})) == [{"b": "YWI="}, {"b": None}]


@pytest.mark.parametrize(
    ("value", "cure"),
    [
        (pl.DataFrame({"a": [1]}).lazy(), "call .collect"),
        (pa_dataset.dataset(pa.table({"a": [1]})), "call .to_table"),
        ([{"a": 1}], "pyarrow.Table.from_pylist"),
        ({"a": [1]}, "pyarrow.table"),
        (type("Frame", (), {"toArrow": None})(), "call .toArrow"),
        (7, "a table is a path"),
    ],
    ids=["LazyFrame", "dataset", "list of dicts", "dict of lists", "Spark", "other"],
)
def test_an_object_that_is_not_a_table_yet_is_named_with_the_cure(value: Any, cure: str, tmp_path: Path) -> None:
    """It was "a source is a path, …, not LazyFrame"."""
    with pytest.raises(TypeError, match=cure):
        batchfiles.prepare(value, tmp_path / "r.jsonl", template=BODY, url="/v1/x", id_template="{{a}}")


def test_files_that_are_whole_are_not_called_damaged(tmp_path: Path) -> None:
    """Integers of 128 bits, and bytes after the end; a file that is cut short is still damaged."""
    wide = pl.DataFrame({"a": [1]}).with_columns(pl.col("a").cast(pl.Int128))
    wide.write_parquet(tmp_path / "wide.parquet")
    wide.write_ipc(tmp_path / "wide.arrow")
    for table in (tmp_path / "wide.parquet", tmp_path / "wide.arrow", wide):
        with pytest.raises(MismatchError, match=r"pyarrow .* can't read this"):
            rows_of(table)
    pq.write_table(pa.table({"a": ["b"]}), tmp_path / "t.parquet")
    data = (tmp_path / "t.parquet").read_bytes()
    for more, words in ((b"\n", r"\(1 B\)"), (bytes(5000), r"\(5,000 B\)")):
        (tmp_path / "more.parquet").write_bytes(data + more)
        with pytest.raises(MismatchError, match=f"more.parquet: other bytes follow the end of the Parquet data {words}"):
            rows_of(tmp_path / "more.parquet")
    for length in (4, 50, len(data) - 1):
        (tmp_path / "cut.parquet").write_bytes(data[:length])
        with pytest.raises(TruncatedFileError, match="damaged or cut short"):
            rows_of(tmp_path / "cut.parquet")
