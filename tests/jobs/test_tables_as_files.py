"""`stats`, `error_digest` and `get` read the tables that `join` and `export` wrote, and count what is in the files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import batchfiles
from batchfiles.cli.main import exit_code
from batchfiles.errors import MismatchError

FIXTURES = Path(__file__).parents[2] / "fixtures"
SUFFIXES = ("parquet", "arrow", "csv", "jsonl")


def results_in(folder: Path) -> list[str]:
    """Return the result files of a folder of the fixtures."""
    return sorted(str(path) for path in folder.glob("*.jsonl") if "requests" not in path.name and path.stat().st_size)


def folders() -> Iterator[Path]:
    """Yield the folders of the fixtures that have results."""
    for folder in sorted(FIXTURES.iterdir()):
        if folder.is_dir() and results_in(folder):
            try:
                batchfiles.export(*results_in(folder)).summarize()
            except (batchfiles.BatchFilesError, ValueError):
                continue
            yield folder


FOLDERS = list(folders())


def without_lengths_of_lines(stats: Any) -> dict[str, Any]:
    """Return the counts that a table has: not the sizes of lines and files."""
    found = replace(stats.results, bytes=0, line_bytes=None)
    return {"results": found, "without_price": stats.without_price, "cost": stats.cost}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_an_exported_table_has_the_counts_of_its_files(folder: Path, suffix: str, tmp_path: Path) -> None:
    """Every result line is a row, in every format."""
    files = results_in(folder)
    table = tmp_path / f"t.{suffix}"
    batchfiles.export(*files).write(table)
    raw, own = batchfiles.error_digest(*files, ids=None), batchfiles.error_digest(table, ids=None)

    assert without_lengths_of_lines(batchfiles.stats(table)) == without_lengths_of_lines(batchfiles.stats(*files))
    assert (own.results, own.errors, own.groups) == (raw.results, raw.errors, raw.groups)


WITH_REQUESTS = [each for each in FOLDERS if (each / "requests.jsonl").exists()]


@pytest.mark.parametrize("folder", WITH_REQUESTS, ids=lambda folder: folder.name)
def test_a_joined_table_has_the_counts_of_the_results_that_it_uses(folder: Path, tmp_path: Path) -> None:
    """Where no result is superseded or unknown, those are all."""
    files = [str(folder / "requests.jsonl"), *results_in(folder)]
    table = tmp_path / "t.parquet"
    report = batchfiles.join(*files).write(table)
    raw, own = batchfiles.stats(*files), batchfiles.stats(table)

    assert own.requests == replace(raw.requests, bytes=0, line_bytes=None)
    if not (report.superseded or report.unknown or report.malformed_unmatched or report.duplicate_inputs):
        assert replace(own.results, endpoints={}) == replace(raw.results, bytes=0, line_bytes=None, endpoints={})
        digest = batchfiles.error_digest(table)
        assert {group.message: group.count for group in digest.groups} == {
            group.message: group.count for group in batchfiles.error_digest(*files).groups
        }


@pytest.fixture
def joined(tmp_path: Path) -> Path:
    """Join the example files."""
    path = tmp_path / "joined.parquet"
    batchfiles.join(FIXTURES / "chat_completions").write(path)
    return path


def test_a_table_in_memory_is_read(joined: Path) -> None:
    """A join that is not written, or a table that another program filtered."""
    expected = batchfiles.stats(joined).results
    assert batchfiles.stats(pq.read_table(joined)).results == expected
    assert batchfiles.stats(batchfiles.join(FIXTURES / "chat_completions")).results == expected


def test_get_finds_the_row(joined: Path, tmp_path: Path) -> None:
    """With its number; several tables are read one after the other."""
    csv = tmp_path / "t.csv"
    batchfiles.join(FIXTURES / "chat_completions").write(csv)
    found = batchfiles.get("ticket-0003", joined, csv)
    assert [(each.role, each.path, each.line_number, each.byte_offset) for each in found] == [
        ("row", str(joined), 3, None),
        ("row", str(csv), 3, None),
    ]
    assert found[0].to_dict()["outcome"] == "succeeded"
    assert batchfiles.get("nope", joined) == []


def test_a_table_together_with_files_is_refused(joined: Path) -> None:
    """The results would count twice."""
    files = FIXTURES / "chat_completions"
    for function in (batchfiles.stats, batchfiles.error_digest):
        with pytest.raises(MismatchError, match="name tables, or files, but not both"):
            function(joined, files)


def test_columns_that_are_missing_are_named(joined: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Needed columns are an error, others a note."""
    table = pq.read_table(joined)
    pq.write_table(table.drop_columns(["outcome"]), tmp_path / "without_outcome.parquet")
    pq.write_table(table.drop_columns(["text", "cached_tokens"]), tmp_path / "without_text.parquet")

    for command in ("stats", "errors"):
        assert exit_code([command, str(tmp_path / "without_outcome.parquet")]) == 2
        assert "has no column outcome: it is not a table of `join` or `export`" in capsys.readouterr().err
    assert exit_code(["stats", str(tmp_path / "without_text.parquet")]) == 0
    assert "not in the table, and not counted: text, cached_tokens" in capsys.readouterr().err


def test_a_column_that_only_the_first_table_lacks_is_named(tmp_path: Path) -> None:
    """The columns of the last table were taken for those of all."""
    batchfiles.join(FIXTURES / "chat_completions").to_parquet(tmp_path / "whole.parquet")
    table = pq.read_table(tmp_path / "whole.parquet")
    pq.write_table(table.drop_columns(["error_code", "finish_reason"]), tmp_path / "cut.parquet")
    tables = [tmp_path / "cut.parquet", tmp_path / "whole.parquet"]
    for named in (tables, tables[::-1]):
        assert batchfiles.error_digest(*named).absent_columns == ("error_code", "finish_reason")
        assert batchfiles.stats(*named).absent_columns == ("error_code", "finish_reason")
