"""Which files a list of paths, folders, globs and open files means."""

import gzip
import io
import os
import sys
from pathlib import Path

import pytest

from batchfiles.errors import FileError, TruncatedFileError
from batchfiles.io.sources import Source, expand, read_blocks


@pytest.fixture
def folder(tmp_path):
    """A folder with batch files and others."""
    for name in (
        "b.jsonl",
        "a.jsonl.gz",
        "C.JSONL",
        "d.ndjson.zst",
        "notes.txt",
        ".hidden.jsonl",
        ".b.jsonl.1234.batchfiles-part",
    ):
        (tmp_path / name).write_bytes(b"{}\n")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "e.jsonl").write_bytes(b"{}\n")
    return tmp_path


def names(*sources):
    """Expand and return the names without their folder."""
    return [Path(source.name).name for source in expand(sources)]


def test_a_folder_means_its_batch_files_by_name(folder):
    """Compressed ones count; hidden ones, unfinished ones, other files and deeper folders don't."""
    assert names(folder) == ["C.JSONL", "a.jsonl.gz", "b.jsonl", "d.ndjson.zst"]


def test_a_glob_means_the_files_that_it_matches(folder):
    """Sorted, also through folders with `**`."""
    assert names(f"{folder}/*.jsonl*") == ["a.jsonl.gz", "b.jsonl"]
    assert names(f"{folder}/**/*.jsonl") == ["b.jsonl", "e.jsonl"]
    assert names(f"{folder}/deep*") == ["e.jsonl"]


def test_a_file_may_have_a_name_that_looks_like_a_glob(folder):
    """A file that is there is that file."""
    (folder / "a[1].jsonl").write_bytes(b"")
    assert names(folder / "a[1].jsonl") == ["a[1].jsonl"]


def test_files_come_in_the_order_given(folder):
    """Only a source that expands to several files is sorted."""
    assert names(folder / "b.jsonl", folder / "a.jsonl.gz") == ["b.jsonl", "a.jsonl.gz"]


def test_a_file_named_twice_is_read_once(folder):
    """By its path, by its folder, by a link: it is the same file."""
    (folder / "deeper" / "link.jsonl").symlink_to(folder / "b.jsonl")
    assert names(folder / "b.jsonl", folder / "b.jsonl", f"{folder}/*.jsonl", folder / "deeper" / "link.jsonl") == ["b.jsonl"]


def test_two_links_in_a_folder_to_one_file_are_two_files(folder, tmp_path):
    """The second one was left out without a word, as in a folder whose equal files are links to one blob."""
    (tmp_path / "blob").write_bytes(b"{}\n")
    for name in ("x.jsonl", "y.jsonl"):
        (folder / "deeper" / name).symlink_to(tmp_path / "blob")
    both = folder / "deeper"
    assert names(both) == names(f"{both}/*.jsonl") == names(both, both / "y.jsonl") == sorted(names(both / "x.jsonl", both))
    assert {"x.jsonl", "y.jsonl"} <= set(names(both))
    assert names(both / "x.jsonl", both / "y.jsonl") == ["x.jsonl"]  # named one by one, they are the same file


def test_open_files_and_sources_are_taken_as_they_are(folder):
    """An open file shows its name if it has one."""
    source = Source("mine", path=folder / "b.jsonl")
    with (folder / "b.jsonl").open("rb") as file:
        found = expand([source, file, io.BytesIO(b"")])
        assert [item.name for item in found] == ["mine", str(folder / "b.jsonl"), "<stream>"]
        assert found[0] is source


def test_standard_input_is_a_source_once(monkeypatch):
    """Its name is `-`, and it can't be read again."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{}\n")))
    (source,) = expand(["-"])
    assert source.name == "<stdin>"
    assert [block.lines for block in read_blocks(source, pytest.fail)] == [[b"{}"]]
    with pytest.raises(ValueError, match="once"):
        expand(["-", "-"])


def test_a_file_in_text_mode_is_refused(folder):
    """It splits and changes lines."""
    with (folder / "b.jsonl").open() as file, pytest.raises(TypeError, match=r"text mode.*'rb'"):
        expand([file])
    with pytest.raises(TypeError, match="text mode"):
        expand([io.StringIO("{}")])


@pytest.mark.parametrize("source", [5, None, ["a.jsonl"], b"a.jsonl"])
def test_an_invalid_source_is_refused(source):
    """With the name of its type."""
    with pytest.raises(TypeError, match=f"not {type(source).__name__}"):
        expand([source])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("gone.jsonl", "no such file"),
        ("*.nothing", "no file matches"),
        ("empty", "holds no .jsonl file"),
        ("x" * 300, "too long"),
    ],
)
def test_what_is_not_there_is_a_file_error(tmp_path, text, reason):
    """It names the path as given."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match=reason) as caught:
        expand([tmp_path / text])
    assert caught.value.path == str(tmp_path / text)


def test_a_source_can_be_read_again_and_again(folder):
    """If it is a path."""
    (source,) = expand([folder / "b.jsonl"])
    for _ in range(2):
        assert [block.lines for block in read_blocks(source, pytest.fail)] == [[b"{}"]]


def test_a_byte_range_of_a_file_can_be_read(tmp_path):
    """Two ranges have each line once."""
    path = tmp_path / "f.jsonl"
    path.write_bytes(b'{"a":1}\n{"a":2}\n{"a":3}\n')
    source = Source("f", path=path)
    first = list(read_blocks(source, pytest.fail, end=10))
    second = list(read_blocks(source, pytest.fail, start=10, line_number=3))
    assert [(block.line_number, block.byte_offset, block.lines) for block in first + second] == [
        (1, 0, [b'{"a":1}', b'{"a":2}']),
        (3, 16, [b'{"a":3}']),
    ]


def test_a_file_that_vanished_is_a_file_error(tmp_path):
    """Between the naming and the reading."""
    with pytest.raises(FileError, match="f: no such file"):
        list(read_blocks(Source("f", path=tmp_path / "gone"), pytest.fail))
    with pytest.raises(FileError, match="f: no such file"):
        Source("f", path=tmp_path / "gone").open_raw()


def test_an_error_while_reading_is_a_file_error():
    """Plain or compressed."""

    class Broken(io.BytesIO):
        def read(self, size=-1):
            if self.tell():
                raise OSError(5, "Input/output error")
            return super().read(min(size, 100))

    for data in (b"{}\n" * 100, gzip.compress(os.urandom(1000))):
        with pytest.raises(FileError, match="f: input/output error") as caught:
            list(read_blocks(Source("f", stream=Broken(data)), lambda _: None))
        assert caught.value.errno == 5


@pytest.mark.parametrize(("data", "answer"), [(b"{}\n", True), (b"", True), (gzip.compress(b"{}\n", mtime=0), False)])
def test_plain_local_files_can_be_read_by_offset(tmp_path, data, answer):
    """Compressed ones and streams can't."""
    (tmp_path / "f").write_bytes(data)
    assert Source("f", path=tmp_path / "f").is_seekable_text() is answer
    assert Source("f", path=tmp_path / "f").size() == len(data)
    assert not Source("f", stream=io.BytesIO(data)).is_seekable_text()
    assert Source("f", stream=io.BytesIO(data)).size() is None


def test_a_pipe_is_a_source(tmp_path):
    """Compressed or not: nothing has to seek."""
    for data in (b"{}\n" * 10, gzip.compress(b"{}\n" * 10)):
        reader, writer = os.pipe()
        os.write(writer, data)
        os.close(writer)
        with os.fdopen(reader, "rb", buffering=0) as pipe:
            (source,) = expand([pipe])
            assert [line for block in read_blocks(source, pytest.fail) for line in block.lines] == [b"{}"] * 10


def test_reading_less_than_all_is_quiet(tmp_path, capfd):
    """A generator that is dropped in the middle leaves no noise on standard error."""
    path = tmp_path / "f.gz"
    path.write_bytes(gzip.compress(os.urandom(2_000_000)))
    blocks = read_blocks(Source("f", path=path), lambda _: None, block_size=100)
    next(blocks)
    blocks.close()
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(TruncatedFileError):
        list(read_blocks(Source("f", path=path), lambda _: None))
    assert capfd.readouterr() == ("", "")
