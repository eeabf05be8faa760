"""Lines on their way from one file to another, byte for byte: runs of neighbours without blank ones between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple

from batchfiles.errors import LineTooLong, Mismatch
from batchfiles.findings import Finding
from batchfiles.jobs.families import Side, classify_lines
from batchfiles.streams.lines import Block
from batchfiles.streams.sources import Source, read_blocks

__all__ = ["CopiedLines", "Run"]


NOUNS = {"inputs": "requests", "results": "results"}


class Run(NamedTuple):
    r"""Neighbouring lines of one file, none of them blank.

    Attributes:
        path: The file's display name.
        line_number: The number of the first line.
        byte_offset: Where it begins.
        lines: The lines without their `\n`.
        text: The same lines in one piece, each with its `\n`.
    """

    path: str
    line_number: int
    byte_offset: int
    lines: list[bytes]
    text: bytes


class CopiedLines:
    """Reads files whose lines are copied, and counts what is left out.

    Args:
        cap: The longest line that is read, in bytes.
        on_bytes: Gets the number of bytes of each run.
        wanted: What the lines must be: `"inputs"` or `"results"`; None takes either, but only one of them.

    Attributes:
        blank_lines: Lines that were left out.
        findings: Byte order marks that were left out, and newlines that were added.
    """

    def __init__(self, cap: int, on_bytes: Callable[[int], None] | None = None, *, wanted: Side | None = None) -> None:
        self.blank_lines = 0
        self.findings: list[Finding] = []
        self._cap = cap
        self._wanted = wanted
        self._on_bytes = on_bytes

    def of(self, source: Source) -> Iterator[Run]:
        """Yield the lines of a file.

        Raises:
            LineTooLong: A line is above the cap: it can't be left out, nor be kept.
            Mismatch: The lines are neither requests nor results, or not what is wanted; nothing was yielded.
            FileError: The file is not there or can't be read.
            TruncatedFile: Its compressed bytes are damaged.
        """
        for block in self._checked(read_blocks(source, self._notice, cap=self._cap), source.name):
            for run in self._runs(block):
                yield run
                if self._on_bytes is not None:
                    self._on_bytes(len(run.text))

    def _checked(self, blocks: Iterator[Block], name: str) -> Iterator[Block]:
        """Look at the first lines that say anything before any is copied."""
        for block in blocks:
            side = classify_lines(block.lines, name)
            if side != "empty":
                if self._wanted not in (None, side):
                    raise Mismatch(f"holds {NOUNS[side]}, and {NOUNS[str(self._wanted)]} are expected here", path=name)
                self._wanted = side
                yield block
                break
            yield block
        yield from blocks

    def _notice(self, finding: Finding) -> None:
        if finding.severity == "error":
            raise LineTooLong(
                f"the line is above the cap of {self._cap:,} bytes, and can neither be left out nor be kept: raise the cap",
                cap=self._cap,
                path=finding.path,
                line_number=finding.line_number,
                byte_offset=finding.byte_offset,
            )
        self.findings.append(finding)

    def _runs(self, block: Block) -> Iterator[Run]:
        lines = block.lines
        if all(lines) and not any(map(bytes.isspace, lines)):
            yield _run(block.path, block.line_number, block.byte_offset, lines)
            return
        number, offset = block.line_number, block.byte_offset
        run: list[bytes] = []
        for line in chain(lines, [b""]):
            if line and not line.isspace():
                run.append(line)
                continue
            if run:
                found = _run(block.path, number, offset, run)
                yield found
                number, offset, run = number + len(run), offset + len(found.text), []
            number, offset = number + 1, offset + len(line) + 1
            self.blank_lines += 1
        self.blank_lines -= 1  # the one that we put behind the last


def _run(path: str, number: int, offset: int, lines: list[bytes]) -> Run:
    return Run(path, number, offset, lines, b"\n".join([*lines, b""]))
