"""`retry` with a joined table that another program has written: filtered, rewritten, with other types."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.feather as pa_feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import batchfiles
from batchfiles.cli.main import exit_code
from batchfiles.errors import MismatchError, TruncatedFileError
from tests.jobs.wire import completion, expired, failure, put, request, result, success

FAILED = ["slow", "down", "bad", "late"]
"""429, 500, 400 and expired; of these the 400 is not worth sending again."""


def ids_in(path: Path) -> list[str]:
    """Return the ids of a file, in order."""
    return [json.loads(line)["custom_id"] for line in path.read_bytes().splitlines()]


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    """Return a folder with twelve requests: six answered, one cut, four failed or expired, one without a result."""
    answered = [f"ok-{number}" for number in range(6)]
    put(tmp_path / "batch" / "requests.jsonl", *map(request, [*answered, "cut", *FAILED, "lost"]))
    lines = [*map(success, answered), result("cut", completion(finish_reason="length")), failure("slow", 429)]
    put(tmp_path / "batch" / "b_output.jsonl", *lines, failure("down", 500), failure("bad", 400), expired("late"))
    return tmp_path / "batch"


@pytest.fixture
def joined(batch: Path) -> pa.Table:
    """Return the join of the folder."""
    return batchfiles.join(batch).to_arrow()


def retried(batch: Path, table: Path, **options: Any) -> tuple[list[str], Any]:
    """Retry by a table; return the written requests and the report."""
    output = batch.parent / "retry.jsonl"
    report = batchfiles.retry(batch / "requests.jsonl", table, output=output, overwrite=True, **options)
    assert report.inputs == report.written + report.left_out == sum(group.requests for group in report.groups)
    return ids_in(output), report


def changed(table: pa.Table, **columns: Any) -> pa.Table:
    """Return a table with other columns under the old names."""
    for name, values in columns.items():
        table = table.set_column(table.schema.names.index(name), name, values)
    return table


def filter_with_pyarrow(joined: pa.Table, path: Path) -> None:
    """Filter by an expression."""
    pq.write_table(joined.filter(pc.field("outcome").isin(["failed", "expired"])), path)


def filter_with_duckdb(joined: pa.Table, path: Path) -> None:
    """Filter by a query."""
    connection = duckdb.connect()
    connection.register("joined", joined)
    connection.execute(f"COPY (FROM joined WHERE outcome IN ('failed', 'expired')) TO '{path}' (FORMAT parquet)")


def filter_with_pandas(joined: pa.Table, path: Path) -> None:
    """Filter a frame of the default types; the map column is one that pandas can't write."""
    frame = joined.drop_columns(["category_scores"]).to_pandas()
    frame[frame["outcome"].isin(["failed", "expired"])].to_parquet(path)


def filter_with_polars(joined: pa.Table, path: Path) -> None:
    """Filter a frame."""
    pl.DataFrame(joined).filter(pl.col("outcome").is_in(["failed", "expired"])).write_parquet(path)


FILTERS = [filter_with_pyarrow, filter_with_duckdb, filter_with_pandas, filter_with_polars]


@pytest.mark.parametrize("keep", FILTERS)
def test_a_request_without_a_row_is_left_out(
    batch: Path, joined: pa.Table, tmp_path: Path, keep: Callable[[pa.Table, Path], None]
) -> None:
    """Of 12 requests 4 failed rows were kept, and 11 were sent again: the others counted as missing, successes too."""
    keep(joined, tmp_path / "failed.parquet")
    written, report = retried(batch, tmp_path / "failed.parquet")
    assert written == ["slow", "down", "late"]
    assert (report.inputs, report.written, report.not_in_table) == (12, 3, 8)
    groups = [
        (group.outcome, group.status_code, group.requests) for group in report.groups if group.left_out == "not in the table"
    ]
    assert groups == [(None, None, 8)]
    assert report.to_dict()["not_in_table"] == 8
    assert retried(batch, tmp_path / "failed.parquet", every=True)[0] == FAILED
    assert retried(batch, tmp_path / "failed.parquet", only=["429", "4xx"])[0] == ["slow", "bad"]


def test_only_missing_takes_rows_that_say_missing(batch: Path, joined: pa.Table, tmp_path: Path) -> None:
    """But no request without a row in the table."""
    pq.write_table(joined.filter(pc.field("outcome").isin(["failed", "missing"])), tmp_path / "some.parquet")
    written, report = retried(batch, tmp_path / "some.parquet", only=["missing"])
    assert (written, report.not_in_table, report.unmatched) == (["lost"], 8, ())
    pq.write_table(joined.filter(pc.field("outcome") == "failed"), tmp_path / "failed.parquet")
    written, report = retried(batch, tmp_path / "failed.parquet", only=["missing"])
    assert (written, report.unmatched) == ([], ("missing",))


def test_a_whole_table_and_results_say_that_nothing_is_outside_of_the_table(
    batch: Path, joined: pa.Table, tmp_path: Path
) -> None:
    """The counter is 0 then."""
    pq.write_table(joined, tmp_path / "all.parquet")
    written, report = retried(batch, tmp_path / "all.parquet")
    assert (written, report.not_in_table) == (["slow", "down", "late", "lost"], 0)
    results = batchfiles.retry(batch, output=tmp_path / "by_results.jsonl")
    assert (results.written, results.not_in_table) == (4, 0)


def test_a_table_without_rows_writes_nothing(batch: Path, joined: pa.Table, tmp_path: Path) -> None:
    """Nothing failed, and so nothing was left of the table."""
    pq.write_table(joined.slice(0, 0), tmp_path / "empty.parquet")
    written, report = retried(batch, tmp_path / "empty.parquet", every=True)
    assert (written, report.not_in_table) == ([], 12)


def test_parts_without_rows_in_the_table_are_left_out(tmp_path: Path) -> None:
    """Only part a had a failure, so that the filtered table names no other part; that was an error."""
    for part, lines in (("a", [success("1"), failure("2", 500)]), ("b", [success("1"), success("2")])):
        put(tmp_path / "parts" / f"{part}.jsonl", request("1", seed=ord(part)), request("2", seed=ord(part)))
        put(tmp_path / "parts" / f"{part}_output.jsonl", *lines)
    table = batchfiles.join(tmp_path / "parts").to_arrow()
    pq.write_table(table.filter(pc.field("outcome") == "failed"), tmp_path / "failed.parquet")
    inputs = [tmp_path / "parts" / f"{part}.jsonl" for part in "ab"]
    report = batchfiles.retry(*inputs, tmp_path / "failed.parquet", output=tmp_path / "parts")
    assert [(Path(file.path).name, file.requests) for file in report.files] == [("a-retry-1.jsonl", 1)]
    assert (report.written, report.not_in_table) == (1, 3)


def test_rows_without_a_request_file_are_not_passed_over(batch: Path, joined: pa.Table, tmp_path: Path) -> None:
    """A row that another program added has no `input_source`; it was dropped silently."""
    names = pa.array([None if each == "down" else "requests.jsonl" for each in joined["custom_id"].to_pylist()], pa.string())
    pq.write_table(changed(joined, input_source=names), tmp_path / "table.parquet")
    assert retried(batch, tmp_path / "table.parquet")[0] == ["slow", "down", "late", "lost"]


@pytest.mark.parametrize(
    "custom_ids",
    [pa.array(range(12)), pa.array([float(number) for number in range(12)]), pa.array([b"\xff"] * 12), pa.nulls(12)],
    ids=["int64", "double", "bytes that are not text", "null"],
)
def test_ids_that_are_not_strings_are_refused(batch: Path, joined: pa.Table, tmp_path: Path, custom_ids: pa.Array) -> None:
    """A program that guesses types makes numbers of the ids, which are then those of no request."""
    pq.write_table(changed(joined, custom_id=custom_ids), tmp_path / "ids.parquet")
    with pytest.raises(MismatchError, match=r"ids\.parquet: (column 'custom_id' of type .* and text is needed|has no custom_id)"):
        retried(batch, tmp_path / "ids.parquet")


def test_a_table_of_other_requests_is_refused(batch: Path, joined: pa.Table, tmp_path: Path) -> None:
    """As results of another batch are; with the exit code of files that don't go together."""
    other = pa.array([f"other-{number}" for number in range(12)])
    pq.write_table(changed(joined, custom_id=other), tmp_path / "other.parquet")
    with pytest.raises(MismatchError, match=r"0 of 12 results belong to a request of .*: name the table of these requests"):
        retried(batch, tmp_path / "other.parquet")
    arguments = [str(batch / "requests.jsonl"), str(tmp_path / "other.parquet"), "-o", str(tmp_path / "again.jsonl")]
    assert exit_code(["retry", *arguments]) == 2
    assert not (tmp_path / "again.jsonl").exists()


STATUSES = [200] * 7 + [429, 500, 400, None, None]
FLAGS = [False] * 7 + [True, True, False, True, True]

REWRITTEN: dict[str, dict[str, Any]] = {
    "pandas: a double": {"status_code": pa.array(STATUSES, pa.float64())},
    "pandas: NaN for null": {"status_code": pa.array([float("nan") if each is None else float(each) for each in STATUSES])},
    "cuDF: float32": {"status_code": pa.array(STATUSES, pa.float32())},
    "int64": {"status_code": pa.array(STATUSES, pa.int64())},
    "polars: shrunk": {"status_code": pa.array(STATUSES, pa.uint16())},
    "DuckDB: DECIMAL": {"status_code": pa.array([each and Decimal(each) for each in STATUSES], pa.decimal128(38, 2))},
    "text": {"status_code": pa.array([each and str(each) for each in STATUSES], pa.string())},
    "text of a double": {"status_code": pa.array(["" if each is None else f"{each}.0" for each in STATUSES], pa.string())},
    "a dictionary": {"status_code": pa.array(STATUSES, pa.int32()).dictionary_encode()},
    "retryable as text": {"retryable": pa.array([str(each).lower() for each in FLAGS])},
    "retryable as Python writes it": {"retryable": pa.array([str(each) for each in FLAGS])},
    "R and Excel: TRUE": {"retryable": pa.array([str(each).upper() for each in FLAGS])},
    "SQLite: 0 and 1": {"retryable": pa.array([int(each) for each in FLAGS], pa.int64())},
    "MySQL: tinyint": {"retryable": pa.array([int(each) for each in FLAGS], pa.int8())},
    "retryable as floats": {"retryable": pa.array([float(each) for each in FLAGS])},
    "Oracle: NUMBER(1)": {"retryable": pa.array([Decimal(each) for each in FLAGS], pa.decimal128(1, 0))},
    "'0' and '1'": {"retryable": pa.array([str(int(each)) for each in FLAGS])},
}


@pytest.mark.parametrize("rewritten", REWRITTEN)
def test_cells_mean_what_they_meant_whatever_their_type(batch: Path, joined: pa.Table, tmp_path: Path, rewritten: str) -> None:
    """With a double, `--only 429` wrote nothing and ended well; the text `false` was true, so that a 400 was sent again."""
    pq.write_table(changed(joined, **REWRITTEN[rewritten]), tmp_path / "table.parquet")
    assert retried(batch, tmp_path / "table.parquet")[0] == ["slow", "down", "late", "lost"]
    assert retried(batch, tmp_path / "table.parquet", only=["429"])[0] == ["slow"]
    assert retried(batch, tmp_path / "table.parquet", only=["5xx"])[0] == ["down"]


TEXTS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "large_string": lambda column: column.cast(pa.large_string()),
    "binary (ClickHouse, Spark)": lambda column: column.cast(pa.binary()),
    "large_binary": lambda column: column.cast(pa.large_binary()),
    "dictionary": lambda column: column.dictionary_encode(),
}


@pytest.mark.parametrize("rewritten", TEXTS)
@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_text_is_text_whatever_its_type(batch: Path, joined: pa.Table, tmp_path: Path, rewritten: str, suffix: str) -> None:
    """In ids, outcomes, codes and names of files, in Parquet and in Arrow."""
    convert = TEXTS[rewritten]
    names = ("custom_id", "outcome", "error_code", "input_source")
    table = changed(joined, **{name: convert(joined[name].combine_chunks()) for name in names})
    path = tmp_path / f"table.{suffix}"
    if suffix == "parquet":
        pq.write_table(table, path)
    else:
        pa_feather.write_feather(table, str(path))
    assert retried(batch, path)[0] == ["slow", "down", "late", "lost"]
    assert retried(batch, path, only=["batch_expired"])[0] == ["late"]


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("status_code", pa.array(["429 Too Many Requests"] * 12), "column 'status_code' of type string has '429 Too Many"),
        ("status_code", pa.array([429.5] * 12), "has 429.5 in row 1, and an integer of 32 bits is needed"),
        ("status_code", pa.array([True] * 12), "of type bool has True"),
        ("status_code", pa.array([2**40] * 12), "an integer of 32 bits is needed"),
        ("status_code", pa.array([9007199254741000.0] * 12), "an integer of 32 bits is needed"),
        ("retryable", pa.array(["yes"] * 12), "column 'retryable' of type string has 'yes' in row 1, and true or false"),
        ("retryable", pa.array([2] * 12), "true or false is needed"),
        ("retryable", pa.array([None] * 12, pa.bool_()), "has None in row 1"),
        ("retryable", pa.array([float("nan")] * 12), "has nan in row 1"),
        ("outcome", pa.array(["ok"] * 12), "one of succeeded, incomplete"),
        ("outcome", pa.array([0] * 12), "one of succeeded, incomplete|text is needed"),
        ("error_code", pa.array([[1]] * 12), "column 'error_code' of type list<.*> has"),
        ("input_source", pa.array([7] * 12), "column 'input_source' of type int64 has 7"),
    ],
)
def test_other_cells_are_refused(
    batch: Path, joined: pa.Table, tmp_path: Path, column: str, values: pa.Array, words: str
) -> None:
    """With file, column, type and row; a status of text once ended in a TypeError, with exit code 70."""
    pq.write_table(changed(joined, **{column: values}), tmp_path / "table.parquet")
    with pytest.raises(MismatchError, match=rf"table\.parquet: .*({words})"):
        retried(batch, tmp_path / "table.parquet", only=["429"])


def test_codes_that_became_numbers_are_codes(batch: Path, joined: pa.Table, tmp_path: Path) -> None:
    """The codes of vLLM are digits in a column of text, and a program that guesses types makes numbers of them."""
    for codes in (
        pa.array([None] * 7 + [429.0] * 5),
        pa.array([None] * 7 + [429] * 5),
        pa.array([float("nan")] * 7 + [429.0] * 5),
    ):
        pq.write_table(changed(joined, error_code=codes), tmp_path / "table.parquet")
        assert retried(batch, tmp_path / "table.parquet", only=["429"], excluded=["500", "missing"])[0] == ["slow", "bad", "late"]


@pytest.mark.parametrize(("word", "column"), [("429", "status_code"), ("5xx", "status_code"), ("rate_limit", "error_code")])
def test_a_column_that_is_asked_for_must_be_there(batch: Path, joined: pa.Table, tmp_path: Path, word: str, column: str) -> None:
    """Without it nothing could match, and nothing was written."""
    pq.write_table(joined.select(["custom_id", "outcome", "retryable"]), tmp_path / "narrow.parquet")
    assert retried(batch, tmp_path / "narrow.parquet")[0] == ["slow", "down", "late", "lost"]
    for options in ({"only": [word]}, {"excluded": [word]}):
        with pytest.raises(MismatchError, match=f"narrow.parquet: has no column {column}: '{word}' asks for it"):
            retried(batch, tmp_path / "narrow.parquet", **options)


def test_the_other_formats_come_back_too(batch: Path, joined: pa.Table, tmp_path: Path) -> None:
    """Arrow files and streams, Feather, CSV of ours, of pandas and of pyarrow; a folder of them."""
    for name in ("ours.arrow", "ours.arrows", "ours.csv.gz"):
        assert exit_code(["join", str(batch), "-o", str(tmp_path / name)]) == 0
    pa_feather.write_feather(joined, str(tmp_path / "joined.feather"))
    with pa.ipc.new_stream(str(tmp_path / "joined.arrows"), joined.schema) as writer:
        writer.write_table(joined)
    flat = joined.select(["custom_id", "outcome", "status_code", "retryable", "error_code"])
    pa_csv.write_csv(flat, tmp_path / "arrow.csv")
    flat.to_pandas().to_csv(tmp_path / "pandas.csv", index=False)
    pl.DataFrame(flat).write_csv(tmp_path / "polars.csv")
    pl.DataFrame(flat).write_ipc(tmp_path / "polars.arrow")  # with views
    (tmp_path / "folder").mkdir()
    pa_feather.write_feather(joined, str(tmp_path / "folder" / "part-0.arrow"))
    for name in (
        "polars.arrow",
        "ours.arrow",
        "ours.arrows",
        "ours.csv.gz",
        "joined.feather",
        "joined.arrows",
        "arrow.csv",
        "pandas.csv",
        "polars.csv",
        "folder",
    ):
        assert retried(batch, tmp_path / name)[0] == ["slow", "down", "late", "lost"], name
        assert retried(batch, tmp_path / name, only=["429"])[0] == ["slow"], name


def test_a_damaged_table_is_an_error(batch: Path, joined: pa.Table, tmp_path: Path) -> None:
    """Cut short, or with other bytes in the middle: never a traceback, never a retry of half of it."""
    pq.write_table(joined, tmp_path / "whole.parquet", compression="zstd")
    data = (tmp_path / "whole.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(data[: len(data) // 2])
    (tmp_path / "broken.parquet").write_bytes(data[:30] + bytes(len(data[30:200])) + data[200:])
    (tmp_path / "none.parquet").write_bytes(b"")
    for name in ("cut", "broken", "none"):
        with pytest.raises((TruncatedFileError, MismatchError), match=f"{name}.parquet"):
            retried(batch, tmp_path / f"{name}.parquet")


def test_the_command_says_what_is_not_in_the_table(batch: Path, joined: pa.Table, tmp_path: Path, capsys: Any) -> None:
    """In the table of groups, in the message, and in the JSON."""
    filter_with_pyarrow(joined, tmp_path / "failed.parquet")
    arguments = [str(batch / "requests.jsonl"), str(tmp_path / "failed.parquet"), "-o", str(tmp_path / "again.jsonl"), "--json"]
    assert exit_code(["retry", *arguments]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["not_in_table"] == 8
    assert "8  left out: not in the table" in err
    assert "8 requests not in the table, and left out" in err


@pytest.mark.parametrize(
    ("conditions", "code"),
    [
        ("not_in_table", 1),
        ("not_in_table>8", 0),
        ("not_in_table>50%,written>4", 1),
        ("malformed,unknown_results", 0),
        ("notes", 2),
    ],
)
def test_fail_on_makes_an_exit_code_of_what_is_counted(
    batch: Path, joined: pa.Table, tmp_path: Path, capsys: Any, conditions: str, code: int
) -> None:
    """A filtered table hides requests from a nightly retry: the file is written, and the scheduler hears of it."""
    filter_with_pyarrow(joined, tmp_path / "failed.parquet")
    output = tmp_path / "again.jsonl"
    arguments = [str(batch / "requests.jsonl"), str(tmp_path / "failed.parquet"), "-o", str(output), "--fail-on", conditions]
    assert exit_code(["retry", *arguments]) == code
    assert output.exists() == (code != 2)
    assert ("fail-on: not_in_table" in capsys.readouterr().err) == (code == 1)


def test_what_a_folder_holds_besides_is_named(batch: Path, tmp_path: Path, capsys: Any) -> None:
    """As by join: a file that is passed over may hold the results that everybody waits for."""
    (batch / "notes.txt").write_text("not for us")
    arguments = ["retry", str(batch), "-o", str(tmp_path / "again.jsonl"), "--json", "--fail-on", "not_read"]
    assert exit_code(arguments) == 1
    out, err = capsys.readouterr()
    assert (json.loads(out)["not_read"], json.loads(out)["examples"]) == (1, {"not_read": [str(batch / "notes.txt")]})
    assert f"not read: {batch / 'notes.txt'}" in err


def rewrite_with_pandas(table: pa.Table, path: Path) -> None:
    """Through a frame of default types."""
    table.drop_columns(["category_scores"]).to_pandas().to_parquet(path)


def rewrite_with_polars(table: pa.Table, path: Path) -> None:
    """Through a frame, with categories for text."""
    frame = pl.DataFrame(table).with_columns(pl.col("outcome").cast(pl.Categorical), pl.col("status_code").cast(pl.Float64))
    frame.write_parquet(path)


def rewrite_with_duckdb(table: pa.Table, path: Path) -> None:
    """Through a query that casts what queries cast."""
    connection = duckdb.connect()
    connection.register("joined", table)
    casts = "status_code::HUGEINT AS status_code, retryable::VARCHAR AS retryable, outcome::VARCHAR AS outcome"
    connection.execute(f"COPY (SELECT * REPLACE ({casts}) FROM joined) TO '{path}' (FORMAT parquet)")


def rewrite_as_csv(table: pa.Table, path: Path) -> None:
    """Through text; pandas writes floats for the statuses."""
    flat = table.select(["custom_id", "outcome", "status_code", "retryable", "error_code", "input_source"])
    flat.to_pandas().to_csv(path, index=False)


REWRITES = {
    "pandas.parquet": rewrite_with_pandas,
    "polars.parquet": rewrite_with_polars,
    "duckdb.parquet": rewrite_with_duckdb,
    "pandas.csv": rewrite_as_csv,
}
KINDS = ["success", "cut", "expired", "429", "500", "400", "none"]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"every": True},
    {"only": ["429", "5xx"]},
    {"only": ["missing", "batch_expired"]},
    {"only": ["failed", "incomplete"], "excluded": ["400"]},
]


def line_of(kind: str, custom_id: str) -> bytes | None:
    """Make a result of a kind."""
    if kind == "none":
        return None
    if kind.isdigit():
        return failure(custom_id, int(kind))
    known = {"success": success, "expired": expired}
    return known[kind](custom_id) if kind in known else result(custom_id, completion(finish_reason="length"))


@settings(max_examples=60, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=8),
    kept=st.lists(st.booleans(), min_size=8, max_size=8),
    rewrite=st.sampled_from(sorted(REWRITES)),
    options=st.sampled_from(OPTIONS),
)
def test_a_rewritten_table_never_sends_more_than_the_results_would(
    kinds: list[str], kept: list[bool], rewrite: str, options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """For any filter and any program: exactly the kept rows among those that the results would send again."""
    folder = tmp_path_factory.mktemp("rewritten")
    ids = [f"id-{number}" for number in range(len(kinds))]
    inputs = put(folder / "requests.jsonl", *map(request, ids))
    lines = [line_of(kind, custom_id) for kind, custom_id in zip(kinds, ids, strict=True)]
    results = put(folder / "batch_output.jsonl", *(line for line in lines if line is not None))
    batchfiles.retry(inputs, results, output=folder / "by_results.jsonl", **options)
    rows = batchfiles.join(inputs, results).to_arrow().filter(pa.array(kept[: len(kinds)]))
    REWRITES[rewrite](rows, folder / rewrite)
    report = batchfiles.retry(inputs, folder / rewrite, output=folder / "by_table.jsonl", **options)
    there = [custom_id for custom_id, keep in zip(ids, kept, strict=False) if keep]
    assert ids_in(folder / "by_table.jsonl") == [each for each in ids_in(folder / "by_results.jsonl") if each in there]
    assert report.not_in_table == len(ids) - len(there)


@pytest.mark.parametrize("writer", ["join", "polars", "pandas", "DuckDB"])
def test_a_table_in_jsonl_is_recognized_by_its_first_row(batch: Path, joined: pa.Table, tmp_path: Path, writer: str) -> None:
    """`join -o table.jsonl` and other programs write JSONL, and `retry` reported it as unknown lines."""
    table = tmp_path / "table.jsonl"
    if writer == "join":
        batchfiles.join(batch).write(table)
    elif writer == "polars":
        pl.DataFrame(joined).write_ndjson(table)
    elif writer == "pandas":
        joined.to_pandas().to_json(table, orient="records", lines=True, date_format="iso")
    else:
        duckdb.sql(f"COPY joined TO '{table}'")
    found, report = retried(batch, table)
    assert (found, report.not_in_table) == (["slow", "down", "late", "lost"], 0)
    lines = table.read_bytes().splitlines(keepends=True)
    table.write_bytes(b"".join(line for line in lines if b'"expired"' in line))
    found, report = retried(batch, table)
    assert (found, report.not_in_table) == (["late"], 11)


def test_rows_of_ids_that_two_request_files_have_need_their_source(tmp_path: Path) -> None:
    """Without the column the source of a failure is unknown, and the success of Tuesday hid the failure of Monday."""
    days = [put(tmp_path / f"{day}.jsonl", request("1", model=day), request("2", model=day)) for day in ("monday", "tuesday")]
    put(tmp_path / "monday_output.jsonl", success("1"), failure("2", 500))
    put(tmp_path / "tuesday_output.jsonl", success("1"), success("2"))
    table = batchfiles.join(tmp_path).to_arrow()
    pq.write_table(table, tmp_path / "whole.parquet")
    report = batchfiles.retry(*days, tmp_path / "whole.parquet", output=tmp_path, only=["500"])
    assert (report.written, [Path(file.path).name for file in report.files]) == (1, ["monday-retry-1.jsonl"])
    pq.write_table(table.drop_columns(["input_source"]), tmp_path / "without.parquet")
    with pytest.raises(MismatchError, match=r"the custom_id '1' is on line 1 of .*monday\.jsonl and.*has no input_source"):
        batchfiles.retry(*days, tmp_path / "without.parquet", output=tmp_path / "retry.jsonl")
    assert not (tmp_path / "retry.jsonl").exists()
    report = batchfiles.retry(days[1], tmp_path / "whole.parquet", output=tmp_path / "retry.jsonl")
    assert (report.written, report.left_out) == (0, 2)
