"""`join`, `parts`, `export` and `scripts`: the command line beside DuckDB and beside scripts for pandas and polars."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.agreement import agree, cells, of_requests
from benchmarks.contenders import afresh, batchfiles, duckdb, is_compiled, python
from benchmarks.data import Batch, batch
from benchmarks.figures import Comparison, Finding
from benchmarks.process import Run
from benchmarks.rounds import compared, programs, watched

__all__ = ["export", "join", "parts", "scripts"]

JOIN_TARGET = 1.25
MEMORY_TARGET = 0.2
PARTS_TARGET = 1.0
EXPORT_TARGET = 1.0
SCRIPTS_TARGET = 0.25

MIB = 1 << 20
COMPILED_TARGET = 0.65
COMPILED_PARTS_TARGET = 0.8
COMPILED_EXPORT_TARGET = 0.6
COMPILED_SCRIPTS_TARGET = 0.2
COMPILED_MEMORY_TARGET = 1 / 6

OURS = "batchfiles"
COMPILED = "batchfiles, compiled"
FAST = "DuckDB"
LEAN = "DuckDB, plan of least memory"
PANDAS = "json + pandas script"
POLARS = "polars script"
COUNTED = ("missing", "unknown", "superseded", "duplicate_inputs")

NOT_EQUAL = (
    "DuckDB reads the keys that its types name and skips others; we look at each key of a body: do the columns have all of it?",
    "DuckDB writes request_body and response_body anew, without white space and unnamed keys; ours are the bytes of the file.",
    "The query knows the shapes that these files have: an error that is a string ends it. Ours takes every shape there is.",
    "Our Parquet has a page index and statistics on fewer columns; DuckDB decides per column about its bloom filters.",
)
ORDER = (
    "DuckDB's plan of least memory keeps the inputs' order without a sort, which no manual promises; the runs are checked for it."
)
NO_ORDER = "DuckDB's parts have the rows in no order; ours are in the order of the inputs, part after part."


def join(data: Path, lines: int, rounds: int, *, duplicates: float = 0.0) -> Finding:
    """Join into one Parquet file: time, processor time, and memory in rounds of its own."""
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=data) as folder:
        files, output = batch(data, "chat", lines, duplicates=duplicates), Path(folder)
        contenders = {
            OURS: batchfiles("join", files.files, output / "ours.parquet"),
            FAST: duckdb(files, output / "fast.parquet", "--plan", "fast"),
            LEAN: duckdb(files, output / "lean.parquet", "--plan", "lean"),
        }
        outputs = {OURS: output / "ours.parquet", FAST: output / "fast.parquet", LEAN: output / "lean.parquet"}
        if is_compiled():
            outputs[COMPILED] = output / "compiled.parquet"
            contenders[COMPILED] = batchfiles("join", files.files, outputs[COMPILED], compiled=True)
        runs = programs(contenders, rounds)
        looked = watched(contenders, max(1, min(rounds, 2)))
        agreement = _agreed(runs, outputs)
        sizes = {name: path.stat().st_size / MIB for name, path in outputs.items()}
    return Finding(
        benchmark="join",
        work=_work(files, "one zstd Parquet file"),
        comparisons=[
            compared("time", runs, OURS, FAST, JOIN_TARGET),
            compared("cpu", runs, OURS, FAST),
            compared("pss", looked, OURS, FAST, MEMORY_TARGET),
            compared("rss", looked, OURS, FAST),
            compared("time", runs, OURS, LEAN, JOIN_TARGET),
            compared("pss", looked, OURS, LEAN),
            *_compiled(runs, COMPILED_TARGET),
            *([compared("pss", looked, COMPILED, FAST, COMPILED_MEMORY_TARGET)] if COMPILED in looked else []),
        ],
        not_equal=[*NOT_EQUAL, ORDER, f"File size: {', '.join(f'{name} {size:,.1f} MiB' for name, size in sizes.items())}."],
        agreement=agreement,
    )


def parts(data: Path, lines: int, rounds: int, *, duplicates: float = 0.0) -> Finding:
    """Join into a folder of Parquet parts."""
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=data) as folder:
        files = batch(data, "chat", lines, duplicates=duplicates)
        outputs = {OURS: Path(folder) / "ours", FAST: Path(folder) / "fast"}
        contenders = {
            OURS: batchfiles("join", files.files, outputs[OURS]),
            FAST: duckdb(files, outputs[FAST], "--plan", "fast", "--parts"),
        }
        if is_compiled():
            outputs[COMPILED] = Path(folder) / "compiled"
            contenders[COMPILED] = batchfiles("join", files.files, outputs[COMPILED], compiled=True)
        runs = programs(contenders, rounds)
        agreement = _agreed(runs, outputs, in_order=False)
        numbers = {name: len(list(path.glob("*.parquet"))) for name, path in outputs.items()}
    return Finding(
        benchmark="parts",
        work=_work(files, f"a folder of Parquet parts ({numbers[OURS]} of ours, {numbers[FAST]} of DuckDB's)"),
        comparisons=[
            compared("time", runs, OURS, FAST, PARTS_TARGET),
            compared("cpu", runs, OURS, FAST),
            *_compiled(runs, COMPILED_PARTS_TARGET),
        ],
        not_equal=[*NOT_EQUAL, NO_ORDER],
        agreement=agreement,
    )


def export(data: Path, lines: int, rounds: int) -> Finding:
    """Export results alone into one Parquet file."""
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=data) as folder:
        files = batch(data, "chat", lines)
        results = files.files[1:]
        outputs = {OURS: Path(folder) / "ours.parquet", FAST: Path(folder) / "fast.parquet"}
        contenders = {
            OURS: batchfiles("export", results, outputs[OURS]),
            FAST: afresh(outputs[FAST], python("benchmarks.rivals.duckdb_export", *results, "-o", outputs[FAST])),
        }
        if is_compiled():
            outputs[COMPILED] = Path(folder) / "compiled.parquet"
            contenders[COMPILED] = batchfiles("export", results, outputs[COMPILED], compiled=True)
        runs = programs(contenders, rounds)
        filled = agree({name: cells(path) for name, path in outputs.items()})
        agreement = agree({name: of_requests(path) for name, path in outputs.items()})
    return Finding(
        benchmark="export",
        work=f"the results of {files.lines:,} chat requests to one zstd Parquet file",
        comparisons=[
            compared("time", runs, OURS, FAST, EXPORT_TARGET),
            compared("cpu", runs, OURS, FAST),
            *_compiled(runs, COMPILED_EXPORT_TARGET),
        ],
        not_equal=list(NOT_EQUAL),
        agreement={**agreement, "columns": len(filled), "values": sum(filled.values())},
    )


def scripts(data: Path, lines: int, rounds: int) -> Finding:
    """Join as most scripts do, in pandas and in polars."""
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=data) as folder:
        files = batch(data, "chat", lines)
        outputs = {name: Path(folder) / f"{number}.parquet" for number, name in enumerate((OURS, PANDAS, POLARS))}
        contenders = {OURS: batchfiles("join", files.files, outputs[OURS])}
        for name, module in ((PANDAS, "pandas_script"), (POLARS, "polars_script")):
            script = python(f"benchmarks.rivals.{module}", *files.files, "-o", outputs[name])
            contenders[name] = afresh(outputs[name], script)
        if is_compiled():
            outputs[COMPILED] = Path(folder) / "compiled.parquet"
            contenders[COMPILED] = batchfiles("join", files.files, outputs[COMPILED], compiled=True)
        runs = programs(contenders, rounds)
        looked = watched(contenders, 1)
        agreement = agree({name: of_requests(path) for name, path in outputs.items()})
    return Finding(
        benchmark="scripts",
        work=_work(files, "one Parquet file"),
        comparisons=[
            compared("time", runs, OURS, PANDAS, SCRIPTS_TARGET),
            compared("cpu", runs, OURS, PANDAS),
            compared("pss", looked, OURS, PANDAS),
            *_compiled(runs, COMPILED_SCRIPTS_TARGET, PANDAS),
            compared("time", runs, OURS, POLARS),
            compared("cpu", runs, OURS, POLARS),
            compared("pss", looked, OURS, POLARS),
            *_compiled(runs, None, POLARS)[:2],
            *([compared("pss", looked, COMPILED, POLARS)] if COMPILED in looked else []),
        ],
        not_equal=[
            "The scripts make 17 columns of our 38, and know no line numbers, no unknown ids and no response bodies.",
            "The script for pandas writes snappy; the one for polars writes zstd, and ends at the first invalid line.",
        ],
        agreement=agreement,
    )


def _compiled(runs: Mapping[str, Sequence[Run]], target: float | None, other: str = FAST) -> list[Comparison]:
    """Compare compiled code, if it is installed, with another program and with pure Python."""
    if COMPILED not in runs:
        return []
    return [
        compared("time", runs, COMPILED, other, target),
        compared("cpu", runs, COMPILED, other),
        compared("time", runs, COMPILED, OURS),
        compared("cpu", runs, COMPILED, OURS),
    ]


def _agreed(runs: Mapping[str, Sequence[Run]], outputs: Mapping[str, Path], *, in_order: bool = True) -> dict[str, Any]:
    """Check that tables and counts are the same, and return them; each column must have as many values on both sides."""
    filled = agree({name: cells(path) for name, path in outputs.items()})
    counts = {name: {count: json.loads(runs[name][-1].stdout)[count] for count in COUNTED} for name in outputs}
    found = agree({name: {**of_requests(path, in_order=in_order), **counts[name]} for name, path in outputs.items()})
    return {**found, "columns": len(filled), "values": sum(filled.values())}


def _work(files: Batch, result: str) -> str:
    return f"{files.lines:,} chat requests and their results ({files.size / 1e6:,.0f} MB) to {result}"
