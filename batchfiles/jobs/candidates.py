"""The results of one `custom_id`: fetched from their files when its turn comes, and the best of them chosen."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from batchfiles.bodies.answer import EMPTY
from batchfiles.codec import GLUED, loads, same
from batchfiles.custom_ids.index import OFFSET_BITS, Index, Place, digest
from batchfiles.custom_ids.marks import Marks
from batchfiles.errors import DuplicateCustomId, InvalidLine
from batchfiles.findings import Finding
from batchfiles.jobs.local_file import changed, opened
from batchfiles.jobs.survey import Misindexed, id_of_malformed, noted_digest, why_unreadable
from batchfiles.outcome import INCOMPLETE, MALFORMED, SUCCEEDED, Result, read, retryable
from batchfiles.table.columns import MISSING, Found

__all__ = ["Candidates", "ResultFile", "fetch", "glued_finding", "id_of_line", "read_result"]

OFFSET_MASK = (1 << OFFSET_BITS) - 1
RANKS = {SUCCEEDED: 2, INCOMPLETE: 1}


class ResultFile(NamedTuple):
    """A result file as the join sees it.

    Attributes:
        name: Its display name.
        path: The local file that holds its plain bytes.
        batch_id: The batch that its name gives; None where it gives none.
        part: The number of the input file that its results belong to; None where they may belong to any.
    """

    name: str
    path: str
    batch_id: str | None
    part: int | None


def read_result(line: bytes) -> tuple[dict[str, Any] | None, Result]:
    """Decode a result line and say what became of its request; a line that can't be read is `malformed`, with the reason."""
    try:
        value = loads(line)
    except InvalidLine as error:
        return None, _malformed(error.code, error.reason)
    if ("response" not in value and "error" not in value) or type(value.get("custom_id")) not in ID_TYPES:
        reason = why_unreadable(value)
        if reason is not None:
            return None, _malformed(reason.code, reason.reason)
    return value, read(value)


def glued_finding(words: str, path: str, line_number: int, byte_offset: int) -> Finding:
    """Return the finding about a line that holds several results, of which at most one was found."""
    return Finding(
        code=GLUED,
        message=f"The line holds {words}. Until then its results are lost.",
        path=path,
        line_number=line_number,
        byte_offset=byte_offset,
    )


ID_TYPES = frozenset({str, type(None)})


def _malformed(code: str, message: str) -> Result:
    return Result(MALFORMED, None, None, code, None, None, message, retryable(MALFORMED, None), None, EMPTY, 0)


def fetch(descriptor: int, place: Place, name: str) -> bytes:
    """Read the bytes of one line.

    Raises:
        FileError: The file is shorter than it was.
    """
    line = os.pread(descriptor, place.length, place.offset)
    if len(line) < place.length:
        raise changed(name)
    return line


class Candidates:
    """Finds the best result of an id, and marks in the index what became of the others.

    Args:
        index: Where the results stand.
        marks: Where to note what became of them.
        files: The result files, by number.
        refuse_duplicates: Whether a second result for an id is an error.
        reader: Says what a line means; `read_result`, where the files hold what came from a service.
    """

    def __init__(
        self,
        index: Index,
        marks: Marks,
        files: Sequence[ResultFile],
        *,
        refuse_duplicates: bool = False,
        reader: Callable[[bytes], tuple[dict[str, Any] | None, Result]] = read_result,
    ) -> None:
        self._index = index
        self._marks = marks
        self._digests, self._positions = index.digests, index.positions
        self._shift, self._directory = index.directory()
        self._lengths, self._line_numbers = index.lengths, index.line_numbers
        self._files = files
        self._refuse_duplicates = refuse_duplicates
        self._read = reader
        self._descriptors = opened(files)

    def close(self) -> None:
        """Close the result files."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def announce(self, keys: Iterable[int]) -> None:
        """Tell the system which lines are read next, in the order of the disk, so that it fetches them side by side.

        Results that don't fit into memory would else cost one wait for the disk a line.
        """
        positions, lengths = self._positions, self._lengths
        found = sorted((positions[entry], lengths[entry]) for key in keys for entry in self._index.run(key))
        for position, length in found:
            os.posix_fadvise(self._descriptors[position >> OFFSET_BITS], position & OFFSET_MASK, length, os.POSIX_FADV_WILLNEED)

    def best(self, custom_id: str, key: int, input_file: int) -> Found:
        """Return the best result for an id in an input file; what stands for a missing one if there is none.

        Args:
            custom_id: The id.
            key: Its digest.
            input_file: The number of the file that asks.

        Raises:
            DuplicateCustomId: There are several, and duplicates are refused.
            FileError: A result file changed while it was being read.
            Misindexed: A line stands in the index under another id than its own.
        """
        digests = self._digests
        bucket = key >> self._shift
        entry = bisect_left(digests, key, self._directory[bucket], self._directory[bucket + 1])  # as Index.find, without the call
        end, count = entry + 1, len(digests)
        if entry == count or digests[entry] != key:
            return MISSING
        if end == count or digests[end] != key:  # one result, as mostly
            candidate = self._candidate(entry, custom_id, input_file)
            if candidate is None:
                return MISSING
            self._marks.used[entry] = 1
            return candidate
        while end < count and digests[end] == key:
            end += 1
        candidates = []
        for each in range(entry, end):
            candidate = self._candidate(each, custom_id, input_file)
            if candidate is not None:
                candidates.append((each, candidate))
        return self._best_of(candidates, custom_id) if candidates else MISSING

    def _candidate(self, entry: int, custom_id: str, input_file: int) -> Found | None:
        """Fetch the line of an entry; None if it belongs to another id of the same digest, or to another part."""
        position = self._positions[entry]
        number = position >> OFFSET_BITS
        file = self._files[number]
        if file.part is not None and file.part != input_file:
            return None
        length = self._lengths[entry]
        line = os.pread(self._descriptors[number], length, position & OFFSET_MASK)
        if len(line) != length:
            raise changed(file.name)
        value, result = self._read(line)
        own_id = value.get("custom_id") if value is not None else id_of_line(line)
        if own_id != custom_id:
            # An id that can't be decoded, being no UTF-8, has a digest all the same, and so may share it.
            if (noted_digest(line) if own_id is None else digest(own_id)) != self._digests[entry]:
                raise Misindexed
            return None
        if value is None:
            self._marks.malformed[entry] = 1
        elif type(value) is not dict:
            self._marks.repaired[entry] = 1
        # Past the constructor, which takes twice as long.
        return tuple.__new__(Found, (result, line, value, file.name, self._line_numbers[entry], file.batch_id, 1))

    def _best_of(self, candidates: list[tuple[int, Found]], custom_id: str) -> Found:
        if self._refuse_duplicates and len(candidates) > 1:
            raise self._duplicate(candidates, custom_id)
        best_entry, best = max(candidates, key=self._rank)
        self._marks.used[best_entry] = 1
        for entry, other in candidates:
            if entry != best_entry:
                self._marks.superseded[entry] = 1
                if _differ(best.result, other.result):
                    self._marks.conflicting[entry] = 1
        return best._replace(attempts=len(candidates))

    def _rank(self, candidate: tuple[int, Found]) -> tuple[int, int, int]:
        """Order by success, then time, then place: the greatest is the best."""
        entry, found = candidate
        return RANKS.get(found.result.outcome, 0), found.result.answer.created_at or -1, self._positions[entry]

    def _duplicate(self, candidates: list[tuple[int, Found]], custom_id: str) -> DuplicateCustomId:
        (_, first), (_, second) = sorted(candidates, key=lambda candidate: self._positions[candidate[0]])[:2]
        return DuplicateCustomId(
            f"there are {len(candidates)} results for one request",
            custom_id=custom_id,
            first_path=first.source,
            first_line_number=first.line_number,
            path=second.source,
            line_number=second.line_number,
        )


def id_of_line(line: bytes) -> str | None:
    """Read the id of a line that can't be read as a result: from its JSON if it is some, else from its beginning."""
    try:
        custom_id = loads(line).get("custom_id")
    except InvalidLine:
        return id_of_malformed(line)
    return custom_id if type(custom_id) is str else None


def _differ(best: Result, other: Result) -> bool:
    """Tell whether two results are different successes; the same answer in two files is none."""
    return best.outcome == SUCCEEDED and other.outcome == SUCCEEDED and not same(best.body, other.body)
