"""Files of an object store are read as local ones are: one, a folder, a pattern, compressed."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import pyarrow.fs as pafs
import pytest

import batchfiles
from batchfiles import FileError, TruncatedFileError
from batchfiles.io import transfer
from batchfiles.io.sources import expand
from tests.remote.bucket import Bucket
from tests.remote.wire import Wire

LINE = b'{"custom_id": "%d", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m"}}\n'
CHAT = Path(__file__).parents[2] / "fixtures" / "chat_completions"


def names(*urls: str) -> list[str]:
    """Return the keys that URLs expand to."""
    return [source.name.split("/", 3)[3] for source in expand(urls)]


@pytest.fixture
def folder(bucket: Bucket) -> Bucket:
    """A bucket with batch files and others."""
    for key in (
        "c/b.jsonl",
        "c/a.jsonl.gz",
        "c/C.JSONL",
        "c/notes.txt",
        "c/.hidden.jsonl",
        "c/deep/e.jsonl",
        "c/deep/er/f.jsonl",
    ):
        bucket.put(key, b"{}\n")
    return bucket


def test_a_folder_means_its_batch_files_by_name(folder: Bucket) -> None:
    """As a local one does: hidden files, other files and deeper folders don't count."""
    assert names(folder.url("c")) == names(folder.url("c/")) == ["c/C.JSONL", "c/a.jsonl.gz", "c/b.jsonl"]


def test_a_pattern_means_the_files_that_it_matches(folder: Bucket) -> None:
    """A star keeps to its folder, two of them don't; what matches may be a folder."""
    assert names(folder.url("c/*.jsonl*")) == ["c/a.jsonl.gz", "c/b.jsonl"]
    assert names(folder.url("*/[bC].[jJ]*")) == ["c/C.JSONL", "c/b.jsonl"]
    assert names(folder.url("c/*/*.jsonl")) == ["c/deep/e.jsonl"]
    assert names(folder.url("c/**/*.jsonl")) == ["c/b.jsonl", "c/deep/e.jsonl", "c/deep/er/f.jsonl"]
    assert names(folder.url("c/de*")) == ["c/deep/e.jsonl"]


def test_patterns_match_as_they_do_on_the_disk(folder: Bucket, tmp_path: Path) -> None:
    """The same files here and there."""
    for key in folder.listed():
        file = tmp_path / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"{}\n")
    for pattern in ("c/*", "c/*/*", "**/*.jsonl", "c/**/f.jsonl", "c/.h*", "*/*.[!j]*", "c/[a-b]*"):
        here = [Path(source.name).relative_to(tmp_path).as_posix() for source in expand([f"{tmp_path}/{pattern}"])]
        assert names(folder.url(pattern)) == here, pattern


def test_an_object_may_have_a_name_that_looks_like_a_pattern(bucket: Bucket) -> None:
    """An object that is there is that object; a `%` is a `%`."""
    for key in ("a[1].jsonl", "b*.jsonl", "100%25 of it.jsonl"):
        assert names(bucket.put(key, b"{}\n")) == [key]


def test_a_file_named_twice_is_read_once(folder: Bucket) -> None:
    """By itself and in its folder."""
    assert names(folder.url("c/b.jsonl"), folder.url("c/*.jsonl"), folder.url("c/b.jsonl")) == ["c/b.jsonl"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress], ids=["plain", "gzip", "bz2"])
def test_lines_come_as_from_a_local_file(bucket: Bucket, pack: object) -> None:
    """Each knows its place, and the name holds no options."""
    data = b"".join(LINE % number for number in range(100))
    bucket.put("in.jsonl", pack(data))  # type: ignore[operator]
    lines = list(batchfiles.read_lines(bucket.url("in.jsonl", region="us-east-1")))
    assert b"".join(line.data + b"\n" for line in lines) == data
    assert {line.path for line in lines} == {bucket.url("in.jsonl")}
    assert lines[7].byte_offset == 7 * len(LINE % 0)


def test_a_file_of_several_requests_comes_whole(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """The requests follow each other without a gap, with any line lengths."""
    monkeypatch.setattr(transfer, "REQUEST", 1000)
    data = b"".join(LINE % number for number in range(1000))
    url = bucket.put("in.jsonl", data)
    assert b"".join(line.data + b"\n" for line in batchfiles.read_lines(url)) == data
    ids = [request.custom_id for request in batchfiles.read_inputs(url)]
    assert ids == [str(number) for number in range(1000)]


def test_a_file_that_changes_between_requests_is_an_error(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of one version and half of another make no file."""
    monkeypatch.setattr(transfer, "REQUEST", 100_000)
    url = bucket.put("in.jsonl", LINE % 1 * 5000)
    lines = iter(batchfiles.read_lines(url))
    next(lines)
    bucket.put("in.jsonl", LINE % 2 * 6000)
    with pytest.raises(FileError, match=r"in\.jsonl: the file changed while it was being read"):
        list(lines)


def test_a_damaged_file_is_named(bucket: Bucket) -> None:
    """After the good lines."""
    url = bucket.put("in.jsonl.gz", gzip.compress(LINE % 1)[:-9])
    with pytest.raises(TruncatedFileError) as caught:
        list(batchfiles.read_lines(url))
    assert caught.value.path == url


def test_a_reader_that_stops_early_does_not_fetch_the_rest(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ten megabytes, the request that was asked for and the one ahead."""
    monkeypatch.setattr(transfer, "REQUEST", 1_000_000)
    bucket.put("in.jsonl", LINE % 1 * 100_000)
    with Wire(bucket.server) as wire:
        assert next(batchfiles.read_lines(bucket.url_through(wire.address, "in.jsonl"))).line_number == 1
        assert 1_000_000 < wire.received < 4_000_000


def test_a_join_reads_a_remote_folder(bucket: Bucket) -> None:
    """The same rows as from the disk, except the names."""
    for file in CHAT.iterdir():
        bucket.put(f"chat/{file.name}", file.read_bytes())
    here = batchfiles.join(CHAT).to_arrow()
    there = batchfiles.join(bucket.url("chat")).to_arrow()
    assert there.drop(["result_source", "input_source"]).equals(here.drop(["result_source", "input_source"]))
    assert set(there["input_source"].to_pylist()) == {bucket.url("chat/requests.jsonl")}


def test_results_belong_to_the_request_file_of_their_name(bucket: Bucket) -> None:
    """Each part has a request `1`, and gets its own result."""
    result = b'{"id": "r", "custom_id": "1", "response": {"status_code": 200, "request_id": "%s", "body": {}}, "error": null}\n'
    for part in ("part-1", "part-2"):
        bucket.put(f"c/{part}.jsonl", (LINE % 1).replace(b'"body": {', b'"body": {"part": "%s", ' % part.encode()))
        bucket.put(f"c/{part}_output.jsonl", result % part.encode())
    rows = list(batchfiles.join(bucket.url("c")))
    assert [row["request_id"] for row in rows] == ["part-1", "part-2"]


def test_a_filesystem_of_pyarrow_makes_paths_of_strings(bucket: Bucket) -> None:
    """Reading, validating, joining."""
    bucket.put("r.jsonl", LINE % 1)
    path = f"{bucket.name}/r.jsonl"
    assert [line.path for line in batchfiles.read_lines(path, filesystem=bucket.filesystem)] == [bucket.url("r.jsonl")]
    assert batchfiles.validate(path, filesystem=bucket.filesystem).files[0].requests == 1
    assert [row["outcome"] for row in batchfiles.join(path, filesystem=bucket.filesystem)] == ["missing"]


def test_a_filesystem_of_fsspec_is_read_and_written() -> None:
    """For any filesystem, through pyarrow's wrapper."""
    memory = pytest.importorskip("fsspec").filesystem("memory")
    memory.pipe("/in/r.jsonl", LINE % 1)
    report = batchfiles.join("/in/*.jsonl", filesystem=memory).to_parquet("/out.parquet", filesystem=memory)
    assert report.missing == 1
    assert memory.cat("/out.parquet").endswith(b"PAR1")
    batchfiles.join("/in", filesystem=memory).to_parquet("/parts/", filesystem=memory)
    assert [Path(name).name for name in memory.ls("/parts", detail=False)] == ["part-00000.parquet"]


def test_the_local_filesystem_is_the_disk(tmp_path: Path) -> None:
    """By pyarrow's object, and by a file:// URL."""
    path = tmp_path / "a b.jsonl"
    path.write_bytes(LINE % 1)
    assert expand([str(path)], filesystem=pafs.LocalFileSystem())[0].path == path
    assert expand([path.as_uri()])[0].path == path


def test_a_filesystem_that_is_none_is_a_wrong_call(tmp_path: Path) -> None:
    """Refused at once."""
    with pytest.raises(TypeError, match=r"one of pyarrow\.fs or of fsspec, not str"):
        batchfiles.read_lines("a", filesystem="s3")
    with pytest.raises(ValueError, match="names its own filesystem"):
        batchfiles.read_lines("s3://bucket/a", filesystem=pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem()))
