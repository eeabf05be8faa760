"""The parts of a split: which line goes into which file, and when a file is full.

Several files may be open, and a background thread writes and digests them.
"""

from __future__ import annotations

import hashlib
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, NamedTuple, NoReturn, Self, cast

from batchfiles.campaign import Part, stem_of
from batchfiles.errors import InvalidLineError, LineTooLongError
from batchfiles.inputs.copied_lines import Run
from batchfiles.io.atomic import sync
from batchfiles.io.compression import compressed, compression_of_name
from batchfiles.io.sources import Source
from batchfiles.io.threads import PIECE, BackgroundWriter, write_all
from batchfiles.jobs.tokens import Group, RequestSize, RequestSizer
from batchfiles.limits import Limits


class PartWriter:
    """Writes and digests parts in a thread, and syncs each complete part to the disk in another one."""

    def __init__(self) -> None:
        self._writing = BackgroundWriter("batchfiles-writer")
        self._syncing = BackgroundWriter("batchfiles-sync")
        self._open: set[PartFile] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._syncing, self._writing:
            pass
        for part in self._open:
            part.abandon()

    def open(self, path: Path) -> PartFile:
        """Start a new file, compressed if its name has such a suffix."""
        part = PartFile(path, self._writing.do)
        self._open.add(part)
        return part

    def close(self, part: PartFile) -> None:
        """End a file; it is written when `finish` returns."""
        part.flush()
        self._writing.do(partial(self._finish, part))

    def _finish(self, part: PartFile) -> None:
        part.finish()
        self._open.discard(part)
        self._syncing.do(partial(sync, part.path))

    def finish(self) -> None:
        """Wait until everything is done and on the disk.

        Raises:
            OSError: Something could not be done.
        """
        self._writing.finish()
        self._syncing.finish()


class _Appended:
    """A file that is open only while a piece is written: a split may have more parts than a process may open files."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, data: bytes) -> int:
        """Write all of a piece."""
        with self._path.open("ab", buffering=0) as file:
            write_all(cast("BinaryIO", file), data)
        return len(data)


class PartFile:
    """One file as it grows.

    Args:
        path: Where it goes.
        do: Runs a function in the writer's thread.

    Attributes:
        path: Where it goes.
        requests: Its lines so far.
        bytes: Its size so far, uncompressed.
        inputs: Texts to embed so far.
        tokens: Tokens so far.
        first_line: The number of its first line in the source.
        last_line: The same of the line that was added last.
    """

    def __init__(self, path: Path, do: Callable[[Callable[[], None]], None]) -> None:
        self.path = path
        self.requests = self.bytes = self.inputs = self.tokens = self.first_line = self.last_line = 0
        self._do = do
        self._pieces: list[bytes] = []
        self._size = 0
        self._digest = hashlib.sha256()
        self._stack = ExitStack()
        path.open("xb").close()
        file = cast("BinaryIO", _Appended(path))
        self._sink: BinaryIO = self._stack.enter_context(compressed(file, compression_of_name(path.name)))

    @property
    def sha256(self) -> str:
        """The digest of the uncompressed bytes, in hexadecimal digits; right when the writer is done."""
        return self._digest.hexdigest()

    def add(self, text: bytes, requests: int, first_line: int, last_line: int) -> None:
        r"""Add whole lines, each with its `\n`."""
        if not self.requests:
            self.first_line = first_line
        self.last_line = last_line
        self.requests += requests
        self.bytes += len(text)
        self._pieces.append(text)
        self._size += len(text)
        if self._size >= PIECE:
            self.flush()

    def flush(self) -> None:
        """Pass the buffered bytes to the writer."""
        if self._pieces:
            text = b"".join(self._pieces)
            self._pieces, self._size = [], 0
            self._do(partial(self._write, text))

    def _write(self, text: bytes) -> None:
        self._digest.update(text)
        write_all(self._sink, text)

    def finish(self) -> None:
        """Close the file."""
        self._stack.close()

    def abandon(self) -> None:
        """Close the file without finishing it."""
        with suppress(OSError):
            self._stack.close()


COMPRESSIONS = ("gz", "bz2", "zst")

DIGITS = 5
"""Digits of a part's number; more if there are more parts, so that their names sort as the parts do."""

MOST_OPEN = 64
"""Parts that are open at once when a file is divided; then the least recently used one is closed."""

STEM_BYTES = 200
"""Bytes of a source's name that a part's name keeps: names may have 255, and results get a suffix."""


class PartLimits(NamedTuple):
    """The limits of one part."""

    requests: int
    bytes: int
    line_bytes: int
    inputs: int
    tokens: int

    @classmethod
    def of(cls, limits: Limits, max_tokens: int | None) -> Self:
        """Take the limits of a profile: of two numbers of bytes the lower one, which is the documented one."""
        sizes = [size for size in (limits.max_bytes, limits.warn_bytes) if size is not None]
        numbers = (limits.max_requests, min(sizes, default=None), limits.max_line_bytes, limits.max_embedding_inputs, max_tokens)
        return cls(*(sys.maxsize if number is None else number for number in numbers))


class Parts:
    """Cuts sources into parts, one source after the other.

    Args:
        folder: Where the parts go.
        writer: Writes them.
        limits: The limits of one part.
        scales: Measures the lines.
        by: The names of the divisions, in the order of a group's values.
        compress: The suffix of compressed parts; None for plain ones.
    """

    def __init__(
        self, folder: Path, writer: PartWriter, limits: PartLimits, scales: RequestSizer, by: Sequence[str], compress: str | None
    ) -> None:
        self._folder = folder
        self._writer = writer
        self._limits = limits
        self._scales = scales
        self._by = by
        self._suffix = f".jsonl.{compress}" if compress else ".jsonl"
        self._source = ""
        self._stem = ""
        self._numbers: Counter[str] = Counter()
        self._open: dict[Group, PartFile] = {}  # the one that was used last comes last, where there are several
        self._made: list[tuple[PartFile, str, str, int, Group]] = []

    def begin(self, source: Source) -> None:
        """Start a source."""
        self._source = source.name
        self._stem = _stem_of_parts(source)

    def end(self) -> None:
        """Finish all parts: a part has lines of one source only."""
        for part in self._open.values():
            self._writer.close(part)
        self._open.clear()

    def add(self, run: Run) -> None:
        """Add lines to their parts.

        Raises:
            LineTooLongError: A line is too long for any part.
            InvalidLineError: A line has too many texts to embed, or too many tokens, for any part.
            FileError: A part can't be written.
        """
        if not self._scales.must_decode(run.text) and (run.longest - 1 <= self._limits.line_bytes):
            self._add_plain(run)
            return
        offset = run.byte_offset
        for number, line in enumerate(run.lines, run.line_number):
            self._add_line(line, run.path, number, offset)
            offset += len(line) + 1

    def _add_plain(self, run: Run) -> None:
        """Add lines of which only the bytes are limited: all at once, or those up to the end of the part."""
        part, count, size = self._part(()), run.count, len(run.text)
        if self._has_room(part, count, size):
            part.add(run.text, count, run.line_number, run.line_number + count - 1)
            return
        ends = list(accumulate(map(len, run.whole_lines)))
        done = start = 0
        while done < count:
            most = bisect_right(ends, start + self._limits.bytes - part.bytes)
            until = min(most, done + self._limits.requests - part.requests)
            if until <= done:
                line = run.whole_lines[done][:-1]
                self._add_line(
                    line, run.path, run.line_number + done, run.byte_offset + start
                )  # in the next part, or it fits into no part
                until = done + 1
            else:
                part.add(run.text[start : ends[until - 1]], until - done, run.line_number + done, run.line_number + until - 1)
            part, done, start = self._part(()), until, ends[until - 1]

    def _add_line(self, line: bytes, path: str, number: int, offset: int) -> None:
        weight = self._scales.weigh(line)
        size = len(line) + 1
        part = self._part(weight.group)
        if not self._has_room(part, 1, size, weight):
            if part.requests:
                self._writer.close(self._open.pop(weight.group))
                part = self._part(weight.group)
            if len(line) > self._limits.line_bytes or not self._has_room(part, 1, size, weight):
                self._refuse(line, weight, path, number, offset)
        part.inputs += weight.inputs
        part.tokens += weight.tokens
        part.add(line + b"\n", 1, number, number)

    def _has_room(self, part: PartFile, count: int, size: int, weight: RequestSize | None = None) -> bool:
        limits = self._limits
        if part.requests + count > limits.requests or part.bytes + size > limits.bytes:
            return False
        if weight is None:
            return True
        line_fits = size - 1 <= limits.line_bytes
        return line_fits and part.inputs + weight.inputs <= limits.inputs and part.tokens + weight.tokens <= limits.tokens

    def _part(self, group: Group) -> PartFile:
        """Return the open part of a group, or open one."""
        part = self._open.get(group)
        if part is None:
            if len(self._open) >= MOST_OPEN:
                self._writer.close(self._open.pop(next(iter(self._open))))
            self._numbers[self._stem] += 1
            number = self._numbers[self._stem]
            part = self._open[group] = self._writer.open(self._folder / part_file(self._stem, number, 1, self._suffix))
            self._made.append((part, self._source, self._stem, number, group))
        elif self._by:
            self._open[group] = self._open.pop(group)
        return part

    def _refuse(self, line: bytes, weight: RequestSize, path: str, number: int, offset: int) -> NoReturn:
        """Return the error for a line that fits into no part."""
        most = min(self._limits.bytes - 1, self._limits.line_bytes)
        if len(line) > most:
            words = f"the line has {len(line):,} bytes, and {most:,} fit into a part: shorten the request, or allow more"
            raise LineTooLongError(words, limit=most, path=path, line_number=number, byte_offset=offset)
        if weight.inputs > self._limits.inputs:
            code, json_path = "too_many_embedding_inputs", "$.body.input"
            words = f"the request has {weight.inputs:,} texts to embed, and {self._limits.inputs:,} are allowed in one file"
        else:
            code, json_path = "too_many_tokens", "$.body"
            words = f"the request has about {weight.tokens:,} tokens, and {self._limits.tokens:,} are allowed in one part"
        raise InvalidLineError(
            f"{words}: divide the request, or allow more",
            code=code,
            json_path=json_path,
            path=path,
            line_number=number,
            byte_offset=offset,
        )

    def finished(self) -> tuple[Part, ...]:
        """Return the parts for the manifest, in the order of their first lines; all must be written by now."""
        return tuple(
            Part(
                file=self._final_name(part, stem, number),
                requests=part.requests,
                bytes=part.bytes,
                sha256=part.sha256,
                source=source,
                first_line=part.first_line,
                last_line=part.last_line,
                by=dict(zip(self._by, group, strict=True)),
            )
            for part, source, stem, number, group in self._made
        )

    def _final_name(self, part: PartFile, stem: str, number: int) -> str:
        """Return the name of a part, with more digits than it had if there are that many parts."""
        name = part_file(stem, number, self._numbers[stem], self._suffix)
        if name != part.path.name:
            part.path.rename(part.path.with_name(name))
        return name


def part_file(stem: str, number: int, count: int, suffix: str) -> str:
    """Return the name of one of so many parts."""
    return f"{stem}-{number:0{max(DIGITS, len(str(count)))}d}{suffix}"


def _stem_of_parts(source: Source) -> str:
    """Return the names of a source's parts before their number; never the name of a hidden file."""
    if source.path is None:
        return "requests"
    name = stem_of(source.path.name).lstrip(".")
    return name.encode(errors="surrogateescape")[:STEM_BYTES].decode(errors="ignore") or "requests"
