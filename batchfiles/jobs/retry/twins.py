"""Make sure that each id of a new request file means one request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Self

from batchfiles.errors import DuplicateCustomIdError
from batchfiles.ids.index import Index, IndexBuilder, IndexEntries, LineRef
from batchfiles.inputs.local import Named, OpenFiles
from batchfiles.io.temporary import Spool
from batchfiles.jobs.join.lookup import fetch
from batchfiles.outcome import id_in


class TwinCheck:
    """Collects where lines are, and then looks for ids that are not unique.

    Args:
        files: The request files, by number.
        spool: Where the indexes go.
        by_file: Whether ids must be unique in each request file only, because each has its own output.
        has_all: Whether all lines are added, and not only those that are written.
    """

    def __init__(self, files: Sequence[Named], spool: Spool, *, by_file: bool, has_all: bool) -> None:
        self._files = files
        self._by_file = by_file
        self._has_all = has_all
        self._written, self._all = (IndexBuilder(spool.new_path("lines.index")) for _ in range(2))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._written.close()
        self._all.close()

    def add(self, written: bytes, every: bytes) -> None:
        """Add packed entries of lines that are written, and of all lines.

        Raises:
            FileError: They can't be written.
        """
        self._written.add(IndexEntries.from_bytes(written))
        self._all.add(IndexEntries.from_bytes(every))

    def refuse(self) -> None:
        """Make sure that each id means one request.

        Raises:
            DuplicateCustomIdError: An id is not unique.
            FileError: A file can't be read, or the disk is full.
        """
        with self._written.finish() as written, self._all.finish() as every:
            self._compare(written, every if self._has_all else written)

    def _compare(self, written: Index, noted: Index) -> None:
        """Compare the written lines with those in which their ids must be unique."""
        with OpenFiles(self._files) as descriptors:

            def id_at(place: LineRef) -> str | None:
                line = fetch(descriptors[place.file], place, self._files[place.file].name)
                return id_in(line)

            for run in noted.repeated():
                wanted = {written.place(entry) for entry in written.run(noted.digests[run.start])}
                rivals: dict[int | None, list[LineRef]] = defaultdict(list)
                for place in sorted(map(noted.place, run)) if wanted else ():
                    rivals[place.file if self._by_file else None].append(place)
                for places in rivals.values():
                    for place in wanted.intersection(places) if len(places) > 1 else ():
                        custom_id = id_at(place)
                        # Lines are read until one has the same id: the second mostly has it, for digests are rarely shared.
                        twin = next((each for each in places if each != place and id_at(each) == custom_id), None)
                        if twin is not None:
                            raise self._twin(str(custom_id), sorted((place, twin)))

    def _twin(self, custom_id: str, places: Sequence[LineRef]) -> DuplicateCustomIdError:
        first, second = places
        paths = [self._files[place.file].name for place in (first, second)]
        where = f"line {first.line_number} of {paths[0]}" if paths[0] != paths[1] else f"line {first.line_number}"
        words = f"the custom_id {custom_id[:128]!r} is also on {where}, and one of the two must be sent again: "
        if first.file != second.file:
            words += (
                "its result could be taken for either; name the folder of the request files as output, and each gets its own file"
            )
        else:
            words += "no service takes an id twice, so give one of them another id first"
        return DuplicateCustomIdError(
            words,
            custom_id=custom_id,
            first_path=paths[0],
            first_line_number=first.line_number,
            path=paths[1],
            line_number=second.line_number,
        )
