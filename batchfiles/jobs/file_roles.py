"""Which files are requests and which are results, where their plain bytes lie, and which results belong to which requests."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchfiles.campaign.folder import changed_parts
from batchfiles.campaign.names import RESULT_NAME
from batchfiles.errors import Mismatch
from batchfiles.findings import Finding
from batchfiles.jobs.batch_parts import BatchParts, without_repeats
from batchfiles.jobs.candidates import ResultFile
from batchfiles.jobs.families import Side, classify
from batchfiles.jobs.local_file import LocalFile
from batchfiles.limits import LINE_CAP
from batchfiles.streams.remote import real_path
from batchfiles.streams.sources import Source, SourceLike, expand
from batchfiles.streams.spool import Spool
from batchfiles.streams.urls import shown_name

__all__ = ["FileRoles", "sort_files"]


@dataclass(frozen=True, slots=True)
class FileRoles:
    """Files by what they hold.

    Attributes:
        inputs: Request files, in the order given.
        results: Output files and error files, in the order given.
        empty: Files without a line that says anything.
        retries: Request files that only repeat requests of the inputs: the manifest of their campaign says so.
        findings: Which of the request files are not what the manifest of their campaign says.
    """

    inputs: tuple[LocalFile, ...]
    results: tuple[LocalFile, ...]
    empty: tuple[LocalFile, ...]
    retries: tuple[LocalFile, ...] = ()
    findings: tuple[Finding, ...] = ()

    def result_files(self) -> list[ResultFile]:
        """Return the result files with their batch, and with the number of the input file to which they belong.

        `part-1_output.jsonl` belongs to `part-1.jsonl` where there are several input files: a `custom_id` is unique within its
        batch and not in the world. In a campaign folder the manifest says to which part the results of each batch belong.
        """
        parts = BatchParts(self.inputs)
        return [parts.result_file(file) for file in self.results]

    def own_batches(self) -> frozenset[int]:
        """Return the numbers of the input files that are a batch of their own, as a manifest says."""
        return BatchParts(self.inputs).own_batches

    def names(self) -> dict[str, list[str]]:
        """Return the display names by role, for a table's metadata."""
        return {"inputs": [file.name for file in self.inputs], "results": [file.name for file in self.results]}

    def described(self) -> tuple[dict[str, Any], ...]:
        """Return the files for a report."""
        roles = (("inputs", self.inputs), ("results", self.results), ("empty", self.empty), ("retries", self.retries))
        return tuple({"path": file.name, "role": role, "bytes": file.size} for role, files in roles for file in files)


def sort_files(
    files: Iterable[SourceLike],
    inputs: Iterable[SourceLike],
    spool: Spool,
    *,
    results_only: bool = False,
    filesystem: object = None,
    cap: int = LINE_CAP,
) -> FileRoles:
    """Sort files by what their lines are.

    Args:
        files: Files, folders and globs of either kind; only results if `inputs` are given.
        inputs: Files that must be requests.
        spool: Where copies of compressed files and streams go.
        results_only: Whether requests are out of place, as in an export.
        filesystem: The filesystem in which paths are paths; None takes the local one.
        cap: The longest line that the job reads, in bytes.

    Raises:
        Mismatch: A file is of the other kind than it must be, or of another service's format; nothing was read but first lines.
        FileError: A file can't be read, or the disk has no room for a copy.
        TruncatedFile: A compressed file is damaged.
        TypeError: `inputs` is a single path.
        ValueError: Standard input is named twice.
    """
    if isinstance(inputs, (str, os.PathLike)):
        raise TypeError(f"inputs are a list of files, and this is a single one: [{shown_name(os.fspath(inputs))!r}]")
    forced, found = expand(inputs, filesystem=filesystem), expand(files, filesystem=filesystem)
    named = {source.key for source in forced} - {None}
    sorted_: dict[str, list[LocalFile]] = {"inputs": [], "results": [], "empty": []}
    for source in forced:
        file, kind = _local(source, spool, "inputs", cap)
        if kind == "results":
            raise Mismatch("holds results, and was given as requests", path=source.name, role="input")
        sorted_["inputs"].append(file)
    for source in found:
        if source.key in named:
            continue  # a folder may hold the input that was named
        file, kind = _local(source, spool, "results" if results_only or forced else _by_name(source), cap)
        if kind == "inputs" and results_only:
            raise Mismatch("holds requests, and results were expected: `join` takes both", path=source.name, role="output")
        if kind == "inputs" and forced:
            raise Mismatch("holds requests, and was given as results: name it as an input too", path=source.name, role="output")
        sorted_[kind].append(file)
    requests, retries = without_repeats(sorted_["inputs"])
    changed = changed_parts((file.original, Source(file.name, path=file.path)) for file in (*requests, *retries))
    return FileRoles(requests, tuple(sorted_["results"]), tuple(sorted_["empty"]), retries, tuple(changed))


def _by_name(source: Source) -> Side | None:
    """Tell results by a download's name, where nothing in the file says what it is."""
    return "results" if RESULT_NAME.fullmatch(Path(source.name).name) else None


def _local(source: Source, spool: Spool, otherwise: Side | None, cap: int) -> tuple[LocalFile, Side]:
    path = spool.local(source)
    original = source.remote or (real_path(source.path) if source.path is not None else None)
    file = LocalFile.of(source.name, original, path)
    return file, classify(Source(source.name, path=path), otherwise=otherwise, cap=cap)
