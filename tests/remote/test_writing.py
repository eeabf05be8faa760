# ruff: noqa: PT012 - the end of a block raises here
"""A remote file appears whole or not at all: when a block raises, when the network breaks, when the process is killed."""

from __future__ import annotations

import gzip
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

import batchfiles
from batchfiles import BatchRequestInput, FileError, InputWriter, OutputExistsError, OutputWriter
from batchfiles.io import filesystems, transfer
from batchfiles.io.remote_path import located
from batchfiles.io.target import PathTarget, Target
from batchfiles.table.open import open_table
from tests.remote.bucket import Bucket
from tests.remote.wire import Wire

MIB = 1024 * 1024
LINE = b'{"custom_id":"%d","method":"POST","url":"/v1/chat/completions","body":{"model":"m"}}\n'

WRITE = """
import sys
from batchfiles.io.target import Target

with Target.at(sys.argv[1]).open(overwrite=True) as file:
    for _ in range(int(sys.argv[2])):
        file.write(bytes(1024 * 1024))
print("done")
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files, which must be empty in the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def few_attempts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give a broken network up at once."""
    monkeypatch.setattr(filesystems, "ATTEMPTS", 1)
    yield
    filesystems.filesystem_of.cache_clear()


# Whole


def test_requests_are_written_and_read_again(bucket: Bucket, temporary: Path) -> None:
    """Compressed by the suffix, with options after the name or without."""
    request = BatchRequestInput(custom_id="1", url="/v1/chat/completions", body={"model": "m"})
    for key, unpack in (("r.jsonl", bytes), ("r.jsonl.gz", gzip.decompress)):
        with InputWriter(bucket.url(key, region="us-east-1")) as writer:
            writer.write(request)
        assert unpack(bucket.get(key)) == LINE % 1
        assert writer.path == bucket.url(key)
    assert not list(temporary.iterdir())


def test_a_table_of_several_parts_of_an_upload_is_the_same_there(bucket: Bucket, temporary: Path) -> None:
    """Larger than the 10 MiB of one request; nothing stays on the disk."""
    table = pa.table({"custom_id": [str(number) for number in range(13)], "text": [os.urandom(MIB).hex() for _ in range(13)]})
    with open_table(bucket.url("big.parquet"), table.schema) as writer:
        for batch in table.to_batches():
            writer.write(batch)
    data = bucket.get("big.parquet")
    assert len(data) > 12 * MIB
    assert pq.read_table(pa.BufferReader(data)).equals(table)
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_join_is_written_as_a_file_and_as_parts(bucket: Bucket, workers: int) -> None:
    """Worker processes write local parts, which are copied."""
    url = bucket.put("in/r.jsonl", b"".join(LINE % number for number in range(2000)))
    job = batchfiles.join(url, workers=workers)
    assert job.to_parquet(bucket.url("t.parquet")).rows == 2000
    assert job.to_parquet(bucket.url("parts/")).rows == 2000
    assert bucket.listed() == ["in/r.jsonl", "parts/part-00000.parquet", "t.parquet"]
    for key in ("parts/part-00000.parquet", "t.parquet"):
        assert pq.read_table(pa.BufferReader(bucket.get(key))).num_rows == 2000


def test_a_path_object_of_a_url_is_the_url(bucket: Bucket) -> None:
    """It has lost a slash."""
    with OutputWriter(Path(bucket.url("r.jsonl"))) as writer:
        writer.write_line(b"{}")
    assert bucket.get("r.jsonl") == b"{}\n"


def test_a_filesystem_of_the_users_own_is_written_to(bucket: Bucket) -> None:
    """By its paths."""
    with OutputWriter(f"{bucket.name}/r.jsonl", filesystem=bucket.filesystem) as writer:
        writer.write_line(b"{}")
    assert bucket.get("r.jsonl") == b"{}\n"


# Refused


def test_what_is_there_is_refused_before_any_work(bucket: Bucket) -> None:
    """Unless force is given."""
    url = bucket.put("there.jsonl", b"old")
    with pytest.raises(OutputExistsError) as caught, OutputWriter(url):
        pytest.fail("the block was entered")
    assert caught.value.path == url
    with OutputWriter(url, overwrite=True) as writer:
        writer.write_line(b"{}")
    assert bucket.get("there.jsonl") == b"{}\n"


def test_what_appeared_meanwhile_is_not_replaced(bucket: Bucket) -> None:
    """It is looked for again when our file is whole."""
    with pytest.raises(OutputExistsError), OutputWriter(bucket.url("r.jsonl")) as writer:
        writer.write_line(b"{}")
        bucket.put("r.jsonl", b"theirs")
    assert bucket.get("r.jsonl") == b"theirs"


def test_a_missing_bucket_is_reported_before_any_work(bucket: Bucket) -> None:
    """Not when an hour of work is to be stored."""
    words = "^s3://no-such-bucket/x: there is no bucket no-such-bucket$"
    with pytest.raises(FileError, match=words), OutputWriter("s3://no-such-bucket/x"):
        pytest.fail("the block was entered")


def test_folders_and_files_don_t_replace_each_other(bucket: Bucket) -> None:
    """Nor is a folder that holds folders, or a whole bucket, replaced."""
    bucket.put("f/a", b"")
    bucket.put("g/h/a", b"")
    for target, words in (("f/a", "is a file"), ("g", "holds folders"), ("", "is a whole bucket")):
        with pytest.raises(FileError, match=words), PathTarget.at(bucket.url(target)).open_folder(overwrite=True):
            pytest.fail("the block was entered")
    with pytest.raises(FileError, match="is a folder"), Target.at(bucket.url("f")).open(overwrite=True):
        pytest.fail("the block was entered")


# Folders


def fill(folder: Path, *names: str) -> None:
    """Write files that hold their names."""
    for name in names:
        (folder / name).write_text(name)


def test_a_folder_is_refused_or_replaced(bucket: Bucket, temporary: Path) -> None:
    """With force, files of the old folder that the new one does not have go."""
    with PathTarget.at(bucket.url("f")).open_folder() as folder:
        fill(folder, "a", "b")
    with pytest.raises(OutputExistsError), PathTarget.at(bucket.url("f")).open_folder():
        pytest.fail("the block was entered")
    with PathTarget.at(bucket.url("f")).open_folder(overwrite=True, ours={"a", "b"}.__contains__) as folder:
        fill(folder, "b", "c")
    assert bucket.listed() == ["f/b", "f/c"]
    assert not list(temporary.iterdir())


def test_a_folder_with_files_of_others_is_not_replaced(bucket: Bucket) -> None:
    """Neither files from before the work nor later ones."""
    target = located(bucket.url("f"))
    bucket.put("f/a", b"ours")
    words = "f: holds files that are not ours to delete, thesis.txt for one"
    with (
        pytest.raises(FileError, match=words),
        PathTarget.at(target).open_folder(overwrite=True, ours={"a"}.__contains__) as folder,
    ):
        fill(folder, "a")
        bucket.put("f/thesis.txt", b"precious")
    with pytest.raises(FileError, match=words), PathTarget.at(target).open_folder(overwrite=True, ours={"a"}.__contains__):
        pytest.fail("the block was entered")
    assert {key: bucket.get(key) for key in bucket.listed()} == {"f/a": b"ours", "f/thesis.txt": b"precious"}


def test_what_a_killed_process_left_of_our_files_is_ours(tmp_path: Path) -> None:
    """Where there are no buckets, a file has a temporary name at first; such files of others stay."""
    target = located("f", pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem()))
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "a.0123abcd.batchfiles-part").write_bytes(b"half")
    with PathTarget.at(target).open_folder(overwrite=True, ours={"a"}.__contains__) as folder:
        fill(folder, "a")
    assert [file.name for file in (tmp_path / "f").iterdir()] == ["a"]
    (tmp_path / "f" / "b.0123abcd.batchfiles-part").write_bytes(b"half")
    with pytest.raises(FileError, match="b for one"), PathTarget.at(target).open_folder(overwrite=True, ours={"a"}.__contains__):
        pytest.fail("the block was entered")


def test_a_folder_s_manifest_comes_last(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is, all the others are."""
    copied = []
    really = transfer._upload
    monkeypatch.setattr(transfer, "_upload", lambda file, target: (copied.append(target.name), really(file, target)))
    with PathTarget.at(bucket.url("f")).open_folder() as folder:
        fill(folder, "manifest.json", "part-1.jsonl", "a.jsonl", "z.jsonl")
    assert copied == ["a.jsonl", "part-1.jsonl", "z.jsonl", "manifest.json"]


def test_a_block_that_raises_leaves_no_folder(bucket: Bucket, temporary: Path) -> None:
    """Nothing was copied yet."""
    with pytest.raises(ZeroDivisionError), PathTarget.at(bucket.url("f")).open_folder() as folder:
        fill(folder, "a")
        raise ZeroDivisionError
    assert bucket.listed() == []
    assert not list(temporary.iterdir())


def test_a_folder_whose_copy_fails_midway_is_removed(bucket: Bucket) -> None:
    """The files before the one that could not be copied are deleted."""
    with pytest.raises(FileError, match="f/c: "), PathTarget.at(bucket.url("f")).open_folder() as folder:
        fill(folder, "a", "b")
        (folder / "c").mkdir()
    assert bucket.listed() == []


# Not at all


@pytest.mark.parametrize("old", [None, b"old"], ids=["no older object", "an older object"])
def test_a_block_that_raises_leaves_things_as_they_were(bucket: Bucket, temporary: Path, old: bytes | None) -> None:
    """After any number of bytes."""
    if old is not None:
        bucket.put("r.jsonl", old)
    with pytest.raises(ZeroDivisionError), OutputWriter(bucket.url("r.jsonl"), overwrite=True) as writer:
        for _ in range(12):
            writer.write_line(b" " * MIB + b"{}")
        raise ZeroDivisionError
    assert bucket.listed() == ([] if old is None else ["r.jsonl"])
    assert old is None or bucket.get("r.jsonl") == old
    assert not list(temporary.iterdir())


def test_a_network_that_breaks_leaves_no_object(bucket: Bucket, temporary: Path, few_attempts: None) -> None:
    """In the middle of the copy; nothing is completed when the process continues, and the message contains no key."""
    with Wire(bucket.server, breaks_after=12 * MIB) as wire:
        url = bucket.url_through(wire.address, "big")
        with pytest.raises(FileError, match="can't be reached") as caught, Target.at(url).open() as file:
            file.write(bytes(24 * MIB))
        assert wire.sent > 12 * MIB
    assert caught.value.path == bucket.url("big")
    assert bucket.listed() == []
    assert not list(temporary.iterdir())


def test_an_exception_in_the_middle_of_the_copy_leaves_no_object(
    bucket: Bucket, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an interruption the stream is never closed, which would complete the object."""
    monkeypatch.setattr(transfer, "WAITING", 1)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with Wire(bucket.server, bytes_per_second=30e6) as wire:
        previous = signal.signal(signal.SIGALRM, interrupt)
        try:
            with pytest.raises(KeyboardInterrupt), Target.at(bucket.url_through(wire.address, "big")).open() as file:
                file.write(bytes(64 * MIB))
                signal.setitimer(signal.ITIMER_REAL, 0.8)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
        assert wire.sent > 10 * MIB
    assert bucket.listed() == []
    assert not list(temporary.iterdir())


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, None)], ids=["killed", "interrupted"]
)
@pytest.mark.parametrize("old", [None, b"old"], ids=["no older object", "an older object"])
def test_a_process_that_ends_in_the_middle_of_the_copy_leaves_no_half(
    bucket: Bucket, number: signal.Signals, code: int | None, old: bytes | None
) -> None:
    """The old object is there, or the whole new one; never a part of it."""
    if old is not None:
        bucket.put("big", old)
    with Wire(bucket.server, bytes_per_second=20e6) as wire:
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE, bucket.url_through(wire.address, "big"), "100"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        with process:
            wire.wait_for(12 * MIB)
            started = time.monotonic()
            process.send_signal(number)
            assert process.communicate(timeout=60)[0] == b""
            assert time.monotonic() - started < 30
    if code is not None:
        assert process.returncode == code
    assert process.returncode != 0
    assert bucket.listed() == ([] if old is None else ["big"])
    assert old is None or bucket.get("big") == old


def test_a_copy_of_another_size_is_an_error_and_goes(bucket: Bucket) -> None:
    """A service that loses bytes silently."""

    class Losing(pafs.FSSpecHandler):
        def open_output_stream(self, path: str, metadata: object) -> Any:
            return pa.PythonFile(Short(self.fs.open(path, "wb")), mode="w")

    class Short:
        closed = False

        def __init__(self, file: Any) -> None:
            self.file = file

        def write(self, data: bytes) -> int:
            self.file.write(data[:-1])
            return len(data)

        def flush(self) -> None:
            pass

        def close(self) -> None:
            self.file.close()
            self.closed = True

    memory = pytest.importorskip("fsspec").filesystem("memory")
    place = located("/losing/x.jsonl", pafs.PyFileSystem(Losing(memory)))
    with pytest.raises(FileError, match="has 2 bytes instead of 3"), Target.at(place).open() as file:
        file.write(b"{}\n")
    assert not memory.exists("/losing/x.jsonl")
    assert not memory.find("/losing")


def test_where_files_grow_in_place_they_get_their_names_when_they_are_whole(tmp_path: Path) -> None:
    """For example in a folder of the disk as a filesystem object."""
    place = located("x.jsonl", pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem()))
    with Target.at(place).open() as file:
        file.write(b"new\n")
    assert [path.name for path in tmp_path.iterdir()] == ["x.jsonl"]
    with Target.at(place).open(overwrite=True) as file:
        file.write(b"newer\n")
    assert (tmp_path / "x.jsonl").read_bytes() == b"newer\n"
    with pytest.raises(OutputExistsError), Target.at(place).open():
        pytest.fail("the block was entered")


def test_an_invalid_place_for_temporary_files_is_reported(bucket: Bucket, tmp_path: Path) -> None:
    """The local file needs room."""
    words = "name another place for temporary files"
    with pytest.raises(FileError, match=words), Target.at(bucket.url("x")).open(temp_dir=tmp_path / "none"):
        pytest.fail("the block was entered")


def test_an_upload_that_is_cut_does_not_end_the_server_of_the_tests() -> None:
    """On Python 3.12 the server ended when an upload was killed, so that each test after that failed."""
    server = pytest.importorskip("tests.remote.server")
    body = server.Input(io.BytesIO(b"400000\r\n" + b"x" * 1000))
    with pytest.raises(ValueError, match="different structures"):
        body.read(65536)
    whole = server.Input(io.BytesIO(b"3\r\nabc\r\n0\r\n\r\n"))
    assert whole.read() == b"abc"
