r"""The join's first pass: where the result of each `custom_id` stands, and how many lines each range of an input file has.

An ordinary result line is not decoded here: its id is the string behind the first key, or the second after `id`. The id would be
another one if the same key came again behind it. A careful survey looks for that, plainly and with letters as escapes
(`"custom_i\u0064"`), and decodes the lines where it may be. A quick survey leaves it to the second pass, which decodes every line:
`Misindexed` says that it must all be done again, carefully. Whether a line is JSON at all shows when it is fetched.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path

from batchfiles.codec import loads
from batchfiles.custom_ids.index import Entries, Index, IndexBuilder, digest
from batchfiles.errors import InvalidLine
from batchfiles.findings import Finding
from batchfiles.jobs.crew import Crew, Product, Spec
from batchfiles.jobs.local_file import LocalFile
from batchfiles.jobs.stray import Stray
from batchfiles.streams.sources import Source, read_blocks

__all__ = ["CountLines", "Misindexed", "NoteResults", "Survey", "id_of_malformed", "survey_results", "tasks", "with_line_numbers"]

ID = re.compile(rb'[ \t\r]*{[ \t\r]*(?:"id"[ \t\r]*:[ \t\r]*"[^"\\]*"[ \t\r]*,[ \t\r]*)?"custom_id"[ \t\r]*:[ \t\r]*"([^"\\]*)"')
ID_WITH_ESCAPES = re.compile(ID.pattern.replace(rb'"([^"\\]*)"', rb'("(?:[^"\\]|\\.)*")'))
ESCAPED_LETTER = re.compile(rb"\\u00(?:5[fF]|6[349dDfF]|7[345])")
r"""A letter of `custom_id` written as an escape."""

RANGE = 16 * 1024 * 1024
"""Bytes of a task: small enough that workers end together, large enough that nobody waits for orders."""


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


class Misindexed(Exception):
    """A line fetched under one id turned out to have another: a key is repeated, and the survey must be a careful one."""


class CountLines:
    """Counts the lines that begin in a range of a file, so that each range knows the number of its first line.

    Args:
        spec: `files`: the local paths.
    """

    schema = None

    def __init__(self, spec: Spec) -> None:
        self._files = spec["files"]

    def run(self, task: Spec) -> Iterator[Product]:
        r"""Count the `\n` before each of the range's lines: the first line of a file has none."""
        start, end = task["start"], task["end"]
        count = 1 if start == 0 else 0
        # A line begins behind each newline from start - 1 to end - 2.
        at = max(start - 1, 0)
        with Path(self._files[task["file"]]).open("rb", buffering=0) as file:
            file.seek(at)
            while at < end - 1 and (chunk := file.read(min(256 * 1024, end - 1 - at))):
                count += chunk.count(b"\n")
                at += len(chunk)
        yield {"lines": count}


class NoteResults:
    """Notes the lines of a range of a result file, under the digests of their ids.

    Args:
        spec: `files`: the local paths; `cap`: the longest line in bytes; `careful`: whether repeated keys are looked for.
    """

    schema = None

    def __init__(self, spec: Spec) -> None:
        self._files = spec["files"]
        self._cap = spec["cap"]
        self._careful = spec["careful"]

    def run(self, task: Spec) -> Iterator[Product]:
        """Yield the packed entries, the packed stray lines (see `stray`), and how many lines of which kind there are.

        Line numbers count from the beginning of the range.
        """
        file = task["file"]
        entries = Entries()
        stray = Stray()
        counts: Counter[str] = Counter()

        def notice(finding: Finding) -> None:
            counts[finding.code] += 1
            if finding.code == "line_too_long":
                stray.add_malformed(file, finding.byte_offset or 0, finding.line_number or 0)

        source = Source(self._files[file], path=Path(self._files[file]))
        lines = 0
        note = _note_carefully if self._careful else _note_quickly
        for block in read_blocks(source, notice, start=task["start"], end=task["end"], cap=self._cap):
            note(block.lines, block.line_number, file, block.byte_offset, entries, stray, counts)
            lines = block.line_number + len(block.lines) - 1
        counts["lines"] = max(lines, counts["line_too_long"] and lines + counts["line_too_long"])
        yield entries.to_bytes()
        yield stray.to_bytes()
        yield dict(counts)


def _note_quickly(
    lines: list[bytes], number: int, file: int, offset: int, entries: Entries, stray: Stray, counts: Counter[str]
) -> None:
    """Note the lines of a block. Flat on purpose: it runs once a line of every result."""
    add = entries.add
    match = ID.match
    for line in lines:
        if found := match(line):
            add(int.from_bytes(blake2b(found[1], digest_size=8).digest(), "little"), file, offset, len(line), number)
        else:
            _note_decoded(line, number, file, offset, entries, stray, counts)
        number += 1
        offset += len(line) + 1


def _note_carefully(
    lines: list[bytes], number: int, file: int, offset: int, entries: Entries, stray: Stray, counts: Counter[str]
) -> None:
    """Note the lines of a block, and decode those in which the key may come again."""
    for line in lines:
        if line.count(b'"custom_id"') == 1 and (line.find(b"\\u00") < 0 or not ESCAPED_LETTER.search(line)):
            _note_quickly([line], number, file, offset, entries, stray, counts)
        else:
            _note_decoded(line, number, file, offset, entries, stray, counts)
        number += 1
        offset += len(line) + 1


def _note_decoded(line: bytes, number: int, file: int, offset: int, entries: Entries, stray: Stray, counts: Counter[str]) -> None:
    """Note a line whose id does not stand where it mostly does."""
    if not line.strip():
        counts["blank_line"] += 1
        return
    try:
        custom_id = loads(line).get("custom_id")
    except InvalidLine:
        custom_id = id_of_malformed(line)
        if custom_id is None:
            stray.add_malformed(file, offset, number, len(line))
            return
    if type(custom_id) is str:
        entries.add(digest(custom_id), file, offset, len(line), number)
    elif custom_id is None:
        stray.add_unidentified(file, offset, number, len(line))
    else:
        stray.add_malformed(file, offset, number, len(line))


def id_of_malformed(line: bytes) -> str | None:
    """Read the id of a line that is no JSON, if the damage stands behind it."""
    found = ID_WITH_ESCAPES.match(line)
    try:
        return str(loads(b'{"custom_id":' + found[1] + b"}")["custom_id"]) if found else None
    except InvalidLine:
        return None


@dataclass(slots=True)
class Survey:
    """What the first pass over the results leaves.

    Attributes:
        index: Where the results stand, by the digests of their ids.
        stray: Result lines that no id leads to.
        counts: How many lines, blank lines and so on there are in all result files.
    """

    index: Index
    stray: Stray
    counts: Counter[str]


def survey_results(
    crew: Crew, files: Sequence[LocalFile], path: Path, *, cap: int, careful: bool, progress: Callable[[int], None]
) -> Survey:
    """Note where the results stand.

    Args:
        crew: Who does it.
        files: The result files.
        path: The index to make.
        cap: The longest line that is read, in bytes.
        careful: Whether repeated keys are looked for.
        progress: Gets the bytes of each range that is done.

    Raises:
        FileError: A file can't be read, or the index can't be written.
    """
    builder = IndexBuilder(path)
    stray = Stray()
    counts: Counter[str] = Counter()
    ranges = tasks([file.size for file in files])
    base = [0] * len(files)
    packed: list[bytes] = []
    spec = {"files": [str(file.path) for file in files], "cap": cap, "careful": careful}
    for number, product in crew.run(NoteResults, spec, ranges):
        if isinstance(product, bytes):
            packed.append(product)
            continue
        file = ranges[number]["file"]
        builder.add(Entries.from_bytes(packed[0], base[file]))
        stray.extend(packed[1], base[file])
        packed.clear()
        base[file] += product["lines"]
        counts.update(product)
        progress(ranges[number]["end"] - ranges[number]["start"])
    return Survey(builder.finish(), stray, counts)


def with_line_numbers(crew: Crew, files: Sequence[LocalFile], size: int) -> list[Spec]:
    """Divide files into ranges that know the number of their first line and their own number among all.

    Args:
        crew: Who counts.
        files: The files.
        size: The bytes of a range.
    """
    ranges = tasks([file.size for file in files], size)
    line_numbers = [1] * len(files)
    for number, product in crew.run(CountLines, {"files": [str(file.path) for file in files]}, ranges):
        task = ranges[number]
        task["line_number"] = line_numbers[task["file"]]
        task["part"] = number
        line_numbers[task["file"]] += product["lines"]
    return ranges
