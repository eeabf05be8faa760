r"""An index of lines by `custom_id`, 24 bytes for each, and flags for each entry, in temporary files shared by processes.

Entries are sorted by Python's hash of the decoded id in UTF-8: `"caf\u00e9"` and `"café"` are one id. It is ten times as fast as
BLAKE2b, and nobody can choose ids that collide, because its key is a secret of the process. So all processes that use an index
must have the same key. Two ids may still share a digest: code that reads a line must compare its id.
"""

from __future__ import annotations

import mmap
import os
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import accumulate, compress, islice, pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from batchfiles.io.remote_path import file_error

OFFSET_BITS = 48
"""A position packs the file's number above this many bits of byte offset: 65,536 files of up to 256 TiB."""

MASK = (1 << 64) - 1
PARTITIONS = 64
BUCKET = 16
"""The average number of entries for each item of the directory."""
MANY = 16
"""Entries of one digest that are looked through one by one."""
COLUMNS: tuple[tuple[str, Literal["Q", "I"]], ...] = (
    ("digests", "Q"),
    ("positions", "Q"),
    ("lengths", "I"),
    ("line_numbers", "I"),
)
WIDTHS = {"Q": 8, "I": 4}


def digest(custom_id: str) -> int:
    """Return the 64-bit digest of an id; the same as `digest_of_bytes` of its UTF-8."""
    return hash(custom_id.encode()) & MASK


def digest_of_bytes(custom_id: bytes) -> int:
    """Return the 64-bit digest of an id in UTF-8."""
    return hash(custom_id) & MASK


def digests_of_bytes(custom_ids: list[bytes]) -> list[int]:
    """Return the 64-bit digests of many ids in UTF-8."""
    return [hash(custom_id) & MASK for custom_id in custom_ids]


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    """Convert an OSError to a FileError."""
    try:
        yield
    except OSError as error:
        raise file_error(error, path) from None


class LineRef(NamedTuple):
    """The position of a line: the file's number, and offset, length (without its newline) and number of the line."""

    file: int
    offset: int
    length: int
    line_number: int


class IndexEntries:
    """Entries of an index in columns, in the order of the lines."""

    def __init__(self) -> None:
        self.digests = array("Q")
        self.positions = array("Q")
        self.lengths = array("I")
        self.line_numbers = array("I")

    def __len__(self) -> int:
        return len(self.digests)

    def add(self, digest: int, file: int, offset: int, length: int, line_number: int) -> None:
        """Add one line."""
        self.digests.append(digest)
        self.positions.append(file << OFFSET_BITS | offset)
        self.lengths.append(length)
        self.line_numbers.append(line_number)

    def add_lines(self, digests: Sequence[int | None], file: int, offset: int, lengths: list[int], line_number: int) -> None:
        """Add consecutive lines; those without a digest are omitted. The offsets follow from the lengths."""
        ends = accumulate([length + 1 for length in lengths], initial=file << OFFSET_BITS | offset)
        columns: list[Iterable[Any]] = [
            digests,
            islice(ends, len(lengths)),
            lengths,
            range(line_number, line_number + len(lengths)),
        ]
        if None in digests:
            has_digest = [digest is not None for digest in digests]
            columns = [compress(column, has_digest) for column in columns]
        for own, more in zip((self.digests, self.positions, self.lengths, self.line_numbers), columns, strict=True):
            own.extend(more)

    def to_bytes(self) -> bytes:
        """Pack the columns one after the other, for `from_bytes`."""
        return b"".join(getattr(self, name).tobytes() for name, _ in COLUMNS)

    @classmethod
    def from_bytes(cls, data: bytes, line_number_base: int = 0) -> IndexEntries:
        """Unpack the result of `to_bytes`, and add the number of lines before the range that was read."""
        entries = cls()
        for (name, _), column in zip(COLUMNS, _split(memoryview(data), len(data) // 24), strict=True):
            getattr(entries, name).frombytes(column)
        if line_number_base:
            entries.line_numbers = array("I", [number + line_number_base for number in entries.line_numbers])
        return entries


def _split(view: memoryview, count: int) -> list[memoryview]:
    """Return the columns of packed entries."""
    ends = list(accumulate((count * WIDTHS[code] for _, code in COLUMNS), initial=0))
    return [view[start:end] for start, end in pairwise(ends)]


class IndexBuilder:
    """Takes entries in any order and writes a sorted index to a file.

    Args:
        path: The file to create; the partitions are next to it while it is built.
        in_memory: How many entries are kept in memory. More are written to 64 partitions by their first bits, and each of these
            is sorted separately, so that the memory is bounded.
    """

    def __init__(self, path: Path, *, in_memory: int = 400_000) -> None:
        self._path = path
        self._in_memory = in_memory
        self._held: list[IndexEntries] = []
        self._held_count = 0
        self._count = 0
        self._partitions: list[Any] = []

    def add(self, entries: IndexEntries) -> None:
        """Add entries.

        Raises:
            FileError: The partitions can't be written.
        """
        if not entries:
            return
        self._held.append(entries)
        self._held_count += len(entries)
        self._count += len(entries)
        if self._held_count > self._in_memory:
            with _file_errors(self._path):
                self._spill()

    def finish(self) -> Index:
        """Sort, write, and open the index.

        Raises:
            FileError: The file can't be written, or exists.
        """
        with _file_errors(self._path):
            self._write()
        return Index(self._path, self._count)

    def close(self) -> None:
        """Remove the partitions, but not the file."""
        while self._partitions:
            partition = self._partitions.pop()
            with suppress(OSError):  # its buffer can't be written to a full disk
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
        """Write the entries in memory to the partitions, as one sorted run for each."""
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
    """Sort by digest, stably; returns Arrow arrays in the order of `COLUMNS`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    types = {"Q": pa.uint64(), "I": pa.uint32()}
    columns = []
    for name, code in COLUMNS:
        data = b"".join(memoryview(getattr(entries, name)).cast("B") for entries in held)
        columns.append(pa.Array.from_buffers(types[code], len(data) // WIDTHS[code], [None, pa.py_buffer(data)]))
    order = pc.array_sort_indices(columns[0])
    return [column.take(order) for column in columns]


class _MappedFile:
    """A file in memory, if it is not empty, and views of it."""

    _map: mmap.mmap | None = None
    _views: Sequence[memoryview[int]] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and keep it; its owner removes it."""
        for view in self._views:
            view.release()
        if self._map is not None:
            self._map.close()


class Index(_MappedFile):
    """A finished index, open for look-ups in any number of processes.

    Attributes:
        digests: Sorted.
        positions: File numbers and offsets, see `OFFSET_BITS`.
        lengths: Bytes of each line without its newline.
        line_numbers: Counted from 1.

    Raises:
        FileError: The file can't be opened.
    """

    def __init__(self, path: Path, count: int) -> None:
        self.path = path
        self.count = count
        view = memoryview(b"")
        if count:
            with _file_errors(path), path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            view = memoryview(self._map)
        self._views = [part.cast(code) for part, (_, code) in zip(_split(view, count), COLUMNS, strict=True)]
        self.digests, self.positions, self.lengths, self.line_numbers = self._views

    def directory(self) -> tuple[int, array[int]]:
        """Return `(shift, starts)`: the digests with `digest >> shift == b` are in `starts[b]` to `starts[b + 1]`.

        With it, a look-up touches two places in memory instead of twenty.
        """
        bits = max(self.count // BUCKET, 1).bit_length() - 1
        shift = 64 - bits
        starts = array("Q", [bisect_left(self.digests, start << shift) for start in range(1 << bits)])
        starts.append(self.count)
        return shift, starts

    @staticmethod
    def size_of(count: int) -> int:
        """Return the size in bytes of an index."""
        return 24 * count

    def __len__(self) -> int:
        return self.count

    def place(self, entry: int) -> LineRef:
        """Return the position of an entry's line."""
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
            if last - first == MANY:  # a search, for the time of a walk through all entries would grow with the square
                last = bisect_right(digests, digest, last, self.count)
        return range(first, last)

    def repeated(self) -> Iterator[range]:
        """Yield the runs of entries that share a digest."""
        stop = 0
        for entry in self._repeated_entries():
            if entry >= stop:
                run = self.run(self.digests[entry])
                stop = run.stop
                yield run

    def _arrow_digests(self) -> Any:  # noqa: ANN401 - pyarrow
        import pyarrow as pa

        return pa.Array.from_buffers(pa.uint64(), self.count, [None, pa.py_buffer(self.digests)])

    def _repeated_entries(self) -> list[int]:
        """Return the entries whose digest is also that of the next one; as a list, so that Arrow does not keep the map open."""
        import pyarrow.compute as pc

        if self.count < 2:
            return []
        column = self._arrow_digests()
        entries: list[int] = pc.indices_nonzero(pc.equal(column[1:], column[:-1])).to_pylist()
        return entries


SORT_BYTES = 1024 * 1024

KINDS = ("used", "superseded", "conflicting", "malformed", "repaired")


class ResultFlags(_MappedFile):
    """Flags for each entry of an index: a byte for each kind, 0 or 1.

    Bytes instead of bits, so that processes never undo each other's writes: all of them write the same 1.

    Args:
        path: The file; it is created if missing.
        count: The number of entries of the index.

    Raises:
        FileError: The file can't be created.

    Attributes:
        used: The result is in the table.
        superseded: There was a better one for a request.
        conflicting: It and the better one are successes that differ.
        malformed: The line can't be read, except its id.
        repaired: The line is not strictly JSON.
    """

    def __init__(self, path: Path, count: int) -> None:
        self.path = path
        view = memoryview(b"")
        if count:
            self._map = _mapped(path, count * len(KINDS))
            view = memoryview(self._map)
        self._views = [view[number * count : (number + 1) * count] for number in range(len(KINDS))]
        self.used, self.superseded, self.conflicting, self.malformed, self.repaired = self._views

    def mask(self, kind: str) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Return the flags of a kind as an Arrow array of booleans."""
        import pyarrow as pa
        import pyarrow.compute as pc

        flags = getattr(self, kind)
        return pc.not_equal(pa.Array.from_buffers(pa.uint8(), len(flags), [None, pa.py_buffer(flags)]), 0)


def _mapped(path: Path, size: int) -> mmap.mmap:
    with _file_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(descriptor).st_size == 0:
                _allocate(descriptor, size)
            return mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)


def _allocate(descriptor: int, size: int) -> None:
    """Allocate the space on the disk now: with a full disk, a write to a mapped hole kills the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:  # macOS
        with open(descriptor, "wb", closefd=False) as file:
            file.writelines(bytes(min(SORT_BYTES, size - start)) for start in range(0, size, SORT_BYTES))
