"""`validate`: check request files before they are sent, by the rules of a service."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from batchfiles.findings import Finding, Findings, Severity, not_read_lines, plural
from batchfiles.ids.unique import PLACE_BITS, UniqueIds
from batchfiles.inputs.folders import not_read_fields, requests_to_read
from batchfiles.inputs.local import check_campaigns
from batchfiles.io.sources import Source, SourceLike, expand
from batchfiles.io.threads import Progress, progress_of, source_steps
from batchfiles.jobs.validate_file import FileCheck
from batchfiles.layout import cut, size, visible
from batchfiles.limits import LINE_CAP, Limits, LimitsLike, profile
from batchfiles.summary import PYTHON, Block, Displayed, Interface, Sentences, Table

ID_LENGTH = 128
"""Characters of a `custom_id` that a finding keeps."""


LINES_OF_GROUP = 10
"""Line numbers that a group keeps."""

MOST_GROUPS = 1000
"""Groups that are kept while a file is read; what would need another one is only counted."""

PLACE = re.compile(r"\[\d+\]")
"""The index of an item in an array: mistakes in the third and fifth message are one group."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class FindingGroup(Displayed):
    """Findings of one code at one path of one file.

    Attributes:
        first: The first of them.
        count: How many there are.
        lines: On how many lines they are.
        line_numbers: The numbers of their lines, the first ten.
        same_message: Whether all have the message of the first.
    """

    first: Finding
    count: int
    lines: int
    line_numbers: tuple[int, ...]
    same_message: bool

    def __str__(self) -> str:
        """Return a single finding as it is, and several as `path: severity: 300 lines (3, 7, …): message at json_path (code)`."""
        if self.count == 1 or not self.line_numbers:
            return str(self.first)
        first = "" if self.same_message else ", the first of them"
        if self.lines == 1:
            return str(replace(self.first, message=f"{self.count:,} times{first}: {self.first.message}"))
        numbers = ", ".join(map(str, self.line_numbers)) + (", …" if self.lines > len(self.line_numbers) else "")
        times = f"{self.count:,} times on " if self.count > self.lines else ""
        words = f"{times}{self.lines:,} lines ({numbers}){first}"
        return str(replace(self.first, line_number=None, message=f"{words}: {self.first.message}"))

    def to_dict(self) -> dict[str, Any]:
        """Return the group as plain values that JSON can hold."""
        first = self.first
        return {
            "code": first.code,
            "severity": first.severity,
            "message": first.message,
            "same_message": self.same_message,
            "path": first.path,
            "json_path": first.json_path,
            "count": self.count,
            "lines": self.lines,
            "line_numbers": list(self.line_numbers),
        }


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class FileReport(Displayed):
    """What one file holds.

    Attributes:
        name: The file's display name.
        requests: Its lines, without blank ones and those of another format.
        bytes: Its size, uncompressed.
        endpoint: The url of its first request that has one.
        model: The model of its first request that names one.
        embedding_inputs: Texts to embed; 0 for other endpoints.
        errors: How many errors were found in it.
        warnings: How many warnings.
    """

    name: str
    requests: int
    bytes: int
    endpoint: str | None
    model: str | None
    embedding_inputs: int
    errors: int
    warnings: int

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Report(Displayed):
    """What `validate` found.

    Attributes:
        limits: The name of the profile that was applied.
        files: A report of each file, in the order of reading.
        findings: The first ones, at most `max_findings`.
        errors: How many errors there are of each code, those that are not listed included.
        warnings: The same for warnings.
        not_read: Files and folders in the given folders that were skipped, such as results.
        examples: The first names of these, under `not_read`.
        info: The same for findings that are neither.
        groups: The findings of one code at one path of a file together, the first groups, at most `max_findings`.
    """

    limits: str
    files: tuple[FileReport, ...]
    findings: tuple[Finding, ...]
    errors: Mapping[str, int] = field(default_factory=dict)
    warnings: Mapping[str, int] = field(default_factory=dict)
    not_read: int = 0
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    info: Mapping[str, int] = field(default_factory=dict)
    groups: tuple[FindingGroup, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there are no errors; there may be warnings."""
        return not self.errors

    @property
    def error_count(self) -> int:
        """How many errors there are in all files."""
        return sum(self.errors.values())

    @property
    def warning_count(self) -> int:
        """How many warnings there are in all files."""
        return sum(self.warnings.values())

    @property
    def info_count(self) -> int:
        """How many findings there are in all files that are neither errors nor warnings."""
        return sum(self.info.values())

    @property
    def not_listed(self) -> int:
        """How many findings were counted, but are not among `findings`."""
        return self.error_count + self.warning_count + self.info_count - len(self.findings)

    def _blocks(self) -> Iterator[Block]:
        return validate_blocks(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values that JSON can hold."""
        return {
            "ok": self.ok,
            "limits": self.limits,
            "files": [asdict(file) for file in self.files],
            "errors": dict(self.errors),
            "warnings": dict(self.warnings),
            "info": dict(self.info),
            "groups": [group.to_dict() for group in self.groups],
            "findings": [asdict(finding) for finding in self.findings],
            "findings_not_listed": self.not_listed,
            "not_read": self.not_read,
            "examples": {name: list(found) for name, found in self.examples.items()},
        }


CELL_WIDTH = 40


def validate_blocks(report: Report, names: Interface = PYTHON, *, listed: int | None = None) -> Iterator[Block]:
    """Yield the summary of `validate`: a table of the files, the codes, and totals.

    Args:
        report: The report.
        names: What options are called.
        listed: How many findings were printed before it; None lists them here.
    """
    if listed is None:
        yield Sentences([visible(str(group)) for group in report.groups])
        listed = sum(group.count for group in report.groups)
    headings = ("file", "requests", "size", "endpoint", "model", "errors", "warnings")
    texts, optional = ("file", "endpoint", "model"), ("endpoint", "model", "size")
    yield Table(headings, [_file_row(file) for file in report.files], texts=texts, optional=optional)
    lines = []
    for name, counts in (("errors", report.errors), ("warnings", report.warnings), ("info", report.info)):
        if counts:
            codes = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            lines.append(f"{name}: {', '.join(f'{code} {count:,}' for code, count in codes)}")
    count = report.error_count + report.warning_count + report.info_count
    if count > listed:
        lines.append(f"{count - listed:,} findings are not listed: raise {names.max_findings} to list them")
    lines += not_read_lines(report.not_read, report.examples)
    lines.append(f"{plural(report.error_count, 'error')}, {plural(report.warning_count, 'warning')} (limits: {report.limits})")
    yield Sentences(lines)


def _file_row(file: FileReport) -> tuple[str, ...]:
    return (
        visible(file.name),
        f"{file.requests:,}",
        size(file.bytes),
        _cell(file.endpoint),
        _cell(file.model),
        f"{file.errors:,}",
        f"{file.warnings:,}",
    )


def _cell(text: str | None) -> str:
    return "-" if text is None else cut(visible(text), CELL_WIDTH)


class FindingCollector:
    """Counts every finding, keeps the first ones, and passes each on.

    Args:
        limits: The service whose error codes are added to findings.
        keep: How many findings to keep.
        strict: Whether warnings become errors.
        on_finding: Called with each finding at once.
    """

    def __init__(self, limits: Limits, *, keep: int, strict: bool, on_finding: Callable[[Finding], None] | None) -> None:
        self.findings: list[Finding] = []
        self.by_code: dict[Severity, Counter[str]] = {"error": Counter(), "warning": Counter(), "info": Counter()}
        self.by_file: Counter[tuple[int, Severity]] = Counter()
        self._groups: dict[tuple[int, Severity, str, str | None], list[Any]] = {}
        self._service_codes = limits.service_codes
        self._keep = keep
        self._strict = strict
        self._on_finding = on_finding

    def add(self, finding: Finding, file: int) -> None:
        """Take a finding in the file of this number."""
        if self._strict:
            finding = finding.as_error()
        severity = finding.severity
        self.by_code[severity][finding.code] += 1
        self.by_file[file, severity] += 1
        self._group(finding, file)
        if len(self.findings) >= self._keep and self._on_finding is None:
            return
        finding = self._noted(finding)
        if len(self.findings) < self._keep:
            self.findings.append(finding)
        if self._on_finding is not None:
            self._on_finding(finding)

    def groups(self) -> tuple[FindingGroup, ...]:
        """Return the first groups, as many as are kept, in the order of their first findings."""
        return tuple(
            FindingGroup(first=first, count=count, lines=lines, line_numbers=tuple(numbers), same_message=same)
            for first, count, lines, numbers, same, _ in list(self._groups.values())[: self._keep]
        )

    def _group(self, finding: Finding, file: int) -> None:
        key = file, finding.severity, finding.code, finding.json_path and PLACE.sub("[*]", finding.json_path)
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= MOST_GROUPS:
                return
            group = self._groups[key] = [self._noted(finding), 0, 0, [], True, None]
        first, _, _, numbers, same, last = group
        group[1] += 1
        group[4] = same and first.message == finding.message
        if finding.line_number is not None and finding.line_number != last:
            group[2] += 1
            group[5] = finding.line_number
            if len(numbers) < LINES_OF_GROUP:
                numbers.append(finding.line_number)

    def _noted(self, finding: Finding) -> Finding:
        custom_id = finding.custom_id[:ID_LENGTH] if finding.custom_id is not None else None
        return replace(finding, custom_id=custom_id, service_code=self._service_codes.get(finding.code))


IDS_IN_MEMORY = 200_000
"""About 32 MB; all further ids are written to the disk, and their repetitions are found at the end."""


def validate(
    *sources: SourceLike,
    limits: LimitsLike = "openai",
    across: bool = False,
    max_findings: int = 100,
    strict: bool = False,
    on_finding: Callable[[Finding], None] | None = None,
    progress: Progress | bool | None = None,
    max_line_bytes: int = LINE_CAP,
    ids_in_memory: int = IDS_IN_MEMORY,
    temp_dir: str | os.PathLike[str] | None = None,
    filesystem: object = None,
) -> Report:
    """Check request files; each file is one batch.

    Args:
        *sources: Paths, folders, globs, open binary files, or `-` for standard input; plain or compressed. Results that are found
            in a folder or by a glob are skipped, and reported as not read.
        limits: The rules of a service by its name, such as `"azure"` or `"vllm"`, or your own `Limits`; `"none"` checks only
            what every reader needs.
        across: Whether a `custom_id` must be unique in all files together, not only in its own.
        max_findings: How many findings, and groups of findings, the report lists; all are counted.
        strict: Whether warnings count as errors; info does not.
        on_finding: Called with each finding as it is found, those that are not listed included.
        progress: Called repeatedly with the bytes done and the total bytes (None if unknown); True shows a bar.
        max_line_bytes: The longest line that is read, in bytes; longer ones are one finding each.
        ids_in_memory: How many ids stay in memory; a repetition of one that does not is found at the end of its file.
        temp_dir: Where the other ids are written; None for the system's temporary folder.
        filesystem: The filesystem of all paths, from `pyarrow.fs` or fsspec; None for the local one.

    Returns:
        What was found.

    Raises:
        FileError: A file does not exist or can't be read, or the temporary folder is full.
        MismatchError: A folder or a glob holds results only.
        MissingDependencyError: Another version of `batchfiles-native` is installed.
        TypeError: No source is given, or one has a wrong type.
        ValueError: Standard input is named twice, or there are no limits of this name.

    Example:
        >>> report = batchfiles.validate("fixtures/chat_completions/requests.jsonl", limits="azure")
        >>> report.ok, report.files[0].requests
        (True, 16)
    """
    if not sources:
        raise TypeError("validate needs at least one file")
    limits = profile(limits)
    expanded = expand(sources, filesystem=filesystem)
    if any(source.passed_over for source in expanded):  # in a folder
        check_campaigns(expanded)
    files, not_read = requests_to_read(expanded)
    collector = FindingCollector(limits, keep=max_findings, strict=strict, on_finding=on_finding)
    repetitions = _Repetitions(files, collector)
    checks: list[FileCheck] = []
    step = source_steps(progress_of(progress, "validate"), files)
    with UniqueIds(ids_in_memory, temp_dir=temp_dir) as ids:
        for number, source in enumerate(files):
            check = FileCheck(
                source,
                number,
                limits,
                ids,
                partial(collector.add, file=number),
                repetitions.add,
                max_line_bytes=max_line_bytes,
                on_bytes=step,
            )
            check.run()
            checks.append(check)
            if not across or number == len(files) - 1:
                for custom_id, first, place in ids.duplicates():
                    repetitions.add(custom_id, first, place)
                ids.clear()
    numbered = enumerate(zip(files, checks, strict=True))
    return Report(
        limits=limits.name,
        files=tuple(_file_report(source, check, number, collector) for number, (source, check) in numbered),
        findings=Findings(collector.findings),
        errors=dict(collector.by_code["error"]),
        warnings=dict(collector.by_code["warning"]),
        **not_read_fields(not_read),
        info=dict(collector.by_code["info"]),
        groups=collector.groups(),
    )


def _file_report(source: Source, check: FileCheck, number: int, collector: FindingCollector) -> FileReport:
    return FileReport(
        name=source.name,
        requests=check.requests,
        bytes=check.bytes,
        endpoint=check.rules.url,
        model=check.rules.model,
        embedding_inputs=check.rules.embedding_inputs,
        errors=collector.by_file[number, "error"],
        warnings=collector.by_file[number, "warning"],
    )


class _Repetitions:
    """Turns places of ids back into files and lines."""

    def __init__(self, files: list[Source], collector: FindingCollector) -> None:
        self._files = files
        self._collector = collector

    def add(self, custom_id: str, first: int, place: int, byte_offset: int | None = None) -> None:
        """Report an id that was found at an earlier place and is repeated at this one."""
        first_file, first_line = _split(first)
        file, line = _split(place)
        first_path = self._files[first_file].name
        where = f"line {first_line}" if file == first_file else f"line {first_line} of {first_path}"
        shown = custom_id if len(custom_id) <= 100 else f"{custom_id[:100]}…"
        self._collector.add(
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
