"""The files that are measured with, made where they are missing."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.generate.batch import generate

__all__ = ["Batch", "batch"]


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch's files.

    Attributes:
        requests: The request file.
        output: The output file.
        error: The error file.
        lines: The number of requests.
    """

    requests: Path
    output: Path
    error: Path
    lines: int

    @property
    def files(self) -> list[str]:
        """The paths, requests first."""
        return [str(self.requests), str(self.output), str(self.error)]

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(path.stat().st_size for path in (self.requests, self.output, self.error))


def batch(data: Path, kind: str, lines: int, *, duplicates: float = 0.0) -> Batch:
    """Return a batch of made-up files; it is generated if its folder is not there.

    Args:
        data: The folder of all benchmark data.
        kind: A kind of `benchmarks.generate`.
        lines: The number of requests.
        duplicates: The share of ids with a second result.
    """
    folder = data / (f"{kind}-{lines}-{duplicates:g}" if duplicates else f"{kind}-{lines}")
    if not folder.is_dir():
        print(f"generating {folder} …", file=sys.stderr)
        # Under another name until it is whole: an interrupted run leaves nothing that looks finished.
        unfinished = folder.with_name(f"{folder.name}.part")
        generate(unfinished, kind, lines, duplicates=duplicates)
        unfinished.rename(folder)
    (output,), (error,) = folder.glob("*_output.jsonl"), folder.glob("*_error.jsonl")
    found = Batch(folder / "requests.jsonl", output, error, lines)
    for path in (found.requests, found.output, found.error):
        _warm(path)
    return found


def _warm(path: Path) -> None:
    """Read a file once, so that each contender finds it in the page cache."""
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 20):
            pass
