"""How far a job is: the one callback that all jobs take."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from batchfiles.io.sources import Source

__all__ = ["Progress", "in_steps", "source_steps", "total_of"]

Progress: TypeAlias = Callable[[int, int | None], None]
"""Called with the bytes that are done and the bytes that there are, again and again; None where nobody knows how many there are,
as for a pipe or a compressed file."""


def in_steps(progress: Progress | None, total: int | None) -> Callable[[int], None]:
    """Return a function that takes the bytes of each step and reports their sum."""
    done = 0

    def step(size: int) -> None:
        nonlocal done
        done += size
        if progress is not None:
            progress(done, total)

    return step


def source_steps(progress: Progress | None, sources: Iterable[Source]) -> Callable[[int], None] | None:
    """Return the function for steps through sources; None where nobody asks, so that no file is looked at for it."""
    return None if progress is None else in_steps(progress, total_of(sources))


def total_of(sources: Iterable[Source]) -> int | None:
    """Return the bytes there are to read; None if that can't be known, as for a pipe or a compressed file."""
    sizes = [source.size() if source.is_seekable_text() else None for source in sources]
    known = [count for count in sizes if count is not None]
    return sum(known) if len(known) == len(sizes) else None
