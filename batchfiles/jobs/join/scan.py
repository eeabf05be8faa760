r"""The join's first pass: an index of the result lines by `custom_id`, and the number of lines in each range of an input file.

An ordinary line is not decoded here: its id is the string after the first key, or the second after `id`. Another id would count
if the key were repeated later in the line, plainly or with letters as escapes (`"custom_i\u0064"`): lines that may do so are
decoded. A line that is not JSON is found when it is fetched.

`UnkeyedLines` are the lines without an index entry: malformed ones, and ones without an id.
"""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from batchfiles.codec import loads
from batchfiles.errors import InvalidLineError
from batchfiles.findings import Finding
from batchfiles.ids.index import (
    OFFSET_BITS,
    Index,
    IndexBuilder,
    IndexEntries,
    LineRef,
    digest,
    digest_of_bytes,
    digests_of_bytes,
)
from batchfiles.inputs.local import LocalFile
from batchfiles.io.lines import split
from batchfiles.io.remote_path import file_error
from batchfiles.io.sources import Source, read_blocks
from batchfiles.io.texts import Text, texts
from batchfiles.native import NativeEntries, native_entries, native_lines
from batchfiles.outcome import id_of_malformed, may_repeat_its_key, plain_ids, why_unreadable
from batchfiles.workers import Job, Product, Spec, WorkerPool

UNTIL_NEWLINE = 0xFFFFFFFF
"""The length of a line longer than `max_line_bytes`: its bytes were not kept, and its end is found again when it is copied."""


class UnkeyedLines:
    """A compact list of lines without an index entry, in the order of their files."""

    def __init__(self) -> None:
        self._numbers = array("Q")

    def __len__(self) -> int:
        return len(self._numbers) // 4

    def add_malformed(self, file: int, offset: int, line_number: int, length: int = UNTIL_NEWLINE) -> None:
        """Add a line that can't be read, not even its id."""
        self._numbers.extend((file << OFFSET_BITS | offset, length, line_number, 1))

    def add_unidentified(self, file: int, offset: int, line_number: int, length: int) -> None:
        """Add a good line whose `custom_id` is null or absent."""
        self._numbers.extend((file << OFFSET_BITS | offset, length, line_number, 0))

    def extend(self, packed: bytes, line_number_base: int) -> None:
        """Append what `to_bytes` packed, and add the number of lines before the range to the line numbers."""
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


FINDINGS_KEPT = 100
"""Findings of a range that are listed."""

HEAD = 64 * 1024
"""Bytes that are read of a line longer than `max_line_bytes`: its id is mostly there."""

RANGE = 16 * 1024 * 1024
"""Bytes of a task: small enough that workers finish together, large enough that none waits for tasks."""


def tasks(sizes: list[int], size: int = RANGE) -> list[Spec]:
    """Divide files into ranges of about the same size.

    Args:
        sizes: The bytes of each file.
        size: The bytes of a range.

    Returns:
        `{"file": number, "start": …, "end": …}` for each range, in order; nothing for an empty file.
    """
    found = []
    for file, total in enumerate(sizes):
        count = -(-total // size)
        edges = [total * number // count for number in range(count + 1)] if count else []
        found += [{"file": file, "start": start, "end": end} for start, end in pairwise(edges)]
    return found


class CountLines(Job):
    """Counts the lines that begin in a range of a file, so that each range knows the number of its first line.

    Args:
        spec: `files`: the local paths.
    """

    def __init__(self, spec: Spec) -> None:
        self._files = spec["files"]

    def run(self, task: Spec) -> Generator[Product, None, None]:
        r"""Count the `\n` before each of the range's lines: the first line of a file has none."""
        start, end = task["start"], task["end"]
        count = 1 if start == 0 else 0
        native = native_lines()
        # A line begins after each newline from start - 1 to end - 2.
        at = max(start - 1, 0)
        path = self._files[task["file"]]
        try:
            with Path(path).open("rb", buffering=0) as file:
                file.seek(at)
                while at < end - 1 and (chunk := file.read(min(256 * 1024, end - 1 - at))):
                    count += len(split(chunk)) - 1 if native is None else native.count_newlines(chunk)
                    at += len(chunk)
        except OSError as error:
            raise file_error(error, path) from None
        yield {"lines": count}


class IndexLines(Job):
    """Indexes the lines of a range of a file by the digests of their ids.

    Args:
        spec: `files`: `[[name, path], …]`; `max_line_bytes`: the longest line in bytes.
    """

    def __init__(self, spec: Spec) -> None:
        self._files = spec["files"]
        self._max_line_bytes = spec["max_line_bytes"]

    def run(self, task: Spec) -> Generator[Product, None, None]:
        """Yield the packed entries, the packed unkeyed lines, and the counts and findings.

        Line numbers count from the beginning of the range.
        """
        file = task["file"]
        native = native_entries()
        entries = IndexEntries() if native is None else native
        unkeyed = UnkeyedLines()
        counts: Counter[str] = Counter()
        findings: list[Finding] = []
        lines = 0

        def notice(finding: Finding) -> None:
            nonlocal lines
            findings.append(finding)
            if finding.code == "line_too_long":
                lines, offset = finding.line_number or 0, finding.byte_offset or 0
                custom_id = id_of_malformed(head_of_line(path, offset))
                if custom_id is None:
                    unkeyed.add_malformed(file, offset, lines)
                else:
                    entries.add(digest(custom_id), file, offset, UNTIL_NEWLINE, lines)

        name, path = self._files[file]
        where = {"start": task["start"], "end": task["end"], "max_line_bytes": self._max_line_bytes}
        source = Source(name, path=Path(path))
        if isinstance(entries, IndexEntries):
            for block in read_blocks(source, notice, **where):
                _index(block.lines, block.line_number, file, block.byte_offset, entries, unkeyed, counts)
                lines = block.line_number + len(block.lines) - 1
            yield entries.to_bytes()
        else:
            with source.open() as stream:
                for text in texts(stream, name, notice, **where):
                    _index_native(text, file, entries, unkeyed, counts)
                    lines = text.last
            yield entries.take()
        yield unkeyed.to_bytes()
        yield {
            "lines": lines,
            "blank": counts["blank_line"],
            "repaired": counts["repaired"],
            "findings": findings[:FINDINGS_KEPT],
            "findings_not_listed": len(findings[FINDINGS_KEPT:]),
        }


def _index_native(text: Text, file: int, entries: NativeEntries, unkeyed: UnkeyedLines, counts: Counter[str]) -> None:
    """Index the lines of a text: those with a plain id by compiled code, and the others as `_index` does."""
    number, offset = text.line_number, text.byte_offset
    for place, start, end in entries.add_lines(text.text, file, offset, number, digests_of_bytes):
        found = IndexEntries()
        _index([text.text[start:end]], number + place, file, offset + start, found, unkeyed, counts)
        if found:
            entries.set_digest(place, found.digests[0])


def _index(
    lines: list[bytes], number: int, file: int, offset: int, entries: IndexEntries, unkeyed: UnkeyedLines, counts: Counter[str]
) -> None:
    """Index the lines of a block, each by its beginning if that has the id, and the key is not repeated."""
    ids = None if any(map(may_repeat_its_key, lines)) else plain_ids(lines)
    if ids is not None:
        entries.add_lines(digests_of_bytes(ids), file, offset, list(map(len, lines)), number)
        return
    for line in lines:
        if not may_repeat_its_key(line) and (found := plain_ids([line])):
            entries.add(digest_of_bytes(found[0]), file, offset, len(line), number)
        else:
            _index_decoded(line, number, file, offset, entries, unkeyed, counts)
        number += 1
        offset += len(line) + 1


def _index_decoded(
    line: bytes, number: int, file: int, offset: int, entries: IndexEntries, unkeyed: UnkeyedLines, counts: Counter[str]
) -> None:
    """Index a line whose id is not at the usual place."""
    if not line.strip():
        counts["blank_line"] += 1
        return
    try:
        value = loads(line)
    except InvalidLineError:
        custom_id, malformed = id_of_malformed(line), True
    else:
        custom_id, malformed = value.get("custom_id"), why_unreadable(value) is not None
    if type(custom_id) is str:
        entries.add(digest(custom_id), file, offset, len(line), number)
    elif malformed:
        unkeyed.add_malformed(file, offset, number, len(line))
    else:
        unkeyed.add_unidentified(file, offset, number, len(line))
        counts["repaired"] += type(value) is not dict


def head_of_line(path: str | Path, offset: int) -> bytes:
    """Read the beginning of a line longer than `max_line_bytes`.

    Raises:
        FileError: The file can't be read.
    """
    try:
        with Path(path).open("rb", buffering=0) as file:
            return os.pread(file.fileno(), HEAD, offset).partition(b"\n")[0]
    except OSError as error:
        raise file_error(error, path) from None


@dataclass(slots=True)
class ResultIndex:
    """The result of the first pass over the results.

    Attributes:
        index: Where the results are, by the digests of their ids.
        unkeyed: Result lines without an index entry.
        lines: How many lines all result files have.
        blank_lines: How many of them are blank.
        repaired_lines: How many unkeyed lines are not strict JSON; others are counted when they are fetched.
        findings: Findings about the files, the first of each range.
        findings_not_listed: How many more there were.
    """

    index: Index
    unkeyed: UnkeyedLines
    lines: int = 0
    blank_lines: int = 0
    repaired_lines: int = 0
    findings: list[Finding] = field(default_factory=list)
    findings_not_listed: int = 0


def scan_results(
    pool: WorkerPool, files: Sequence[LocalFile], path: Path, *, max_line_bytes: int, progress: Callable[[int], None]
) -> ResultIndex:
    """Index the results.

    Args:
        pool: The workers.
        files: The result files.
        path: The index to make.
        max_line_bytes: The longest line that is read, in bytes.
        progress: Called with the bytes of each range that is done.

    Raises:
        FileError: A file can't be read, or the index can't be written.
    """
    builder = IndexBuilder(path)
    unkeyed = UnkeyedLines()
    lines = blank = repaired = not_listed = 0
    findings: list[Finding] = []
    ranges = tasks([file.size for file in files])
    base = [0] * len(files)
    packed: list[bytes] = []
    spec = {"files": [[file.name, str(file.path)] for file in files], "max_line_bytes": max_line_bytes}
    with closing(builder), closing(pool.run(IndexLines, spec, ranges)) as products:
        for number, product in products:
            if isinstance(product, bytes):
                packed.append(product)
                continue
            file = ranges[number]["file"]
            builder.add(IndexEntries.from_bytes(packed[0], base[file]))
            unkeyed.extend(packed[1], base[file])
            packed.clear()
            noticed = map(Finding.revived, product["findings"])
            findings += [replace(finding, line_number=(finding.line_number or 0) + base[file]) for finding in noticed]
            base[file] += product["lines"]
            lines += product["lines"]
            blank += product["blank"]
            repaired += product["repaired"]
            not_listed += product["findings_not_listed"]
            progress(ranges[number]["end"] - ranges[number]["start"])
        return ResultIndex(builder.finish(), unkeyed, lines, blank, repaired, findings, not_listed)


def with_line_numbers(pool: WorkerPool, files: Sequence[LocalFile], size: int) -> list[Spec]:
    """Divide files into ranges that know the number of their first line.

    Args:
        pool: The workers.
        files: The files.
        size: The bytes of a range.
    """
    ranges = tasks([file.size for file in files], size)
    line_numbers = [1] * len(files)
    # The lines of the last range of a file matter to no other range.
    counted = [task for task, other in pairwise(ranges) if task["file"] == other["file"]]
    for number, product in pool.run(CountLines, {"files": [str(file.path) for file in files]}, counted):
        task = counted[number]
        task["line_number"] = line_numbers[task["file"]]
        line_numbers[task["file"]] += product["lines"]
    return [{"line_number": line_numbers[task["file"]], **task} for task in ranges]
