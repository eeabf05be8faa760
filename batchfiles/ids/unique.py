"""Exact uniqueness of any number of ids: some in memory, the others on the disk, and compared where their hashes are the same."""

from __future__ import annotations

import marshal
import os
import tempfile
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Self, TypeAlias, cast

from batchfiles.errors import FileError
from batchfiles.io.atomic import file_error

__all__ = ["UniqueIds"]


PLACE_BITS = 40
"""A place is one number: that of the file, then so many bits for that of the line."""


PARTITIONS = 64
"""Of the hashes, by their last bits: one at a time is looked through, with a set of its own."""

HASHES = 2_000_000
"""Hashes that wait in memory, 8 bytes each, before they go to the disk."""

CHARACTERS = 64
"""An id in memory counts once for every 64 characters, so that long ones don't break the bound."""

BUFFER = 2 * 1024 * 1024
"""Characters (and as many as `CHARACTERS // 2` for the id itself) that wait in memory before they go to the disk."""

SUSPECTS = 200_000
"""Ids that are compared at a time, about 160 bytes each. Only those whose hash stands twice are compared at all."""


Piece: TypeAlias = "tuple[list[str], array[int]]"
"""Some ids and their places."""

Extent: TypeAlias = tuple[int, int]
"""Offset and length in the temporary file."""


class UniqueIds:
    """Find every id that is added twice, exactly, in bounded memory.

    The first ids stay in memory, and a repetition of one of them is known at once. The ones behind go to a temporary file, and
    `duplicates` finds the repetitions among them at the end: it looks for hashes that stand twice, and where there are any, for
    their ids. The hash only says which ids may be the same; the ids themselves are compared. The file has no name, so that it is
    gone when it is closed, and also when the process is killed.

    Args:
        in_memory: How many ids stay in memory, about 160 bytes each.
        temp_dir: A folder for the temporary file; None takes the system's.
        hashed_by: Python's own hash of a string by default, 64 bits: it costs nothing, and nobody can make ids that share one.
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
        self._file: IO[bytes] | None = None
        self._start()

    def _start(self) -> None:
        self._places: dict[str, int] = {}
        self._room = self._in_memory
        self._hashes = [array("q") for _ in range(PARTITIONS)]
        self._note_hash = [hashes.append for hashes in self._hashes]
        self._hash_count = 0
        self._hash_pieces: list[list[Extent]] = [[] for _ in range(PARTITIONS)]
        self._waiting: Piece = ([], array("q"))
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
            place: Whatever the caller wants to hear about it later, such as a line number; 63 bits.

        Returns:
            The place of the same id if it was added before and is in memory; else None. `duplicates` names the others and does
            not repeat what was named here.

        Raises:
            FileError: The temporary file can't be written.
        """
        first = self._places.get(custom_id)
        if first is not None:
            return first
        if self._room > 0:
            self._room -= 1 + len(custom_id) // CHARACTERS
            self._places[custom_id] = place
            return None
        self._put_aside((custom_id,), place)
        return None

    def _put_aside(self, ids: Sequence[str], place: int) -> None:
        """Let ids wait for the comparison at the end. Flat on purpose: it runs once for each id of a large file."""
        note = self._note_hash
        for hashed in map(self._hash, ids):
            note[hashed % PARTITIONS](hashed)
        self._hash_count += len(ids)
        waiting, places = self._waiting
        waiting.extend(ids)
        places.extend(range(place, place + len(ids)))
        self._waiting_size += sum(map(len, ids)) + len(ids) * (CHARACTERS // 2)
        if self._waiting_size > BUFFER:
            self._spill()
        if self._hash_count > HASHES:
            self._spill_hashes()

    def duplicates(self) -> Iterator[tuple[str, int, int]]:
        """Find the repetitions that `add` could not see.

        Yields:
            The id, the place where it was added first, and the place of this repetition; in no order but that the repetitions of
            one id stand in the order in which they were added.

        Raises:
            FileError: The temporary file can't be written or read.
        """
        suspects: set[int] = set()
        for partition in range(PARTITIONS):
            suspects |= self._repeated_hashes(partition)
            if len(suspects) > SUSPECTS:
                yield from self._compared(suspects)
                suspects = set()
        if suspects:
            yield from self._compared(suspects)

    def _repeated_hashes(self, partition: int) -> set[int]:
        """Return the hashes of a partition that were noted more than once."""
        hashes = array("q")
        for extent in self._hash_pieces[partition]:
            hashes.frombytes(self._read(extent))
        hashes.extend(self._hashes[partition])
        if len(set(hashes)) == len(hashes):
            return set()
        return {hashed for hashed, count in Counter(hashes).items() if count > 1}

    def _compared(self, suspects: set[int]) -> Iterator[tuple[str, int, int]]:
        """Find the repetitions among the ids that have these hashes."""
        seen: dict[str, int] = {}
        for ids, places in self._all_pieces():
            for custom_id, place, hashed in zip(ids, places, map(self._hash, ids), strict=True):
                if hashed not in suspects:
                    continue
                first = seen.get(custom_id)
                if first is None:
                    seen[custom_id] = place
                else:
                    yield custom_id, first, place

    def _spill(self) -> None:
        """Move the ids that wait to the disk."""
        ids, places = self._waiting
        self._pieces += self._write([marshal.dumps((ids, places.tobytes()))])
        self._waiting = ([], array("q"))
        self._waiting_size = 0

    def _spill_hashes(self) -> None:
        """Move the hashes that wait to the disk, a piece for each partition."""
        for extent, known in zip(self._write([hashes.tobytes() for hashes in self._hashes]), self._hash_pieces, strict=True):
            known.append(extent)
        for hashes in self._hashes:
            del hashes[:]
        self._hash_count = 0

    def _all_pieces(self) -> Iterator[Piece]:
        """Give the ids that were put aside, in their order."""
        for extent in self._pieces:
            ids, places = marshal.loads(self._read(extent))  # noqa: S302 - our own bytes, from a file that nobody else can open
            yield ids, array("q", places)
        yield self._waiting

    def _write(self, pieces: Sequence[bytes]) -> list[Extent]:
        """Append to the temporary file, and say where each piece stands."""
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
        """Forget everything, to begin with another file."""
        self.close()
        self._start()

    def close(self) -> None:
        """Let the memory and the temporary file go."""
        self._places = {}
        file, self._file = self._file, None
        if file is not None:
            file.close()
