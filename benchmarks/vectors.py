"""`embeddings` and `embeddings-base64`: vectors to Parquet, beside DuckDB."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.agreement import agree, of_vectors
from benchmarks.contenders import afresh, batchfiles, is_compiled, python
from benchmarks.data import batch
from benchmarks.figures import Comparison, Finding
from benchmarks.rounds import compared, programs, watched

__all__ = ["embeddings", "embeddings_base64"]

TARGET = 0.8
COMPILED_TARGET = 0.65
COMPILED_BASE64_TARGET = 0.3

OURS = "batchfiles export"
COMPILED = "batchfiles export, compiled"
DUCKDB = "DuckDB"
FUNCTION = "DuckDB with a function in Python"

WRITING = (
    "DuckDB compresses nothing and writes no line numbers, which is fastest for it; we compress all columns but the vectors."
)
ROUNDING = (
    "DuckDB reads the digits as 32-bit floats; we as 64-bit ones that are then rounded. The vectors are compared bit for bit."
)
DECODING = (
    "SQL has no function for the floats in base64 text: DuckDB alone makes them of hexadecimal digits. A function in Python "
    "needs pandas, whose import is part of its time."
)


def embeddings(data: Path, lines: int, rounds: int) -> Finding:
    """Export vectors of 1,536 floats that are lists of numbers."""
    return _compared("embeddings", data, lines, rounds, {DUCKDB: ()}, COMPILED_TARGET, [WRITING, ROUNDING])


def embeddings_base64(data: Path, lines: int, rounds: int) -> Finding:
    """Export the same vectors as base64 text."""
    rivals = {DUCKDB: ("--base64", "sql"), FUNCTION: ("--base64", "function")}
    return _compared("embeddings-base64", data, lines, rounds, rivals, COMPILED_BASE64_TARGET, [WRITING, DECODING])


def _compared(
    kind: str,
    data: Path,
    lines: int,
    rounds: int,
    rivals: Mapping[str, Sequence[str]],
    compiled_target: float,
    not_equal: Sequence[str],
) -> Finding:
    """Export one kind of vectors; the targets are for the first rival."""
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=data) as folder:
        files = batch(data, kind, lines)
        results = files.files[1:]
        ours = [OURS, COMPILED] if is_compiled() else [OURS]
        outputs = {name: Path(folder) / f"{number}.parquet" for number, name in enumerate([*ours, *rivals])}
        contenders = {name: batchfiles("export", results, outputs[name], compiled=name == COMPILED) for name in ours}
        for name, options in rivals.items():
            script = python("benchmarks.rivals.duckdb_embeddings", *results, "-o", outputs[name], *options)
            contenders[name] = afresh(outputs[name], script)
        runs = programs(contenders, rounds)
        looked = watched(contenders, 1)
        agreement = agree({name: of_vectors(path) for name, path in outputs.items()})
    size = sum(path.stat().st_size for path in (files.output, files.error))
    comparisons: list[Comparison] = []
    targets = {OURS: TARGET, COMPILED: compiled_target}
    for one in ours:
        for number, other in enumerate(rivals):
            comparisons.append(compared("time", runs, one, other, None if number else targets[one]))
            comparisons += [compared("cpu", runs, one, other), compared("pss", looked, one, other)]
    if COMPILED in runs:
        comparisons += [compared("time", runs, COMPILED, OURS), compared("cpu", runs, COMPILED, OURS)]
    return Finding(
        benchmark=kind,
        work=f"results of {lines:,} embedding requests ({size / 1e6:,.0f} MB, 1,536 floats a vector) to one Parquet file",
        comparisons=comparisons,
        not_equal=not_equal,
        agreement=agreement,
    )
