"""A file that can be read by offset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["LocalFile"]


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file and where its plain bytes lie.

    Attributes:
        name: Its display name.
        original: The file's own resolved path; None where the bytes came from an open file.
        path: The file itself, or its decompressed copy.
        size: Bytes of `path`.
    """

    name: str
    original: Path | None
    path: Path
    size: int
