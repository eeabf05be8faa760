"""Bytes appended in a background thread."""

from __future__ import annotations

import errno
import io
import threading
from functools import partial
from pathlib import Path

import pytest

from batchfiles.io import threads
from batchfiles.io.threads import BackgroundFile, BackgroundWriter, write_all


class Full(io.BytesIO):
    """A file on a disk that is full."""

    def write(self, data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_an_exception_waits_for_what_is_being_done() -> None:
    """Else the thread writes to a file that is removed; nothing noticed when it was not waited for."""
    began, done = threading.Event(), []

    def slow() -> None:
        began.set()
        threading.Event().wait(0.3)
        done.append("slow")

    def leave() -> None:
        with BackgroundWriter("test") as behind:
            behind.do(slow)
            behind.do(partial(done.append, "cancelled"))
            began.wait(10)
            raise KeyError

    with pytest.raises(KeyError):
        leave()
    assert done == ["slow"]


def test_things_are_done_in_their_order_and_all_of_them() -> None:
    """More things than may wait are done one after the other, in one thread that is not this one."""
    done: list[int] = []
    threads: set[int] = set()

    def do(number: int) -> None:
        done.append(number)
        threads.add(threading.get_ident())

    with BackgroundWriter("test") as behind:
        for number in range(100):
            behind.do(partial(do, number))
        behind.finish()
        assert done == list(range(100))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_an_error_is_raised_at_the_end_at_the_latest() -> None:
    """A full disk ends the work, and not in silence."""

    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with BackgroundWriter("test") as behind:
        behind.do(fail)
        with pytest.raises(OSError, match="No space left"):
            behind.finish()


def test_a_file_has_all_bytes_when_the_block_ends(tmp_path: Path) -> None:
    """Also those that waited, and in their order."""
    path = tmp_path / "lines.jsonl"
    pieces = [bytes([number]) * 300_000 for number in range(200)]
    with path.open("xb") as file, BackgroundFile(file) as behind:
        for piece in pieces:
            assert behind.write(piece) == len(piece)
    assert path.read_bytes() == b"".join(pieces)


def test_a_file_that_refuses_ends_the_block_with_its_error() -> None:
    """A caller who writes a whole file or none must know it before the file gets its name."""
    with pytest.raises(OSError, match="No space left"), BackgroundFile(Full()) as behind:
        behind.write(b"{}\n")


def test_an_error_of_a_sync_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system reports it once: the sync at the end of the file succeeded, without the bytes on the disk."""

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(threads, "SYNC", fail)
    monkeypatch.setattr(threads, "SYNCED", 1000)
    with (
        (tmp_path / "lines.jsonl").open("xb", buffering=0) as file,
        pytest.raises(OSError, match="Input/output error"),
        BackgroundFile(file) as behind,
    ):
        behind.write(b"{}\n" * 1000)


def test_an_exception_in_the_block_is_the_one_that_leaves_it() -> None:
    """What waits is given up then, and its own trouble with it."""

    def spoiled() -> None:
        with BackgroundFile(Full()) as behind:
            behind.write(b"{}\n")
            raise KeyError

    with pytest.raises(KeyError):
        spoiled()


def test_a_file_may_take_a_part_only() -> None:
    """An unbuffered file does, where a signal interrupts it or a pipe is nearly full."""

    class Sip(io.BytesIO):
        def write(self, data: bytes) -> int:  # type: ignore[override]
            return super().write(data[:2])

    sip = Sip()
    write_all(sip, b"seven!!")
    assert sip.getvalue() == b"seven!!"
