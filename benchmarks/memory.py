"""`memory`: the peak of all processes of a join whose output file has 2 GB."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from benchmarks.contenders import batchfiles
from benchmarks.data import batch
from benchmarks.figures import Comparison, Finding, Series
from benchmarks.process import Failed, watch
from benchmarks.rounds import MIB, programs

__all__ = ["memory"]

TARGET = 300.0
OURS = "batchfiles join"


def memory(data: Path, lines: int, rounds: int) -> Finding:  # noqa: ARG001 - one run shows it
    """Join once and measure; with fewer lines than 1,400,000 the file is smaller, as the finding reports."""
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=data) as folder:
        files, output = batch(data, "chat", lines), Path(folder) / "joined.parquet"
        start = batchfiles("join", files.files, output)
        (run,) = programs({OURS: start}, 1)[OURS]
        looked = watch(start())
        rows = json.loads(looked.stdout)["rows"]
        if rows != lines:
            raise Failed(f"{rows} rows for {lines} requests")
    values = {name: Series(OURS, [getattr(looked, name) / MIB]) for name in ("private", "pss", "rss")}
    return Finding(
        benchmark="memory",
        work=f"{lines:,} chat requests joined with an output file of {files.output.stat().st_size / 1e9:.2f} GB",
        comparisons=[
            Comparison("private", "MiB", values["private"], None, TARGET),
            Comparison("pss", "MiB", values["pss"], None, TARGET),
            Comparison("rss", "MiB", values["rss"]),
            Comparison("time", "s", Series(OURS, [run.seconds])),
        ],
        not_equal=["rss counts the pages that processes share (libraries, above all) once for each process."],
        agreement={"rows": rows},
    )
