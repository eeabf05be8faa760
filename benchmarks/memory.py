"""`memory`: the peak of all processes of a join whose output file has 2 GB, and its time by that of a tenth."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from benchmarks.contenders import batchfiles, is_compiled
from benchmarks.data import batch
from benchmarks.figures import Comparison, Finding, Series
from benchmarks.process import Failed, watch
from benchmarks.rounds import MIB, compared, programs

__all__ = ["memory"]

TARGET = 300.0
COMPILED_TARGET = 256.0
GROWTH_TARGET = 10.5
OURS = "batchfiles join"
COMPILED = "batchfiles join, compiled"


def memory(data: Path, lines: int, rounds: int) -> Finding:
    """Join all and a tenth; with fewer lines than 1,400,000 the file is smaller, as the finding reports."""
    comparisons = []
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=data) as folder:
        tenth, files, output = batch(data, "chat", lines // 10), batch(data, "chat", lines), Path(folder) / "joined.parquet"
        for name in (OURS, COMPILED) if is_compiled() else (OURS,):
            start = batchfiles("join", files.files, output, compiled=name == COMPILED)
            small = f"{name}, a tenth"
            short = batchfiles("join", tenth.files, Path(folder) / "tenth.parquet", compiled=name == COMPILED)
            runs = programs({name: start, small: short}, rounds)
            looked = watch(start())
            rows = json.loads(looked.stdout)["rows"]
            if rows != lines:
                raise Failed(f"{rows} rows for {lines} requests")
            peaks = {each: Series(name, [getattr(looked, each) / MIB]) for each in ("private", "pss", "rss")}
            target = COMPILED_TARGET if name == COMPILED else TARGET
            comparisons += [
                Comparison("private", "MiB", peaks["private"], None, target),
                Comparison("pss", "MiB", peaks["pss"], None, target),
                Comparison("rss", "MiB", peaks["rss"]),
                compared("time", runs, name, small, GROWTH_TARGET),
                compared("cpu", runs, name, small),
            ]
    return Finding(
        benchmark="memory",
        work=f"{lines:,} chat requests joined with an output file of {files.output.stat().st_size / 1e9:.2f} GB",
        comparisons=comparisons,
        not_equal=["rss counts the pages that processes share (libraries, above all) once for each process."],
        agreement={"rows": rows},
    )
