"""What `join` and `export` return: the ways to have the table, and what never starts the work."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import batchfiles

FIXTURE = Path(__file__).parents[2] / "fixtures" / "chat_completions"


@pytest.fixture
def joined():
    """Join the example files."""
    return batchfiles.join(FIXTURE)


def test_all_ways_give_the_same_rows(joined):
    """Batches, a reader, a table and rows are one thing in four forms."""
    table = joined.to_arrow()
    assert pa.Table.from_batches(joined.to_batches()) == table
    assert joined.to_reader().read_all() == table
    assert list(joined) == table.to_pylist()
    assert isinstance(joined.to_reader(), pa.RecordBatchReader)
    assert joined.schema == table.schema


def test_data_frames(joined):
    """With pandas' own types, integers with nulls are floats; with those of Arrow nothing changes."""
    pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    assert joined.to_pandas()["status_code"].dtype == "float64"
    assert str(joined.to_pandas(dtype_backend="pyarrow")["status_code"].dtype) == "int32[pyarrow]"
    with pytest.raises(ValueError, match="dtype_backend is 'numpy' or 'pyarrow'"):
        joined.to_pandas(dtype_backend="arrow")
    frame = joined.to_polars()
    assert (frame.shape, frame.schema["status_code"]) == ((16, 38), polars.Int32)


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_a_missing_library_is_named(joined, name, monkeypatch):
    """The message says what to install."""
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(batchfiles.MissingDependencyError, match=f"pip install {name}"):
        getattr(joined, f"to_{name}")()


def test_the_report_never_starts_a_pass(joined, tmp_path):
    """An attribute that reads files for minutes hangs a debugger, a notebook's completion and a logger."""
    with pytest.raises(RuntimeError, match="summarize"):
        _ = joined.report
    repr(joined)
    joined._repr_html_()
    with pytest.raises(RuntimeError, match="summarize"):
        _ = joined.report
    assert joined.summarize() is joined.report
    assert joined.report.inputs == 16
    report = joined.to_parquet(tmp_path / "t.parquet")
    assert report is joined.report


def test_the_repr_is_short_and_names_what_is_known(tmp_path, joined):
    """The files by their roles and the options at once, the rows after a pass."""
    assert repr(joined).startswith("<Join: 1 request file (")
    assert "2 result files" in repr(joined)
    assert repr(joined).endswith("; 18.1 kB; not read yet>")
    joined.summarize()
    assert repr(joined).endswith("; 16 rows>")
    chosen = batchfiles.join(FIXTURE, bodies="all", table="requests", progress=lambda *_: None, temp_dir=tmp_path)
    assert repr(chosen).endswith("; bodies='all'; table='requests'; not read yet>")
    assert repr(batchfiles.export(*FIXTURE.glob("batch_*"))).startswith("<Export: 2 result files (")


def test_head_is_the_beginning_of_the_table(joined):
    """The same rows and columns; the report of the whole is not known afterwards."""
    table = joined.to_arrow()
    fresh = batchfiles.join(FIXTURE)
    for count in (0, 1, 5, 16, 100):
        assert fresh.head(count) == table.slice(0, count)
    assert fresh.head().num_rows == 5
    with pytest.raises(ValueError, match="n must be 0 or more, not -1"):
        fresh.head(-1)
    with pytest.raises(RuntimeError):
        _ = fresh.report
    exported = batchfiles.export(*FIXTURE.glob("batch_*"), progress=lambda *_: pytest.fail("head has no progress"))
    assert exported.head(2).num_rows == 2


def test_head_reads_only_the_first_part_of_a_campaign(tmp_path):
    """The second part is damaged, which a pass over everything finds."""
    batchfiles.split(FIXTURE / "requests.jsonl", output=tmp_path / "campaign", max_requests=8)
    first, second = sorted((tmp_path / "campaign").glob("requests-*.jsonl"))
    for part in (first, second):
        lines = [{"id": "r", "custom_id": "none", "response": None, "error": {"code": "c", "message": "m"}}]
        part.with_name(f"{part.stem}_output.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    joined = batchfiles.join(tmp_path / "campaign")
    second.write_bytes(b"{}\n" * 3)
    assert joined.head(8).num_rows == 8
    with pytest.raises(batchfiles.BatchFilesError):
        joined.summarize()


def test_a_page_reads_no_more_than_a_second_takes(joined, monkeypatch):
    """Larger files are only named; the page says which call reads them."""
    from batchfiles.jobs.join import summary

    assert "of 16 rows" in joined._repr_html_()
    monkeypatch.setattr(summary, "SMALL", 10)
    page = joined._repr_html_()
    assert "not read yet" in page
    assert "ticket-0001" in page
    monkeypatch.setattr(summary, "QUICK", 10)
    monkeypatch.setattr(type(joined), "to_batches", lambda *_: pytest.fail("nothing is read"))
    assert "head() reads the first rows" in joined._repr_html_()


def test_the_page_of_files_that_have_changed_says_so(tmp_path):
    """An error is a sentence in the page; a traceback would hide the files."""
    shutil.copytree(FIXTURE, tmp_path / "batch")
    joined = batchfiles.join(tmp_path / "batch")
    (tmp_path / "batch" / "requests.jsonl").write_text("{}\n")
    assert "the file changed" in joined._repr_html_()


def test_the_page_of_a_notebook_is_escaped(tmp_path):
    """A file name is text and no markup, and a thousand files are not a thousand rows."""
    line = {"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": {"model": "m", "input": "x"}}
    name = "<b>&.jsonl"
    (tmp_path / name).write_text(json.dumps(line) + "\n")
    result = {"id": "r", "custom_id": "a", "response": {"status_code": 200, "body": {"output": []}}, "error": None}
    for number in range(30):
        (tmp_path / f"{number}.jsonl").write_text(json.dumps(result) + "\n")
    joined = batchfiles.join(tmp_path)
    page = joined._repr_html_()
    assert "<b>&" not in page
    assert "&lt;b&gt;&amp;.jsonl" in page
    assert "11 more files" in page
    assert "no_response" in page


@pytest.mark.parametrize("target", ["t.parquet", "parts/"])
def test_parquet_is_written_as_asked(joined, target, tmp_path):
    """Compression, level and rows of a row group, in one file and in parts; vectors and defaults aside."""
    joined.to_parquet(f"{tmp_path}/{target}", compression="gzip", compression_level=9, row_group_size=5)
    (file,) = tmp_path.rglob("*.parquet")
    metadata = pq.read_metadata(file)
    assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == [5, 5, 5, 1]
    assert metadata.row_group(0).column(0).compression == "GZIP"
    assert pq.read_table(file).num_rows == 16


def test_parquet_options_are_checked_before_any_work(joined, tmp_path):
    """Nothing is read and nothing is there afterwards."""
    for options, words in (
        ({"compression": "zst"}, "did you mean 'zstd'"),
        ({"compression": "snappy", "compression_level": 3}, "snappy has no levels"),
        ({"compression_level": 99}, "number from .* to 22, not 99"),
        ({"row_group_size": 0}, "row_group_size is 1 or more"),
    ):
        with pytest.raises(ValueError, match=words):
            joined.to_parquet(tmp_path / "t.parquet", **options)
    with pytest.raises(RuntimeError):
        _ = joined.report
    assert list(tmp_path.iterdir()) == []
