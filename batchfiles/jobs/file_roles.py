"""Which files are requests and which are results, where their plain bytes lie, and which results belong to which requests."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchfiles.errors import Mismatch
from batchfiles.jobs.candidates import ResultFile
from batchfiles.jobs.families import Side, classify
from batchfiles.jobs.local_file import LocalFile
from batchfiles.streams.sources import COMPRESSED, SUFFIXES, Source, SourceLike, expand
from batchfiles.streams.spool import Spool

__all__ = ["FileRoles", "sort_files"]

RESULT_NAME = re.compile(
    r"(?P<stem>.+)_(?:output|error)(?:" + "|".join(map(re.escape, SUFFIXES)) + ")(?:" + "|".join(map(re.escape, COMPRESSED)) + ")"
)
"""Downloads are named `<batch_id>_output.jsonl` and `<batch_id>_error.jsonl`."""

BATCH_ID = re.compile(r"batch[_-][A-Za-z0-9_-]+")
"""OpenAI's `batch_…`; Azure's and Groq's have the same beginning."""


@dataclass(frozen=True, slots=True)
class FileRoles:
    """Files by what they hold.

    Attributes:
        inputs: Request files, in the order given.
        results: Output files and error files, in the order given.
        empty: Files without a line that says anything.
    """

    inputs: tuple[LocalFile, ...]
    results: tuple[LocalFile, ...]
    empty: tuple[LocalFile, ...]

    def result_files(self) -> list[ResultFile]:
        """Return the result files with their batch, and with the number of the input file to which they belong.

        `part-1_output.jsonl` belongs to `part-1.jsonl` where there are several input files: a `custom_id` is unique within its
        batch and not in the world.
        """
        parts = {_stem(file.original): number for number, file in enumerate(self.inputs) if file.original is not None}
        found = []
        for file in self.results:
            match = RESULT_NAME.fullmatch(Path(file.name).name)
            stem = match["stem"] if match else None
            part = None
            if stem is not None and file.original is not None and len(self.inputs) > 1:
                part = parts.get(file.original.with_name(stem))
            batch_id = stem if stem is not None and BATCH_ID.fullmatch(stem) else None
            found.append(ResultFile(file.name, str(file.path), batch_id, part))
        return found

    def names(self) -> dict[str, list[str]]:
        """Return the display names by role, for a table's metadata."""
        return {"inputs": [file.name for file in self.inputs], "results": [file.name for file in self.results]}

    def described(self) -> tuple[dict[str, Any], ...]:
        """Return the files for a report."""
        roles = (("inputs", self.inputs), ("results", self.results), ("empty", self.empty))
        return tuple({"path": file.name, "role": role, "bytes": file.size} for role, files in roles for file in files)


def _stem(path: Path) -> Path:
    """Return a file's path without the suffixes of a batch file."""
    for end in (suffix + compression for suffix in SUFFIXES for compression in COMPRESSED):
        if path.name.endswith(end):
            return path.with_name(path.name.removesuffix(end) or path.name)
    return path


def sort_files(
    files: Iterable[SourceLike], inputs: Iterable[SourceLike], spool: Spool, *, results_only: bool = False
) -> FileRoles:
    """Sort files by what their lines are.

    Args:
        files: Files, folders and globs of either kind; only results if `inputs` are given.
        inputs: Files that must be requests.
        spool: Where copies of compressed files and streams go.
        results_only: Whether requests are out of place, as in an export.

    Raises:
        Mismatch: A file is of the other kind than it must be, or of another service's format; nothing was read but first lines.
        FileError: A file can't be read, or the disk has no room for a copy.
        TruncatedFile: A compressed file is damaged.
        ValueError: Standard input is named twice.
    """
    forced, found = expand(inputs), expand(files)
    named = {source.path.resolve() for source in forced if source.path is not None}
    sorted_: dict[str, list[LocalFile]] = {"inputs": [], "results": [], "empty": []}
    for source in forced:
        file, kind = _local(source, spool, "inputs")
        if kind == "results":
            raise Mismatch("holds results, and was given as requests", path=source.name, role="input")
        sorted_["inputs"].append(file)
    for source in found:
        if source.path is not None and source.path.resolve() in named:
            continue  # a folder may hold the input that was named
        file, kind = _local(source, spool, "results" if results_only or forced else _by_name(source))
        if kind == "inputs" and results_only:
            raise Mismatch("holds requests, and results were expected: `join` takes both", path=source.name, role="output")
        if kind == "inputs" and forced:
            raise Mismatch("holds requests, and was given as results: name it as an input too", path=source.name, role="output")
        sorted_[kind].append(file)
    return FileRoles(tuple(sorted_["inputs"]), tuple(sorted_["results"]), tuple(sorted_["empty"]))


def _by_name(source: Source) -> Side | None:
    """Tell results by a download's name, where nothing in the file says what it is."""
    return "results" if RESULT_NAME.fullmatch(Path(source.name).name) else None


def _local(source: Source, spool: Spool, otherwise: Side | None) -> tuple[LocalFile, Side]:
    path = spool.local(source)
    original = source.path.resolve() if source.path is not None else None
    file = LocalFile.of(source.name, original, path)
    return file, classify(Source(source.name, path=path), otherwise=otherwise)
