"""Cells in columns, for a terminal and for a log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from batchfiles.cli.terminal import padded, width_of

__all__ = ["text_table"]


def text_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int = 1) -> list[str]:
    """Lay out visible cells below their headings.

    Args:
        headings: What the columns are called.
        rows: The cells.
        texts: How many columns, counted from the first, are texts; the others are numbers and stand to the right.

    Returns:
        The lines; none where there is no row.
    """
    cells = [headings, *rows]
    if len(cells) == 1:
        return []
    widths = [max(map(width_of, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(_aligned(row, widths, texts)).rstrip() for row in cells]


def _aligned(row: Sequence[str], widths: Sequence[int], texts: int) -> list[str]:
    return [
        padded(cell, width) if place < texts else " " * (width - width_of(cell)) + cell
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
