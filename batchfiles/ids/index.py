r"""Where the line of each `custom_id` stands: an index of 24 bytes a line, in a temporary file that processes share.

Entries are sorted by Python's own hash of the decoded id in UTF-8: `"caf\u00e9"` and `"café"` are one id. It costs a tenth of
what BLAKE2b costs, and nobody can make ids that collide, since its key is a secret of the process; so an index is built and
searched by processes that have the same key (see `jobs.processes`). Two ids may share a digest all the same: whoever fetches a
line compares the id in it.

What a pass of the join says of each entry of an index: a few bytes an entry, in a temporary file that its processes share.
"""

from __future__ import annotations

import mmap
import os
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from batchfiles.io.atomic import file_error

__all__ = ["OFFSET_BITS", "Index", "IndexBuilder", "IndexEntries", "LineRef", "ResultFlags", "digest", "digest_of_bytes"]

OFFSET_BITS = 48
"""A position packs the file's number above this many bits of byte offset: 65,536 files of up to 256 TiB."""

MASK = (1 << 64) - 1
PARTITIONS = 64
BUCKET = 16
"""Entries that share a place in the directory, on average."""
COLUMNS: tuple[tuple[str, Literal["Q", "I"]], ...] = (
    ("digests", "Q"),
    ("positions", "Q"),
    ("lengths", "I"),
    ("line_numbers", "I"),
)
WIDTHS = {"Q": 8, "I": 4}


def digest(custom_id: str) -> int:
    """Return the 64-bit digest under which an id stands in the index; `digest_of_bytes` does the same for its UTF-8."""
    return hash(custom_id.encode()) & MASK


def digest_of_bytes(custom_id: bytes) -> int:
    """Return the 64-bit digest of an id in UTF-8."""
    return hash(custom_id) & MASK


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Say of a disk that refuses what was asked of it."""
    try:
        yield
    except OSError as error:
        raise file_error(error, path) from None


class LineRef(NamedTuple):
    """Where a line stands: the file's number, and offset, length (without its newline) and number of the line."""

    file: int
    offset: int
    length: int
    line_number: int


class IndexEntries:
    """Lines with their digests, column by column, as a pass over a file notes them."""

    def __init__(self) -> None:
        self.digests = array("Q")
        self.positions = array("Q")
        self.lengths = array("I")
        self.line_numbers = array("I")

    def __len__(self) -> int:
        return len(self.digests)

    def add(self, digest: int, file: int, offset: int, length: int, line_number: int) -> None:
        """Note one line."""
        self.digests.append(digest)
        self.positions.append(file << OFFSET_BITS | offset)
        self.lengths.append(length)
        self.line_numbers.append(line_number)

    def add_lines(self, digests: Sequence[int | None], file: int, offset: int, lengths: list[int], line_number: int) -> None:
        """Note neighbouring lines; those without a digest are left out."""
        for digest, length in zip(digests, lengths, strict=True):
            if digest is not None:
                self.add(digest, file, offset, length, line_number)
            offset += length + 1
            line_number += 1

    def to_bytes(self) -> bytes:
        """Pack the columns one behind the other; `from_bytes` needs to know nothing else."""
        return b"".join(getattr(self, name).tobytes() for name, _ in COLUMNS)

    @classmethod
    def from_bytes(cls, data: bytes, line_number_base: int = 0) -> IndexEntries:
        """Unpack what `to_bytes` packed, and shift the line numbers by what stood before the range that was read."""
        entries = cls()
        count = len(data) // 24
        at = 0
        for name, code in COLUMNS:
            size = count * WIDTHS[code]
            getattr(entries, name).frombytes(memoryview(data)[at : at + size])
            at += size
        if line_number_base:
            entries.line_numbers = array("I", [number + line_number_base for number in entries.line_numbers])
        return entries


class IndexBuilder:
    """Takes entries in any order and leaves a sorted index in a file.

    Args:
        path: The file to make; partitions stand beside it for a while.
        in_memory: How many entries are held before they go to disk, sorted into 64 partitions by their first bits; each is then
            sorted alone, so that the memory stays that of one partition.
    """

    def __init__(self, path: Path, *, in_memory: int = 400_000) -> None:
        self._path = path
        self._in_memory = in_memory
        self._held: list[IndexEntries] = []
        self._held_count = 0
        self._count = 0
        self._partitions: list[Any] = []

    def add(self, entries: IndexEntries) -> None:
        """Add what a pass over a range noted.

        Raises:
            FileError: The disk refused.
        """
        if not entries:
            return
        self._held.append(entries)
        self._held_count += len(entries)
        self._count += len(entries)
        if self._held_count > self._in_memory:
            with _refusals(self._path):
                self._spill()

    def finish(self) -> Index:
        """Sort, write, and open the index.

        Raises:
            FileError: The disk refused, or there is a file of that name.
        """
        with _refusals(self._path):
            self._write()
        return Index(self._path, self._count)

    def close(self) -> None:
        """Remove the partitions where nobody wants the index any more; the file itself is whoever's who named it."""
        while self._partitions:
            partition = self._partitions.pop()
            with suppress(OSError):  # bytes in its buffer for which there is no room
                partition.close()
            with suppress(OSError):
                Path(partition.name).unlink()

    def _write(self) -> None:
        if self._partitions and self._held:
            self._spill()
        with self._path.open("xb") as file:
            file.truncate(Index.size_of(self._count))
            at = 0
            for columns in self._sorted():
                start = 0
                for (_, code), column in zip(COLUMNS, columns, strict=True):
                    file.seek(start + at * WIDTHS[code])
                    file.write(column.buffers()[1])
                    start += self._count * WIDTHS[code]
                at += len(columns[0])
        self.close()

    def _sorted(self) -> Iterator[list[Any]]:
        """Yield the sorted columns, one partition after the other."""
        if not self._partitions:
            if self._held:
                yield _sort(self._held)
            return
        for partition in self._partitions:
            partition.seek(0)
            held = []
            while head := partition.read(8):
                held.append(IndexEntries.from_bytes(partition.read(24 * int.from_bytes(head, "little"))))
            if held:
                yield _sort(held)

    def _spill(self) -> None:
        """Write what is held to the partitions; each gets one run of the sorted entries."""
        if not self._partitions:
            names = [f"{self._path.name}.{number:02d}" for number in range(PARTITIONS)]
            self._partitions = [self._path.with_name(name).open("x+b") for name in names]
        columns = _sort(self._held)
        digests = memoryview(columns[0].buffers()[1]).cast("Q")
        edges = [bisect_left(digests, (n << 64) // PARTITIONS) for n in range(PARTITIONS)] + [len(digests)]
        for partition, start, end in zip(self._partitions, edges, edges[1:], strict=False):
            if start < end:
                partition.write((end - start).to_bytes(8, "little"))
                for (_, code), column in zip(COLUMNS, columns, strict=True):
                    partition.write(memoryview(column.buffers()[1])[start * WIDTHS[code] : end * WIDTHS[code]])
        self._held.clear()
        self._held_count = 0


def _sort(held: list[IndexEntries]) -> list[Any]:
    """Sort by digest, keeping the order of arrival among equals; returns Arrow arrays in the order of `COLUMNS`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    types = {"Q": pa.uint64(), "I": pa.uint32()}
    columns = []
    for name, code in COLUMNS:
        data = b"".join(memoryview(getattr(entries, name)).cast("B") for entries in held)
        columns.append(pa.Array.from_buffers(types[code], len(data) // WIDTHS[code], [None, pa.py_buffer(data)]))
    order = pc.array_sort_indices(columns[0])
    return [column.take(order) for column in columns]


class Index:
    """A finished index, open for look-ups in any number of processes.

    Attributes:
        digests: Sorted.
        positions: File numbers and offsets, as `OFFSET_BITS` says.
        lengths: Bytes of each line without its newline.
        line_numbers: Counted from 1.

    Raises:
        FileError: The file is not there any more.
    """

    def __init__(self, path: Path, count: int) -> None:
        self.path = path
        self.count = count
        self._map: mmap.mmap | None = None
        view = memoryview(b"")
        if count:
            with _refusals(path), path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            view = memoryview(self._map)
        at = 0
        self._views = []
        for _, code in COLUMNS:
            size = count * WIDTHS[code]
            self._views.append(view[at : at + size].cast(code))
            at += size
        self.digests, self.positions, self.lengths, self.line_numbers = self._views

    def directory(self) -> tuple[int, array[int]]:
        """Return `(shift, starts)`: the digests with `digest >> shift == b` stand from `starts[b]` to `starts[b + 1]`.

        With it a look-up touches two places in memory and not twenty.
        """
        bits = max(self.count // BUCKET, 1).bit_length() - 1
        shift = 64 - bits
        starts = array("Q", [bisect_left(self.digests, start << shift) for start in range(1 << bits)])
        starts.append(self.count)
        return shift, starts

    @staticmethod
    def size_of(count: int) -> int:
        """Return the bytes of an index of that many entries."""
        return 24 * count

    def __len__(self) -> int:
        return self.count

    def place(self, entry: int) -> LineRef:
        """Return where the line of an entry stands."""
        position = self.positions[entry]
        return LineRef(
            position >> OFFSET_BITS,
            position & (1 << OFFSET_BITS) - 1,
            self.lengths[entry],
            self.line_numbers[entry],
        )

    def run(self, digest: int) -> range:
        """Return the entries of a digest, in the order of the files and lines."""
        digests = self.digests
        first = bisect_left(digests, digest)
        last = first
        while last < self.count and digests[last] == digest:
            last += 1
        return range(first, last)

    def repeated(self) -> Iterator[range]:
        """Yield the runs of entries that share a digest."""
        behind = 0
        for twin in self._twins():
            if twin >= behind:
                run = self.run(self.digests[twin])
                behind = run.stop
                yield run

    def is_disjoint(self, other: Index) -> bool:
        """Return whether there are entries in both indexes, and no digest is in both."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self.count or not other.count:
            return False
        mine, others = (
            pa.Array.from_buffers(pa.uint64(), index.count, [None, pa.py_buffer(index.digests)]) for index in (self, other)
        )
        return not pc.any(pc.is_in(mine, value_set=others)).as_py()

    def _twins(self) -> list[int]:
        """Return the entries that share a digest with the next one; nothing of Arrow holds the map any more then."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.count < 2:
            return []
        column = pa.Array.from_buffers(pa.uint64(), self.count, [None, pa.py_buffer(self.digests)])
        twins: list[int] = pc.indices_nonzero(pc.equal(column[1:], column[:-1])).to_pylist()
        return twins

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file, which stays; whoever named it removes it."""
        for view in self._views:
            view.release()
        if self._map is not None:
            self._map.close()


SORT_BYTES = 1024 * 1024

KINDS = ("used", "superseded", "conflicting", "malformed", "repaired")


class ResultFlags:
    """One byte an entry and kind, 0 until somebody writes a 1.

    They are bytes and not bits, so that two processes never undo each other's writes: all that they may write is the same 1.

    Args:
        path: The file; it is made if it isn't there.
        count: The entries of the index.

    Raises:
        FileError: The file can't be made.

    Attributes:
        used: The result is in the table.
        superseded: There was a better one for some request.
        conflicting: It is a success, and so was the better one, and they differ.
        malformed: The line can't be read, but for its id.
        repaired: The line is not quite JSON.
    """

    def __init__(self, path: Path, count: int) -> None:
        self.path = path
        self._map: mmap.mmap | None = None
        view = memoryview(b"")
        if count:
            self._map = _mapped(path, count * len(KINDS))
            view = memoryview(self._map)
        self._views = [view[number * count : (number + 1) * count] for number in range(len(KINDS))]
        self.used, self.superseded, self.conflicting, self.malformed, self.repaired = self._views

    def close(self) -> None:
        """Let go of the file, which stays; whoever named it removes it."""
        for view in self._views:
            view.release()
        if self._map is not None:
            self._map.close()

    def mask(self, kind: str) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Return the marks of a kind as an Arrow array of booleans."""
        import pyarrow as pa
        import pyarrow.compute as pc

        marks = getattr(self, kind)
        return pc.not_equal(pa.Array.from_buffers(pa.uint8(), len(marks), [None, pa.py_buffer(marks)]), 0)


def _mapped(path: Path, size: int) -> mmap.mmap:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(descriptor).st_size == 0:
                _take_room(descriptor, size)
            return mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise file_error(error, path) from None


def _take_room(descriptor: int, size: int) -> None:
    """Take the room on the disk now: a write to a mapped hole for which there is none kills the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:  # macOS
        with open(descriptor, "wb", closefd=False) as file:
            file.writelines(bytes(min(SORT_BYTES, size - start)) for start in range(0, size, SORT_BYTES))
