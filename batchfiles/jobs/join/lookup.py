"""The lookup of results: fetch the results of one `custom_id` from their files, and choose the best one.

If an id means different requests in different files, its results must be attributed, or nothing is written.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from batchfiles import bodies
from batchfiles.codec import GLUED, loads, same
from batchfiles.errors import DuplicateCustomIdError, InvalidLineError, MismatchError
from batchfiles.findings import Finding
from batchfiles.ids.index import MANY, OFFSET_BITS, Index, LineRef, ResultFlags, digest
from batchfiles.inputs.local import LocalFile, OpenFiles, ResultFile
from batchfiles.io.remote_path import changed, file_error
from batchfiles.jobs.join.scan import HEAD, UNTIL_NEWLINE
from batchfiles.jsontext.spans import EscapedLetters
from batchfiles.outcome import (
    FAILED,
    INCOMPLETE,
    MALFORMED,
    SUCCEEDED,
    Result,
    _malformed,
    as_answer_to,
    id_of_line,
    id_of_malformed,
    read_result,
)
from batchfiles.table.rows import MISSING, ResultRef

FETCHED = 1 << 30
"""The largest part of a line, in bytes, that is prefetched."""

OFFSET_MASK = (1 << OFFSET_BITS) - 1
RANKS = {SUCCEEDED: 2, INCOMPLETE: 1, MALFORMED: -1}
"""Ranks of outcomes, 0 for the others: a line that can't be read is never better than one that can."""


def glued_finding(words: str, path: str, line_number: int, byte_offset: int) -> Finding:
    """Return the finding about a line that holds several results, of which at most one was found."""
    return Finding(
        code=GLUED,
        message=f"The line holds {words}. Until then its results are lost.",
        path=path,
        line_number=line_number,
        byte_offset=byte_offset,
    )


TOO_LONG = _malformed(
    "line_too_long", "the line is longer than max_line_bytes and was not read: raise it (--max-line-bytes)"
)._replace(retryable=False)
"""The result of a line longer than `max_line_bytes`. It may be an answer that was paid for, so it is not sent again."""


IDS_KEPT = 4096
"""Ids with many results of which the best is remembered."""


def fetch(descriptor: int, place: LineRef, name: str) -> bytes:
    """Read the bytes of one line; of a line longer than `max_line_bytes`, its beginning.

    Raises:
        FileError: The file is shorter than it was.
    """
    if place.length == UNTIL_NEWLINE:
        return os.pread(descriptor, HEAD, place.offset).partition(b"\n")[0]
    line = os.pread(descriptor, place.length, place.offset)
    if len(line) < place.length:
        raise changed(name)
    return line


class ResultLookup:
    """Finds the best result of an id, and marks the others in the index.

    Args:
        index: Where the results are.
        flags: The flags of the results.
        files: The result files, by number.
        refuse_duplicates: Whether a second result for an id is an error.
        reader: Decodes a line; `read_result` for files from a service.
    """

    def __init__(
        self,
        index: Index,
        flags: ResultFlags,
        files: Sequence[ResultFile],
        *,
        refuse_duplicates: bool = False,
        reader: Callable[[bytes], tuple[dict[str, Any] | None, Result]] = read_result,
    ) -> None:
        self._index = index
        self._flags = flags
        self._digests, self._positions = index.digests, index.positions
        self._lengths, self._line_numbers = index.lengths, index.line_numbers
        self._files = files
        self._refuse_duplicates = refuse_duplicates
        self._read = reader
        self._open = OpenFiles(files)
        self._descriptors = self._open.held
        self.also: AbstractSet[int] = frozenset()
        """The numbers of other request files that repeat the current line."""
        self._known: dict[tuple[object, ...], tuple[int, int]] = {}

    def close(self) -> None:
        """Close the result files."""
        self._open.close()

    def prefetch(self, keys: Iterable[int]) -> None:
        """Advise the system which lines are read next, in the order of the disk, so that it fetches them in parallel.

        Otherwise results that don't fit into memory cost one disk wait per line.
        """
        positions, lengths = self._positions, self._lengths
        found = sorted((positions[entry], min(lengths[entry], FETCHED)) for key in set(keys) for entry in self._index.run(key))
        for position, length in found:
            os.posix_fadvise(self._open[position >> OFFSET_BITS], position & OFFSET_MASK, length, os.POSIX_FADV_WILLNEED)

    def best(self, custom_id: str, key: int, input_file: int, request_ref: str | bytes | None = None) -> ResultRef:
        """Return the best result for an id in an input file; `MISSING` if there is none.

        Args:
            custom_id: The id.
            key: Its digest.
            input_file: The number of the request file.
            request_ref: The url that the request names, or the bytes of its line, of which the url is read where it matters.

        Raises:
            DuplicateCustomIdError: There are several, and duplicates are refused.
            FileError: A result file changed while it was being read.
        """
        run = self._index.run(key)
        if len(run) > MANY and not self._refuse_duplicates:
            return self._best_of_many(run, custom_id, input_file, request_ref)
        candidates = [
            (entry, candidate)
            for entry in run
            if (candidate := self._candidate(entry, custom_id, input_file, request_ref)) is not None
        ]
        return self._best_of(candidates, custom_id) if candidates else MISSING

    def _best_of_many(self, run: range, custom_id: str, input_file: int, request_ref: str | bytes | None) -> ResultRef:
        """Do the same with one result at a time in memory, and remember which was the best.

        All requests of a file may have the same id by mistake. Without the memory of the last ids, each of them would read all
        results again.
        """
        url = _url_in(request_ref) if isinstance(request_ref, bytes) else request_ref
        key = (custom_id, input_file, frozenset(self.also), url)
        if (known := self._known.get(key)) is not None:
            best = self._candidate(known[0], custom_id, input_file, request_ref)
            return MISSING if best is None else best._replace(attempts=known[1])
        attempts, best_entry, best, rank = 0, run.start, MISSING, (-1, -1, -1, -1)
        for entry in run:
            if (candidate := self._candidate(entry, custom_id, input_file, request_ref)) is not None:
                attempts += 1
                if (of_candidate := self._rank((entry, candidate))) > rank:
                    best_entry, best, rank = entry, candidate, of_candidate
        if attempts:
            self._flags.used[best_entry] = 1
            for entry in run:
                if entry != best_entry and (other := self._candidate(entry, custom_id, input_file, request_ref)) is not None:
                    self._supersede(entry, other, best)
        if len(self._known) >= IDS_KEPT:
            self._known.clear()
        self._known[key] = best_entry, attempts
        return best._replace(attempts=attempts) if attempts else MISSING

    def _candidate(self, entry: int, custom_id: str, input_file: int, request_ref: str | bytes | None) -> ResultRef | None:
        """Fetch the line of an entry; None if it belongs to another id of the same digest, or to another part."""
        position = self._positions[entry]
        number = position >> OFFSET_BITS
        file = self._files[number]
        if file.part is not None and file.part != input_file and file.part not in self.also:
            return None
        length = self._lengths[entry]
        if length == UNTIL_NEWLINE:
            return self._overlong(entry, custom_id)
        descriptor = self._descriptors[number]
        line = os.pread(self._open[number] if descriptor < 0 else descriptor, length, position & OFFSET_MASK)
        if len(line) != length:
            raise changed(file.name)
        value, result = self._read(line)
        own_id = value.get("custom_id") if value is not None else id_of_line(line)
        if own_id != custom_id:
            if own_id is not None and digest(own_id) != self._digests[entry]:
                raise changed(file.name)
            return None
        if value is None:
            self._flags.malformed[entry] = 1
        elif type(value) is not dict:
            self._flags.repaired[entry] = 1
        answer = result.answer
        is_text = answer.text is not None and answer.finish_reason is not None  # then no other endpoint can have written it
        if is_text and type(request_ref) is bytes:  # a search in the line costs less than reading its url
            is_text = not _may_name_other_url(request_ref)
        elif is_text:
            is_text = bodies.is_text(request_ref)
        if not is_text and (result.body is not None or (result.outcome == FAILED and result.error_code is None)):
            result = as_answer_to(result, _url_in(request_ref) if isinstance(request_ref, bytes) else request_ref, value)
        return ResultRef(result, line, value, file.name, self._line_numbers[entry], file.batch_id, 1)

    def _overlong(self, entry: int, custom_id: str) -> ResultRef | None:
        """Return the placeholder of a line longer than `max_line_bytes`; None if it belongs to another id of the same digest."""
        place = self._index.place(entry)
        file = self._files[place.file]
        if id_of_malformed(fetch(self._open[place.file], place, file.name)) != custom_id:
            return None
        self._flags.malformed[entry] = 1
        return ResultRef(TOO_LONG, b"", None, file.name, place.line_number, file.batch_id, 1)

    def _best_of(self, candidates: list[tuple[int, ResultRef]], custom_id: str) -> ResultRef:
        if self._refuse_duplicates and len(candidates) > 1:
            raise self._duplicate(candidates, custom_id)
        best_entry, best = max(candidates, key=self._rank)
        self._flags.used[best_entry] = 1
        if len(candidates) == 1:
            return best
        for entry, other in candidates:
            if entry != best_entry:
                self._supersede(entry, other, best)
        return best._replace(attempts=len(candidates))

    def _supersede(self, entry: int, other: ResultRef, best: ResultRef) -> None:
        self._flags.superseded[entry] = 1
        if _differ(best.result, other.result):
            self._flags.conflicting[entry] = 1

    def _rank(self, candidate: tuple[int, ResultRef]) -> tuple[int, int, int, int]:
        """Order by success, then time, then attempt, then place: the greatest is the best."""
        entry, found = candidate
        position, result = self._positions[entry], found.result
        attempt = self._files[position >> OFFSET_BITS].attempt
        return RANKS.get(result.outcome, 0), result.answer.created_at or -1, attempt, position

    def _duplicate(self, candidates: list[tuple[int, ResultRef]], custom_id: str) -> DuplicateCustomIdError:
        (_, first), (_, second) = sorted(candidates, key=lambda candidate: self._positions[candidate[0]])[:2]
        return DuplicateCustomIdError(
            f"there are {len(candidates)} results for one request",
            custom_id=custom_id,
            first_path=first.source,
            first_line_number=first.line_number,
            path=second.source,
            line_number=second.line_number,
        )


OTHER_WORDS = tuple(word.encode() for word in bodies.OTHER_KINDS)
OTHER_LETTERS = EscapedLetters("".join(bodies.OTHER_KINDS))


def _may_name_other_url(line: bytes) -> bool:
    """Return whether a request line may have a url whose answers are not texts, plainly or with letters as escapes."""
    return any(word in line for word in OTHER_WORDS) or OTHER_LETTERS.stand_in(line)


def _url_in(line: bytes) -> str | None:
    """Read the url of a request line."""
    try:
        url = loads(line).get("url")
    except InvalidLineError:
        return None
    return url if type(url) is str else None


def _differ(best: Result, other: Result) -> bool:
    """Return whether two results are different successes; the same answer in two files is not a conflict.

    A transcript as text has no body, so the texts are compared, too.
    """
    if best.outcome != SUCCEEDED or other.outcome != SUCCEEDED:
        return False
    return best.answer.text != other.answer.text or not same(best.body, other.body)


CONFLICTS_AT_ONCE = 1024
ID_SHOWN = 128
SOLUTIONS = (
    "name the results after their request file (monday_output.jsonl for monday.jsonl), keep the batch object (BATCH.json, as "
    "`batchfiles download` writes it) next to them, join each request file with its own results, or use "
    "pairs={requests: results}"
)


KEEP_SOURCE = "Keep this column of the joined table, or name the requests and the rows of one file at a time"


class IdConflict(NamedTuple):
    """An id that means different requests in different files.

    Attributes:
        digest: Of the id, as the index of the requests has it.
        first: Where it is first.
        second: Where another line with it is, in another file.
    """

    digest: int
    first: LineRef
    second: LineRef


class IdConflicts:
    """All contested ids, in a temporary file: there may be as many as requests.

    Args:
        path: A file that does not exist yet.
    """

    _format = struct.Struct("=Q" + 2 * "HQII")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0
        self._file: BinaryIO | None = None

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[IdConflict]:
        """Yield them in any order."""
        self.close()
        if not self._count:
            return
        with self._path.open("rb") as file:
            while packed := file.read(self._format.size * CONFLICTS_AT_ONCE):
                for digest_, *places in self._format.iter_unpack(packed):
                    yield IdConflict(digest_, LineRef(*places[:4]), LineRef(*places[4:]))

    def add(self, digest_: int, first: LineRef, second: LineRef) -> None:
        """Add one.

        Raises:
            FileError: The file can't be written.
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
            FileError: The file can't be written.
        """
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                raise file_error(error, self._path) from None
            self._file = None


def id_of_request(line: bytes) -> str | None:
    """Return the id of a request; None for a line without one."""
    try:
        value = loads(line)
    except InvalidLineError:
        return None
    custom_id = value.get("custom_id")
    return custom_id if isinstance(custom_id, str) and isinstance(value.get("body"), dict) else None


def refuse_conflicts(
    contests: IdConflicts,
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
        files: The result files, attributed as far as it is known.
        verb: What can't be done.
        by_table: Whether the results are rows of a joined table.

    Raises:
        MismatchError: A result could belong to both files; the first such result is named.
    """
    open_files = {number for number, file in enumerate(files) if file.part is None}
    if not open_files or not contests:
        return
    found: tuple[LineRef, IdConflict, str] | None = None
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
        solutions = SOLUTIONS[0].upper() + SOLUTIONS[1:]
        unsaid = f"nothing shows which of the two this result answers: can't {verb} them. {solutions}"
    raise MismatchError(
        f"the custom_id {custom_id[:ID_SHOWN]!r} is on {one} and, with another request, on {other}{more}, and {unsaid}",
        path=files[place.file].name,
        line_number=None if by_table else place.line_number,
    )
