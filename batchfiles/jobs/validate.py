"""Check request files before they are sent, by the rules of the service that shall get them."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from batchfiles.counts import not_read_fields
from batchfiles.custom_ids.unique import UniqueIds
from batchfiles.findings import Finding
from batchfiles.jobs.file_check import PLACE_BITS, FileCheck
from batchfiles.jobs.folder_files import requests_to_read
from batchfiles.jobs.report import FileReport, Report, Tally
from batchfiles.limits import LINE_CAP, OPENAI, Limits
from batchfiles.streams.sources import Source, SourceLike, expand

__all__ = ["validate"]

IDS_IN_MEMORY = 200_000
"""About 32 MB; the ids behind them wait on the disk, and their repetitions are found at the end."""


def validate(
    *sources: SourceLike,
    limits: Limits = OPENAI,
    across: bool = False,
    max_findings: int = 100,
    strict: bool = False,
    on_finding: Callable[[Finding], None] | None = None,
    on_bytes: Callable[[int], None] | None = None,
    cap: int = LINE_CAP,
    ids_in_memory: int = IDS_IN_MEMORY,
    temp_dir: str | os.PathLike[str] | None = None,
    filesystem: object = None,
) -> Report:
    """Check request files; each file is taken for one batch.

    Args:
        *sources: Paths, folders, globs, open binary files, or `-` for standard input; plain or compressed. Results that are found
            in a folder or by a glob are skipped, and reported as not read.
        limits: The rules of a service: `OPENAI`, `AZURE`, `VLLM`, or `NONE` for what every reader needs.
        across: Whether a `custom_id` must be unique in all files together, not only in its own.
        max_findings: How many findings, and groups of findings, the report lists; all are counted.
        strict: Whether warnings count as errors; info does not.
        on_finding: Gets each finding as it is found, those that are not listed included.
        on_bytes: Gets the number of uncompressed bytes that were read, again and again, for a progress bar.
        cap: The longest line that is read, in bytes; longer ones are one finding each.
        ids_in_memory: How many ids stay in memory; a repetition of one that does not is found at the end of its file.
        temp_dir: Where the other ids wait; None takes the system's folder for temporary files.
        filesystem: The filesystem in which paths are paths, of `pyarrow.fs` or of fsspec; None takes the local one.

    Returns:
        What was found.

    Raises:
        FileError: A file is not there or can't be read, or the temporary folder is full.
        Mismatch: A folder or a glob holds results only.
        TypeError: There is no source, or something is no source at all.
        ValueError: Standard input is named twice.
    """
    if not sources:
        raise TypeError("validate needs at least one file")
    if not isinstance(limits, Limits):
        raise TypeError(f"limits are a profile, such as batchfiles.OPENAI, and not {limits!r}")
    files, not_read = requests_to_read(expand(sources, filesystem=filesystem))
    tally = Tally(limits, keep=max_findings, strict=strict, on_finding=on_finding)
    repetitions = _Repetitions(files, tally)
    checks: list[FileCheck] = []
    with UniqueIds(ids_in_memory, temp_dir=temp_dir) as ids:
        for number, source in enumerate(files):
            check = FileCheck(
                source,
                number,
                limits,
                ids,
                partial(tally.add, file=number),
                repetitions.add,
                cap=cap,
                on_bytes=on_bytes,
            )
            check.run()
            checks.append(check)
            if not across or number == len(files) - 1:
                for custom_id, first, place in ids.duplicates():
                    repetitions.add(custom_id, first, place)
                ids.clear()
    return Report(
        limits=limits.name,
        files=tuple(
            _file_report(source, check, number, tally) for number, (source, check) in enumerate(zip(files, checks, strict=True))
        ),
        findings=tuple(tally.findings),
        errors=dict(tally.by_code["error"]),
        warnings=dict(tally.by_code["warning"]),
        **not_read_fields(not_read),
        info=dict(tally.by_code["info"]),
        groups=tally.groups(),
    )


def _file_report(source: Source, check: FileCheck, number: int, tally: Tally) -> FileReport:
    return FileReport(
        name=source.name,
        requests=check.requests,
        bytes=check.bytes,
        endpoint=check.rules.url,
        model=check.rules.model,
        embedding_inputs=check.embedding_inputs,
        errors=tally.by_file[number, "error"],
        warnings=tally.by_file[number, "warning"],
    )


class _Repetitions:
    """Turns places of ids back into files and lines."""

    def __init__(self, files: list[Source], tally: Tally) -> None:
        self._files = files
        self._tally = tally

    def add(self, custom_id: str, first: int, place: int, byte_offset: int | None = None) -> None:
        """Report an id that stood at one place before and stands at another now."""
        first_file, first_line = _split(first)
        file, line = _split(place)
        first_path = self._files[first_file].name
        where = f"line {first_line}" if file == first_file else f"line {first_line} of {first_path}"
        shown = custom_id if len(custom_id) <= 100 else f"{custom_id[:100]}…"
        self._tally.add(
            Finding(
                code="duplicate_custom_id",
                message=f"The custom_id for this request is a duplicate of another request: '{shown}' is already on {where}.",
                path=self._files[file].name,
                line_number=line,
                byte_offset=byte_offset,
                json_path="$.custom_id",
                custom_id=custom_id,
                first_path=first_path,
                first_line_number=first_line,
            ),
            file,
        )


def _split(place: int) -> tuple[int, int]:
    return place >> PLACE_BITS, place & ((1 << PLACE_BITS) - 1)
