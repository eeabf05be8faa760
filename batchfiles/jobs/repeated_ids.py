"""Which ids stand twice in several files, and where."""

from __future__ import annotations

from array import array
from collections.abc import Container

from batchfiles.custom_ids.unique import UniqueIds
from batchfiles.errors import DuplicateCustomId
from batchfiles.jobs.copied_lines import Run
from batchfiles.jobs.file_check import PLACE_BITS
from batchfiles.jobs.line_ids import ids_of
from batchfiles.streams.sources import Source

__all__ = ["RepeatedIds"]


class RepeatedIds:
    """The ids of all files, and which of them stand twice.

    Args:
        unique: Compares them.
        files: The files, by number.

    Attributes:
        unreadable: Lines that have no id, or none that can be read.
    """

    def __init__(self, unique: UniqueIds, files: list[Source]) -> None:
        self.unreadable = 0
        self._unique = unique
        self._files = files
        self._repeated: dict[int, list[int]] = {}

    def add(self, run: Run, number: int, *, refuse: bool = False) -> None:
        """Take the ids of some lines.

        Args:
            run: The lines.
            number: That of their file.
            refuse: Whether a repeated id ends it.

        Raises:
            DuplicateCustomId: An id was there before.
        """
        place = (number << PLACE_BITS) + run.line_number
        ids = ids_of(run.whole_lines, run.text)
        if self._unique.add_all(ids, place):
            return
        add = self._unique.add
        for custom_id in ids:
            if custom_id is None:
                self.unreadable += 1
            elif (first := add(custom_id, place)) is not None:
                if refuse:
                    raise self._duplicate(custom_id, first, place)
                self._repeated.setdefault(first, []).append(place)
            place += 1

    def refuse(self) -> None:
        """Raise what could not be seen before.

        Raises:
            DuplicateCustomId: For the id that is repeated first.
        """
        found = min(self._unique.duplicates(), key=lambda repetition: repetition[2], default=None)
        if found is not None:
            raise self._duplicate(*found)

    def repetitions(self) -> dict[int, list[int]]:
        """Return the places of the lines with the same id as an earlier one, by the place of that; call it once, at the end."""
        for _, first, place in self._unique.duplicates():
            self._repeated.setdefault(first, []).append(place)
        return self._repeated

    def places(self) -> array[int]:
        """Return the places of all lines whose id is repeated, in order; call it when all ids were added."""
        return array("q", sorted(place for first, places in self.repetitions().items() for place in (first, *places)))

    def unneeded(self, damaged: Container[int], *, last: bool) -> array[int]:
        """Return the places of the lines to leave out, in order.

        Args:
            damaged: The places of lines that can't be read, among those of `places`. Such a line is kept only if all lines of its
                id are such.
            last: Whether the last line of an id is kept, and not the first.
        """
        found = array("q")
        for first, others in self._repeated.items():
            places = [first, *others]
            kept = [place for place in places if place not in damaged] or places
            places.remove(kept[-1 if last else 0])
            found.extend(places)
        return array("q", sorted(found))

    def _duplicate(self, custom_id: str, first: int, place: int) -> DuplicateCustomId:
        first_file, first_line = self._place(first)
        file, line = self._place(place)
        return DuplicateCustomId(
            f"the custom_id {custom_id[:128]!r} is already on line {first_line} of {first_file}: "
            "say which line to keep, or to keep both",
            custom_id=custom_id,
            first_path=first_file,
            first_line_number=first_line,
            path=file,
            line_number=line,
        )

    def _place(self, place: int) -> tuple[str, int]:
        return self._files[place >> PLACE_BITS].name, place & ((1 << PLACE_BITS) - 1)
