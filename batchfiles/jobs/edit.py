"""`edit`: the same change to every line of a file, and no other byte of it changed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from batchfiles.errors import InvalidLineError
from batchfiles.findings import Finding, Findings, changed_lines_notes, first_findings, not_read_lines, plural
from batchfiles.inputs.copied_lines import CopiedLines, Run
from batchfiles.inputs.folders import files_of_a_kind, not_read_fields
from batchfiles.io.sources import SourceLike, expand
from batchfiles.io.target import TargetLike, output_name
from batchfiles.io.threads import Progress, progress_of, source_steps
from batchfiles.jsontext.edits import Edit, edited
from batchfiles.layout import size
from batchfiles.limits import LINE_CAP
from batchfiles.rules.bodies import unknown_key
from batchfiles.rules.keys import LINE_KEYS
from batchfiles.summary import PYTHON, Block, Displayed, Interface, Sentences
from batchfiles.writing import CopyWriter

BAD_LINES = ("refuse", "copy", "drop")
"""What to do with a line that can't be changed."""

FINDINGS_KEPT = 100
"""Findings that a report lists; all are counted."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class EditReport(Displayed):
    """What an edit did. `lines == changed + unchanged + dropped`.

    Attributes:
        lines: Lines that were read, without blank ones.
        changed: Lines that were changed.
        unchanged: Lines that were copied as they are, those that can't be changed included.
        dropped: Lines that can't be changed and were left out.
        blank_lines: Blank lines, which are left out.
        bad_lines: Lines that can't be changed: copied or dropped, as `bad_lines` says.
        bytes: What was written, uncompressed.
        findings: The first hundred findings.
        not_read: Files and folders in the given folders that were skipped.
        examples: The first names of these, under `not_read`.
    """

    lines: int
    changed: int
    unchanged: int
    dropped: int
    blank_lines: int
    bad_lines: int
    bytes: int
    findings: tuple[Finding, ...] = ()
    not_read: int = 0
    examples: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def _blocks(self) -> Iterator[Block]:
        return edit_blocks(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, for JSON."""
        return asdict(self)


def edit_blocks(report: EditReport, names: Interface = PYTHON, *, output: str = "") -> Iterator[Block]:
    """Yield the summary of `edit`.

    Args:
        report: The report.
        names: What options are called.
        output: The file that was written, if its name is known.
    """
    lines = [*first_findings(report.findings, names), *changed_lines_notes(report.blank_lines)]
    lines += not_read_lines(report.not_read, report.examples)
    if report.bad_lines:
        what = "left out" if report.dropped else "copied unchanged"
        lines.append(f"{plural(report.bad_lines, 'line')} that can't be changed, {what}")
    written = report.lines - report.dropped
    words = f"{report.changed:,} changed, {report.unchanged:,} copied unchanged"
    where = f"{output_name(output)}: " if output else ""
    yield Sentences([*lines, f"{where}{plural(written, 'line')}, {words}, {size(report.bytes)}"])


def full_line_edits(url: str) -> tuple[Edit, ...]:
    """Return the edits that make full lines of short ones: `method` and `url` are added where they are not."""
    return Edit.default("method", "POST"), Edit.default("url", url)


def short_line_edits() -> tuple[Edit, ...]:
    """Return the edits that leave `custom_id` and `body`: services that take the url from the job want such lines."""
    return Edit.unset("method"), Edit.unset("url")


def unknown_line_keys(edits: Iterable[Edit]) -> tuple[Finding, ...]:
    """Return a warning for each edit that gives a line a key that no service reads, such as `model` for `body.model`."""
    keys = dict.fromkeys(str(each.path[0]) for each in edits if each.action != "unset")
    faults = [unknown_key(key) for key in keys if key not in LINE_KEYS]
    return tuple(
        Finding(code=each.code, message=each.message, severity=each.severity, json_path=each.json_path) for each in faults
    )


def edit(
    *sources: SourceLike,
    output: TargetLike,
    values: Mapping[str, Any] | None = None,
    unset: Iterable[str] = (),
    edits: Iterable[Edit] = (),
    full: str | None = None,
    short: bool = False,
    bad_lines: Literal["refuse", "copy", "drop"] = "refuse",
    overwrite: bool = False,
    max_line_bytes: int = LINE_CAP,
    temp_dir: str | os.PathLike[str] | None = None,
    filesystem: object = None,
    progress: Progress | bool | None = None,
) -> EditReport:
    r"""Change values in every line; the other bytes are copied.

    Args:
        *sources: Request files: paths, folders, globs, open binary files, or `-` for standard input; plain or compressed. Their
            lines are written one file after the other.
        output: A path, compressed if it has such a suffix; `-` for standard output; an open file.
        values: Values to set, by their paths, such as `{"body.model": "gpt-4o", "body.messages[0].content": "Hi"}`. A new key
            goes last. Integers beyond 64 bits keep all their digits; `nan` and infinity are refused, for JSON has none.
        unset: Paths of values to remove.
        edits: Changes whose order matters; they are made before those of `unset` and then of `values`.
        full: The url for lines that have none; they get `"method": "POST"` too, as most services want it.
        short: Whether to remove `method` and `url`, for services that take the url from the job.
        bad_lines: What to do with a line that can't be changed, because it is not a JSON object or the path does not fit:
            `"refuse"` writes nothing, `"copy"` leaves it as it is, `"drop"` leaves it out.
        overwrite: Replace existing output.
        max_line_bytes: The longest line that is read, in bytes.
        temp_dir: Where a remote output waits until it is complete; None for the system's temporary folder.
        filesystem: The filesystem of all paths, from `pyarrow.fs` or fsspec; None for the local one.
        progress: Called repeatedly with the bytes done and the total bytes (None if unknown); True shows a bar.

    Returns:
        How many lines were changed.

    Raises:
        InvalidLineError: `invalid_json_line` or `path_not_found`, with the first line that can't be changed.
        LineTooLongError: A line is longer than `max_line_bytes`.
        MismatchError: A file holds results, or neither requests nor results.
        OutputExistsError: The output exists and `overwrite` was not given.
        FileError: A file can't be read or written.
        TruncatedFileError: A compressed file is damaged.
        ValueError: There is nothing to change, a path or a value is not valid, or all lines would get one `custom_id`.

    Example:
        >>> report = batchfiles.edit(
        ...     "fixtures/chat_completions/requests.jsonl",
        ...     output="mini.jsonl",
        ...     values={"body.model": "gpt-4.1-mini"},
        ...     unset=["body.user"],
        ... )
        >>> report.lines, report.changed
        (16, 16)
    """
    if bad_lines not in BAD_LINES:
        raise ValueError(f"bad_lines is one of {', '.join(BAD_LINES)}, not {bad_lines!r}")
    if full is not None and short:
        raise ValueError("lines can be made full or short, not both")
    chosen = [
        *checked_edits(edits, values, unset),
        *(full_line_edits(full) if full is not None else ()),
        *(short_line_edits() if short else ()),
    ]
    if not chosen:
        raise ValueError("there is nothing to change: give values to set or to unset")
    if not sources:
        raise TypeError("edit needs at least one file")
    files, not_read = files_of_a_kind(expand(sources, filesystem=filesystem))
    lines = CopiedLines(max_line_bytes, source_steps(progress_of(progress, "edit"), files), wanted="inputs")
    with CopyWriter(output, overwrite=overwrite, temp_dir=temp_dir, filesystem=filesystem) as writer:
        work = _Work(chosen, bad_lines, writer)
        for source in files:
            for run in lines.of(source):
                work.add(run)
    return EditReport(
        lines=work.lines,
        changed=work.changed,
        unchanged=work.lines - work.changed - work.dropped,
        dropped=work.dropped,
        blank_lines=lines.blank_lines,
        bad_lines=work.bad_lines,
        bytes=writer.bytes_written,
        findings=Findings((*unknown_line_keys(chosen), *lines.findings, *work.findings)),
        **not_read_fields(not_read),
    )


def checked_edits(edits: Iterable[Edit], values: Mapping[str, Any] | None, unset: Iterable[str]) -> list[Edit]:
    """Return all edits in the order in which they are made.

    Raises:
        ValueError: A path or a value is not valid, or all lines would get one `custom_id`.
    """
    if isinstance(unset, str):
        raise TypeError("unset is a list of paths, not a single string")
    chosen = [*edits, *map(Edit.unset, unset), *(Edit.set(path, value) for path, value in (values or {}).items())]
    for each in chosen:
        if each.action == "set" and each.path == ("custom_id",):
            raise ValueError(
                "every line would get the same custom_id, and results could not be assigned to requests: it can't be set"
            )
    return chosen


class _Work:
    """Changes runs of lines and writes them."""

    def __init__(self, edits: list[Edit], bad_lines: str, writer: CopyWriter) -> None:
        self._edits = edits
        self._policy = bad_lines
        self._writer = writer
        self.lines = self.changed = self.dropped = self.bad_lines = 0
        self.findings: list[Finding] = []

    def add(self, run: Run) -> None:
        """Write the lines of a run.

        Raises:
            InvalidLineError: A line can't be changed, and `bad_lines` is `"refuse"`.
        """
        edits = self._edits
        found: list[bytes] = []
        changed = 0
        number, offset = run.line_number, run.byte_offset
        for line in run.lines:
            try:
                new = edited(line, edits)
            except InvalidLineError as error:
                self._take_bad(Finding.of(error, path=run.path, line_number=number, byte_offset=offset))
                new = line if self._policy == "copy" else b""
            if new is not line:
                changed += 1
            if new:
                found.append(new)
            number += 1
            offset += len(line) + 1
        dropped = len(run.lines) - len(found)
        text = b"\n".join([*found, b""]) if changed else run.text
        self.lines += len(run.lines)
        self.changed += changed - dropped
        self.dropped += dropped
        if found:
            self._writer.write_lines(text, len(found))

    def _take_bad(self, finding: Finding) -> None:
        if self._policy == "refuse":
            raise finding.exception()
        self.bad_lines += 1
        if len(self.findings) < FINDINGS_KEPT:
            self.findings.append(finding)
