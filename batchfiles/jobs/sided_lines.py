"""Files read once, from the first line to the last, each known for requests or results by what its first lines say."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from batchfiles.campaign.names import RESULT_NAME
from batchfiles.errors import Mismatch
from batchfiles.findings import Finding
from batchfiles.jobs.families import LINES_LOOKED_AT, Side, classify_lines, first_lines
from batchfiles.streams.lines import Block
from batchfiles.streams.sources import Source, read_blocks

__all__ = ["SidedFile", "is_blank", "paired_as", "sided_files"]

JSON_SPACE = b" \t\r\n"


class SidedFile(NamedTuple):
    """A file that is about to be read.

    Attributes:
        name: Its display name.
        side: `"inputs"`, `"results"`, or `"empty"` for a file without a line that says anything.
        blocks: All its lines; to be read before the next file is asked for.
    """

    name: str
    side: Side
    blocks: Iterator[Block]


def sided_files(
    sources: Iterable[Source],
    notice: Callable[[Finding], None],
    *,
    cap: int,
    on_bytes: Callable[[int], None] | None = None,
    sides: Mapping[Hashable, Side] | None = None,
) -> Iterator[SidedFile]:
    """Open the files one after the other. Unlike a join, nothing is read twice, so a pipe needs no copy on the disk.

    Args:
        sources: What `expand` returns.
        notice: Gets a finding for a line above the cap, and warnings.
        cap: The longest line that is read, in bytes.
        on_bytes: Gets the number of uncompressed bytes that were read, block by block.
        sides: The given roles of files, by their keys.

    Yields:
        Each file with its lines.

    Raises:
        Mismatch: A file is in the format of another service, or nothing in it shows its role, or it differs from the given role.
        FileError: A file is not there or can't be read.
        TruncatedFile: While reading: compressed bytes end too early or are damaged; after the good lines.
    """
    for source in sources:
        heads: deque[bytes] = deque(maxlen=LINES_LOOKED_AT)
        blocks = read_blocks(source, notice, cap=cap, on_long=heads.append)
        counted = blocks if on_bytes is None else _counted(blocks, on_bytes)
        seen: list[Block] = []
        said = None if sides is None or source.key is None else sides.get(source.key)
        named = RESULT_NAME.fullmatch(Path(source.name).name)
        lines = first_lines(_kept(counted, seen), heads)
        side = classify_lines(lines, source.name, otherwise=said or ("results" if named else None))
        if said is not None and side not in (said, "empty"):
            raise Mismatch(paired_as(side), path=source.name)
        yield SidedFile(source.name, side, chain(seen, counted))


def paired_as(side: Side) -> str:
    """Return a message: a file of a pair has the other role."""
    is_of, was = ("results", "requests") if side == "results" else ("requests", "results")
    return f"holds {is_of}, and was paired as {was}: say REQUESTS=RESULTS"


def is_blank(line: bytes) -> bool:
    """Return whether a line holds only JSON white space."""
    return not line.strip(JSON_SPACE)


def _kept(blocks: Iterator[Block], seen: list[Block]) -> Iterator[Block]:
    """Yield blocks and keep them: only as many as are needed to classify the file."""
    for block in blocks:
        seen.append(block)
        yield block


def _counted(blocks: Iterator[Block], on_bytes: Callable[[int], None]) -> Iterator[Block]:
    for block in blocks:
        on_bytes(sum(map(len, block.lines)) + len(block.lines))
        yield block
