"""Requests whose ids are in several request files: which lines are one request, and which ids are contested.

A request line that is in another file too, byte for byte, is the same request: it has one row, and the results of all its files
are its attempts. Two different lines with one id are two requests. A result of this id must be attributed to one of the files.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import NamedTuple

from batchfiles.errors import MismatchError
from batchfiles.ids.index import OFFSET_BITS, Index, LineRef
from batchfiles.inputs.local import LocalFile, OpenFiles
from batchfiles.io.lines import Block
from batchfiles.io.temporary import Spool
from batchfiles.jobs.join.lookup import IdConflicts, ResultLookup, fetch, id_of_request
from batchfiles.jobs.join.scan import UNTIL_NEWLINE, scan_results, with_line_numbers
from batchfiles.workers import Spec, WorkerPool

OFFSET_MASK = (1 << OFFSET_BITS) - 1


class RepeatedRequests:
    """Which lines of the request files repeat a line of another file.

    Args:
        repeats: The positions of the lines that repeat one, in order.
        positions: Those of lines that are repeated, in order; one for each file that repeats them.
        files: The numbers of these files.
    """

    def __init__(self, repeats: array[int], positions: array[int], files: array[int]) -> None:
        self._repeats = repeats
        self._positions = positions
        self._files = files

    def __len__(self) -> int:
        return len(self._repeats)

    def save(self, path: Path) -> Spec:
        """Write this to a file, and return the argument of `load`."""
        with path.open("xb") as file:
            for column in (self._repeats, self._positions, self._files):
                column.tofile(file)
        return {"path": str(path), "counts": [len(self._repeats), len(self._positions), len(self._files)]}

    @classmethod
    def load(cls, spec: Spec | None) -> RepeatedRequests:
        """Read what `save` wrote; without a spec nothing is repeated."""
        columns = array("Q"), array("Q"), array("Q")
        if spec is not None:
            with Path(spec["path"]).open("rb") as file:
                for column, count in zip(columns, spec["counts"], strict=True):
                    column.fromfile(file, count)
        return cls(*columns)

    def without_repeats(
        self, block: Block, file: int, lookup: ResultLookup, leave_out: Callable[[Block], None]
    ) -> Iterator[Block]:
        """Yield the lines that don't repeat one of another file.

        Args:
            block: Lines of a request file.
            file: The number of the file.
            lookup: Gets the numbers of the other files whose results also belong to the lines that are yielded next.
            leave_out: Called with each line that repeats one.
        """
        if not self:
            yield block
            return
        for lines, others in self.cut(block, file):
            if others is None:
                leave_out(lines)
            else:
                lookup.also = others
                yield lines

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
            found.add(self._files[at])
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
    pool: WorkerPool,
    inputs: Sequence[LocalFile],
    spool: Spool,
    *,
    size: int,
    max_line_bytes: int,
    apart: Callable[[int, int], bool],
) -> tuple[list[Spec], RepeatedRequests, IdConflicts]:
    """Look for ids that are in several request files.

    Args:
        pool: The workers.
        inputs: The request files.
        spool: Where the index goes.
        size: The bytes of a range.
        max_line_bytes: The longest line that is read, in bytes.
        apart: A predicate of the numbers of two files: does a manifest make equal lines in them different requests?

    Returns:
        The ranges of the files, as `with_line_numbers` returns them; what is repeated; the ids that are contested.
    """
    path = spool.new_path("requests.index")
    index = scan_results(pool, inputs, path, max_line_bytes=max_line_bytes, progress=lambda _: None).index
    contests = IdConflicts(spool.new_path("contests"))
    try:
        repeated = _compare(index, inputs, apart, contests)
    finally:
        contests.close()
        index.close()
        index.path.unlink(missing_ok=True)
    return with_line_numbers(pool, inputs, size), repeated, contests


def _compare(
    index: Index, inputs: Sequence[LocalFile], apart: Callable[[int, int], bool], contests: IdConflicts
) -> RepeatedRequests:
    """Compare the lines of each id that is in several files, and add those ids to the contests that mean different requests."""
    repeats, positions, files = array("Q"), array("Q"), array("Q")
    for digest, lines in _lines_by_id(index, inputs):
        for place, origin in _repetitions(lines, apart):
            repeats.append(_position(place))
            positions.append(_position(origin))
            files.append(place.file)
        if (other := _other(lines)) is not None:
            contests.add(digest, lines[0][0], other)
    return RepeatedRequests(*_sorted(repeats), *_sorted(positions, files))


def _lines_by_id(index: Index, inputs: Sequence[LocalFile]) -> Iterator[tuple[int, list[tuple[LineRef, bytes]]]]:
    """Yield the lines of each id that may be in several files, in the order of their places, with the digest of the id."""
    with OpenFiles(inputs) as descriptors:
        for run in index.repeated():
            # A line that is too long is not read, so it is not a request. The index has it under the id at its beginning.
            places = sorted(place for place in map(index.place, run) if place.length != UNTIL_NEWLINE)
            if not places or places[0].file == places[-1].file:
                continue
            by_id: dict[str | None, list[tuple[LineRef, bytes]]] = {}
            for place in places:
                line = fetch(descriptors[place.file], place, inputs[place.file].name)
                by_id.setdefault(id_of_request(line), []).append((place, line.strip()))
            by_id.pop(None, None)  # lines that can't be read
            for lines in by_id.values():
                yield index.digests[run.start], lines


def _sorted(*columns: array[int]) -> list[array[int]]:
    """Sort columns by the first one, without an object for each number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not columns[0]:
        return list(columns)
    found = [pa.Array.from_buffers(pa.uint64(), len(column), [None, pa.py_buffer(column)]) for column in columns]
    order = pc.array_sort_indices(found[0])
    return [array("Q", column.take(order).buffers()[1].to_pybytes()[: 8 * len(column)]) for column in found]


def _position(place: LineRef) -> int:
    return place.file << OFFSET_BITS | place.offset


def _repetitions(lines: list[tuple[LineRef, bytes]], apart: Callable[[int, int], bool]) -> Iterator[tuple[LineRef, LineRef]]:
    """Yield the place of each line that repeats one of an earlier file, and the place of that one."""
    firsts: dict[bytes, list[LineRef]] = {}
    for place, line in lines:
        known = firsts.setdefault(line, [])
        # A line that occurs twice in one file is two requests: the service answers both, or refuses the file.
        origin = next((each for each in known if each.file != place.file and not apart(each.file, place.file)), None)
        if origin is not None:
            yield place, origin
        else:
            known.append(place)


def _other(lines: list[tuple[LineRef, bytes]]) -> LineRef | None:
    """Return the place of a line that is not the first one, in another file than this; None if all are equal."""
    texts: dict[bytes, set[int]] = {}
    for place, line in lines:
        texts.setdefault(line, set()).add(place.file)
    if len(texts) == 1 or len(set().union(*texts.values())) == 1:
        return None
    first, text = lines[0]
    differing = [place for place, line in lines if line != text]
    return next((place for place in differing if place.file != first.file), differing[0])


class RepeatedFile(NamedTuple):
    """A request file whose lines are all in other files, such as an earlier retry file.

    Attributes:
        requests: How many lines it has.
        originals: The numbers of the files that have them, none of which is such a file.
    """

    requests: int
    originals: tuple[int, ...]


def find_repeated_files(
    pool: WorkerPool, inputs: Sequence[LocalFile], spool: Spool, *, max_line_bytes: int, parts: AbstractSet[int]
) -> dict[int, RepeatedFile]:
    """Find the request files that only repeat lines of other files, whatever the order of the files is.

    Args:
        pool: The workers.
        inputs: The request files.
        spool: Where the index goes.
        max_line_bytes: The longest line that is read, in bytes.
        parts: The numbers of the files that are parts of a campaign, and repeat nothing.

    Returns:
        These files, by their numbers.

    Raises:
        MismatchError: Two files have lines in common, and each of them has other lines too.
        FileError: A file can't be read, or the disk is full.
    """
    path = spool.new_path("requests.index")
    scanned = scan_results(pool, inputs, path, max_line_bytes=max_line_bytes, progress=lambda _: None)
    index = scanned.index
    try:
        totals = Counter(position >> OFFSET_BITS for position in index.positions)
        totals.update(place.file for place, _ in scanned.unkeyed)
        shared, own = _shared_lines(index, inputs, totals)
    finally:
        index.close()
        index.path.unlink(missing_ok=True)
    originals = _originals(shared, {*parts, *own}, sorted(totals, key=lambda file: (-totals[file], file)))
    _refuse_shared(shared, originals, parts, inputs)
    first = {files: next(file for file in files if file in originals) for files in shared}
    return {
        file: RepeatedFile(totals[file], tuple(sorted({first[files] for files in shared if file in files})))
        for file in sorted(set().union(*shared) - originals)
    }


def _shared_lines(
    index: Index, inputs: Sequence[LocalFile], totals: Counter[int]
) -> tuple[AbstractSet[tuple[int, ...]], AbstractSet[int]]:
    """Return which files have a line in common, and which files have a line that no other file has.

    A line that occurs twice in one file counts as its own, for a retry never writes one.
    """
    shared: set[tuple[int, ...]] = set()
    once: Counter[int] = Counter()
    for _, lines in _lines_by_id(index, inputs):
        by_text: dict[bytes, Counter[int]] = {}
        for place, line in lines:
            by_text.setdefault(line, Counter())[place.file] += 1
        for files in by_text.values():
            if len(files) > 1:
                shared.add(tuple(sorted(files)))
                once.update(file for file, count in files.items() if count == 1)
    return shared, {file for file in totals if once[file] < totals[file]}


def _originals(shared: AbstractSet[tuple[int, ...]], known: AbstractSet[int], files: Iterable[int]) -> set[int]:
    """Return the files that together have each line once, if there are any such files.

    A file that shares a line with one of them repeats it. A file with a line that otherwise only such files have is one of them.
    Where this leaves a choice, it is the largest file.

    Args:
        shared: Which files have a line in common.
        known: Files that are among them.
        files: All files, the largest first.
    """
    originals = set(known)
    while True:
        repeating = {file for group in shared if not originals.isdisjoint(group) for file in group} - originals
        left = [[file for file in group if file not in repeating] for group in shared if originals.isdisjoint(group)]
        more = {group[0] for group in left if len(group) == 1}
        if not more:
            undecided = set().union(*left)
            more = {next(file for file in files if file in undecided)} if undecided else set()
        if not more:
            return originals
        originals |= more


def _refuse_shared(
    shared: AbstractSet[tuple[int, ...]], originals: AbstractSet[int], parts: AbstractSet[int], inputs: Sequence[LocalFile]
) -> None:
    """Make sure that each line is in one of the originals, or only in parts, where equal lines are separate requests.

    Raises:
        MismatchError: It is not.
    """
    for group in sorted(shared):
        having = [file for file in group if file in originals]
        if len(having) == 1 or (having and parts >= set(having)):
            continue
        one, other = (inputs[file].name for file in (having or group)[:2])
        raise MismatchError(
            f"has some requests in common with {one}, and each of the two has others too: in a manifest both would be parts, and "
            "these requests would count twice. Merge the request files into one first (`batchfiles merge`), or write one file "
            "with unchanged lines, which needs no manifest",
            path=other,
        )
