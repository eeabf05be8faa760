"""Where lines come from: paths, folders, globs, open binary files and standard input; plain, gzip, bz2 or zstd."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, TypeAlias, cast

from batchfiles.errors import FileError
from batchfiles.findings import Finding
from batchfiles.limits import LINE_CAP
from batchfiles.streams.compression import compression_of, decompressed
from batchfiles.streams.lines import BLOCK_SIZE, Block, blocks

__all__ = ["STDIN", "Source", "SourceLike", "expand", "read_blocks"]

STDIN = "-"

SUFFIXES = (".jsonl", ".ndjson", ".jsonlines")
COMPRESSED = ("", ".gz", ".bz2", ".zst", ".zstd")

SourceLike: TypeAlias = "str | os.PathLike[str] | BinaryIO | Source"
"""A path, folder or glob, `-` for standard input, or an open binary file."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file to read.

    Attributes:
        name: What findings and columns call it.
        path: The local file; None where the bytes come from an open file or standard input.
        stream: The open file; None where there is a path. It can be read once and is never closed here.
    """

    name: str
    path: Path | None = None
    stream: BinaryIO | None = None

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the file for reading, decompressed by its magic bytes.

        Raises:
            FileError: The file is not there or can't be read.
            TruncatedFile: While reading: the compressed bytes end too early or are damaged.
        """
        if self.path is None:
            with decompressed(cast("BinaryIO", self.stream), self.name) as stream:
                yield stream
            return
        try:
            file = self.path.open("rb", buffering=0)
        except OSError as error:
            raise FileError(_why(error), path=self.name, number=error.errno) from None
        with file, decompressed(cast("BinaryIO", file), self.name) as stream:
            yield stream

    def is_seekable_text(self) -> bool:
        """Tell whether lines can be fetched by offset from the file itself: local, regular and not compressed."""
        if self.path is None or not self.path.is_file():
            return False
        with self.open_raw() as file:
            return compression_of(file.read(8)) is None

    def open_raw(self) -> BinaryIO:
        """Open the local file as it is.

        Raises:
            FileError: The file is not there or can't be read.
        """
        try:
            return cast("BinaryIO", cast("Path", self.path).open("rb", buffering=0))
        except OSError as error:
            raise FileError(_why(error), path=self.name, number=error.errno) from None

    def size(self) -> int | None:
        """Return the bytes of the local file as it stands on disk; None where that can't be known before reading."""
        return self.path.stat().st_size if self.path is not None and self.path.is_file() else None


def expand(sources: Iterable[SourceLike]) -> list[Source]:
    """Turn paths, folders, globs, open files and `-` into single files, in the order given; folders and globs sorted by name.

    Raises:
        FileError: A path is not there, or a folder or glob holds no batch file.
        ValueError: Standard input is named twice.
        TypeError: Something is no source at all.
    """
    found: list[Source] = []
    for source in sources:
        found.extend(_expand_one(source))
    if sum(source.name == "<stdin>" for source in found) > 1:
        raise ValueError("standard input (-) can be read once only")
    return _without_repeats(found)


def _without_repeats(sources: list[Source]) -> list[Source]:
    """Keep each local file once: a folder and a file in it may both be named."""
    seen: set[Path] = set()
    kept = []
    for source in sources:
        if source.path is not None:
            resolved = source.path.resolve()
            if resolved in seen:
                continue
            seen.add(resolved)
        kept.append(source)
    return kept


def _expand_one(source: SourceLike) -> list[Source]:
    if isinstance(source, Source):
        return [source]
    if isinstance(source, (str, os.PathLike)):
        text = os.fspath(source)
        if text == STDIN:
            return [Source("<stdin>", stream=sys.stdin.buffer)]
        try:
            return _expand_path(text)
        except OSError as error:  # such as a name that is too long, or a folder that we may not look into
            if isinstance(error, FileError):
                raise
            raise FileError(_why(error), path=text, number=error.errno) from None
    if hasattr(source, "read"):
        name = getattr(source, "name", None)
        return [Source(_shown(name) if isinstance(name, str) else "<stream>", stream=_binary(source))]
    raise TypeError(f"a source is a path, an open binary file or '-', not {type(source).__name__}")


def _shown(path: str) -> str:
    """Return what a file is called in findings and columns, which are text: bytes that are no UTF-8 are written out."""
    return path.encode(errors="backslashreplace").decode()


def _binary(stream: IO[bytes]) -> BinaryIO:
    if isinstance(stream.read(0), str):
        raise TypeError("the file is open in text mode, which splits and changes lines: open it with 'rb'")
    return cast("BinaryIO", stream)


def _expand_path(text: str) -> list[Source]:
    path = Path(text)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file() and _is_batch_file(file.name))
        if not files:
            raise FileError("the folder holds no .jsonl file (compressed ones count)", path=text)
        return [Source(_shown(str(file)), path=file) for file in files]
    if path.exists():
        return [Source(_shown(text), path=path)]
    if glob.has_magic(text):
        matches = sorted(glob.glob(text, recursive=True))
        if not matches:
            raise FileError("no file matches", path=text)
        return [source for match in matches for source in _expand_path(match)]
    raise FileError("no such file", path=text, number=2)


def _is_batch_file(name: str) -> bool:
    """Tell by its name whether a file in a folder is a JSONL file; hidden files, our unfinished ones among them, are not."""
    lowered = name.lower()
    return not name.startswith(".") and lowered.endswith(tuple(text + end for text in SUFFIXES for end in COMPRESSED))


def _why(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def read_blocks(
    source: Source,
    notice: Callable[[Finding], None],
    *,
    start: int = 0,
    end: int | None = None,
    line_number: int = 1,
    cap: int = LINE_CAP,
    block_size: int = BLOCK_SIZE,
) -> Iterator[Block]:
    """Open one source and read it, or a byte range of it, as `lines.blocks` does.

    Raises:
        FileError: The file is not there or can't be read.
        TruncatedFile: The compressed bytes end too early or are damaged.
    """
    with source.open() as stream:
        yield from blocks(
            stream, source.name, notice, start=start, end=end, line_number=line_number, cap=cap, block_size=block_size
        )
