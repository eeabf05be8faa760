"""Requests whose ids are in several request files: which lines are one request, and which ids are contested.

A request line that is in another file too, byte for byte, is the same request: it has one row, and the results of all its files
are its attempts. Two different lines with one id are two requests. A result of this id must be attributed to one of the files.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from batchfiles.codec import loads
from batchfiles.custom_ids.index import OFFSET_BITS, Entries, Index, IndexBuilder, Place, digest
from batchfiles.errors import InvalidLine, Mismatch
from batchfiles.findings import Finding
from batchfiles.jobs import survey
from batchfiles.jobs.candidates import ResultFile, fetch, id_of_line
from batchfiles.jobs.crew import Crew, Job, Product, Spec
from batchfiles.jobs.line_ids import ids_of
from batchfiles.jobs.local_file import LocalFile, OpenFiles
from batchfiles.jobs.stray import UNTIL_NEWLINE
from batchfiles.jobs.survey import HEAD, id_of_malformed
from batchfiles.streams.lines import Block
from batchfiles.streams.sources import Source, read_blocks
from batchfiles.streams.spool import Spool

__all__ = [
    "Contest",
    "NoteRequests",
    "RepeatedRequests",
    "SharedIds",
    "find_repeated",
    "first_ids_meet",
    "refuse_contested",
    "shares_ids",
]

OFFSET_MASK = (1 << OFFSET_BITS) - 1
ID_SHOWN = 128
WAYS_OUT = (
    "name the results after their request file (monday_output.jsonl for monday.jsonl), keep the batch object (BATCH.json, as "
    "`batchfiles download` writes it) next to them, join each request file with its own results, or use "
    "--pair REQUESTS=RESULTS (in Python pairs={requests: results})"
)


class NoteRequests(Job):
    """Notes the lines of a range of a request file under the digests of their ids.

    Args:
        spec: `files`: `[[name, path], …]`; `cap`: the longest line in bytes.
    """

    def __init__(self, spec: Spec) -> None:
        self._files = spec["files"]
        self._cap = spec["cap"]

    def run(self, task: Spec) -> Generator[Product, None, None]:
        """Yield the packed entries, and how many lines there are; line numbers count from the beginning of the range."""
        entries = Entries()
        lines = 0

        def notice(finding: Finding) -> None:
            nonlocal lines
            if finding.code == "line_too_long":
                lines = finding.line_number or 0

        name, path = self._files[task["file"]]
        where = {"start": task["start"], "end": task["end"], "cap": self._cap}
        for block in read_blocks(Source(name, path=Path(path)), notice, **where):
            ids = ids_of(block.lines, b"\n".join(block.lines))
            keys = [None if custom_id is None else digest(custom_id) for custom_id in ids]
            entries.add_lines(keys, task["file"], block.byte_offset, list(map(len, block.lines)), block.line_number)
            lines = block.line_number + len(block.lines) - 1
        yield entries.to_bytes()
        yield {"lines": lines}


class SharedIds(Exception):
    """Request files turned out to have ids in common, and their lines have to be compared before the rows are made."""


def first_ids_meet(inputs: Sequence[LocalFile]) -> bool:
    """Return whether the first lines of request files have ids in common, as files that all begin with `request-1` do."""
    seen: set[str | None] = {None}
    for file in inputs:
        block = next(read_blocks(Source(file.name, path=file.path), lambda _: None, block_size=HEAD), None)
        ids = set(ids_of(block.lines, b"\n".join(block.lines))) - {None} if block is not None else set()
        if not ids.isdisjoint(seen):
            return True
        seen |= ids
    return False


def shares_ids(index: Index) -> bool:
    """Return whether an index of request lines has lines of several files under one digest."""
    return any(len({index.place(entry).file for entry in run}) > 1 for run in index.repeated())


class Contest(NamedTuple):
    """An id that means different requests in different files.

    Attributes:
        digest: The digest of the id in the index of the requests.
        custom_id: The id.
        first: Where it is first.
        second: Where another line with it is, in another file.
    """

    digest: int
    custom_id: str
    first: Place
    second: Place


class RepeatedRequests:
    """Which lines of the request files repeat a line of another file.

    Args:
        repeats: The positions of the lines that repeat one, in order.
        origins: For each line that is repeated: its position, and the number of a file that repeats it; pairs in order.
    """

    def __init__(self, repeats: array[int], origins: array[int]) -> None:
        self._repeats = repeats
        self._origins = origins
        self._positions = origins[::2]

    def __len__(self) -> int:
        return len(self._repeats)

    def save(self, path: Path) -> Spec:
        """Write it to a file, and return the argument of `load`."""
        with path.open("xb") as file:
            self._repeats.tofile(file)
            self._origins.tofile(file)
        return {"path": str(path), "repeats": len(self._repeats), "origins": len(self._origins)}

    @classmethod
    def load(cls, spec: Spec | None) -> RepeatedRequests:
        """Read what `save` wrote; without a spec nothing is repeated."""
        repeats, origins = array("Q"), array("Q")
        if spec is not None:
            with Path(spec["path"]).open("rb") as file:
                repeats.fromfile(file, spec["repeats"])
                origins.fromfile(file, spec["origins"])
        return cls(repeats, origins)

    def cut(self, block: Block, file: int) -> Iterator[tuple[Block, AbstractSet[int] | None]]:
        """Cut a block of a request file at the lines that are repeated or repeat another one.

        Yields:
            Lines, with the numbers of other files whose results also belong to them; None for lines that repeat another one.
        """
        start = file << OFFSET_BITS | block.byte_offset
        end = start + sum(map(len, block.lines)) + len(block.lines)
        if not self._between(self._repeats, start, end) and not self._between(self._positions, start, end):
            yield block, NO_FILES
            return
        plain: list[bytes] = []
        position, number = start, block.line_number
        for line in block.lines:
            others = self._others(position)
            if others is not None and not others:
                plain.append(line)
            else:
                if plain:
                    yield _before(block.path, plain, position, number), NO_FILES
                    plain = []
                yield Block(block.path, number, position & OFFSET_MASK, [line]), others
            position += len(line) + 1
            number += 1
        if plain:
            yield _before(block.path, plain, position, number), NO_FILES

    def _others(self, position: int) -> AbstractSet[int] | None:
        """Return the files that repeat a line; None if it repeats another one itself."""
        if self._between(self._repeats, position, position + 1):
            return None
        at = bisect_left(self._positions, position)
        found = set()
        while at < len(self._positions) and self._positions[at] == position:
            found.add(self._origins[2 * at + 1])
            at += 1
        return found

    @staticmethod
    def _between(positions: array[int], start: int, end: int) -> bool:
        at = bisect_left(positions, start)
        return at < len(positions) and positions[at] < end


NO_FILES: AbstractSet[int] = frozenset()


def _before(path: str, lines: list[bytes], position: int, number: int) -> Block:
    """Return the block of lines that end right before a position."""
    offset = position - sum(map(len, lines)) - len(lines)
    return Block(path, number - len(lines), offset & OFFSET_MASK, lines)


def find_repeated(
    crew: Crew,
    inputs: Sequence[LocalFile],
    spool: Spool,
    *,
    size: int,
    cap: int,
    apart: Callable[[int, int], bool],
) -> tuple[list[Spec], RepeatedRequests, list[Contest]]:
    """Look for ids that are in several request files.

    Args:
        crew: Who reads them.
        inputs: The request files.
        spool: Where the index goes.
        size: The bytes of a range.
        cap: The longest line that is read, in bytes.
        apart: A predicate of the numbers of two files: does a manifest make equal lines in them different requests?

    Returns:
        The ranges of the files, as `survey.with_line_numbers` returns them; what is repeated; the ids that are contested.
    """
    builder = IndexBuilder(spool.new_path("requests.index"))
    spec = {"files": [[file.name, str(file.path)] for file in inputs], "cap": cap}
    with closing(builder):
        ranges = survey.with_line_numbers(crew, inputs, size, noting=(NoteRequests, spec, builder))
        index = builder.finish()
    try:
        repeats, origins, contests = _compare(index, inputs, apart)
    finally:
        index.close()
        index.path.unlink(missing_ok=True)
    return ranges, RepeatedRequests(repeats, origins), contests


def _compare(
    index: Index, inputs: Sequence[LocalFile], apart: Callable[[int, int], bool]
) -> tuple[array[int], array[int], list[Contest]]:
    """Compare the lines of each id that is in several files."""
    repeats: list[int] = []
    origins: set[tuple[int, int]] = set()
    contests: list[Contest] = []
    with OpenFiles(inputs) as descriptors:
        for run in index.repeated():
            places = sorted(map(index.place, run))
            if places[0].file == places[-1].file:
                continue
            by_id: dict[str | None, list[tuple[Place, bytes]]] = {}
            for place in places:
                line = fetch(descriptors[place.file], place, inputs[place.file].name)
                by_id.setdefault(_id_of(line), []).append((place, line.strip()))
            by_id.pop(None, None)  # lines that can't be read
            for custom_id, lines in by_id.items():
                for place, origin in _repetitions(lines, apart):
                    repeats.append(_position(place))
                    origins.add((_position(origin), place.file))
                if (other := _other(lines)) is not None:
                    contests.append(Contest(index.digests[run.start], str(custom_id), lines[0][0], other))
    return array("Q", sorted(repeats)), array("Q", [number for pair in sorted(origins) for number in pair]), contests


def _id_of(line: bytes) -> str | None:
    """Return the id of a request; None if a line is not a request."""
    try:
        value = loads(line)
    except InvalidLine:
        return None
    custom_id = value.get("custom_id")
    return custom_id if isinstance(custom_id, str) and isinstance(value.get("body"), dict) else None


def _position(place: Place) -> int:
    return place.file << OFFSET_BITS | place.offset


def _repetitions(lines: list[tuple[Place, bytes]], apart: Callable[[int, int], bool]) -> Iterator[tuple[Place, Place]]:
    """Yield the place of each line that repeats one of an earlier file, and the place of that one."""
    firsts: dict[bytes, list[Place]] = {}
    for place, line in lines:
        known = firsts.setdefault(line, [])
        # A line that occurs twice in one file is two requests: the service answers both, or refuses the file.
        origin = next((each for each in known if each.file != place.file and not apart(each.file, place.file)), None)
        if origin is not None:
            yield place, origin
        else:
            known.append(place)


def _other(lines: list[tuple[Place, bytes]]) -> Place | None:
    """Return the place of a line that is not the first one, in another file than this; None where all are alike."""
    texts: dict[bytes, set[int]] = {}
    for place, line in lines:
        texts.setdefault(line, set()).add(place.file)
    if len(texts) == 1 or len(set().union(*texts.values())) == 1:
        return None
    first, text = lines[0]
    differing = [place for place, line in lines if line != text]
    return next((place for place in differing if place.file != first.file), differing[0])


def refuse_contested(
    contests: Sequence[Contest], inputs: Sequence[LocalFile], results: Index, files: Sequence[ResultFile], verb: str = "join"
) -> None:
    """Make sure that each result of a contested id belongs to one request file.

    Args:
        contests: The contested ids.
        inputs: The request files.
        results: Where the results are, by the same digests as the contests.
        files: The result files, attributed as far as there is evidence.
        verb: What can't be done.

    Raises:
        Mismatch: A result could be that of either.
    """
    open_files = {number for number, file in enumerate(files) if file.part is None}
    if not open_files or not contests:
        return
    with OpenFiles(files) as descriptors:
        for contest in contests:
            for entry in results.run(contest.digest):
                place = results.place(entry)
                if place.file not in open_files:
                    continue
                line = fetch(descriptors[place.file], place, files[place.file].name)
                read = id_of_malformed if place.length == UNTIL_NEWLINE else id_of_line
                if read(line) == contest.custom_id:
                    raise _contested(contest, len(contests), inputs, files[place.file], place, verb)


def _contested(contest: Contest, count: int, inputs: Sequence[LocalFile], file: ResultFile, place: Place, verb: str) -> Mismatch:
    first, second = (f"line {at.line_number} of {inputs[at.file].name}" for at in (contest.first, contest.second))
    more = f" ({count - 1:,} more ids are in several files with different lines)" if count > 1 else ""
    return Mismatch(
        f"the custom_id {contest.custom_id[:ID_SHOWN]!r} is on {first} and, with another request, on {second}{more}, and nothing "
        f"shows which of the two this result answers: can't {verb} them. {WAYS_OUT[0].upper()}{WAYS_OUT[1:]}",
        path=file.name,
        line_number=place.line_number,
    )
