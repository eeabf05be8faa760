"""`embeddings`: vectors to Parquet, beside DuckDB."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.agreement import agree, of_vectors
from benchmarks.contenders import afresh, batchfiles, python
from benchmarks.data import batch
from benchmarks.figures import Finding
from benchmarks.rounds import compared, programs, watched

__all__ = ["embeddings"]

TARGET = 0.8
OURS = "batchfiles export"
DUCKDB = "DuckDB"

NOT_EQUAL = (
    "DuckDB compresses nothing and writes no line numbers, which is fastest for it; we compress all columns but the vectors.",
    "DuckDB reads the digits as 32-bit floats; we as 64-bit ones that are then rounded. The vectors are compared bit for bit.",
)


def embeddings(data: Path, lines: int, rounds: int) -> Finding:
    """Export vectors of 1,536 floats."""
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=data) as folder:
        files = batch(data, "embeddings", lines)
        results = files.files[1:]
        outputs = {OURS: Path(folder) / "ours.parquet", DUCKDB: Path(folder) / "theirs.parquet"}
        script = python("benchmarks.rivals.duckdb_embeddings", *results, "-o", outputs[DUCKDB])
        contenders = {OURS: batchfiles("export", results, outputs[OURS]), DUCKDB: afresh(outputs[DUCKDB], script)}
        runs = programs(contenders, rounds)
        looked = watched(contenders, 1)
        agreement = agree({name: of_vectors(path) for name, path in outputs.items()})
    size = sum(path.stat().st_size for path in (files.output, files.error))
    return Finding(
        benchmark="embeddings",
        work=f"results of {lines:,} embedding requests ({size / 1e6:,.0f} MB, 1,536 floats a vector) to one Parquet file",
        comparisons=[
            compared("time", runs, OURS, DUCKDB, TARGET),
            compared("cpu", runs, OURS, DUCKDB),
            compared("pss", looked, OURS, DUCKDB),
        ],
        not_equal=NOT_EQUAL,
        agreement=agreement,
    )
