"""The lines of a local file that the service complains about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchfiles.streams.sources import Source

__all__ = ["ids_of_lines"]


def ids_of_lines(source: Source, numbers: Iterable[int]) -> dict[int, str]:
    """Return the `custom_id` of some lines; lines that have none, and that are no JSON, are left out.

    Args:
        source: A request file.
        numbers: Lines, counted from 1.

    Raises:
        FileError: The file can't be read.
        TruncatedFile: It is compressed and damaged.
    """
    from batchfiles.codec import loads
    from batchfiles.errors import InvalidLine
    from batchfiles.streams.sources import read_blocks

    wanted = set(numbers)
    found: dict[int, str] = {}
    last = max(wanted, default=0)
    for block in read_blocks(source, lambda _: None) if wanted else ():
        if block.line_number > last:
            break
        for number, line in enumerate(block.lines, block.line_number):
            if number in wanted:
                try:
                    custom_id = loads(line).get("custom_id")
                except InvalidLine:
                    continue
                if isinstance(custom_id, str):
                    found[number] = custom_id
    return found
