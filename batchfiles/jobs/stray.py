"""Result lines that no `custom_id` leads to: malformed ones, and ones that have no id."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from batchfiles.custom_ids.index import OFFSET_BITS, LineRef

__all__ = ["UNTIL_NEWLINE", "Stray"]

UNTIL_NEWLINE = 0xFFFFFFFF
"""Stands for the length of a line above the cap: its bytes were not kept, and its end is found again when it is copied."""


class Stray:
    """A compact list of such lines, in the order of their files."""

    def __init__(self) -> None:
        self._numbers = array("Q")

    def __len__(self) -> int:
        return len(self._numbers) // 4

    def add_malformed(self, file: int, offset: int, line_number: int, length: int = UNTIL_NEWLINE) -> None:
        """Note a line that can't be read, not even its id."""
        self._numbers.extend((file << OFFSET_BITS | offset, length, line_number, 1))

    def add_unidentified(self, file: int, offset: int, line_number: int, length: int) -> None:
        """Note a good line whose `custom_id` is null or absent."""
        self._numbers.extend((file << OFFSET_BITS | offset, length, line_number, 0))

    def extend(self, packed: bytes, line_number_base: int) -> None:
        """Append what `to_bytes` packed, and shift the line numbers by what stood before the range that was read."""
        more = array("Q")
        more.frombytes(packed)
        for at in range(2, len(more), 4):
            more[at] += line_number_base
        self._numbers.extend(more)

    def to_bytes(self) -> bytes:
        """Pack the list."""
        return self._numbers.tobytes()

    def __iter__(self) -> Iterator[tuple[LineRef, bool]]:
        """Yield each line's place, and whether it is malformed."""
        numbers = self._numbers
        for at in range(0, len(numbers), 4):
            position, length, line_number, malformed = numbers[at : at + 4]
            yield LineRef(position >> OFFSET_BITS, position & (1 << OFFSET_BITS) - 1, length, line_number), bool(malformed)

    @property
    def malformed(self) -> int:
        """How many of them can't be read."""
        return sum(self._numbers[3::4])
