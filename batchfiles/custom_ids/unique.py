"""Exact uniqueness of any number of ids: some in memory, the others in hash partitions on the disk."""

from __future__ import annotations

import marshal
import os
import tempfile
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Self, TypeAlias, cast

from batchfiles.errors import FileError
from batchfiles.streams.atomic import file_error

__all__ = ["UniqueIds"]

PARTITIONS = 256
"""10 million ids of 36 characters make 39,000 a partition, and one partition at a time is in memory: 8 MB."""

CHARACTERS = 64
"""An id in memory counts once for every 64 characters, so that long ones don't break the bound."""

BUFFER = 2 * 1024 * 1024
"""Characters (and as many as `CHARACTERS // 2` for the id itself) that wait in memory before they go to the disk."""

Piece: TypeAlias = "tuple[list[str], array[int]]"
"""Some ids of one partition and their places."""


class UniqueIds:
    """Find every id that is added twice, exactly, in bounded memory.

    The first ids stay in memory, and a repetition of one of them is known at once. The ones behind go to a temporary file, by
    their hash, and `duplicates` finds the repetitions among them at the end, one partition after the other. The hash only says in
    which partition an id stands; the ids themselves are compared. The file has no name, so that it is gone when it is closed,
    and also when the process is killed.

    Args:
        in_memory: How many ids stay in memory, about 160 bytes each.
        temp_dir: A folder for the temporary file; None takes the system's.
        hashed_by: Python's own hash of a string by default: it costs nothing, and nobody can aim at one partition.
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
        self._waiting: list[Piece] = [([], array("q")) for _ in range(PARTITIONS)]
        self._waiting_size = 0
        self._index: list[array[int]] = [array("q") for _ in range(PARTITIONS)]
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
        ids, places = self._waiting[self._hash(custom_id) % PARTITIONS]
        ids.append(custom_id)
        places.append(place)
        self._waiting_size += len(custom_id) + CHARACTERS // 2
        if self._waiting_size > BUFFER:
            self._spill()
        return None

    def add_all(self, custom_ids: Sequence[str | None], place: int) -> bool:
        """Add ids that follow each other, if they are new and short: a third of the time of one by one.

        Args:
            custom_ids: The ids.
            place: That of the first; the next one has the next number, and so on.

        Returns:
            Whether they were added; otherwise none was, and they must be added one by one.

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
            self._put_aside(ids, place)
            return True
        new = dict(zip(ids, range(place, place + count), strict=True))
        if len(new) < count:
            return False
        self._room -= count
        self._places.update(new)
        return True

    def _put_aside(self, ids: Sequence[str], place: int) -> None:
        """Let ids wait for the comparison at the end."""
        waiting = self._waiting
        for custom_id, number, hashed in zip(ids, range(place, place + len(ids)), map(self._hash, ids), strict=True):
            some, places = waiting[hashed % PARTITIONS]
            some.append(custom_id)
            places.append(number)
        self._waiting_size += sum(map(len, ids)) + len(ids) * (CHARACTERS // 2)
        if self._waiting_size > BUFFER:
            self._spill()

    def duplicates(self) -> Iterator[tuple[str, int, int]]:
        """Find the repetitions that `add` could not see.

        Yields:
            The id, the place where it was added first, and the place of this repetition; in no order but that the repetitions of
            one id stand in the order in which they were added.

        Raises:
            FileError: The temporary file can't be written or read.
        """
        if self._file is not None:
            self._spill()
        for number, waiting in enumerate(self._waiting):
            seen: dict[str, int] = {}
            for ids, places in self._pieces_of(number) if self._file is not None else (waiting,):
                for custom_id, place in zip(ids, places, strict=True):
                    first = seen.get(custom_id)
                    if first is None:
                        seen[custom_id] = place
                    else:
                        yield custom_id, first, place

    def _spill(self) -> None:
        """Move what waits to the disk, a piece for each partition."""
        pieces = []
        for (ids, places), index in zip(self._waiting, self._index, strict=True):
            if not ids:
                continue
            piece = marshal.dumps((ids, places.tobytes()))
            index.append(self._end)
            index.append(len(piece))
            self._end += len(piece)
            pieces.append(piece)
            ids.clear()
            del places[:]
        self._waiting_size = 0
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._temp_dir)  # noqa: SIM115 - it is closed by `close`
            self._file.write(b"".join(pieces))
            self._file.flush()
        except OSError as error:
            raise self._refused(error) from None

    def _pieces_of(self, partition: int) -> Iterator[Piece]:
        """Read the pieces of one partition back, in the order in which they were written."""
        index = self._index[partition]
        file = cast("IO[bytes]", self._file).fileno()
        for offset, length in zip(index[::2], index[1::2], strict=True):
            try:
                piece = os.pread(file, length, offset)
            except OSError as error:
                raise self._refused(error) from None
            ids, places = marshal.loads(piece)  # noqa: S302 - our own bytes, from a file that nobody else can open
            yield ids, array("q", places)

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
