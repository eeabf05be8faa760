"""`merge`: the lines of several files in one, byte for byte; a repeated `custom_id` is an error by default."""

from __future__ import annotations

import hashlib
import os
from array import array
from bisect import bisect_left
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from batchfiles.campaign import Campaigns, request_sources
from batchfiles.errors import DuplicateCustomIdError
from batchfiles.findings import Finding, Findings, changed_lines_notes, not_read_lines, plural
from batchfiles.ids.unique import PLACE_BITS, UniqueIds
from batchfiles.inputs.copied_lines import CopiedLines, Run
from batchfiles.inputs.folders import files_of_a_kind, not_read_fields
from batchfiles.inputs.local import changed_parts
from batchfiles.io.sources import Source, SourceLike
from batchfiles.io.target import Target, TargetLike
from batchfiles.io.temporary import Spool
from batchfiles.io.threads import BackgroundWriter, Progress, progress_of, source_steps
from batchfiles.layout import size, visible
from batchfiles.limits import RESULT_LINE_CAP
from batchfiles.outcome import id_in
from batchfiles.summary import Block, Displayed, Sentences
from batchfiles.writing import CopyWriter


class RepeatedIds:
    """The ids of all files, and the places of repeated ones.

    Args:
        unique: Compares the ids.
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
            number: The number of their file.
            refuse: Whether a repeated id is an error.

        Raises:
            DuplicateCustomIdError: An id is repeated.
        """
        place = (number << PLACE_BITS) + run.line_number
        if self._unique.add_text(run.text, run.count, place):
            return
        ids = list(map(id_in, run.whole_lines))
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
        """Raise the error for ids that were compared at the end.

        Raises:
            DuplicateCustomIdError: For the id that is repeated first.
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
                id are damaged.
            last: Whether the last line of an id is kept, and not the first.
        """
        found = array("q")
        for first, others in self._repeated.items():
            places = [first, *others]
            kept = [place for place in places if place not in damaged] or places
            places.remove(kept[-1 if last else 0])
            found.extend(places)
        return array("q", sorted(found))

    def _duplicate(self, custom_id: str, first: int, place: int) -> DuplicateCustomIdError:
        first_file, first_line = self._place(first)
        file, line = self._place(place)
        return DuplicateCustomIdError(
            f"the custom_id {custom_id[:128]!r} is already on line {first_line} of {first_file}: "
            "choose the line to keep, or keep both",
            custom_id=custom_id,
            first_path=first_file,
            first_line_number=first_line,
            path=file,
            line_number=line,
        )

    def _place(self, place: int) -> tuple[str, int]:
        return self._files[place >> PLACE_BITS].name, place & ((1 << PLACE_BITS) - 1)


ON_DUPLICATE = ("error", "first", "last", "keep")

IDS_IN_MEMORY = 10_000
"""Enough to find early that ids restart in each file; all further ids are compared at the end, which is faster."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class MergeReport(Displayed):
    """What `merge` wrote.

    Attributes:
        output: The display name of the target.
        files: The files that were read, in order.
        lines: Lines that were written.
        bytes: Their size, uncompressed.
        dropped: Lines that were left out because their id is repeated.
        repeated_inputs: Request lines that were left out because they repeat a line of another file, byte for byte; of `dropped`.
        unreadable: Lines that are not JSON or have no id: they were copied, and not compared. 0 if ids were not read.
        blank_lines: Blank lines, which were left out.
        findings: Byte order marks that were left out, and newlines that were added.
        not_read: Files and folders in the given folders that were skipped, such as results.
        examples: The first names of these, under `not_read`.
    """

    output: str
    files: tuple[str, ...]
    lines: int
    bytes: int
    dropped: int
    unreadable: int
    blank_lines: int
    findings: tuple[Finding, ...]
    repeated_inputs: int = 0
    not_read: int = 0
    examples: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def _blocks(self) -> Iterator[Block]:
        return merge_blocks(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values that JSON can hold."""
        return {
            "output": self.output,
            "files": list(self.files),
            "lines": self.lines,
            "bytes": self.bytes,
            "dropped": self.dropped,
            "repeated_inputs": self.repeated_inputs,
            "unreadable": self.unreadable,
            "blank_lines": self.blank_lines,
            "findings": [{"code": each.code, "path": each.path, "line_number": each.line_number} for each in self.findings],
            "not_read": self.not_read,
            "examples": {name: list(found) for name, found in self.examples.items()},
        }


def merge_blocks(report: MergeReport) -> Iterator[Block]:
    """Yield the summary of `merge`."""
    lines = [*changed_lines_notes(report.blank_lines, report.findings)]
    if report.repeated_inputs:
        lines.append(f"{plural(report.repeated_inputs, 'line')} left out: the same request, byte for byte, is in another file")
    elif report.dropped:
        lines.append(f"{plural(report.dropped, 'line')} left out: the custom_id is in another line too")
    if report.unreadable:
        lines.append(f"{plural(report.unreadable, 'line')} without a readable custom_id: copied and not compared")
    lines += not_read_lines(report.not_read, report.examples)
    counts = f"{plural(report.lines, 'line')} of {plural(len(report.files), 'file')}, {size(report.bytes)}"
    yield Sentences([*lines, f"{visible(report.output)}: {counts}"])


def merge(
    *sources: SourceLike,
    output: TargetLike,
    on_duplicate: Literal["error", "first", "last", "keep"] = "error",
    overwrite: bool = False,
    max_line_bytes: int = RESULT_LINE_CAP,
    ids_in_memory: int = IDS_IN_MEMORY,
    temp_dir: str | os.PathLike[str] | None = None,
    filesystem: object = None,
    progress: Progress | bool | None = None,
) -> MergeReport:
    r"""Copy the lines of request files, or of result files, into one file, byte for byte, in the order of the files.

    Blank lines and byte order marks are left out, and a missing `\n` is added after a last line; both are reported.

    Args:
        *sources: Paths, folders, globs, open binary files, or `-`; plain or compressed. A campaign folder means its parts:
            merging the parts that `split` made gives the original file.
        output: A path, compressed if it has such a suffix; `-` for standard output; an open file.
        on_duplicate: What to do with a repeated `custom_id`: `"error"` refuses, `"first"` and `"last"` keep one of the
            lines that can be read, `"keep"` keeps all and does not compare. `"first"` and `"last"` read the files twice, and a
            third time if an id is repeated. A request line that is in another file too, byte for byte, is the same request:
            `"error"` leaves it out and counts it, unless the output is standard output or an open file.
        overwrite: Replace an existing file.
        max_line_bytes: The longest line that is read, in bytes.
        ids_in_memory: How many ids stay in memory; all further ids are compared at the end.
        temp_dir: For the other ids, copies of sources that can't be read twice, and a remote output until it is complete; None
            for the system's temporary folder.
        filesystem: The filesystem of all paths, from `pyarrow.fs` or fsspec; None for the local one.
        progress: Called repeatedly with the bytes done and the total bytes (None if unknown); True shows a bar.

    Returns:
        What was written.

    Raises:
        DuplicateCustomIdError: With `on_duplicate="error"`: an id is repeated. No target file is written then; an open file or
            standard output has some lines already.
        LineTooLongError: A line is longer than `max_line_bytes`.
        MismatchError: A file holds neither requests nor results, or one holds requests and another one results.
        OutputExistsError: The target exists and `overwrite` was not given.
        FileError: A file can't be read or written.
        TruncatedFileError: A compressed file is damaged.
        DataError: The manifest of a campaign folder is damaged.
        TypeError: No source is given, or one has a wrong type.
        ValueError: An option has an invalid value.

    Example:
        >>> report = batchfiles.merge("fixtures/chat_completions/requests.jsonl", output="merged.jsonl.gz")
        >>> report.lines
        16
    """
    if not sources:
        raise TypeError("merge needs at least one file")
    if on_duplicate not in ON_DUPLICATE:
        raise ValueError(f"on_duplicate is {', '.join(map(repr, ON_DUPLICATE[:-1]))} or 'keep', not {on_duplicate!r}")
    files, not_read = files_of_a_kind(request_sources(sources, filesystem=filesystem))
    target = Target.at(output, filesystem=filesystem, folder=False)
    steps = source_steps(progress_of(progress, "merge"), files)
    job = _Merge(files, target, max_line_bytes, ids_in_memory, steps, overwrite=overwrite, temp_dir=temp_dir)
    try:
        report = job.run(on_duplicate)
    except DuplicateCustomIdError:
        repeated = job.repeated() if on_duplicate == "error" and len(files) > 1 else None
        if repeated is None:
            raise
        report = job.run(on_duplicate, repeated)
    return replace(report, **not_read_fields(not_read))


class _Merge:
    """The files and the options of a merge."""

    def __init__(
        self,
        files: list[Source],
        output: Target,
        max_line_bytes: int,
        ids_in_memory: int,
        on_bytes: Callable[[int], None] | None,
        *,
        overwrite: bool,
        temp_dir: str | os.PathLike[str] | None,
    ) -> None:
        self._files = files
        self._output = output
        self._max_line_bytes = max_line_bytes
        self._ids_in_memory = ids_in_memory
        self._on_bytes = on_bytes
        self._overwrite = overwrite
        self._temp_dir = temp_dir

    def run(self, on_duplicate: str, repeated: array[int] | None = None) -> MergeReport:
        """Copy the lines.

        Args:
            on_duplicate: What to do with a repeated id.
            repeated: The places of lines that are known to repeat others; None if this was not checked.

        Raises:
            DuplicateCustomIdError: An id is repeated, and `on_duplicate` is `"error"`.
        """
        files = self._files
        refuse = on_duplicate == "error" and repeated is None
        changed: list[Finding] = []
        campaigns = Campaigns()

        def check(number: int) -> None:
            file = self._files[number]
            changed.extend(changed_parts([(file.place, file)], campaigns))

        with (
            BackgroundWriter("batchfiles-digests") as digests,
            CopyWriter(self._output, overwrite=self._overwrite, temp_dir=self._temp_dir) as writer,
            UniqueIds(self._ids_in_memory, temp_dir=self._temp_dir) as unique,
            Spool(self._temp_dir) as spool,
        ):
            ids = RepeatedIds(unique, files)
            unneeded: array[int] = array("q") if repeated is None else repeated
            if on_duplicate in ("first", "last"):
                files = [Source(file.name, path=spool.local(file)) for file in files]
                for number, run in _runs(files, CopiedLines(self._max_line_bytes)):
                    ids.add(run, number)
                unneeded = ids.unneeded(_damaged(files, ids.places(), self._max_line_bytes), last=on_duplicate == "last")
            lines = CopiedLines(self._max_line_bytes, self._on_bytes)
            for number, run in _runs(files, lines, lambda number: digests.do(partial(check, number))):
                if refuse:
                    ids.add(run, number, refuse=True)
                _copy(run, number << PLACE_BITS, unneeded, writer)
            if refuse:
                ids.refuse()
            digests.finish()
        return MergeReport(
            output=writer.path,
            files=tuple(file.name for file in files),
            lines=writer.count,
            bytes=writer.bytes_written,
            dropped=len(unneeded),
            unreadable=ids.unreadable,
            blank_lines=lines.blank_lines,
            findings=Findings((*changed, *lines.findings)),
            repeated_inputs=len(repeated or ()),
        )

    def repeated(self) -> array[int] | None:
        """Return the places of request lines that repeat one of an earlier file; None if other lines share an id.

        Also None if the lines can't be read or written once more, as on standard output.
        """
        if self._output.stream is not None or any(file.stream is not None for file in self._files):
            return None
        with UniqueIds(self._ids_in_memory, temp_dir=self._temp_dir) as unique:
            ids, lines = RepeatedIds(unique, self._files), CopiedLines(self._max_line_bytes)
            for number, run in _runs(self._files, lines):
                if lines.wanted == "results":
                    return None
                ids.add(run, number)
            repetitions = ids.repetitions()
        wanted = {place for first, places in repetitions.items() for place in (first, *places)}
        prints: dict[int, bytes] = {}
        for number, run in _runs(self._files, CopiedLines(self._max_line_bytes)):
            base = (number << PLACE_BITS) + run.line_number
            for place, line in enumerate(run.whole_lines, base):
                if place in wanted:
                    prints[place] = hashlib.sha256(line.strip()).digest()
        for first, places in repetitions.items():
            files = [place >> PLACE_BITS for place in (first, *places)]
            if len({prints[place] for place in (first, *places)}) > 1 or files[0] in files[1:]:
                return None
        return array("q", sorted(place for places in repetitions.values() for place in places))


def _runs(files: list[Source], lines: CopiedLines, begin: Callable[[int], None] | None = None) -> Iterator[tuple[int, Run]]:
    """Yield the lines of all files, with the number of their file, which `begin` gets first."""
    for number, file in enumerate(files):
        if begin is not None:
            begin(number)
        for run in lines.of(file):
            yield number, run


def _damaged(files: list[Source], places: array[int], max_line_bytes: int) -> set[int]:
    """Return the places of lines that can't be read."""
    found: set[int] = set()
    if not places:
        return found
    lines = CopiedLines(max_line_bytes)
    for number, run in _runs(files, lines):
        base = (number << PLACE_BITS) + run.line_number
        start = bisect_left(places, base)
        for place in places[start : bisect_left(places, base + run.count, start)]:
            if not lines.is_readable(run.whole_lines[place - base]):
                found.add(place)
    return found


def _copy(run: Run, base: int, unneeded: array[int], writer: CopyWriter) -> None:
    """Write lines, except those to leave out."""
    start = bisect_left(unneeded, base + run.line_number)
    end = bisect_left(unneeded, base + run.line_number + run.count, start)
    if start == end:
        writer.write_lines(run.text, run.count)
        return
    left_out = set(unneeded[start:end])
    kept = [line for place, line in enumerate(run.whole_lines, base + run.line_number) if place not in left_out]
    if kept:
        writer.write_lines(b"".join(kept), len(kept))
