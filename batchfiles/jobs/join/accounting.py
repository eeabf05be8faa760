"""The counts of a join: how each result line was used, and which inputs share an id. Also the lines of `write_rejects`."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from heapq import nsmallest
from typing import Any, BinaryIO

from batchfiles.codec import GLUED, Repaired, glued_objects, glued_words, loads
from batchfiles.findings import Finding
from batchfiles.ids.index import Index, LineRef, ResultFlags
from batchfiles.inputs.local import LocalFile, OpenFiles, ResultFile
from batchfiles.io.compression import compressed, compression_of_name
from batchfiles.io.target import PathTarget
from batchfiles.jobs.join.lookup import fetch, glued_finding
from batchfiles.jobs.join.scan import FINDINGS_KEPT, UNTIL_NEWLINE, ResultIndex
from batchfiles.outcome import read_result, why_malformed

EXAMPLES = 5
"""Places of each kind that a report lists."""

LINES_LOOKED_AT = 1000
LONGEST_LOOKED_AT = 64 * 1024 * 1024
"""Malformed lines that are read again for the reason, and the longest of them in bytes."""


class Accounting:
    """Counts what the second pass marked in the index.

    Args:
        result_index: The index of the first pass.
        flags: The flags of the second pass.
        files: The result files.

    Attributes:
        counts: `used`, `superseded`, `conflicting`, `unknown`, `malformed_results`, `malformed_unmatched`, `repaired`.
        examples: The first places by kind.
        findings: Why the first malformed lines can't be read, in the order of the files. The scan has findings about those that
            are too long.
        findings_not_listed: How many more malformed lines there are.
        glued: The findings about lines that hold several results, of which at most one was found.

    Raises:
        FileError: A result file changed while it was being read.
    """

    def __init__(self, result_index: ResultIndex, flags: ResultFlags, files: Sequence[ResultFile]) -> None:
        self._index = result_index.index
        self._flags = flags
        self._unkeyed = result_index.unkeyed
        self._files = files
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = defaultdict(list)
        self.findings: list[Finding] = []
        self.findings_not_listed = 0
        self._unclaimed: list[LineRef] = []
        self._count_marks()
        self._count_unclaimed()
        if self.counts["malformed_results"]:
            self._explain_malformed()
        self.glued = [finding for finding in self.findings if finding.code == GLUED]

    def rejected(self) -> Iterator[LineRef]:
        """Yield the places of malformed, unknown, superseded and conflicting lines, in the order of the files."""
        import pyarrow.compute as pc

        index, flags = self._index, self._flags
        unkeyed = iter(sorted(place for place, _ in self._unkeyed))
        waiting = next(unkeyed, None)
        entries: list[int] = []
        if index.count:
            entries = _in_order_of_files(index, pc.or_(flags.mask("malformed"), pc.invert(flags.mask("used"))))
        for entry in entries:
            place = index.place(entry.as_py())  # type: ignore[attr-defined]
            while waiting is not None and waiting < place:
                yield waiting
                waiting = next(unkeyed, None)
            yield place
        if waiting is not None:
            yield waiting
        yield from unkeyed

    def _count_marks(self) -> None:
        import pyarrow.compute as pc

        index = self._index
        if not index.count:
            return
        used, superseded = self._flags.mask("used"), self._flags.mask("superseded")
        # A line may be the best for one part's request and second best for another's: then it is used.
        beaten = pc.and_(superseded, pc.invert(used))
        contested = pc.and_(self._flags.mask("conflicting"), pc.invert(used))
        self.counts["used"] = pc.sum(used).as_py() or 0
        self.counts["superseded"] = pc.sum(beaten).as_py() or 0
        self.counts["conflicting"] = pc.sum(contested).as_py() or 0
        self.counts["malformed_results"] = pc.sum(self._flags.mask("malformed")).as_py() or 0
        self.counts["repaired"] = pc.sum(self._flags.mask("repaired")).as_py() or 0
        for entry in _in_order_of_files(index, contested)[:EXAMPLES].to_pylist():
            self._name("conflicting", index.place(entry))

    def _count_unclaimed(self) -> None:
        """Read the unused lines, and count those of unknown ids and those that can't be read."""
        import pyarrow.compute as pc

        index = self._index
        for place, malformed in self._unkeyed:
            self._count_unclaimed_line(place, malformed=malformed)
        if not index.count:
            return
        unclaimed = pc.invert(pc.or_(self._flags.mask("used"), self._flags.mask("superseded")))
        if not pc.any(unclaimed).as_py():
            return
        descriptors = OpenFiles(self._files)
        try:
            for scalar in _in_order_of_files(index, unclaimed):
                place = index.place(scalar.as_py())
                value = None
                if place.length != UNTIL_NEWLINE:
                    line = fetch(descriptors[place.file], place, self._files[place.file].name)
                    value, _ = read_result(line)
                self.counts["repaired"] += type(value) is Repaired
                self._count_unclaimed_line(place, malformed=value is None)
                if value is None and len(self._unclaimed) < LINES_LOOKED_AT:
                    self._unclaimed.append(place)
        finally:
            descriptors.close()

    def _count_unclaimed_line(self, place: LineRef, *, malformed: bool) -> None:
        if malformed:
            self.counts["malformed_results"] += 1
            self.counts["malformed_unmatched"] += 1
        else:
            self.counts["unknown"] += 1
            self._name("unknown", place)

    def _explain_malformed(self) -> None:
        """Name the first malformed lines, and read them again for the reason."""
        places = self._malformed_places()
        self.examples["malformed"] = [self._shown(place) for place in places[:EXAMPLES]]
        with OpenFiles(self._files) as descriptors:
            for place in places:
                if place.length <= LONGEST_LOOKED_AT:
                    name = self._files[place.file].name
                    self._explain(fetch(descriptors[place.file], place, name), name, place)
        self.findings_not_listed = self.counts["malformed_results"] - self._too_long() - len(self.findings)

    def _malformed_places(self) -> list[LineRef]:
        """Return the places of the first malformed lines, in the order of the files."""
        places = {*self._unclaimed, *nsmallest(LINES_LOOKED_AT, (place for place, malformed in self._unkeyed if malformed))}
        if self._index.count:
            entries = _in_order_of_files(self._index, self._flags.mask("malformed"))[:LINES_LOOKED_AT].to_pylist()
            places.update(map(self._index.place, entries))
        return sorted(places)[:LINES_LOOKED_AT]

    def _explain(self, line: bytes, name: str, place: LineRef) -> None:
        """Add the finding about a malformed line, if it holds several results or is one of the first lines."""
        if count := glued_objects(line):
            self.findings.append(glued_finding(glued_words(count), name, place.line_number, place.offset))
        elif len(self.findings) < FINDINGS_KEPT:
            error = why_malformed(read_result(line)[1])
            self.findings.append(Finding.of(error, path=name, line_number=place.line_number, byte_offset=place.offset))

    def _too_long(self) -> int:
        """Count the lines above `max_line_bytes`, all of which are malformed."""
        import pyarrow as pa
        import pyarrow.compute as pc

        index = self._index
        unkeyed = sum(place.length == UNTIL_NEWLINE for place, _ in self._unkeyed)
        if not index.count:
            return unkeyed
        lengths = pa.Array.from_buffers(pa.uint32(), index.count, [None, pa.py_buffer(index.lengths)])
        return unkeyed + (pc.sum(pc.equal(lengths, UNTIL_NEWLINE)).as_py() or 0)

    def _name(self, kind: str, place: LineRef) -> None:
        if len(self.examples[kind]) < EXAMPLES:
            self.examples[kind].append(self._shown(place))

    def _shown(self, place: LineRef) -> str:
        return f"{self._files[place.file].name}:{place.line_number}"


def _in_order_of_files(index: Index, mask: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Return the marked entries in the order of the files; the index has them in the order of their digests."""
    import pyarrow as pa
    import pyarrow.compute as pc

    marked = pc.indices_nonzero(mask)
    positions = pa.Array.from_buffers(pa.uint64(), index.count, [None, pa.py_buffer(index.positions)])
    return marked.take(pc.array_sort_indices(positions.take(marked)))


def duplicate_inputs(
    index: Index, inputs: Sequence[LocalFile], files: Sequence[ResultFile], own_batches: AbstractSet[int] = frozenset()
) -> tuple[int, list[str]]:
    """Count the requests whose id is also in an earlier request of the same batch.

    Each input file with its own results is one batch, and so is each part of a campaign; all other files are one batch.

    Args:
        index: Where the requests are, by the digests of their ids.
        inputs: The input files.
        files: The result files.
        own_batches: The numbers of the input files that are known to be separate batches.

    Returns:
        How many there are, and the first places.
    """
    parts = own_batches | {file.part for file in files if file.part is not None}
    descriptors = OpenFiles(inputs)
    count = 0
    pairs: list[tuple[LineRef, LineRef]] = []
    try:
        for run in index.repeated():
            seen: dict[tuple[str | None, int | None], LineRef] = {}
            for place in sorted(map(index.place, run)):
                line = fetch(descriptors[place.file], place, inputs[place.file].name)
                key = loads(line).get("custom_id"), place.file if place.file in parts else None
                if key in seen:
                    count += 1
                    # The first places in the order of the files: the index is in the order of digests.
                    pairs = sorted([*pairs, (place, seen[key])])[:EXAMPLES]
                seen.setdefault(key, place)
    finally:
        descriptors.close()
    return count, [
        f"{inputs[place.file].name}:{place.line_number} (first at {inputs[first.file].name}:{first.line_number})"
        for place, first in pairs
    ]


COPY_BYTES = 1024 * 1024


def write_rejects(
    target: PathTarget,
    rejected: Iterable[tuple[Iterable[LineRef], Sequence[ResultFile]]],
    *,
    overwrite: bool = False,
    temp_dir: str | os.PathLike[str] | None = None,
) -> None:
    r"""Copy lines byte for byte, each with a `\n`; compressed if the name has such a suffix.

    Args:
        target: Where they go.
        rejected: The places of lines, with the files that they are in.
        overwrite: Whether a file that is there may be replaced.
        temp_dir: Where a remote file waits until it is whole.

    Raises:
        OutputExistsError: The file exists and `overwrite` was not given.
        FileError: The file can't be written, or a result file changed meanwhile.
    """
    with (
        target.open(overwrite=overwrite, temp_dir=temp_dir) as file,
        compressed(file, compression_of_name(target.name)) as sink,
    ):
        for places, files in rejected:
            with OpenFiles(files) as descriptors:
                for place in places:
                    if place.length == UNTIL_NEWLINE:
                        _copy_until_newline(descriptors[place.file], place.offset, sink)
                    else:
                        sink.write(fetch(descriptors[place.file], place, files[place.file].name))
                    sink.write(b"\n")


def _copy_until_newline(descriptor: int, offset: int, sink: BinaryIO) -> None:
    """Copy a line longer than `max_line_bytes`, piece by piece."""
    while chunk := os.pread(descriptor, COPY_BYTES, offset):
        end = chunk.find(b"\n")
        sink.write(chunk if end < 0 else chunk[:end])
        if end >= 0:
            return
        offset += len(chunk)
