"""A file or folder appears whole or not at all: when the disk fails at any call, when the process dies at any call."""

import io
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from batchfiles.errors import FileError, OutputExistsError
from batchfiles.io.atomic import atomic_file, atomic_folder
from batchfiles.io.remote_path import make_folder
from batchfiles.io.temporary import UNFINISHED
from batchfiles.writing import OutputWriter

OLD = b"old\n"
NEW = b'{"custom_id": "a"}\n' * 1000


class Died(BaseException):
    """The process is gone: nothing that it does afterwards has an effect."""


class Disk:
    """Counts the calls to the system and lets the k-th one fail.

    Args:
        fail_at: Which call fails; 0 for none.
        error: The exception of that call.
        for_ever: Whether all later calls fail, too.
    """

    CALLS = ("fsync", "link", "replace", "rename", "unlink", "mkdir", "rmdir")

    def __init__(self, monkeypatch, fail_at, error, *, for_ever):
        self.fail_at, self.error, self.for_ever = fail_at, error, for_ever
        self.calls = []
        for name in self.CALLS:
            monkeypatch.setattr(os, name, self.counted(name, getattr(os, name)))
        self.really_open = io.open
        monkeypatch.setattr(io, "open", self.open)

    def counted(self, name, call):
        """Wrap a call."""

        def _call(*args, **options):
            self.count(name)
            return call(*args, **options)

        return _call

    def count(self, name):
        """Note a call, and fail if it is its turn."""
        self.calls.append(name)
        if len(self.calls) == self.fail_at or (self.for_ever and 0 < self.fail_at < len(self.calls)):
            raise self.error

    def open(self, file, mode="r", *args, **options):
        """Open a file whose writes are counted; those of a process that died don't reach the disk."""
        if "x" not in mode and "w" not in mode:
            return self.really_open(file, mode, *args, **options)
        self.count("open")
        disk = self

        class Counted(io.FileIO):
            def write(self, data):
                disk.count("write")
                return super().write(data)

        return io.BufferedWriter(Counted(file, mode))


@pytest.fixture
def disk(monkeypatch):
    """Make a disk that fails at a call."""

    def _disk(fail_at, error, *, for_ever=False):
        return Disk(monkeypatch, fail_at, error, for_ever=for_ever)

    yield _disk
    monkeypatch.undo()


def write_plain(path):
    """Write the new file as one who was allowed to replace the old one."""
    with atomic_file(path, overwrite=path.exists()) as file:
        file.write(NEW[:100])
        file.write(NEW[100:])


def write_lines(path):
    """Write it with a writer of lines."""
    with OutputWriter(path, overwrite=path.exists()) as writer:
        for line in NEW.splitlines(keepends=True):
            writer.write_line(line)


WRITES = {"atomic_file": write_plain, "OutputWriter": write_lines}
ERRORS = [OSError(28, "No space left on device"), OSError(5, "Input/output error"), PermissionError(13, "Permission denied")]


def unfinished(folder):
    """Name the files that are left."""
    return [path.name for path in folder.iterdir() if path.name.endswith(UNFINISHED)]


def start_again(path, older):
    """Leave nothing in the folder but the older file."""
    for left in path.parent.iterdir():
        left.unlink()
    if older is not None:
        path.write_bytes(older)


def written(write, path, monkeypatch):
    """Write to the faulty disk, and return the error and the bytes that are in the file then."""
    failed = None
    try:
        write(path)
    except FileError as caught:
        failed = caught
    monkeypatch.undo()
    return failed, path.read_bytes() if path.exists() else None


@pytest.mark.parametrize("older", [None, OLD], ids=["no older file", "an older file"])
@pytest.mark.parametrize("error", ERRORS, ids=str)
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_whichever_call_fails_the_file_is_old_or_new(tmp_path, disk, monkeypatch, write, error, older):
    """The k-th call fails, for every k until none does: a FileError, no temporary file, and a whole file or the older one."""
    path = tmp_path / "f.jsonl"
    for fail_at in range(1, 50):
        path.unlink(missing_ok=True)
        if older is not None:
            path.write_bytes(older)
        used = disk(fail_at, error)
        failed, found = written(write, path, monkeypatch)
        assert unfinished(tmp_path) == []
        if failed is None:
            assert found == NEW
        else:
            assert found in (older, NEW)
            assert (failed.path, failed.errno) == (str(path), error.errno)
        if len(used.calls) < fail_at:
            assert {"open", "write", "fsync", "replace" if older else "link"} <= set(used.calls)
            return
    pytest.fail("it never ended")


@pytest.mark.parametrize("older", [None, OLD], ids=["no older file", "an older file"])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_disk_that_fails_from_any_call_on_keeps_the_old_file_or_has_the_new_one(tmp_path, disk, monkeypatch, write, older):
    """Cleaning up fails too: the error is the first one, and what is left has the name of an unfinished file."""
    path = tmp_path / "f.jsonl"
    for fail_at in range(1, 50):
        start_again(path, older)
        used = disk(fail_at, OSError(5, "Input/output error"), for_ever=True)
        failed, found = written(write, path, monkeypatch)
        assert {left.name for left in tmp_path.iterdir()} - {"f.jsonl"} <= set(unfinished(tmp_path))
        if failed is None:
            assert found == NEW
        else:
            assert found in (older, NEW)
            assert (failed.path, failed.errno) == (str(path), 5)
        if len(used.calls) < fail_at:
            assert fail_at > 5
            return
    pytest.fail("it never ended")


@pytest.mark.parametrize("older", [None, OLD], ids=["no older file", "an older file"])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_wherever_the_process_dies_the_file_is_old_or_new(tmp_path, disk, monkeypatch, write, older):
    """From the k-th call on nothing has an effect: the names of the remaining files show what they are."""
    path = tmp_path / "f.jsonl"
    for die_at in range(1, 50):
        start_again(path, older)
        used = disk(die_at, Died(), for_ever=True)
        died = False
        try:
            write(path)
        except Died:
            died = True
        monkeypatch.undo()
        found = path.read_bytes() if path.exists() else None
        assert found in ((older, NEW) if died else (NEW,))
        others = {left.name for left in tmp_path.iterdir()} - {"f.jsonl"}
        assert others <= set(unfinished(tmp_path))
        if not died:
            assert die_at > len(used.calls) > 4
            return
    pytest.fail("it never ended")


@pytest.mark.parametrize("older", [None, OLD], ids=["no older folder", "an older folder"])
def test_whichever_call_fails_the_folder_is_old_or_new(tmp_path, disk, monkeypatch, older):
    """The same for a folder of parts."""
    path = tmp_path / "parts"
    for fail_at in range(1, 80):
        if older is not None and not path.exists():
            path.mkdir()
            (path / "old").write_bytes(older)
        used = disk(fail_at, OSError(5, "Input/output error"))
        failed = False
        try:
            with atomic_folder(path, overwrite=True, ours={"old"}.__contains__) as folder:
                (folder / "1").write_bytes(NEW)
                (folder / "2").write_bytes(NEW)
        except FileError:
            failed = True
        monkeypatch.undo()
        found = {part.name: part.read_bytes() for part in path.iterdir()} if path.exists() else None
        assert found in (None if older is None else {"old": older}, {"1": NEW, "2": NEW})
        if found is not None and "old" not in found:
            for part in path.iterdir():
                part.unlink()
            path.rmdir()
        if not failed and len(used.calls) < fail_at:
            return
    pytest.fail("it never ended")


def test_a_killed_process_leaves_the_old_file_or_the_new_one(tmp_path):
    """Killed at random moments; the name of the unfinished file shows that it is unfinished."""
    path = tmp_path / "f.jsonl"
    path.write_bytes(OLD)
    code = (
        "import sys; from pathlib import Path; from batchfiles.io.atomic import atomic_file\n"
        'new = b\'{"custom_id": "a"}\\n\' * 1000\n'
        "while True:\n"
        "    with atomic_file(Path(sys.argv[1]), overwrite=True) as file:\n"
        "        for _ in range(20): file.write(new)\n"
        "    print(flush=True)\n"
    )
    chance = random.Random(7)
    for _ in range(8):
        with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(chance.random() * 0.02)
            process.send_signal(signal.SIGKILL)
        assert path.read_bytes() == NEW * 20
    assert {left.name for left in tmp_path.iterdir()} - {"f.jsonl"} == set(unfinished(tmp_path))


def test_an_existing_file_is_refused_before_the_block(tmp_path):
    """Hours of work must not end in a refusal."""
    path = tmp_path / "f"
    path.write_bytes(OLD)
    with pytest.raises(OutputExistsError, match="exists already: choose another name, or use overwrite=True"), atomic_file(path):
        pytest.fail("the block must not begin")
    assert path.read_bytes() == OLD


def test_a_file_that_came_meanwhile_is_not_replaced(tmp_path):
    """Two runs with one target: the second to finish is refused."""
    path = tmp_path / "f"

    def write():
        with atomic_file(path) as file:
            file.write(NEW)
            path.write_bytes(OLD)

    with pytest.raises(OutputExistsError):
        write()
    assert path.read_bytes() == OLD
    assert unfinished(tmp_path) == []


def test_force_replaces_what_a_link_points_to(tmp_path):
    """The link stays a link, also one from another folder; without force it is refused, even if it points to nothing."""
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "f"
    link = tmp_path / "link"
    link.symlink_to(target)
    with pytest.raises(OutputExistsError), atomic_file(link):
        pytest.fail("the block must not begin")
    for _ in range(2):
        with atomic_file(link, overwrite=True) as file:
            file.write(NEW)
        assert link.is_symlink()
        assert target.read_bytes() == NEW


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, GeneratorExit, SystemExit])
def test_an_exception_leaves_nothing(tmp_path, error):
    """Of any kind, and it is not changed."""

    def half_a_file():
        with atomic_file(tmp_path / "f") as file:
            file.write(NEW)
            raise error

    def half_a_folder():
        with atomic_folder(tmp_path / "d") as folder:
            (folder / "1").write_bytes(NEW)
            raise error

    for write in (half_a_file, half_a_folder):
        with pytest.raises(error):
            write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [FileNotFoundError(2, "No such file", "/other/file"), BrokenPipeError(32, "x"), TimeoutError()])
def test_errors_about_something_else_are_not_changed(tmp_path, error):
    """A missing source is not the target's fault."""
    with pytest.raises(type(error)) as caught, atomic_file(tmp_path / "f"):
        raise error
    assert caught.value is error


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "日" * 85, ".hidden", "name with spaces", "-"])
def test_long_and_odd_names_work(tmp_path, name):
    """The temporary name is not longer than names may be."""
    with atomic_file(tmp_path / name) as file:
        (unfinished_name,) = unfinished(tmp_path)
        assert unfinished_name.startswith(".")
        file.write(NEW)
    assert (tmp_path / name).read_bytes() == NEW


@pytest.mark.parametrize("name", ["x" * 256, "no/such/folder", "file/below"])
@pytest.mark.parametrize("make", [atomic_file, atomic_folder])
def test_impossible_names_are_file_errors(tmp_path, make, name):
    """With the path that was asked for."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileError) as caught, make(tmp_path / name):
        pytest.fail("the block must not begin")
    assert caught.value.path == str(tmp_path / name)


def test_an_error_in_a_folder_names_the_file_that_it_would_have_been(tmp_path):
    """A failing disk was reported with the temporary name of the folder, which was gone by then."""
    with pytest.raises(FileError) as caught, atomic_folder(tmp_path / "d") as folder, atomic_file(folder / "no" / "f"):
        pytest.fail("the block must not begin")
    assert caught.value.path == str(tmp_path / "d" / "no" / "f")
    assert list(tmp_path.iterdir()) == []


def test_errors_of_other_folders_are_not_changed(tmp_path):
    """In the block of a folder, too."""
    with pytest.raises(FileNotFoundError), atomic_folder(tmp_path / "d"):
        (tmp_path / "gone").read_bytes()
    assert list(tmp_path.iterdir()) == []


def test_a_device_is_written_not_replaced():
    """`-o /dev/null --force` run by root must not make a file of it."""
    for overwrite in (False, True):
        with atomic_file(Path("/dev/null"), overwrite=overwrite) as file:
            file.write(NEW)
    assert Path("/dev/null").is_char_device()


def test_a_named_pipe_is_written_not_replaced(tmp_path):
    """The reader of the pipe gets the bytes."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        with atomic_file(pipe) as file:
            file.write(NEW)
        assert reader.communicate()[0] == NEW
    assert pipe.is_fifo()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("make", [atomic_file, atomic_folder])
def test_links_in_a_circle_are_an_error_of_the_file(tmp_path, make, overwrite):
    """It was a RuntimeError of pathlib, which looked like a bug."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for target in (tmp_path / "a", tmp_path / "a" / "inside"):
        with pytest.raises(FileError, match="too many levels of symbolic links"), make(target, overwrite=overwrite):
            pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_filesystem_without_links_still_works(tmp_path, monkeypatch):
    """It is renamed; a file that another process wrote meanwhile is still seen."""

    def no_link(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_link)
    with atomic_file(tmp_path / "f") as file:
        file.write(NEW)
    assert (tmp_path / "f").read_bytes() == NEW
    assert unfinished(tmp_path) == []


def test_a_folder_appears_with_all_its_files(tmp_path):
    """An empty folder counts as not there; a full one is refused without force and replaced with it."""
    path = tmp_path / "parts"
    path.mkdir()
    with atomic_folder(path) as folder:
        (folder / "1").write_bytes(NEW)
    with pytest.raises(OutputExistsError), atomic_folder(path):
        pytest.fail("the block must not begin")
    with atomic_folder(path, overwrite=True, ours=str.isdigit) as folder:
        (folder / "2").write_bytes(NEW)
    assert [part.name for part in path.iterdir()] == ["2"]
    assert unfinished(tmp_path) == []


def test_a_folder_that_is_none_of_ours_is_not_replaced(tmp_path):
    """A file where a folder is asked for, and a folder with folders in it, stay even with force."""
    (tmp_path / "file").write_bytes(OLD)
    with pytest.raises(FileError, match="is a file"), atomic_folder(tmp_path / "file", overwrite=True):
        pytest.fail("the block must not begin")
    (tmp_path / "home" / "documents").mkdir(parents=True)
    with pytest.raises(FileError, match="holds folders"), atomic_folder(tmp_path / "home", overwrite=True):
        pytest.fail("the block must not begin")
    assert (tmp_path / "home" / "documents").is_dir()


def test_a_folder_is_made_unless_a_file_is_in_the_way(tmp_path):
    """A file with the name of the folder was "file exists" for some commands, and below a file nothing named the file."""
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b", parents=False)
    file = tmp_path / "a" / "file"
    file.write_bytes(OLD)
    with pytest.raises(FileError, match="file: is a file, and a folder was asked for"):
        make_folder(file)
    with pytest.raises(FileError, match=f"d: not a directory: {re.escape(str(file))} is a file"):
        make_folder(file / "c" / "d")
    with pytest.raises(FileError, match="d: no such file or directory"):
        make_folder(tmp_path / "c" / "d", parents=False)


def test_a_folder_with_files_of_others_is_not_replaced(tmp_path):
    """Only the caller knows which names are ours; by default none is. One such file is reported, with what can be done."""
    path = tmp_path / "df"
    path.mkdir()
    for name in ("1", "2", "thesis.txt"):
        (path / name).write_bytes(OLD)
    for options, named in (({"ours": str.isdigit}, "thesis.txt"), ({}, "1")):
        words = (
            f"df: holds files that are not ours to delete, {named} for one: choose another folder, or remove this one yourself$"
        )
        with pytest.raises(FileError, match=words), atomic_folder(path, overwrite=True, **options):
            pytest.fail("the block must not begin")
    assert sorted(file.name for file in path.iterdir()) == ["1", "2", "thesis.txt"]
    assert unfinished(tmp_path) == []


def test_a_hidden_file_of_others_keeps_a_folder_too(tmp_path):
    """It is easily overlooked, and its loss would be, too."""
    (tmp_path / "df").mkdir()
    (tmp_path / "df" / ".env").write_bytes(OLD)
    with pytest.raises(FileError, match=r"\.env for one"), atomic_folder(tmp_path / "df", overwrite=True, ours=str.isdigit):
        pytest.fail("the block must not begin")
    assert (tmp_path / "df" / ".env").read_bytes() == OLD


@pytest.mark.parametrize(("overwrite", "error"), [(False, OutputExistsError), (True, FileError)])
def test_what_came_into_a_folder_meanwhile_stays(tmp_path, overwrite, error):
    """The work may take an hour, and results can be downloaded in the meantime."""
    path = tmp_path / "df"

    def work():
        with atomic_folder(path, overwrite=overwrite, ours=str.isdigit) as folder:
            (folder / "1").write_bytes(NEW)
            path.mkdir()
            (path / "results").write_bytes(OLD)

    with pytest.raises(error):
        work()
    assert [(file.name, file.read_bytes()) for file in path.iterdir()] == [("results", OLD)]
    assert unfinished(tmp_path) == []
