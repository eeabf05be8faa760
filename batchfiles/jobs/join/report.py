"""The reports and the shared options of `join` and `export`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, Self

from batchfiles.findings import Finding, Findings, add_example, counts_of
from batchfiles.io.lines import checked_line_bytes
from batchfiles.io.threads import Progress
from batchfiles.limits import RESULT_LINE_CAP
from batchfiles.outcome import OUTCOMES
from batchfiles.summary import Block, Displayed
from batchfiles.workers import MOST_WORKERS, PROCESSES_FROM_BYTES, Spec, cores

if TYPE_CHECKING:
    from batchfiles.table.parsed_schema import SchemaLike
    from batchfiles.table.rows import TableName

FINDINGS_LISTED = 1000
"""Findings of a total that are listed; the others are counted."""

NOTES = counts_of("join")
"""The counts of a report that are additions to the outcomes."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TableReport(Displayed):
    """What a table was made of.

    Attributes:
        table: `"requests"` or `"embeddings"`.
        rows: Rows of the table.
        outcomes: How many requests had which outcome; every outcome is there, most of them with 0.
        files: The files that were read: `{"path": …, "role": "inputs" | "results" | "empty", "bytes": …}`.
        result_lines: Lines in the result files, without blank ones.
        blank_lines: Blank lines, in all files.
        repaired_lines: Lines that are not strict JSON and were read anyway (lone surrogates, `NaN`).
        conversion_errors: Values that did not fit their column and are null; the bodies that held them are kept.
        embeddings_in_requests: Vectors in a requests table, which has no column for them.
        parse_errors: Answers that don't fit the JSON Schema; `parsed` is null there and `parse_error` says why.
        formula_cells: Cells of a CSV file that a spreadsheet reads as formulas; with `csv_safe` they begin with `'`.
        findings: Findings about the files, the first of each range.
        findings_not_listed: How many more there were.
        seconds: How long it took.
        examples: The first words, places or files of each count.
        empty_text: Successes with an empty text, and with no refusal and no tool call.
        unknown_finish_reason: Answers with an unknown finish reason; `examples` has the reasons.
        short: Texts without a vector or a result, in answers that have fewer than their requests have texts; only in a join.
        surplus: Vectors or results for a text that the request does not have; only in a join.
        repeated_index: Vectors with the index of another one of the same answer; where they differ, both are null.
        wrong_dimensions: Vectors of another length than the request asked for; only in a join.
        fenced: Answers in a fenced block of Markdown, whose JSON was read for `parsed`.
        no_schema: Answers to requests that ask for no JSON Schema; `parsed` and `parse_error` are null there. Only in a join.
        other_schema: Answers to requests that ask for another JSON Schema than that of the table; the same.
        no_token_counts: Answers that state neither input nor output tokens.
        token_sum: Answers whose input and output tokens are not their total, and no part of them explains the difference.
        repeated_inputs: Request lines that repeat a line of another request file, byte for byte: they have no rows.
        not_read: Files and folders in the given folders that were skipped; `examples` has names.
        no_results: The number of requests, if no line of results was found.
    """

    table: str
    rows: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    files: tuple[Mapping[str, Any], ...] = ()
    result_lines: int = 0
    blank_lines: int = 0
    repaired_lines: int = 0
    conversion_errors: int = 0
    embeddings_in_requests: int = 0
    parse_errors: int = 0
    formula_cells: int = 0
    findings: tuple[Finding, ...] = ()
    findings_not_listed: int = 0
    seconds: float = 0.0
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    empty_text: int = 0
    unknown_finish_reason: int = 0
    short: int = 0
    surplus: int = 0
    repeated_index: int = 0
    wrong_dimensions: int = 0
    fenced: int = 0
    no_schema: int = 0
    other_schema: int = 0
    no_token_counts: int = 0
    token_sum: int = 0
    repeated_inputs: int = 0
    not_read: int = 0
    no_results: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the report that `to_dict` gave, also after a way through JSON; keys of later versions are ignored."""
        own = {each.name: values[each.name] for each in fields(cls) if each.name in values}
        own["files"] = tuple(own.get("files", ()))
        own["findings"] = Findings(map(Finding.revived, own.get("findings", ())))
        own["examples"] = {name: tuple(found) for name, found in own.get("examples", {}).items()}
        return cls(**own)

    @classmethod
    def total(cls, reports: Iterable[Self]) -> Self:
        """Add up the reports of parts, such as those of the parts of a campaign.

        Counts, outcomes and seconds are sums, files and findings follow each other, and examples are the first ones. Parts share
        the user's table, so `with_rows` is the largest. `no_results` is the sum only if no part has results.

        Raises:
            ValueError: No report is given, or they are of different tables.
        """
        listed = list(reports)
        tables = {report.table for report in listed}
        if len(tables) != 1:
            raise ValueError("the reports are of different tables" if tables else "no reports to add up")
        outcomes: Counter[str] = Counter()
        examples: dict[str, list[str]] = {}
        findings: list[Finding] = []
        for report in listed:
            outcomes.update(report.outcomes)
            findings += report.findings
            for name, found in report.examples.items():
                add_example(examples, name, *found)
        numbers = [each.name for each in fields(cls) if each.type in ("int", "float")]
        sums: dict[str, Any] = {name: sum(getattr(report, name) for report in listed) for name in numbers}
        sums["findings_not_listed"] += len(findings[FINDINGS_LISTED:])
        sums["seconds"] = round(sums["seconds"], 3)
        if sums["result_lines"]:
            sums["no_results"] = 0
        if "with_rows" in sums:
            sums["with_rows"] = max(getattr(report, "with_rows") for report in listed)  # noqa: B009 - only a join has it
        return cls(
            table=tables.pop(),
            outcomes={outcome: outcomes[outcome] for outcome in (*OUTCOMES, *outcomes)},
            files=tuple(file for report in listed for file in report.files),
            findings=Findings(findings[:FINDINGS_LISTED]),
            examples={name: tuple(found) for name, found in examples.items()},
            **sums,
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ExportReport(TableReport):
    """What an export did.

    Attributes:
        malformed_results: Result lines that can't be read; each has its row.
    """

    malformed_results: int = 0

    def _blocks(self) -> Iterator[Block]:
        from batchfiles.jobs.join.summary import export_blocks

        return export_blocks(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class JoinReport(TableReport):
    """What a join did.

    `inputs == sum(outcomes.values())`; the request files have `inputs + repeated_inputs` lines that are not blank; and
    `result_lines == used + superseded + unknown + malformed_unmatched`: every line of every file is accounted for.

    Attributes:
        inputs: Request lines, without blank and repeated ones: each is in the table.
        malformed_inputs: Request lines that can't be read; each has a row with the error.
        duplicate_inputs: Request lines whose `custom_id` is also in an earlier line of the same batch; each has its row.
        used: Result lines that are in the table.
        missing: Requests that no result names.
        unknown: Results without a request.
        superseded: Results for which there was a better one.
        conflicting: Superseded ones that are successes and differ from the success that was taken.
        malformed_results: Result lines that can't be read, those that are in the table by their id included.
        malformed_unmatched: Those of them that belong to no request.
        with_rows: Rows of the user's table (`with_table`).
        unmatched: Rows of the joined table without a row in the user's table.
        kept_parts: Parts of a campaign whose rows were in the folder already, and were kept by `resume`.
    """

    inputs: int = 0
    malformed_inputs: int = 0
    duplicate_inputs: int = 0
    used: int = 0
    missing: int = 0
    unknown: int = 0
    superseded: int = 0
    conflicting: int = 0
    malformed_results: int = 0
    malformed_unmatched: int = 0
    with_rows: int = 0
    unmatched: int = 0
    kept_parts: int = 0

    def _blocks(self) -> Iterator[Block]:
        from batchfiles.jobs.join.summary import join_blocks

        return join_blocks(self)


class TableCounts:
    """Adds up the summaries of the ranges."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.findings: list[Finding] = []
        self.examples: dict[str, list[str]] = {}

    def add(self, summary: Mapping[str, Any]) -> None:
        """Add the summary that ended a task."""
        self.counts.update(summary["counts"])
        self.outcomes.update(summary["outcomes"])
        self.findings += map(Finding.revived, summary["findings"])
        for name, found in summary["examples"].items():
            add_example(self.examples, name, *found)

    def fields(self) -> dict[str, Any]:
        """Return what every report shares."""
        return {
            "rows": self.counts["rows"],
            "outcomes": {outcome: self.outcomes[outcome] for outcome in OUTCOMES},
            "blank_lines": self.counts["blank_line"],
            "repaired_lines": self.counts["repaired_json"],
            "conversion_errors": self.counts["conversion_errors"],
            "embeddings_in_requests": self.counts["embeddings"],
            "parse_errors": self.counts["parse_errors"],
            "findings": Findings(self.findings),
            "findings_not_listed": self.counts["findings"] - len(self.findings),
            "examples": {name: tuple(found) for name, found in self.examples.items()},
            **{name: self.counts[name] for name in NOTES},
        }


NOT_OF_VECTORS = "parsed answers are for the requests table, not for the embeddings table: vectors are not texts"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOptions:
    """The options of a table; its schema depends only on them.

    Attributes:
        table: `"requests"`, `"embeddings"`, or None to choose by the first request's url.
        dimensions: The length of every vector, which makes the column a fixed-size list; only for embeddings.
        bodies: Which response bodies are kept: `"auto"`, `"all"` or `"none"`.
        request_bodies: `"all"` or `"none"`.
        max_line_bytes: The longest line that is read, in bytes.
        temp_dir: Where temporary files go.
        workers: Processes that decode, or threads with compiled code; None chooses by the size of the files.
        progress: Called repeatedly with the bytes done and the total bytes.
        parsed: Whether the table has the columns `parsed` and `parse_error`; only for requests.
        schema: The JSON Schema of `parsed`, its file, or a pydantic model; None for the first one in the requests.
        parse_dates: Whether dates and times in `parsed` become dates and timestamps; without it they stay strings.
    """

    table: TableName | None = None
    dimensions: int | None = None
    bodies: Literal["auto", "all", "none"] = "auto"
    request_bodies: Literal["all", "none"] = "all"
    max_line_bytes: int = RESULT_LINE_CAP
    temp_dir: str | os.PathLike[str] | None = None
    workers: int | None = 1
    progress: Progress | None = None
    parsed: bool = False
    schema: SchemaLike | None = None
    parse_dates: bool = False

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("table", self.table, (None, "requests", "embeddings")),
            ("bodies", self.bodies, ("auto", "all", "none")),
            ("request_bodies", self.request_bodies, ("all", "none")),
        ):
            if value not in allowed:
                raise ValueError(f"{name} is one of {', '.join(map(str, allowed))}, not {value!r}")
        checked_line_bytes(self.max_line_bytes)
        if self.dimensions is not None and self.dimensions < 1:
            raise ValueError(f"dimensions is 1 or more, not {self.dimensions}")
        if self.dimensions is not None and self.table == "requests":
            raise ValueError("dimensions are for the embeddings table")
        if self.parsed and self.table == "embeddings":
            raise ValueError(NOT_OF_VECTORS)
        for name, given in (("schema", self.schema is not None), ("parse_dates", self.parse_dates)):
            if given and not self.parsed:
                raise ValueError(f"{name} goes with parsed: no other column depends on it")

    def spec(self) -> Spec:
        """Return what the rows depend on, for a `RowJob`."""
        return {
            "table": self.table,
            "dimensions": self.dimensions,
            "bodies": self.bodies,
            "request_bodies": self.request_bodies == "all",
            "max_line_bytes": self.max_line_bytes,
        }

    def workers_for(self, size: int, *, parts: bool) -> int:
        """Return how many worker processes to start for so many bytes."""
        if self.workers is not None:
            return self.workers
        most = cores() if parts else min(cores(), MOST_WORKERS)
        return max(1, min(most, size // PROCESSES_FROM_BYTES))

    def with_schema_of(self, filesystem: object) -> Self:
        """Return the same options with the schema loaded if it is a path in a filesystem.

        Raises:
            BatchFilesError: As `load_schema` says.
        """
        if filesystem is None or self.schema is None:
            return self
        from batchfiles.table.parsed_schema import load_schema

        return replace(self, schema=load_schema(self.schema, filesystem=filesystem))
