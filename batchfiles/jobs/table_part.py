"""The files of a table that is a folder: how they are called."""

from __future__ import annotations

import re

__all__ = ["is_part_name", "part_name"]

PART_NAME = re.compile(r"part-[0-9]{5,}\.parquet")


def part_name(number: int) -> str:
    """Return the name of a part, counted from 0; the names sort as the parts do."""
    return f"part-{number:05d}.parquet"


def is_part_name(name: str) -> bool:
    """Return whether a file in a folder of parts has the name of a part, so that `force` may replace the folder."""
    return PART_NAME.fullmatch(name) is not None
