"""The files of a campaign folder by role, and the part to which each belongs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import batchfiles
from batchfiles.campaign import MANIFEST, Campaign, Manifest, Part, campaign_of, request_sources, write_manifest
from batchfiles.errors import FileError
from batchfiles.io.compression import compressed
from tests.jobs.wire import failure, put, request, success


def part(file: str, *custom_ids: str, **fields: Any) -> Part:
    """Describe a part."""
    return Part(file=file, requests=len(custom_ids) or 1, bytes=1, sha256="", **fields)


def campaign(folder: Path, *parts: Part) -> Path:
    """Write the manifest of a folder, and its parts with one request `x` each."""
    write_manifest(folder, Manifest(parts=parts))
    for each in parts:
        put(folder / each.file, request("x"))
    return folder


def found(folder: Path) -> Campaign:
    """Return the campaign in a folder that has one."""
    campaign = campaign_of(folder)
    assert campaign is not None
    return campaign


def rows(*files: Path) -> list[tuple[Any, ...]]:
    """Join and return input, answer, batch and attempts."""
    joined = batchfiles.join(*files)
    names = ("input_source", "text", "batch_id", "attempts")
    return [(Path(row["input_source"]).name, *(row[name] for name in names[1:])) for row in joined]


def test_the_files_of_a_campaign_are_told_apart_by_manifest_and_name(tmp_path: Path) -> None:
    """Parts are in the order of the manifest, and no file is opened."""
    campaign(tmp_path, part("b.jsonl"), part("a.jsonl"), part("a-retry-1.jsonl", retry_of=("a.jsonl",)))
    for name in ("b_output.jsonl", "b_error.jsonl.gz", "batch_7_output.jsonl", "notes.jsonl"):
        (tmp_path / name).touch()
    files = found(tmp_path).files()
    told = {role: [Path(each.name).name for each in getattr(files, role)] for role in ("parts", "retries", "results", "others")}
    assert told == {
        "parts": ["b.jsonl", "a.jsonl"],
        "retries": ["a-retry-1.jsonl"],
        "results": ["b_error.jsonl.gz", "b_output.jsonl", "batch_7_output.jsonl"],
        "others": ["notes.jsonl"],
    }


def test_a_part_that_is_gone_is_an_error(tmp_path: Path) -> None:
    """Otherwise its requests would be missing from the table."""
    campaign(tmp_path, part("a.jsonl"), part("b.jsonl"))
    (tmp_path / "b.jsonl").unlink()
    with pytest.raises(FileError, match=r"b\.jsonl: this part of the manifest does not exist"):
        found(tmp_path).files()


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("a.jsonl", "a.jsonl"),
        ("a_output.jsonl", "a.jsonl"),
        ("a_error.jsonl.zst", "a.jsonl"),
        ("batch_1_output.jsonl", "a.jsonl"),
        ("batch_2_error.jsonl", "a.jsonl"),
        ("batch_3_output.jsonl", "b.jsonl.gz"),
        ("b_output.jsonl", "b.jsonl.gz"),
        ("batch_9_output.jsonl", None),
        ("output.jsonl", None),
    ],
)
def test_a_file_belongs_to_the_part_of_its_stem_or_of_its_batch(tmp_path: Path, name: str, owner: str | None) -> None:
    """A part can be sent several times, and can be compressed."""
    manifest = Manifest(parts=(part("a.jsonl", batches=("batch_1", "batch_2")), part("b.jsonl.gz", batches=("batch_3",))))
    told = Campaign(tmp_path, manifest).part_of(name)
    assert (told.file if told else None) == owner


def test_a_retry_of_a_retry_has_the_origin_of_the_first(tmp_path: Path) -> None:
    """Through any number of retries; a cycle ends."""
    parts = (
        part("a.jsonl"),
        part("a-retry-1.jsonl", retry_of=("a.jsonl",)),
        part("a-retry-2.jsonl", retry_of=("a-retry-1.jsonl",)),
        part("both.jsonl", retry_of=("a-retry-2.jsonl", "b.jsonl")),
        part("b.jsonl"),
        part("circle.jsonl", retry_of=("circle.jsonl",)),
    )
    known = Campaign(tmp_path, Manifest(parts=parts))
    origins = {each.file: known.origins(each) for each in parts}
    assert origins["a-retry-2.jsonl"] == ("a.jsonl",)
    assert sorted(origins["both.jsonl"]) == ["a.jsonl", "b.jsonl"]
    assert origins["circle.jsonl"] == ("circle.jsonl",)


def test_a_campaign_folder_stands_for_its_parts(tmp_path: Path) -> None:
    """Where requests are expected: the parts in order, without retries and results."""
    folder = campaign(tmp_path, part("b.jsonl"), part("a.jsonl"), part("r.jsonl", retry_of=("a.jsonl",)))
    put(folder / "a_output.jsonl", success("x"))
    assert [Path(source.name).name for source in request_sources([folder])] == ["b.jsonl", "a.jsonl"]
    (folder / MANIFEST).unlink()
    assert len(request_sources([folder])) == 4


def test_ids_that_restart_in_every_part_are_joined_to_their_own(tmp_path: Path) -> None:
    """By the batches in the manifest, independent of the names of the downloads."""
    campaign(tmp_path, part("a.jsonl", batches=("batch_1",)), part("b.jsonl", batches=("batch_2",)), part("c.jsonl"))
    put(tmp_path / "batch_2_output.jsonl", success("x", "of b"))
    put(tmp_path / "batch_1_output.jsonl", success("x", "of a"))
    assert rows(tmp_path) == [("a.jsonl", "of a", "batch_1", 1), ("b.jsonl", "of b", "batch_2", 1), ("c.jsonl", None, None, 0)]
    report = batchfiles.join(tmp_path).summarize()
    assert (report.inputs, report.duplicate_inputs, report.unknown) == (3, 0, 0)


def test_all_batches_of_a_part_are_its_attempts(tmp_path: Path) -> None:
    """It was sent again after it expired; the row has the successful result."""
    campaign(tmp_path, part("a.jsonl", batches=("batch_1", "batch_2")), part("b.jsonl"))
    put(tmp_path / "batch_1_error.jsonl", failure("x"))
    put(tmp_path / "batch_2_output.jsonl", success("x", "at last"))
    assert rows(tmp_path) == [("a.jsonl", "at last", "batch_2", 2), ("b.jsonl", None, None, 0)]


def test_a_retry_belongs_to_the_requests_that_it_repeats(tmp_path: Path) -> None:
    """Its lines are not additional requests, and its results are further attempts."""
    retry = part("a-retry-1.jsonl", retry_of=("a.jsonl",), batches=("batch_5",))
    campaign(tmp_path, part("a.jsonl"), retry, part("b.jsonl"))
    put(tmp_path / "a_error.jsonl", failure("x"))
    put(tmp_path / "batch_5_output.jsonl", success("x", "the second time"))
    assert rows(tmp_path) == [("a.jsonl", "the second time", "batch_5", 2), ("b.jsonl", None, None, 0)]
    described = batchfiles.join(tmp_path).summarize().files
    assert [Path(each["path"]).name for each in described if each["role"] == "retries"] == ["a-retry-1.jsonl"]


def test_a_retry_alone_is_joined_like_any_file(tmp_path: Path) -> None:
    """The part that it repeats is not among the files."""
    campaign(tmp_path, part("a.jsonl"), part("a-retry-1.jsonl", retry_of=("a.jsonl",)))
    result = put(tmp_path / "a-retry-1_output.jsonl", success("x", "again"))
    assert rows(tmp_path / "a-retry-1.jsonl", result) == [("a-retry-1.jsonl", "again", None, 1)]


def test_the_result_of_a_part_that_is_not_there_is_not_lent_to_another(tmp_path: Path) -> None:
    """Some parts can be joined without the others; without any result of theirs, the files are a mistake."""
    campaign(tmp_path, part("a.jsonl", "x", "y"), part("b.jsonl"))
    put(tmp_path / "a.jsonl", request("x"), request("y"))
    own, other = put(tmp_path / "a_output.jsonl", success("y", "of a")), put(tmp_path / "b_output.jsonl", success("x", "of b"))
    job = batchfiles.join(tmp_path / "a.jsonl", own, other)
    assert [row["outcome"] for row in job] == ["missing", "succeeded"]
    assert job.summarize().unknown == 1
    with pytest.raises(batchfiles.MismatchError, match="0 of 1 results belong to a request of"):
        batchfiles.join(tmp_path / "a.jsonl", other).summarize()


def test_the_file_that_was_split_may_be_joined_with_the_results_of_its_parts(tmp_path: Path) -> None:
    """All of them belong to it."""
    source = put(tmp_path / "requests.jsonl", request("x"), request("y"))
    folder = tmp_path / "campaign"
    batchfiles.split(source, output=folder, max_requests=1)
    put(folder / "requests-00001_output.jsonl", success("x", "first"))
    put(folder / "requests-00002_output.jsonl", success("y", "second"))
    results = sorted(folder.glob("*_output.jsonl"))
    assert [row[1] for row in rows(source, *results)] == ["first", "second"]


def test_a_damaged_manifest_stops_a_join(tmp_path: Path) -> None:
    """No table is better than one with answers in the wrong rows."""
    campaign(tmp_path, part("a.jsonl"))
    (tmp_path / MANIFEST).write_text("{")
    with pytest.raises(batchfiles.DataError, match="not valid JSON"):
        list(batchfiles.join(tmp_path))


@pytest.mark.parametrize("compress", [None, "gz", "zst"])
@pytest.mark.parametrize("job", ["join", "retry", "retry by ids", "merge"])
def test_a_part_that_is_not_what_it_was_made_as_is_reported(tmp_path, job, compress):
    """The manifest has the digest of each part, but it was not compared: a damaged disk changed requests silently."""
    source = tmp_path / "requests.jsonl"
    lines = [
        f'{{"custom_id": "r-{number}", "method": "POST", "url": "/v1/responses", "body": {{"model": "m", "input": "x"}}}}\n'
        for number in range(4)
    ]
    source.write_text("".join(lines))
    folder = tmp_path / "campaign"
    batchfiles.split(source, output=folder, max_requests=2, compress=compress)
    ending = f".{compress}" if compress else ""
    (folder / "requests-00001_output.jsonl").write_text('{"id": "x", "custom_id": "r-0", "response": null, "error": null}\n')
    (tmp_path / "ids.txt").write_text("r-1\n")
    jobs = {
        "join": lambda: batchfiles.join(folder).summarize(),
        "retry": lambda: batchfiles.retry(folder, output=tmp_path / "o.jsonl", overwrite=True),
        "retry by ids": lambda: batchfiles.retry(folder, ids=tmp_path / "ids.txt", output=tmp_path / "o.jsonl", overwrite=True),
        "merge": lambda: batchfiles.merge(folder, output=tmp_path / "o.jsonl", overwrite=True),
    }
    assert jobs[job]().findings == ()
    part = folder / f"requests-00002.jsonl{ending}"
    changed = "".join(lines[2:]).replace('"x"', '"y"').encode()
    if compress is None:
        part.write_bytes(changed)
    else:
        with part.open("wb") as file, compressed(file, {"gz": "gzip", "zst": "zstd"}[compress]) as writer:
            writer.write(changed)
    assert [(each.code, each.path) for each in jobs[job]().findings] == [("changed_part", str(part))]
