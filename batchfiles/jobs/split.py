"""`split`: divide request files into parts that a service accepts, in a campaign folder with a manifest."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from batchfiles.campaign import Manifest, Part, made_by_split, request_sources, write_manifest
from batchfiles.errors import MismatchError
from batchfiles.findings import Finding, Findings, changed_lines_notes, not_read_lines, plural
from batchfiles.inputs.copied_lines import CopiedLines
from batchfiles.inputs.folders import not_read_fields, requests_to_read
from batchfiles.io.sources import SourceLike
from batchfiles.io.target import PathTarget, TargetLike
from batchfiles.io.threads import Progress, progress_of, source_steps
from batchfiles.jobs.split_parts import COMPRESSIONS, PartLimits, Parts, PartWriter
from batchfiles.jobs.tokens import DIVISIONS, Division, RequestSizer, token_counter
from batchfiles.layout import size, visible
from batchfiles.limits import LINE_CAP, Limits, LimitsLike, profile
from batchfiles.summary import Block, Displayed, Sentences, Table


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SplitReport(Displayed):
    """What `split` made.

    Attributes:
        folder: The campaign folder.
        manifest: The content of its manifest.
        blank_lines: Blank lines, which were left out.
        unreadable: Lines that had to be decoded and are not JSON; they were copied.
        findings: Findings about the bytes: byte order marks that were left out, newlines that were added.
        not_read: Files and folders in the given folders that were skipped, such as results.
        examples: The first names of these, under `not_read`.
    """

    folder: str
    manifest: Manifest
    blank_lines: int
    unreadable: int
    findings: tuple[Finding, ...]
    not_read: int = 0
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts, in order."""
        return self.manifest.parts

    @property
    def requests(self) -> int:
        """The lines of all parts."""
        return sum(part.requests for part in self.parts)

    @property
    def bytes(self) -> int:
        """The bytes of all parts, uncompressed."""
        return sum(part.bytes for part in self.parts)

    def _blocks(self) -> Iterator[Block]:
        return split_blocks(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values that JSON can hold."""
        return {
            "folder": self.folder,
            "requests": self.requests,
            "bytes": self.bytes,
            "blank_lines": self.blank_lines,
            "unreadable": self.unreadable,
            "findings": [{"code": each.code, "path": each.path, "line_number": each.line_number} for each in self.findings],
            "not_read": self.not_read,
            "examples": {name: list(found) for name, found in self.examples.items()},
            "manifest": self.manifest.to_dict(),
        }


PARTS_SHOWN = 20
"""How many parts the summary shows."""


def split_blocks(report: SplitReport, by: Sequence[str] | None = None) -> Iterator[Block]:
    """Yield the summary of `split`.

    Args:
        report: The report.
        by: What the parts differ by; None takes it from the parts.
    """
    parts = report.parts
    if by is None:
        by = list(dict.fromkeys(name for part in parts for name in part.by))
    rows = [_part_row(part, by) for part in parts[:PARTS_SHOWN]]
    yield Table(("part", "requests", "size", *by), rows, texts=("part", *by))
    more = len(parts) - PARTS_SHOWN
    lines = [f"… and {plural(more, 'part')} more: manifest.json lists them"] if more > 0 else []
    lines += changed_lines_notes(report.blank_lines, report.findings)
    lines += not_read_lines(report.not_read, report.examples)
    if report.unreadable:
        lines.append(f"{plural(report.unreadable, 'line')} of invalid JSON: copied, and only the bytes are counted")
    limits = report.manifest.limits
    counts = f"{plural(len(parts), 'part')} with {plural(report.requests, 'request')}, {size(report.bytes)} (limits: {limits})"
    lines.append(f"{visible(report.folder)}: {counts}")
    yield Sentences(lines)


def _part_row(part: Part, by: Sequence[str]) -> tuple[str, ...]:
    return (visible(part.file), f"{part.requests:,}", size(part.bytes), *(visible(part.by.get(name) or "-") for name in by))


def split(
    *sources: SourceLike,
    output: TargetLike,
    limits: LimitsLike = "openai",
    max_requests: int | None = None,
    max_bytes: int | None = None,
    max_tokens: int | None = None,
    tokens: str = "estimate",
    by: Division | Sequence[Division] = (),
    compress: Literal["gz", "bz2", "zst"] | None = None,
    overwrite: bool = False,
    max_line_bytes: int = LINE_CAP,
    temp_dir: str | os.PathLike[str] | None = None,
    filesystem: object = None,
    progress: Progress | bool | None = None,
) -> SplitReport:
    r"""Cut request files into parts, in one pass, and write them with a manifest into a new folder.

    A part ends where the next line would exceed a limit, and at the end of its source. Every line is copied byte for byte.
    Blank lines and a byte order mark are left out, and a missing `\n` is added after a last line; both are reported.

    Args:
        *sources: Paths, folders, globs, open binary files, or `-`; plain or compressed. A campaign folder means its parts.
        output: The folder to make; it appears when it is complete.
        limits: The limits of a part, as `Limits` or by a name, such as `"azure"`: requests, bytes (the documented number, even if
            a service accepts more), texts to embed.
        max_requests: Another number of requests.
        max_bytes: Another number of bytes.
        max_tokens: Tokens that the models read for one part.
        tokens: How they are counted: `"estimate"`, the UTF-8 bytes of the texts in a body by four; `"tiktoken"`, by the
            encoding of each request's model; or `"tiktoken:o200k_base"`, by that encoding.
        by: `"model"`, `"url"`, or both: requests that differ in it go into different parts.
        compress: `"gz"`, `"bz2"` or `"zst"` for compressed parts; sizes are of the uncompressed parts.
        overwrite: Replace an existing folder, if it holds only a manifest and its parts, and none was sent yet.
        max_line_bytes: The longest line that is read, in bytes.
        temp_dir: Where a remote folder waits until it is complete; None for the system's temporary folder.
        filesystem: The filesystem of all paths, from `pyarrow.fs` or fsspec; None for the local one.
        progress: Called repeatedly with the bytes done and the total bytes (None if unknown); True shows a bar.

    Returns:
        What was made.

    Raises:
        LineTooLongError: A line is too large for any part.
        MismatchError: A file holds results, or no file holds a request.
        OutputExistsError: The folder exists and `overwrite` was not given.
        FileError: A file can't be read or written, or the folder holds files that `overwrite` does not replace.
        TruncatedFileError: A compressed file is damaged.
        DataError: The manifest of a campaign folder is damaged.
        MissingDependencyError: `tokens` needs tiktoken, and it or its encoding is not on this machine.
        TypeError: No source is given, or one has a wrong type.
        ValueError: An option has an invalid value.

    Example:
        >>> report = batchfiles.split("fixtures/chat_completions/requests.jsonl", output="campaign", max_requests=10)
        >>> [part.requests for part in report.parts]
        [10, 6]
    """
    if not sources:
        raise TypeError("split needs at least one file")
    divisions = checked_options(by, compress, max_requests=max_requests, max_bytes=max_bytes, max_tokens=max_tokens)
    limits = changed_limits(profile(limits), max_requests, max_bytes)
    scales = RequestSizer(
        divisions,
        counts_inputs=limits.max_embedding_inputs is not None,
        tokens=None if max_tokens is None else token_counter(tokens),
    )
    files, not_read = requests_to_read(request_sources(sources, filesystem=filesystem))
    steps = source_steps(progress_of(progress, "split"), files)
    lines = CopiedLines(max(max_line_bytes, limits.max_line_bytes or 0), steps, wanted="inputs")
    target = PathTarget.at(output, filesystem=filesystem, folder=True)
    finished = target.open_folder(overwrite=overwrite, ours=made_by_split(target.place), temp_dir=temp_dir)
    with finished as temporary, PartWriter() as writer:
        parts = Parts(temporary, writer, PartLimits.of(limits, max_tokens), scales, divisions, compress)
        for source in files:
            parts.begin(source)
            for run in lines.of(source):
                parts.add(run)
            parts.end()
        writer.finish()
        made = parts.finished()
        if not made:
            raise MismatchError("holds no request: there is nothing to split", path=", ".join(file.name for file in files[:3]))
        manifest = Manifest(sources=tuple(file.name for file in files), parts=made, limits=limits.name)
        write_manifest(temporary, manifest)
    return SplitReport(
        folder=target.name,
        manifest=manifest,
        blank_lines=lines.blank_lines,
        unreadable=scales.unreadable,
        findings=Findings(lines.findings),
        **not_read_fields(not_read),
    )


def checked_options(by: Division | Sequence[Division], compress: str | None, **numbers: int | None) -> tuple[Division, ...]:
    """Check the options, and return the divisions, each once."""
    divisions = tuple(dict.fromkeys((by,) if isinstance(by, str) else by))
    for name in divisions:
        if name not in DIVISIONS:
            raise ValueError(f"files are divided by {' or '.join(map(repr, DIVISIONS))}, not by {name!r}")
    if compress is not None and compress not in COMPRESSIONS:
        raise ValueError(f"parts are compressed as {', '.join(map(repr, COMPRESSIONS))}, not as {compress!r}")
    for option, number in numbers.items():
        if number is not None and number < 1:
            raise ValueError(f"{option} is 1 or more, not {number}")
    return divisions


def changed_limits(limits: Limits, max_requests: int | None, max_bytes: int | None) -> Limits:
    """Return limits with another number of requests or bytes."""
    if max_requests is not None:
        limits = replace(limits, max_requests=max_requests)
    if max_bytes is not None:
        limits = replace(limits, max_bytes=max_bytes, warn_bytes=None)
    return limits
