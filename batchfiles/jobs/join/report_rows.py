"""Reports as rows of a table: a row for each part of a campaign."""

from __future__ import annotations

import json
from dataclasses import fields

import pyarrow as pa

from batchfiles.jobs.join.report import JoinReport

__all__ = ["REPORTS", "report_row"]

COUNTS = [field.name for field in fields(JoinReport) if field.type == "int"]

REPORTS = pa.schema(
    [
        ("part", pa.string()),
        *((name, pa.int64()) for name in COUNTS),
        ("outcomes", pa.map_(pa.string(), pa.int64())),
        ("report", pa.string()),
    ]
)
"""The name of the part, the counts of its report, and the whole report as JSON."""


def report_row(part: str, report: JoinReport) -> pa.RecordBatch:
    """Return the report of a part as a row."""
    values = report.to_dict()
    row = {"part": part, **values, "outcomes": list(report.outcomes.items()), "report": json.dumps(values)}
    return pa.RecordBatch.from_pylist([row], schema=REPORTS)
