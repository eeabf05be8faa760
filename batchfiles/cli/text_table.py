"""Cells in columns, for a terminal and for a log."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from batchfiles.cli.terminal import padded, width_of

__all__ = ["text_table"]


def text_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int | Collection[str] = 1) -> list[str]:
    """Lay out visible cells below their headings.

    Args:
        headings: What the columns are called.
        rows: The cells.
        texts: The headings of the columns that are texts, or how many they are, counted from the first; the others are numbers
            and stand to the right.

    Returns:
        The lines; none where there is no row.
    """
    cells = [headings, *rows]
    if len(cells) == 1:
        return []
    widths = [max(map(width_of, column)) for column in zip(*cells, strict=True)]
    named = headings[:texts] if isinstance(texts, int) else texts
    are_texts = [heading in named for heading in headings]
    return ["  ".join(map(_aligned, row, widths, are_texts)).rstrip() for row in cells]


def _aligned(cell: str, width: int, is_text: bool) -> str:
    return padded(cell, width) if is_text else " " * (width - width_of(cell)) + cell
