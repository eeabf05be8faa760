"""Conditions on rows: the grammar, null, errors that point at their place, and the same rows of every format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles.io.sources import Source
from batchfiles.table.open import ArrowFile, opened_table
from batchfiles.table.preview import first_rows
from batchfiles.table.where import Where, WhereError

TABLE = pa.table(
    {
        "outcome": ["succeeded", "failed", None, "expired", "it's"],
        "n": pa.array([1, 2, None, 300, -5], pa.int32()),
        "b": [True, False, None, True, None],
        "s": [{"a": 1}, {"a": None}, None, {"a": 5}, {"a": 7}],
        "time": pa.array([0, 1, None, 86_400_000_000, 5], pa.timestamp("us", tz="UTC")),
        "kind": pa.array(["x", "y", None, "x", "z"]).dictionary_encode(),
        "price": pa.array([1, 2, None, 3, 4], pa.decimal128(10, 2)),
        "two words": ["a", "b", "c", "d", "e"],
    }
)

CONDITIONS = {
    "outcome = 'failed'": [1],
    "outcome == 'failed'": [1],
    "outcome != 'failed'": [0, 3, 4],
    "outcome <> 'failed'": [0, 3, 4],
    "not outcome = 'failed'": [0, 3, 4],
    "outcome = 'it''s'": [4],
    "outcome like 'suc%'": [0],
    "outcome not like '%d'": [4],
    "outcome like 'faile_'": [1],
    "outcome is null": [2],
    "outcome is not null": [0, 1, 3, 4],
    "NOT (outcome IS NULL)": [0, 1, 3, 4],
    "n > 1": [1, 3],
    "n >= 2 and n <= 2": [1],
    "n = -5": [4],
    "n > 1.5": [1, 3],
    "n < 3000000000": [0, 1, 3, 4],
    "n in (1, 300)": [0, 3],
    "n not in (1, 2)": [3, 4],
    "outcome in ('failed', 'expired')": [1, 3],
    "outcome not in ('failed')": [0, 3, 4],
    "b": [0, 3],
    "not b": [1],
    "b = false or n = 300 and outcome = 'expired'": [1, 3],
    "(b = false or n = 300) and outcome = 'expired'": [3],
    "s.a >= 1": [0, 3, 4],
    "\"two words\" = 'c'": [2],
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_selects_rows_of_a_table_and_of_text(condition: str) -> None:
    """A comparison with null is true for no row, and neither is its negation."""
    assert Where(condition).among(TABLE) == CONDITIONS[condition]
    assert Where(condition).among_rows(TABLE.select(["outcome", "n", "b", "s", "two words"]).to_pylist()) == CONDITIONS[condition]


@pytest.mark.parametrize(("condition", "rows"), [("kind = 'x'", [0, 3]), ("price > 2", [3, 4]), ("time >= '1970-01-02'", [3])])
def test_other_types_are_compared(condition: str, rows: list[int]) -> None:
    """Dictionaries and times are texts here, decimals are numbers."""
    assert Where(condition).among(TABLE) == rows


WRONG = {
    "": (0, "expected a column at the end"),
    "outcome =": (9, "expected a value at the end"),
    "outcome = failed": (10, "texts need single quotes, 'failed'"),
    'outcome = "failed"': (10, "texts need single quotes, 'failed'"),
    "outcom = 'x'": (0, "unknown column 'outcom'; did you mean 'outcome'?"),
    "n = 1 and s.b = 2": (10, "unknown column 's.b'"),
    "n = 'x'": (0, "column 'n' is of type int32, and can't be compared with a text in quotes"),
    "outcome": (0, "can't be compared with true or false"),
    "outcome = 'x": (10, "a quote is missing"),
    "(n=1": (4, "expected ')'"),
    "n=1)": (3, "expected 'and', 'or' or the end, not )"),
    "n=1 b": (4, "expected 'and', 'or' or the end, not b"),
    "'a' = 'b'": (0, "expected a column"),
    "n = null": (4, "use 'is null'"),
    "n ! 1": (2, "unexpected '! 1'"),
    "n = 1 and": (9, "expected a column at the end"),
    "outcome like 5": (13, "expected a text in quotes"),
    "n = 99999999999999999999": (4, "at most 64 bits"),
    "n not = 1": (6, "expected 'in' or 'like'"),
    "n in ()": (6, "expected a value"),
    "not " * 200 + "b": (400, "nested more than 100 deep"),
    "(" * 200 + "b": (100, "nested more than 100 deep"),
}


@pytest.mark.parametrize("condition", WRONG, ids=lambda text: text[:20])
def test_an_error_points_at_its_place(condition: str) -> None:
    """The place is the first character that can't be read, or the column."""
    place, words = WRONG[condition]
    with pytest.raises(WhereError) as caught:
        Where(condition).among(TABLE)
    assert caught.value.position == place
    assert words in caught.value.reason


@given(st.text("ab'\"() =<>!%_,.0123456789notinlkeudr\t", max_size=40))
def test_any_text_is_a_condition_or_a_clear_error(text: str) -> None:
    """Property: nothing else is raised."""
    try:
        Where(text).among(TABLE)
        place = 0
    except WhereError as error:
        place = error.position
    assert 0 <= place <= len(text)


def test_a_long_list_is_not_too_deep() -> None:
    """Ten thousand comparisons ended the process with a segmentation fault in pyarrow."""
    ids = ", ".join(f"'{number}'" for number in range(10_000))
    numbers = ", ".join(map(str, range(10_000)))
    assert Where(f"outcome in ({ids}, 'failed')").among(TABLE) == [1]
    assert Where(f"outcome not in ({ids}, 'failed')").among(TABLE) == [0, 3, 4]
    assert Where(f"n not in ({numbers})").among(TABLE) == [4]
    assert Where(f"n not in ({numbers}, 0.5)").among(TABLE) == [4]
    with pytest.raises(WhereError, match=r"write column in \(…\)"):
        Where(" or ".join(["n = 1"] * 10_000))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Write the same rows in every format, Parquet with small row groups, and as a folder of two parts."""
    folder = tmp_path_factory.mktemp("tables")
    table = pa.table(
        {"custom_id": [f"id-{n:03}" for n in range(100)], "n": list(range(100)), "text": ["x" * n for n in range(100)]}
    )
    pq.write_table(table, folder / "t.parquet", row_group_size=7)
    with pa.ipc.new_file(folder / "t.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=11)
    pyarrow.csv.write_csv(table, folder / "t.csv")
    (folder / "t.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in table.to_pylist()))
    (folder / "parts").mkdir()
    pq.write_table(table.slice(0, 30), folder / "parts" / "a.parquet")
    pq.write_table(table.slice(30), folder / "parts" / "b.parquet", row_group_size=7)
    return [folder / name for name in ("t.parquet", "t.arrow", "t.csv", "t.jsonl", "parts")]


@pytest.mark.parametrize(
    ("condition", "count", "numbers"),
    [
        ("n >= 26 and n < 40", 10, range(27, 37)),
        ("n in (3, 29, 30, 99)", 10, [4, 30, 31, 100]),
        ("custom_id = 'id-064'", 10, [65]),
        ("custom_id like '%5'", 3, [6, 16, 26]),
        ("n > 1000", 10, []),
    ],
)
def test_every_format_has_the_same_rows(files: list[Path], condition: str, count: int, numbers: Any) -> None:
    """Rows keep their numbers; a number that is text in CSV is compared as a number."""
    for file in files:
        preview = first_rows(str(file), count, where=Where(condition))
        assert preview.numbers == list(numbers), file
        assert [row["custom_id"] for row in preview.rows] == [f"id-{number - 1:03}" for number in numbers], file
        assert preview.row_count == (None if len(numbers) == count else len(numbers)), file


@pytest.mark.parametrize("number", [1, 7, 8, 30, 31, 100])
def test_a_row_is_found_by_its_number(files: list[Path], number: int) -> None:
    """Also in a folder of parts, and in a later row group."""
    for file in files:
        preview = first_rows(str(file), 1, skip=number - 1)
        assert preview.numbers == [number], file
        assert preview.rows[0]["custom_id"] == f"id-{number - 1:03}", file
        assert first_rows(str(file), 1, skip=100).rows == [], file


def test_only_row_groups_that_may_have_such_rows_are_read(files: list[Path]) -> None:
    """The statistics of the file show which ones; the group of a damaged page is not read."""
    with opened_table(Source.at(files[0])) as file:
        assert isinstance(file, ArrowFile)
        assert file.groups_where(Where("n = 50 or n = 3").expression(file.schema)) == [0, 7]
        assert file.groups_where(Where("n in (50, 3)").expression(file.schema)) == [0, 7]
    assert first_rows(str(files[0]), 5, ["n"], where=Where("custom_id = 'id-050'")).rows == [{"n": 50}]


def test_an_unknown_column_is_an_error_in_every_format(files: list[Path]) -> None:
    """In JSONL, no row has it."""
    for file in files:
        with pytest.raises(WhereError, match="did you mean 'custom_id'"):
            first_rows(str(file), 5, where=Where("custum_id = 'x'"))
