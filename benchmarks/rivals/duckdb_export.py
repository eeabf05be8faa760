"""Results alone to Parquet in DuckDB, as fast as we could make it: `python -m benchmarks.rivals.duckdb_export FILES -o FILE`.

The files become temporary tables, which both threads fill; `rowid` is the line number. Nothing is sorted: a scan of a table keeps
its order.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb

from benchmarks.rivals.duckdb_columns import columns_of_results, read_results, text
from benchmarks.rivals.duckdb_join import PARQUET, THREADS


def main(argv: Sequence[str] | None = None) -> int:
    """Write the table."""
    parser = argparse.ArgumentParser(description="Results to Parquet in DuckDB.")
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args(argv)
    database = duckdb.connect(config={"threads": THREADS})
    database.execute("SET TimeZone = 'UTC'")
    selects = []
    for number, path in enumerate(options.results):
        database.execute(f"CREATE TEMP TABLE results_{number} AS {read_results(path)}")
        batch = text(path.stem.rpartition("_")[0])
        selects.append(
            f"SELECT *, rowid + 1 AS result_line_number, {text(path)} AS result_source, {batch} AS batch_id FROM results_{number}"
        )
    query = f"SELECT {columns_of_results()} FROM ({' UNION ALL '.join(selects)}) AS r"
    database.execute(f"COPY ({query}) TO {text(options.output)} ({PARQUET})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
