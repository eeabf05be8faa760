"""The files of a folder: which parts share one, how they are called, and what `resume` keeps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import batchfiles
from batchfiles.errors import DuplicateCustomIdError, FileError, OutputExistsError
from batchfiles.jobs.join.parts import CampaignFile, CampaignPart
from batchfiles.jobs.join.table_files import divided, file_name
from tests.jobs.test_campaign_join import campaign, ids, needs_late_metadata, read, simple, written
from tests.jobs.wire import request, success


def parts_of(**sizes: int) -> list[CampaignPart]:
    """Return parts with names and sizes."""
    return [CampaignPart(name=name, folder="c", requests=(CampaignFile(name, size),)) for name, size in sizes.items()]


def names_of(parts: list[CampaignPart], runs: list[range]) -> list[str]:
    """Return the names of the files, without their suffix."""
    return [file_name(parts[run.start : run.stop]).removesuffix(".parquet") for run in runs]


def test_parts_share_a_file_until_it_is_large_enough() -> None:
    """A large part has its own file, and the last file may be small. Kept files stay as they are."""
    parts = parts_of(a=5, b=5, c=20, d=1, e=9, f=3)
    assert names_of(parts, divided(parts, 10)) == ["a_to_b", "c", "d_to_e", "f"]
    assert names_of(parts, divided(parts, 0)) == ["a", "b", "c", "d", "e", "f"]
    assert names_of(parts, divided(parts, 10, [range(1, 2), range(4, 6)])) == ["a", "b", "c", "d", "e_to_f"]
    many = parts_of(**{f"p{number:04d}": 0 for number in range(2001)})
    assert [len(run) for run in divided(many, 1)] == [1000, 1000, 1]


def test_names_of_files_are_different_and_not_too_long() -> None:
    """The name of a part may be that of two others, and two long names are too long for a file system."""
    parts = parts_of(a=1, b=1, a_to_b=2)
    assert names_of(parts, divided(parts, 2)) == ["a", "b", "a_to_b"]
    parts = parts_of(_a=1, b=1)
    assert names_of(parts, divided(parts, 2)) == ["hidden_a_to_b"]
    parts = parts_of(**{"x" * 150: 1, "y" * 150: 1})
    assert names_of(parts, divided(parts, 2)) == ["x" * 150, "y" * 150]


@needs_late_metadata
def test_resume_keeps_files_of_several_parts(tmp_path: Path) -> None:
    """Also where sizes or the least size of a file would divide the parts in another way now."""
    folder, table = simple(tmp_path / "c", parts=6), tmp_path / "t"
    with batchfiles.join(folder) as job:
        job.to_parquet(table, min_file_bytes=1500)
        assert sorted(written(table)) == [f"part-{n}_to_part-{n + 1}.parquet" for n in (0, 2, 4)]
        before = written(table)
        assert job.to_parquet(table, resume=True).kept_parts == 6
        assert written(table) == before
    with (folder / "batch_00000002_output.jsonl").open("ab") as file:
        file.write(success("request-3", "late") + b"\n")
    with batchfiles.join(folder) as job:
        report = job.to_parquet(table, resume=True, min_file_bytes=0)
        assert (report.kept_parts, report.rows, report.missing) == (4, 24, 5)
        after = written(table)
        assert sorted(after) == [
            "part-0_to_part-1.parquet",
            "part-2.parquet",
            "part-3.parquet",
            "part-4_to_part-5.parquet",
        ]
        assert read(table) == list(job)
        assert before["part-0_to_part-1.parquet"] == after["part-0_to_part-1.parquet"]
        job.write_rejects(tmp_path / "rejects.jsonl")
        assert (tmp_path / "rejects.jsonl").read_bytes() == b""


@needs_late_metadata
def test_rejects_of_kept_and_of_new_files_are_written(tmp_path: Path) -> None:
    """The parts of a kept file are read again for them, and those of a new one are known."""
    folder, table = simple(tmp_path / "c", parts=4), tmp_path / "t"
    for number in (1, 2):
        with (folder / f"batch_0000000{number}_output.jsonl").open("ab") as file:
            file.write(success("unknown", f"{number}") + b"\n")
    least = batchfiles.parts(folder)[1].bytes + 1
    batchfiles.join(folder).to_parquet(table, min_file_bytes=least)
    (table / "part-2_to_part-3.parquet").unlink()
    with batchfiles.join(folder) as job:
        assert job.to_parquet(table, resume=True, min_file_bytes=least).kept_parts == 2
        job.write_rejects(tmp_path / "rejects.jsonl")
    assert [json.loads(line)["custom_id"] for line in (tmp_path / "rejects.jsonl").read_bytes().splitlines()] == ["unknown"] * 2


@needs_late_metadata
def test_write_and_to_parquet_make_the_same_files(tmp_path: Path) -> None:
    """`--resume` wrote everything again that `to_parquet` had written: default options and none were different."""
    folder, table = simple(tmp_path / "c"), tmp_path / "t"
    with batchfiles.join(folder) as job:
        job.to_parquet(table)
        assert job.write(table, resume=True).kept_parts == 3
        assert job.to_parquet(table, resume=True, compression="zstd", compression_level=1).kept_parts == 3
        assert job.to_parquet(table, resume=True, compression="snappy").kept_parts == 0


@needs_late_metadata
@pytest.mark.parametrize("option", ["resume", "overwrite"])
@pytest.mark.parametrize("content", ["a table", "text"])
def test_a_file_of_others_with_the_name_of_a_part_is_not_replaced(tmp_path: Path, option: str, content: str) -> None:
    """It was replaced without a word."""
    folder, table = simple(tmp_path / "c"), tmp_path / "t"
    with batchfiles.join(folder) as job:
        job.to_parquet(table, min_file_bytes=0)
        taken = table / "part-1.parquet"
        if content == "text":
            taken.write_text("mine")
        else:
            pq.write_table(pa.table({"mine": [1]}), taken)
        before = taken.read_bytes()
        with pytest.raises(FileError, match=r"not ours to delete, part-1\.parquet"):
            job.to_parquet(table, min_file_bytes=0, **{option: True})  # type: ignore[arg-type]
        assert taken.read_bytes() == before
        assert (table / "_SUCCESS").exists()
        taken.write_bytes(b"PAR1 and nothing else")
        assert job.to_parquet(table, resume=True, min_file_bytes=0).kept_parts == 2


def test_a_join_that_fails_leaves_no_empty_folder(tmp_path: Path) -> None:
    """The next call found a folder; one that holds parts stays, so that `resume` can continue it."""
    twice = [success("request-0"), success("request-0", "again")]
    asked = [request(each) for each in ids(2)]
    folder = campaign(tmp_path / "c", {"a": (asked, [success("request-0")]), "b": (asked, twice)})
    with batchfiles.join(folder, on_duplicate="error") as job:
        with pytest.raises(DuplicateCustomIdError):
            job.to_parquet(tmp_path / "t")
        assert not (tmp_path / "t").exists()
        with pytest.raises(DuplicateCustomIdError):
            job.to_parquet(tmp_path / "t", min_file_bytes=0)
        assert [path.name for path in (tmp_path / "t").iterdir()] == ["a.parquet"]


def test_an_existing_folder_is_refused_with_both_ways_out(tmp_path: Path) -> None:
    """It named `--force` only, which throws away what `--resume` keeps."""
    with batchfiles.join(simple(tmp_path / "c")) as job:
        job.to_parquet(tmp_path / "t")
        with pytest.raises(OutputExistsError, match=r"with --resume, or use --force \(in Python resume=True or overwrite=True\)"):
            job.to_parquet(tmp_path / "t")


@needs_late_metadata
def test_any_table_may_replace_the_folder_of_a_campaign(tmp_path: Path) -> None:
    """`export --force` refused it because of `_SUCCESS`."""
    folder = simple(tmp_path / "c")
    batchfiles.join(folder).to_parquet(tmp_path / "t")
    exported = batchfiles.export(folder / "batch_00000000_output.jsonl")
    assert exported.to_parquet(tmp_path / "t", overwrite=True).rows == 3
    assert [path.name for path in (tmp_path / "t").iterdir()] == ["part-00000.parquet"]


@pytest.mark.parametrize("workers", [1, 2])
def test_small_files_without_a_campaign_share_a_file(tmp_path: Path, workers: int) -> None:
    """Each request file and each result file had its own."""
    folder = simple(tmp_path / "c", parts=5)
    (folder / "manifest.json").unlink()
    for number in range(5):
        (folder / f"batch_0000000{number}_output.jsonl").rename(folder / f"part-{number}_output.jsonl")
    for job, first in (
        (batchfiles.join(folder, workers=workers), "part-0.jsonl"),
        (batchfiles.export(folder / "*_output.jsonl", workers=workers), "part-0_output.jsonl"),
    ):
        expected, rows = job.summarize(), list(job)
        for least, files in ((0, 5), ((folder / first).stat().st_size * 3, 2), (None, 1)):
            report = job.to_parquet(tmp_path / "t", min_file_bytes=least, overwrite=True)
            assert len(list((tmp_path / "t").iterdir())) == files
            assert read(tmp_path / "t") == rows
            assert (report.rows, report.outcomes, report.result_lines) == (
                expected.rows,
                expected.outcomes,
                expected.result_lines,
            )
        shutil.rmtree(tmp_path / "t")


def test_the_least_size_is_for_folders(tmp_path: Path) -> None:
    """It would be ignored for a file."""
    with batchfiles.join(simple(tmp_path / "c")) as job:
        with pytest.raises(ValueError, match="min_file_bytes is for a folder"):
            job.to_parquet(tmp_path / "t.parquet", min_file_bytes=0)
        with pytest.raises(ValueError, match="min_file_bytes is 0 or more, not -1"):
            job.to_parquet(tmp_path / "t", min_file_bytes=-1)
        assert not (tmp_path / "t").exists()
