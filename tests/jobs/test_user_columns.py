"""`join(with_table=…)`: the user's own columns beside the results."""

import json
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles import join, prepare, schema
from batchfiles.errors import DuplicateCustomIdError, InvalidLineError, MismatchError
from batchfiles.jobs.join import user_columns as module

CHAT = Path(__file__).parents[2] / "fixtures" / "chat_completions"
EMBEDDINGS = Path(__file__).parents[2] / "fixtures" / "embeddings"

ROWS = [{"doc": f"d{number}", "chunk": number, "tags": ["x", str(number)]} for number in range(5)]

TEMPLATE = {"url": "/v1/responses", "body": {"model": "m", "input": "{{doc}}"}}
NAME = "{{doc}}-{{chunk}}"


@pytest.fixture
def asked(tmp_path):
    """Prepare a request file from rows, with a result for each; returns the two files."""

    def write(rows=ROWS, id=NAME, name="a"):  # noqa: A002 - as the function has it
        requests, results = tmp_path / f"{name}.jsonl", tmp_path / f"{name}_output.jsonl"
        prepare(pa.Table.from_pylist(rows), requests, template=TEMPLATE, id_template=id)
        ids = [json.loads(line)["custom_id"] for line in requests.read_text().splitlines()]
        lines = [
            {"id": "r", "custom_id": i, "response": {"status_code": 200, "body": {"output": []}}, "error": None} for i in ids
        ]
        results.write_text("".join(f"{json.dumps(line)}\n" for line in reversed(lines)))
        return requests, results

    return write


def own(table, names):
    """The user's columns of a table, as rows."""
    return [tuple(row[name] for name in names) for row in table.to_pylist()]


def test_the_round_trip_ends_with_the_table_that_it_began_with(asked):
    """Table, requests, results, table: each row has its own columns again, after those of the results."""
    table = join(*asked(), with_table=pa.Table.from_pylist(ROWS), id_template=NAME).to_arrow()
    assert table.schema.names == [*schema().names, "doc", "chunk", "tags"]
    assert table.select(["doc", "chunk", "tags"]).to_pylist() == ROWS
    assert table["custom_id"].to_pylist() == [f"d{number}-{number}" for number in range(5)]


def test_the_order_of_the_users_table_does_not_matter(asked):
    """Rows are found by their id."""
    table = join(*asked(), with_table=pa.Table.from_pylist(ROWS[::-1]), id_template=NAME).to_arrow()
    assert table.select(["doc", "chunk", "tags"]).to_pylist() == ROWS


def test_requests_without_a_row_are_kept_and_counted(asked):
    """Their columns are null; rows without a request are not rows of the join."""
    job = join(*asked(), with_table=pa.Table.from_pylist([ROWS[3], {"doc": "other", "chunk": 9, "tags": []}]), id_template=NAME)
    assert own(job.to_arrow(), ["doc", "chunk"]) == [(None, None)] * 3 + [("d3", 3), (None, None)]
    assert (job.summarize().unmatched, job.summarize().with_rows, job.summarize().inputs) == (4, 2, 5)


def test_an_empty_table_gives_its_columns_anyway(asked):
    """The schema depends on the table's columns, never on the rows found."""
    job = join(*asked(), with_table=pa.Table.from_pylist(ROWS).slice(0, 0), id_template=NAME)
    table = job.to_arrow()
    assert table.schema == job.schema
    assert table["chunk"].null_count == 5


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("target", ["joined.parquet", "parts"])
def test_files_and_folders_from_any_number_of_processes_are_the_same(asked, tmp_path, workers, target):
    """Each process finds the rows by itself; DuckDB and polars read the output."""
    job = join(*asked(), with_table=pa.Table.from_pylist(ROWS), id_template=NAME, workers=workers)
    job.to_parquet(tmp_path / target)
    path = str(tmp_path / target / "*.parquet" if target == "parts" else tmp_path / target)
    assert duckdb.sql(f"SELECT doc, chunk, tags FROM '{path}' ORDER BY chunk").fetchall() == [tuple(row.values()) for row in ROWS]
    assert pl.read_parquet(path)["chunk"].sum() == 10


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("t.csv", "doc,chunk,n\nd0,0,007\nd1,1,\n", [("0", "007"), ("1", None)]),
        ("t.jsonl", '{"doc": "d0", "chunk": 0, "n": 1}\n{"doc": "d1", "chunk": 1, "n": 2.5}\n', [(0, 1.0), (1, 2.5)]),
        ("t.jsonl", '{"doc": "d0", "chunk": 0, "n": [1]}\n{"doc": "d1", "chunk": 1, "n": "x"}\n', [(0, "[1]"), (1, '"x"')]),
        ("t.jsonl", '{"doc": "d0", "chunk": 0}\n{"doc": "d1", "chunk": 1, "n": "2026-01-01"}\n', [(0, None), (1, "2026-01-01")]),
        (
            "t.jsonl",
            '{"doc":"d0","chunk":0,"n":1.5}\n{"doc":"d1","chunk":1,"n":9007199254740993}\n',
            [(0, "1.5"), (1, "9007199254740993")],
        ),
    ],
)
def test_rows_without_types_get_those_that_hold_every_value(asked, tmp_path, name, text, expected):
    """CSV is text; JSONL is what all of its values are, and JSON text where they differ. Nothing is guessed from a text."""
    (tmp_path / name).write_text(text)
    table = join(*asked(ROWS[:2]), with_table=tmp_path / name, id_template=NAME).to_arrow()
    assert own(table, ["chunk", "n"]) == expected


def test_several_tables_are_one(asked, tmp_path):
    """As a folder of parts; the first one's columns and types are those of all."""
    pq.write_table(pa.Table.from_pylist(ROWS[:2]), tmp_path / "p0.parquet")
    pq.write_table(pa.Table.from_pylist(ROWS[2:]), tmp_path / "p1.parquet")
    files = [tmp_path / "p0.parquet", tmp_path / "p1.parquet"]
    assert join(*asked(), with_table=files, id_template=NAME).to_arrow().select(["doc", "chunk", "tags"]).to_pylist() == ROWS
    pq.write_table(pa.table({"doc": ["x"], "chunk": [1]}), tmp_path / "p1.parquet")
    with pytest.raises(MismatchError, match=r"p1\.parquet: it has no column 'tags'"):
        join(*asked(name="b"), with_table=files, id_template=NAME)


def test_a_column_that_the_results_have_too_is_refused_or_gets_a_prefix(asked):
    """In any case of its letters: SQL knows no difference."""
    mine = pa.table({"doc": ["d0"], "chunk": [0], "Text": ["mine"]})
    with pytest.raises(MismatchError, match="columns called 'Text' too: use with_prefix="):
        join(*asked(), with_table=mine, id_template=NAME)
    table = join(*asked(name="b"), with_table=mine, id_template=NAME, with_prefix="my_").to_arrow()
    assert table.schema.names[-3:] == ["my_doc", "my_chunk", "my_Text"]
    assert table["my_Text"].to_pylist()[0] == "mine"


def test_a_custom_id_that_is_the_id_is_one_column(asked):
    """The usual table has a column of that name."""
    mine = pa.table({"custom_id": ["d0-0"], "label": ["mine"]})
    table = join(*asked(), with_table=mine, id_template="{{custom_id}}").to_arrow()
    assert table.schema.names == [*schema().names, "label"]
    assert table["label"].to_pylist() == ["mine", None, None, None, None]


def test_two_rows_with_one_id_are_an_error_that_names_both(asked):
    """Half of the users would get the wrong one."""
    twice = pa.Table.from_pylist([ROWS[0], ROWS[1], ROWS[0]])
    with pytest.raises(DuplicateCustomIdError, match="row 1 of <table> and row 3 of <table> both make the id 'd0-0'"):
        join(*asked(), with_table=twice, id_template=NAME)


def test_ids_that_share_a_digest_are_distinguished(asked, monkeypatch):
    """The digest is only a hint where to look."""
    monkeypatch.setattr(module, "_digest", len)
    rows = [*ROWS, {"doc": "d9", "chunk": 9, "tags": []}]
    table = join(*asked(), with_table=pa.Table.from_pylist(rows), id_template=NAME).to_arrow()
    assert table.select(["doc", "chunk", "tags"]).to_pylist() == ROWS


def test_an_id_that_only_shares_the_digest_of_a_row_finds_nothing(asked, monkeypatch):
    """The ids are compared, not their digests."""
    monkeypatch.setattr(module, "_digest", len)
    job = join(*asked(), with_table=pa.Table.from_pylist([{"doc": "x3", "chunk": 3, "tags": []}]), id_template=NAME)
    assert job.to_arrow()["doc"].null_count == job.summarize().unmatched == 5


def test_a_row_that_makes_no_id_is_named(asked):
    """A null in it."""
    with pytest.raises(InvalidLineError, match="row 2 has a null for 'chunk'"):
        join(*asked(), with_table=pa.table({"doc": ["a", "b"], "chunk": [1, None]}), id_template=NAME)


def test_embeddings_have_the_users_columns_in_every_row():
    """A row for each vector, and the same columns beside each."""
    ids = sorted({row["custom_id"] for row in join(EMBEDDINGS, table="embeddings")})
    table = join(EMBEDDINGS, table="embeddings", with_table=pa.table({"key": ids}), id_template="{{key}}").to_arrow()
    assert table["key"].to_pylist() == table["custom_id"].to_pylist()


def test_the_users_columns_follow_typed_answers(asked):
    """`parsed` belongs to the results."""
    shape = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
    job = join(*asked(), with_table=pa.Table.from_pylist(ROWS), id_template=NAME, parsed=True, schema=shape)
    assert job.schema.names[-6:] == ["parsed", "parse_error", "cache_write_tokens", "doc", "chunk", "tags"]
    assert job.to_arrow().schema == job.schema


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"with_table": pa.table({"a": [1]})}, "go together"),
        ({"id_template": "{{a}}"}, "go together"),
        ({"with_prefix": "my_"}, "goes with with_table"),
        ({"with_table": pa.table({"a": [1]}), "id_template": "{{b}}"}, "no such column"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, words):
    """Before anything is made."""
    with pytest.raises(ValueError, match=words):
        join(CHAT, **options)


def test_other_types_are_made_such_as_every_reader_takes(asked):
    """Dictionaries become their values, and a column of nulls only is text."""
    mine = pa.table(
        {
            "doc": pa.array(["d0"]).dictionary_encode(),
            "chunk": [0],
            "none": pa.nulls(1),
        }
    )
    fields = join(*asked(), with_table=mine, id_template=NAME).schema
    assert fields.field("doc").type == fields.field("none").type == pa.string()


@given(st.lists(st.integers(0, 30), unique=True, max_size=12), st.integers(1, 4))
def test_every_request_has_the_row_that_makes_its_id_or_none(tmp_path_factory, numbers, per_batch):
    """For any batches of the user's table, and any order of its rows."""
    folder = tmp_path_factory.mktemp("beside")
    requests = folder / "requests.jsonl"
    prepare(
        pa.table({"n": list(range(30))}),
        requests,
        template=TEMPLATE["body"] | {"input": "{{n}}!"},
        url="/v1/responses",
        id_template="{{n}}",
    )
    table = pa.table({"n": pa.array(numbers, pa.int64()), "twice": pa.array([2 * number for number in numbers], pa.int64())})
    mine = pa.Table.from_batches(table.to_batches(max_chunksize=per_batch), table.schema)
    job = join(requests, with_table=mine, id_template="{{n}}")
    assert job.to_arrow()["twice"].to_pylist() == [2 * number if number in numbers else None for number in range(30)]
    assert job.summarize().unmatched == 30 - len(set(numbers) & set(range(30)))


@pytest.mark.parametrize("value", ["18446744073709551616", "[1, -9223372036854775809]"])
def test_an_integer_beyond_64_bits_names_file_row_and_column(asked, tmp_path, value):
    """It was once rounded next to the results, such as 1.8446744073709552e+19."""
    path = tmp_path / "t.jsonl"
    path.write_text('{"doc": "d0", "chunk": 0, "n": 1}\n{"doc": "d1", "chunk": 1, "n": VALUE}\n'.replace("VALUE", value))
    with pytest.raises(InvalidLineError, match=r"t\.jsonl: row 2 has an integer beyond 64 bits in 'n'.*in quotes"):
        join(*asked(), with_table=path, id_template=NAME).to_arrow()


def test_a_column_of_the_id_that_one_file_of_many_lacks_names_the_file(asked, tmp_path):
    """The error once named no file of a folder."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "a.csv").write_text("doc,chunk\nd0,0\n")
    (folder / "b.csv").write_text("doc,piece\nd1,1\n")
    with pytest.raises(ValueError, match=r"b\.csv: the template names \{\{chunk\}\}, and there is no such column"):
        join(*asked(), with_table=folder, id_template=NAME).to_arrow()
