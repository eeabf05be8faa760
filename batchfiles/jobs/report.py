"""What `validate` found: the report, and the tally that it is made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from batchfiles.findings import Finding, Severity
from batchfiles.limits import Limits

__all__ = ["FileReport", "Report", "Tally"]

ID_LENGTH = 128
"""Characters of a `custom_id` that a finding keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What `validate` found.

    Attributes:
        limits: The name of the profile that was applied.
        files: A report of each file, in the order of reading.
        findings: The first ones, as many as were asked for.
        errors: How many errors there are of each code, those that are not listed included.
        warnings: The same for warnings.
        not_read: Files and folders that were found in the folders that were given and are passed over, such as results.
        examples: The first names of these, under `not_read`.
    """

    limits: str
    files: tuple[FileReport, ...]
    findings: tuple[Finding, ...]
    errors: Mapping[str, int] = field(default_factory=dict)
    warnings: Mapping[str, int] = field(default_factory=dict)
    not_read: int = 0
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether there is no error; warnings may stand."""
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
    def not_listed(self) -> int:
        """How many findings were counted, but are not among `findings`."""
        return self.error_count + self.warning_count - len(self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values that JSON can hold."""
        return {
            "ok": self.ok,
            "limits": self.limits,
            "files": [asdict(file) for file in self.files],
            "errors": dict(self.errors),
            "warnings": dict(self.warnings),
            "findings": [asdict(finding) for finding in self.findings],
            "findings_not_listed": self.not_listed,
            "not_read": self.not_read,
            "examples": {name: list(found) for name, found in self.examples.items()},
        }


class Tally:
    """Counts every finding, keeps the first ones, and passes each on.

    Args:
        limits: Whose words for a code are noted beside ours.
        keep: How many findings to keep.
        strict: Whether warnings become errors.
        on_finding: Gets each finding at once.
    """

    def __init__(self, limits: Limits, *, keep: int, strict: bool, on_finding: Callable[[Finding], None] | None) -> None:
        self.findings: list[Finding] = []
        self.by_code: dict[Severity, Counter[str]] = {"error": Counter(), "warning": Counter()}
        self.by_file: Counter[tuple[int, Severity]] = Counter()
        self._service_codes = limits.service_codes
        self._keep = keep
        self._strict = strict
        self._on_finding = on_finding

    def add(self, finding: Finding, file: int) -> None:
        """Take a finding in the file of this number."""
        severity: Severity = "error" if self._strict else finding.severity
        self.by_code[severity][finding.code] += 1
        self.by_file[file, severity] += 1
        if len(self.findings) >= self._keep and self._on_finding is None:
            return
        custom_id = finding.custom_id[:ID_LENGTH] if finding.custom_id is not None else None
        service_code = self._service_codes.get(finding.code)
        finding = replace(finding, severity=severity, custom_id=custom_id, service_code=service_code)
        if len(self.findings) < self._keep:
            self.findings.append(finding)
        if self._on_finding is not None:
            self._on_finding(finding)
