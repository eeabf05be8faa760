"""Where lines come from: paths, folders, globs and URLs, open binary files and standard input; plain, gzip, bz2 or zstd."""

from __future__ import annotations

import glob
import hashlib
import os
import stat
import sys
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple, TypeAlias, cast

from batchfiles.errors import FileError
from batchfiles.findings import Finding
from batchfiles.io.compression import SUFFIXES as COMPRESSIONS
from batchfiles.io.compression import compression_of, decompressed
from batchfiles.io.filesystems import shown_name
from batchfiles.io.lines import BLOCK_SIZE, Block, blocks
from batchfiles.io.remote_path import Place, RemotePath, changed, located, mode_of, real_path
from batchfiles.limits import LINE_CAP

STDIN = "-"

SUFFIXES = (".jsonl", ".ndjson", ".jsonlines")
COMPRESSED = ("", *COMPRESSIONS)

NAMES_SHOWN = 3

SourceLike: TypeAlias = "str | os.PathLike[str] | BinaryIO | Source | RemotePath"
"""A path, folder or glob, or a URL of one, `-` for standard input, or an open binary file."""


HASHED_BYTES = 1024 * 1024


class Digest(NamedTuple):
    """The SHA-256 of bytes.

    Attributes:
        hex: In hexadecimal digits.
        bytes: How many bytes there are.
    """

    hex: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Source:
    """One file to read.

    Attributes:
        name: What findings and columns call it.
        path: The local file; None where the bytes come from somewhere else.
        stream: The open file; None where there is a path. It can be read once and is never closed here.
        remote: The file on an object store; None for others.
        found: Whether it was found in a folder or by a glob instead of being named itself.
        passed_over: What else is in the folder where it was found: files whose names are not those of JSONL files, and folders.
            The last file of a folder has them.
    """

    name: str
    path: Path | None = None
    stream: BinaryIO | None = None
    remote: RemotePath | None = None
    found: bool = field(default=False, compare=False)
    passed_over: tuple[Place, ...] = field(default=(), compare=False)

    @classmethod
    def at(cls, place: Place) -> Source:
        """Return the one file at a place, without a look at it."""
        return cls(_shown(str(place)), path=place) if isinstance(place, Path) else cls(place.shown, remote=place)

    @classmethod
    def named(cls, path: str | os.PathLike[str] | RemotePath, *, filesystem: object = None) -> Source:
        """Return the one file that a path or URL names, under the name that people know."""
        place = located(path, filesystem)
        if isinstance(place, RemotePath) or isinstance(path, RemotePath):
            return cls.at(place)
        return cls(_shown(shown_name(os.fspath(path))), path=place)

    @property
    def place(self) -> Place | None:
        """Where the file is, as it was named; None for an open file and standard input."""
        return self.remote or self.path

    @property
    def key(self) -> Place | None:
        """Where the file is, symbolic links followed: the same for two sources of one file; None where that is unknown."""
        return None if self.place is None else real_path(self.place)

    @property
    def file_name(self) -> str | None:
        """The last part of the file's path; None for an open file and standard input."""
        return None if self.place is None else self.place.name

    @property
    def is_again(self) -> bool:
        """Whether the file can be read twice; open files, standard input and pipes can't."""
        return self.remote is not None or (self.path is not None and self.path.is_file())

    @contextmanager
    def open(self, *, tables: bool = False) -> Iterator[BinaryIO]:
        """Open the file for reading, decompressed by its magic bytes.

        Args:
            tables: Whether the reader knows Parquet and Arrow; others get an error that names the format.

        Raises:
            FileError: The file is not there or can't be read.
            MismatchError: It holds no lines, such as an archive; also while reading.
            TruncatedFileError: While reading: the compressed bytes end too early or are damaged.
        """
        with self.stored() as raw, decompressed(raw, self.name, suffix_of=self.file_name, tables=tables) as stream:
            yield stream

    @contextmanager
    def stored(self) -> Iterator[BinaryIO]:
        """Open the file as it is stored; a file that changes while it is read is an error at its end.

        Raises:
            FileError: The file is not there or can't be read; also while reading.
        """
        if self.remote is not None:
            from batchfiles.io.transfer import read_in_order

            with read_in_order(self.remote) as raw:
                yield raw
        elif self.path is None:
            raw = cast("BinaryIO", self.stream)
            yield _watched(raw, self.name) if raw is sys.stdin.buffer else raw
        else:
            with self.open_raw() as file:
                yield _watched(file, self.name)

    def is_seekable_text(self) -> bool:
        """Return whether lines can be fetched by offset from the file itself: local, regular and not compressed."""
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

    def open_for_arrow(self) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Open the file unchanged for random access, such as to the footer of a Parquet file.

        Raises:
            FileError: The file is not there or can't be read.
        """
        if self.remote is None:
            return self.open_raw()
        from batchfiles.io.filesystems import as_file_error

        with as_file_error(self.name):
            return self.remote.filesystem.open_input_file(self.remote.path)

    def sha256(self, *, stored: bool = False) -> Digest:
        """Return the digest of the file's uncompressed bytes, or of the bytes that are stored.

        Raises:
            FileError: The file can't be read.
            TruncatedFileError: It is compressed and damaged.
        """
        digest, size = hashlib.sha256(), 0
        with self.stored() if stored else self.open() as file:
            while chunk := file.read(HASHED_BYTES):
                digest.update(chunk)
                size += len(chunk)
        return Digest(digest.hexdigest(), size)

    def size(self) -> int | None:
        """Return the bytes of the file as it is stored; None where that can't be known before reading."""
        if self.remote is not None:
            found: int | None = self.remote.look().size
            return found
        return self.path.stat().st_size if self.path is not None and self.path.is_file() else None


class _Watched:
    """An open local file that must not change while it is read; otherwise the content is of neither version."""

    def __init__(self, file: BinaryIO, name: str, status: os.stat_result) -> None:
        self._file = file
        self._name = name
        self._before = status.st_size, status.st_mtime_ns
        self.seek = file.seek

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes.

        Raises:
            FileError: At the end: the file was cut, was written to, or grew.
        """
        piece = self._file.read(size)
        if not piece and size:
            now = os.fstat(self._file.fileno())
            if (now.st_size, now.st_mtime_ns) != self._before:
                raise changed(self._name)
        return piece


def _watched(file: BinaryIO, name: str) -> BinaryIO:
    """Watch a file; pipes and devices have nothing to compare."""
    try:
        status = os.fstat(file.fileno())
    except OSError:  # such as a replaced standard input
        return file
    return cast("BinaryIO", _Watched(file, name, status)) if stat.S_ISREG(status.st_mode) else file


FilesOf: TypeAlias = Callable[[Place], "list[Source] | None"]
"""Gets a folder, and returns the files to read for it; None for its batch files."""


def expand(sources: Iterable[SourceLike], *, filesystem: object = None, files_of: FilesOf = lambda _folder: None) -> list[Source]:
    """Turn paths, folders, globs, URLs of them, open files and `-` into single files.

    They come in the order given, those of a folder or a glob sorted by name.

    Args:
        sources: Paths, folders, globs, URLs, open files and `-`.
        filesystem: The filesystem in which paths are paths, of `pyarrow.fs` or of fsspec; None takes the local one.
        files_of: Returns the files to read for a folder that is named itself.

    Raises:
        FileError: A path is not there, or a folder or glob holds no batch file.
        ValueError: Standard input is named twice, or a URL is wrong.
        TypeError: Something is not a source, or not a filesystem.
        MissingDependencyError: The installed pyarrow does not support a URL's service.
    """
    found: list[Source] = []
    for source in sources:
        found.extend(_expand_one(source, filesystem, files_of))
    if sum(source.name == "<stdin>" for source in found) > 1:
        raise ValueError("standard input (-) can be read once only")
    return _without_repeats(found)


def _without_repeats(sources: list[Source]) -> list[Source]:
    """Keep each file once: a folder and a file in it may both be named. Two links in a folder to one file are two files."""
    kept: list[Source] = []
    by_key: dict[Hashable, list[int]] = {}
    passed_over: dict[Place, None] = {}
    for source in sources:
        passed_over.update(dict.fromkeys(source.passed_over))
        others = by_key.setdefault(source.key, []) if source.key is not None else []
        number = next((number for number in others if not _are_two_links(source, kept[number])), None)
        if number is not None:
            kept[number] = replace(kept[number], found=kept[number].found and source.found)
            continue
        others.append(len(kept))
        kept.append(source)
    if passed_over:
        skipped = _never_named(passed_over, kept)
        kept = [replace(each, passed_over=()) for each in kept[:-1]] + [replace(kept[-1], passed_over=skipped)]
    return kept


def _are_two_links(found: Source, other: Source) -> bool:
    """Return whether a file that was found has another name in the folder of the other one, which is the same file."""
    place, others = found.path, other.path
    if not found.found or place is None or others is None or place.name == others.name:
        return False
    return real_path(place.parent) == real_path(others.parent)


def _never_named(passed_over: Iterable[Place], sources: list[Source]) -> tuple[Place, ...]:
    """Return what is skipped in a folder and not named separately."""
    named = {real_path(each) for source in sources if source.place is not None for each in (source.place, source.place.parent)}
    return tuple(place for place in passed_over if real_path(place) not in named)


def _expand_one(source: SourceLike, filesystem: object, files_of: FilesOf) -> list[Source]:
    if isinstance(source, Source):
        return [source]
    if isinstance(source, (str, os.PathLike, RemotePath)):
        text = source.shown if isinstance(source, RemotePath) else os.fspath(source)
        if text == STDIN:
            return [Source("<stdin>", stream=sys.stdin.buffer)]
        place = located(source, filesystem)
        if isinstance(place, RemotePath):
            return _expand_remote(place, files_of)
        try:
            if stat.S_ISDIR(mode_of(place)) and (files := files_of(place)) is not None:
                return files
            return _expand_path(str(place) if text.lower().startswith("file:") else text)
        except OSError as error:  # such as a name that is too long, or a folder that we may not look into
            if isinstance(error, FileError):
                raise
            raise FileError(_why(error), path=text, number=error.errno) from None
    if hasattr(source, "read"):
        name = getattr(source, "name", None)
        return [Source(_shown(name) if isinstance(name, str) else "<stream>", stream=_binary(source))]
    several = ": several are separate arguments, such as *files" if isinstance(source, list | tuple | set) else ""
    raise TypeError(f"a source is a path, an open binary file or '-', not {type(source).__name__}{several}")


def _shown(path: str) -> str:
    """Return the name of a file in findings and columns, which are text: bytes that are not UTF-8 are escaped."""
    return path.encode(errors="backslashreplace").decode()


def _binary(stream: IO[bytes]) -> BinaryIO:
    if isinstance(stream.read(0), str):
        raise TypeError("the file is open in text mode, which splits and changes lines: open it with 'rb'")
    return cast("BinaryIO", stream)


def _expand_path(text: str) -> list[Source]:
    path = Path(text)
    mode = mode_of(path)
    if stat.S_ISDIR(mode):
        names = sorted(file for file in path.iterdir() if not file.name.startswith("."))
        files = [file for file in names if is_batch_file(file.name) and file.is_file()]
        others = tuple(file for file in names if not is_batch_file(file.name) or not file.is_file())
        if not files:
            raise FileError(_no_batch_file(others), path=text)
        return _of_folder([Source(_shown(str(file)), path=file, found=True) for file in files], others)
    if mode:
        return [Source(_shown(text), path=path)]
    if glob.has_magic(text):
        matches = sorted(glob.glob(text, recursive=True))
        if not matches:
            raise FileError("no file matches", path=text)
        return [replace(source, found=True) for match in matches for source in _expand_path(match)]
    raise FileError("no such file", path=text, number=2)


def _expand_remote(place: RemotePath, files_of: FilesOf) -> list[Source]:
    from pyarrow.fs import FileType

    found = place.look()
    if found.type == FileType.Directory and (files := files_of(place)) is not None:
        return files
    if found.type == FileType.NotFound and glob.has_magic(place.path):
        from batchfiles.io.remote_path import matches

        return [replace(source, found=True) for match, info in matches(place) for source in _expand_found(match, info)]
    if found.type == FileType.NotFound:
        place.check_bucket()
        raise FileError("no such file", path=place.shown, number=2)
    return _expand_found(place, found)


def _expand_found(place: RemotePath, found: Any) -> list[Source]:  # noqa: ANN401 - pyarrow has no types
    """Return the file, or the batch files of the folder, that was found at a place."""
    if found.is_file:
        return [Source(place.shown, remote=place)]
    listing = [(path, info) for path, info in place.listing() if not path.name.startswith(".")]
    files = [path for path, info in listing if info.is_file and is_batch_file(path.name)]
    others = tuple(path for path, info in listing if not info.is_file or not is_batch_file(path.name))
    if not files:
        raise FileError(_no_batch_file(others), path=place.shown)
    return _of_folder([Source(file.shown, remote=file, found=True) for file in files], others)


def _of_folder(sources: list[Source], others: tuple[Place, ...]) -> list[Source]:
    sources[-1] = replace(sources[-1], passed_over=others)
    return sources


def _no_batch_file(others: tuple[Place, ...]) -> str:
    words = "the folder holds no .jsonl file (compressed ones count)"
    if not others:
        return words
    more = ", …" if len(others) > NAMES_SHOWN else ""
    return f"{words}; it holds {', '.join(_shown(each.name) for each in others[:NAMES_SHOWN])}{more}: name the files to read"


def plain_name(name: str) -> str:
    """Return the name that a file has when it is not compressed."""
    return next((name.removesuffix(end) for end in COMPRESSED[1:] if name.endswith(end)), name)


def is_batch_file(name: str) -> bool:
    """Predicate: is this file in a folder a JSONL file, by its name? Hidden files, such as our unfinished ones, are not."""
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
    max_line_bytes: int = LINE_CAP,
    block_size: int = BLOCK_SIZE,
    on_long: Callable[[bytes], None] | None = None,
) -> Iterator[Block]:
    """Open one source and read it, or a byte range of it, as `lines.blocks` does.

    Raises:
        FileError: The file is not there or can't be read.
        TruncatedFileError: The compressed bytes end too early or are damaged.
    """
    with source.open() as stream:
        yield from blocks(
            stream,
            source.name,
            notice,
            start=start,
            end=end,
            line_number=line_number,
            max_line_bytes=max_line_bytes,
            block_size=block_size,
            on_long=on_long,
        )
