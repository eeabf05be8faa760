"""Ids that mean different requests in different files: their results must be attributed, or nothing is written."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from batchfiles.codec import loads
from batchfiles.custom_ids.index import Index, LineRef
from batchfiles.errors import InvalidLine, Mismatch
from batchfiles.jobs.candidates import ResultFile, fetch, id_of_line
from batchfiles.jobs.local_file import LocalFile, OpenFiles
from batchfiles.jobs.stray import UNTIL_NEWLINE
from batchfiles.jobs.survey import id_of_malformed
from batchfiles.streams.atomic import file_error

__all__ = ["Contests", "id_of_request", "refuse_contested"]

CONTESTS_AT_ONCE = 1024
ID_SHOWN = 128
WAYS_OUT = (
    "name the results after their request file (monday_output.jsonl for monday.jsonl), keep the batch object (BATCH.json, as "
    "`batchfiles download` writes it) next to them, join each request file with its own results, or use "
    "--pair REQUESTS=RESULTS (in Python pairs={requests: results})"
)


KEEP_SOURCE = "Keep this column of the joined table, or name the requests and the rows of one file at a time"


class Contest(NamedTuple):
    """An id that means different requests in different files.

    Attributes:
        digest: Of the id, as the index of the requests has it.
        first: Where it is first.
        second: Where another line with it is, in another file.
    """

    digest: int
    first: LineRef
    second: LineRef


class Contests:
    """All contested ids, in a temporary file: there may be as many as requests.

    Args:
        path: A file that is not there yet.
    """

    _format = struct.Struct("=Q" + 2 * "HQII")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0
        self._file: BinaryIO | None = None

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Contest]:
        """Yield them in no order."""
        self.close()
        if not self._count:
            return
        with self._path.open("rb") as file:
            while packed := file.read(self._format.size * CONTESTS_AT_ONCE):
                for digest_, *places in self._format.iter_unpack(packed):
                    yield Contest(digest_, LineRef(*places[:4]), LineRef(*places[4:]))

    def add(self, digest_: int, first: LineRef, second: LineRef) -> None:
        """Add one.

        Raises:
            FileError: The disk refused.
        """
        try:
            if self._file is None:
                self._file = self._path.open("xb")
            self._file.write(self._format.pack(digest_, *first, *second))
        except OSError as error:
            raise file_error(error, self._path) from None
        self._count += 1

    def close(self) -> None:
        """End writing.

        Raises:
            FileError: The disk refused.
        """
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                raise file_error(error, self._path) from None
            self._file = None


def id_of_request(line: bytes) -> str | None:
    """Return the id of a request; None where a line is none."""
    try:
        value = loads(line)
    except InvalidLine:
        return None
    custom_id = value.get("custom_id")
    return custom_id if isinstance(custom_id, str) and isinstance(value.get("body"), dict) else None


def refuse_contested(
    contests: Contests,
    inputs: Sequence[LocalFile],
    results: Index,
    files: Sequence[ResultFile],
    verb: str = "join",
    *,
    by_table: bool = False,
) -> None:
    """Make sure that each result of a contested id belongs to one request file.

    Args:
        contests: The contested ids.
        inputs: The request files.
        results: Where the results are, by the same digests as the contests.
        files: The result files, attributed as far as anything says.
        verb: What can't be done.
        by_table: Whether the results are rows of a joined table.

    Raises:
        Mismatch: A result could be that of either; the first of these is named.
    """
    open_files = {number for number, file in enumerate(files) if file.part is None}
    if not open_files or not contests:
        return
    found: tuple[LineRef, Contest, str] | None = None
    with OpenFiles(files) as descriptors, OpenFiles(inputs) as asking:
        for contest in contests:
            for entry in results.run(contest.digest):
                place = results.place(entry)
                if place.file not in open_files or (found is not None and found[0] < place):
                    continue
                line = fetch(descriptors[place.file], place, files[place.file].name)
                read = id_of_malformed if place.length == UNTIL_NEWLINE else id_of_line
                first = contest.first
                custom_id = id_of_request(fetch(asking[first.file], first, inputs[first.file].name))
                if custom_id is not None and read(line) == custom_id:
                    found = place, contest, custom_id
    if found is None:
        return
    place, contest, custom_id = found
    one, other = (f"line {at.line_number} of {inputs[at.file].name}" for at in (contest.first, contest.second))
    more = f" ({len(contests) - 1:,} more ids are in several files with different lines)" if len(contests) > 1 else ""
    if by_table:
        unsaid = f"its row has no input_source, which shows which of the two it is: can't {verb} them. {KEEP_SOURCE}"
    else:
        ways_out = WAYS_OUT[0].upper() + WAYS_OUT[1:]
        unsaid = f"nothing shows which of the two this result answers: can't {verb} them. {ways_out}"
    raise Mismatch(
        f"the custom_id {custom_id[:ID_SHOWN]!r} is on {one} and, with another request, on {other}{more}, and {unsaid}",
        path=files[place.file].name,
        line_number=None if by_table else place.line_number,
    )
