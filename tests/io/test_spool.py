"""The spool: a plain local copy of a source without offsets, deleted when the job ends."""

import bz2
import gzip
import io
import os
from types import SimpleNamespace

import pytest

from batchfiles.errors import FileError, TruncatedFileError
from batchfiles.io import temporary
from batchfiles.io.sources import Source
from batchfiles.io.temporary import Spool

DATA = b'{"custom_id": "a"}\n' * 1000


def test_a_plain_local_file_is_not_copied(tmp_path):
    """It is read where it is."""
    path = tmp_path / "f.jsonl"
    path.write_bytes(DATA)
    with Spool(tmp_path) as spool:
        assert spool.local(Source("f", path=path)) == path
        assert list(spool.path.iterdir()) == []


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress])
def test_a_compressed_file_is_copied_plain(tmp_path, compress):
    """So that its lines can be read by offset."""
    path = tmp_path / "f.gz"
    path.write_bytes(compress(DATA))
    with Spool() as spool:
        copy = spool.local(Source("f", path=path))
        assert copy.parent == spool.path
        assert copy.read_bytes() == DATA


def test_a_stream_is_copied(tmp_path):
    """Each under its own name."""
    with Spool(tmp_path) as spool:
        copies = [spool.local(Source("<stdin>", stream=io.BytesIO(data))) for data in (DATA, gzip.compress(DATA), b"")]
        assert [copy.read_bytes() for copy in copies] == [DATA, DATA, b""]


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt])
def test_the_folder_goes_away_after_exceptions(tmp_path, error):
    """With any content."""

    def job():
        with Spool(tmp_path) as spool:
            spool.new_path("x").write_bytes(DATA)
            raise error

    with pytest.raises(error):
        job()
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_truncated_and_leaves_nothing(tmp_path):
    """The copy is never used as a whole one."""
    source = Source("f", stream=io.BytesIO(gzip.compress(os.urandom(5000))[:-9]))
    with pytest.raises(TruncatedFileError), Spool(tmp_path) as spool:
        spool.local(source)
    assert list(tmp_path.iterdir()) == []


def test_no_room_is_a_file_error_that_says_what_to_do(tmp_path, monkeypatch):
    """Before the disk is full, not after."""
    monkeypatch.setattr(temporary.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with Spool(tmp_path) as spool, pytest.raises(FileError, match=r"only 1,000 bytes .*--temp-dir") as caught:
        spool.local(Source("<stdin>", stream=io.BytesIO(DATA)))
    assert caught.value.errno == 28


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress])
def test_room_for_a_copy_is_reserved_before_it_starts(tmp_path, monkeypatch, compress):
    """The copy of a compressed file filled the disk up to its last 64 MiB, and only then was an error."""
    data = os.urandom(5000).hex().encode()
    path = tmp_path / "f.jsonl.gz"
    path.write_bytes(compress(data))
    room = SimpleNamespace(free=temporary.RESERVE + len(data) - 1)
    monkeypatch.setattr(temporary.shutil, "disk_usage", lambda _: room)
    (tmp_path / "temporary").mkdir()
    with Spool(tmp_path / "temporary") as spool:
        with pytest.raises(FileError, match=r"f: no room for a plain copy of it in .*temporary, .*--temp-dir") as caught:
            spool.local(Source("f", path=path))
        assert caught.value.errno == 28
        assert list(spool.path.iterdir()) == []
        room.free += 1
        monkeypatch.setattr(Spool, "_check_free_space", lambda *_: None)
        assert spool.local(Source("f", path=path)).read_bytes() == data


def test_a_missing_folder_is_a_file_error(tmp_path):
    """It is named."""
    with pytest.raises(FileError, match="gone: no such file"):
        Spool(tmp_path / "gone")


def test_a_source_that_can_not_be_read_is_named(tmp_path):
    """The source, not the copy."""
    with Spool(tmp_path) as spool, pytest.raises(FileError, match="<s>: input/output error"):
        spool.local(Source("<s>", stream=Broken()))


def test_a_disk_that_fails_while_copying_is_a_file_error(tmp_path, monkeypatch):
    """It names the copy."""

    def fail(_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(temporary.shutil, "disk_usage", fail)
    with Spool(tmp_path) as spool, pytest.raises(FileError, match=r"source\.jsonl: input/output error"):
        spool.local(Source("<stdin>", stream=io.BytesIO(DATA)))


class Broken(io.RawIOBase):
    """An open file on a broken disk."""

    def readinto(self, buffer):
        raise OSError(5, "Input/output error")
