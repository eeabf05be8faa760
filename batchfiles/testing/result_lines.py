"""A file of results as it comes to be: lines wait on the disk, and leave in another order."""

from __future__ import annotations

import random
import tempfile
from array import array
from typing import IO, Self

__all__ = ["ResultLines"]


class ResultLines:
    """Lines in a temporary file; a context manager. In memory are 8 bytes a line."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="batchfiles-testing-")  # noqa: SIM115 - closed by __exit__
        self._ends = array("Q", [0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._ends) - 1

    def add(self, line: bytes) -> None:
        """Take a line."""
        self._file.write(line)
        self._ends.append(self._ends[-1] + len(line))

    def shuffled(self, chance: random.Random) -> IO[bytes]:
        """Return a temporary file of the same lines in another order, at its beginning."""
        order = array("Q", range(len(self)))
        chance.shuffle(order)
        target: IO[bytes] = tempfile.TemporaryFile(prefix="batchfiles-testing-")  # noqa: SIM115 - the caller closes it
        for number in order:
            self._file.seek(self._ends[number])
            target.write(self._file.read(self._ends[number + 1] - self._ends[number]))
        target.seek(0)
        return target
