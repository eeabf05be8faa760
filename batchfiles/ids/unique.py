"""Exact uniqueness of any number of ids, some of them on disk."""

from __future__ import annotations

import marshal
import os
import tempfile
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Self, TypeAlias, cast

from batchfiles.errors import FileError
from batchfiles.io.remote_path import file_error
from batchfiles.native import NativeIds, native_ids, native_lines

PLACE_BITS = 40
"""A place is the number of the file, followed by this many bits for the number of the line."""

PARTITIONS = 64
"""Partitions of the hashes, by their last bits, which are searched one at a time."""

HASHES = 2_000_000
"""The number of hashes in memory, 8 bytes each."""

CHARACTERS = 64
"""An id in memory counts once for every 64 characters, so that long ids don't exceed the bound."""

BUFFER = 2 * 1024 * 1024
"""The number of characters (and `CHARACTERS // 2` for each id) that are written to disk together."""

MOST_CANDIDATES = 200_000
"""The number of ids that are compared at a time, about 160 bytes each. Only ids with a repeated hash are compared."""


Piece: TypeAlias = "tuple[list[str] | bytes, array[int] | int]"
"""Some ids and their places; or in UTF-8 with a newline between, those of neighbouring lines, and the place of the first."""

Extent: TypeAlias = tuple[int, int]
"""Offset and length in the temporary file."""


class UniqueIds:
    """Finds all repeated ids, exactly, in bounded memory.

    The first ids stay in memory, and their repetitions are found at once. The others go to a temporary file, and `duplicates`
    finds their repetitions at the end: it finds repeated hashes and compares the ids that have them. The unnamed file
    disappears when it is closed or the process is killed.

    Args:
        in_memory: The number of ids in memory, about 160 bytes each.
        temp_dir: The folder for the temporary file; None uses the system's.
        hashed_by: By default Python's hash of a string, 64 bits: it is free, and nobody can choose ids that collide.
    """

    def __init__(
        self,
        in_memory: int = 1_000_000,
        *,
        temp_dir: str | os.PathLike[str] | None = None,
        hashed_by: Callable[[str], int] = hash,
    ) -> None:
        self._in_memory = in_memory
        self._temp_dir = temp_dir
        self._hash = hashed_by
        self._lines = native_lines()
        self._reads_text = self._lines is not None and hashed_by is hash and hash("id") == hash(b"id")
        self._file: IO[bytes] | None = None
        self._start()

    def _start(self) -> None:
        self._places: dict[str, int] = {}
        self._room = self._in_memory
        self._hashes = [array("q") for _ in range(PARTITIONS)]
        self._note_hash = [hashes.append for hashes in self._hashes]
        self._hash_count = 0
        self._hash_pieces: list[list[Extent]] = [[] for _ in range(PARTITIONS)]
        self._native: NativeIds | None = None
        self._waiting: list[Piece] = []
        self._waiting_size = 0
        self._pieces: list[Extent] = []
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, custom_id: str, place: int) -> int | None:
        """Add an id.

        Args:
            custom_id: The id.
            place: A number of 63 bits that is returned for the id, such as a line number.

        Returns:
            The place of the same id if it was added before and is in memory; else None. `duplicates` returns only the others.

        Raises:
            FileError: The temporary file can't be written.
        """
        first = self._places.get(custom_id)
        if first is None:
            if self._room > 0:
                self._room -= 1 + len(custom_id) // CHARACTERS
                self._places[custom_id] = place
            else:
                self._store((custom_id,), place)
        return first

    def add_all(self, custom_ids: Sequence[str | None], place: int) -> bool:
        """Add the ids of neighboring lines, if they are new and short: this takes a third of the time of `add` for each.

        Args:
            custom_ids: The ids.
            place: That of the first; the next one has the next number, and so on.

        Returns:
            Whether they were added; if not, none was, and the caller adds them one by one.

        Raises:
            FileError: The temporary file can't be written.
        """
        count = len(custom_ids)
        if None in custom_ids or 0 < self._room < count:
            return False
        ids = cast("Sequence[str]", custom_ids)
        if max(map(len, ids), default=0) >= CHARACTERS or not self._places.keys().isdisjoint(ids):
            return False
        if self._room <= 0:
            self._store(ids, place)
            return True
        new = dict(zip(ids, range(place, place + count), strict=True))
        if len(new) < count:
            return False
        self._room -= count
        self._places.update(new)
        return True

    def _store(self, ids: Sequence[str], place: int) -> None:
        """Keep ids for the comparison at the end. Flat for speed: this runs for each id of a large file."""
        note = self._note_hash
        for hashed in map(self._hash, ids):
            note[hashed % PARTITIONS](hashed)
        if not self._waiting or not isinstance(self._waiting[-1][1], array):
            self._waiting.append(([], array("q")))
        waiting, places = cast("tuple[list[str], array[int]]", self._waiting[-1])
        waiting.extend(ids)
        places.extend(range(place, place + len(ids)))
        self._count(len(ids), sum(map(len, ids)) + len(ids) * (CHARACTERS // 2))

    def _count(self, ids: int, size: int) -> None:
        """Write to disk what is above the bounds, after so many more ids of this size."""
        self._hash_count += ids
        self._waiting_size += size
        if self._waiting_size > BUFFER:
            self._spill()
        if self._hash_count > HASHES:
            self._spill_hashes()

    def add_text(self, text: bytes, count: int, place: int) -> bool:
        """Add the ids of neighboring lines, if the memory is full and compiled code can read all of them.

        Args:
            text: The lines, each with its newline.
            count: How many there are.
            place: That of the first; the next one has the next number, and so on.

        Returns:
            Whether they were added; if not, none was. None is added if an id is not ASCII, or may be in memory.

        Raises:
            FileError: The temporary file can't be written.
        """
        if self._room > 0 or not self._reads_text:
            return False
        self._native = self._native or native_ids(map(hash, self._places))
        ids = self._native.read(text) if self._native else None
        if ids is None:
            return False
        self._waiting.append((ids, place))
        self._count(count, len(ids))
        return True

    def duplicates(self) -> Iterator[tuple[str, int, int]]:
        """Find the repetitions that `add` did not return.

        Yields:
            The id, its first place, and the place of this repetition. Only the repetitions of one id are in the order of `add`.

        Raises:
            FileError: The temporary file can't be written or read.
        """
        self._take_hashes()
        candidates: set[int] = set()
        for partition in range(PARTITIONS):
            candidates |= self._repeated_hashes(partition)
            if len(candidates) > MOST_CANDIDATES:
                yield from self._compared(candidates)
                candidates = set()
        if candidates:
            yield from self._compared(candidates)

    def _repeated_hashes(self, partition: int) -> set[int]:
        """Return the repeated hashes of a partition."""
        hashes = array("q")
        for extent in self._hash_pieces[partition]:
            hashes.frombytes(self._read(extent))
        hashes.extend(self._hashes[partition])
        if self._lines is not None:
            return set(self._lines.repeated(hashes.tobytes()))
        if len(set(hashes)) == len(hashes):
            return set()
        return {hashed for hashed, count in Counter(hashes).items() if count > 1}

    def _compared(self, candidates: set[int]) -> Iterator[tuple[str, int, int]]:
        """Find the repetitions among the ids that have these hashes."""
        seen: dict[str, int] = {}
        for piece, start in self._all_pieces():
            ids = piece.decode().split("\n") if isinstance(piece, bytes) else piece
            places = range(start, start + len(ids)) if isinstance(start, int) else start
            for custom_id, place, hashed in zip(ids, places, map(self._hash, ids), strict=True):
                if hashed in candidates and custom_id in seen:
                    yield custom_id, seen[custom_id], place
                elif hashed in candidates:
                    seen[custom_id] = place

    def _spill(self) -> None:
        """Write the ids in memory to disk."""
        self._pieces += self._write([marshal.dumps(self._waiting)])
        self._waiting = []
        self._waiting_size = 0

    def _spill_hashes(self) -> None:
        """Write the hashes in memory to disk, a piece for each partition."""
        self._take_hashes()
        for extent, known in zip(self._write([hashes.tobytes() for hashes in self._hashes]), self._hash_pieces, strict=True):
            known.append(extent)
        for hashes in self._hashes:
            del hashes[:]
        self._hash_count = 0

    def _take_hashes(self) -> None:
        """Add the hashes that compiled code has kept."""
        if self._native is not None:
            for hashes, more in zip(self._hashes, self._native.take(), strict=True):
                hashes.frombytes(more)

    def _all_pieces(self) -> Iterator[Piece]:
        """Yield the ids that were put aside, in order."""
        for extent in self._pieces:
            for ids, places in marshal.loads(self._read(extent)):  # noqa: S302 - our own bytes, in a file that nobody else can open
                yield ids, places if isinstance(places, int) else array("q", places)
        yield from self._waiting

    def _write(self, pieces: Sequence[bytes]) -> list[Extent]:
        """Append to the temporary file, and return the position of each piece."""
        extents = []
        for piece in pieces:
            extents.append((self._end, len(piece)))
            self._end += len(piece)
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._temp_dir)  # noqa: SIM115 - it is closed by `close`
            self._file.write(b"".join(pieces))
            self._file.flush()
        except OSError as error:
            raise self._refused(error) from None
        return extents

    def _read(self, extent: Extent) -> bytes:
        offset, length = extent
        try:
            return os.pread(cast("IO[bytes]", self._file).fileno(), length, offset)
        except OSError as error:
            raise self._refused(error) from None

    def _refused(self, error: OSError) -> FileError:
        return file_error(error, os.fspath(self._temp_dir or tempfile.gettempdir()))

    def clear(self) -> None:
        """Remove all ids."""
        self.close()
        self._start()

    def close(self) -> None:
        """Free the memory and close the temporary file."""
        self._places = {}
        if self._file is not None:
            self._file.close()
            self._file = None
