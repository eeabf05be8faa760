"""A join in DuckDB, as fast as we could make it: `python -m benchmarks.rivals.duckdb_join FILES -o FILE`.

Two plans, chosen by measuring:

`fast`: the files become temporary tables, which both threads fill; `rowid` is the line number, and the rows are sorted by it.
Least time where both cores are free.
`lean`: the files are read during the join, in one thread (that is the price of `row_number() OVER ()`), and the ids once
more for the counts, so that only the results stay in memory. Least memory, and least processor time. The optimizer that swaps the
sides of a join is off: the inputs stay on the probing side and in their order, and nothing is sorted.

Without the sort `fast` takes a tenth less time, but two threads write groups of rows out of order, now and then (DuckDB 2.0.0;
its manual promises no order for joins). The benchmark checks the order of both.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb

from benchmarks.rivals.duckdb_columns import columns, read_inputs, read_results, text

THREADS = 2
PARQUET = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1"  # our level; the default 3 takes 40 % more time
# As small as ours: all threads are busy to the end, and a third less memory; but after a sort it costs time.
SMALL_GROUPS = "ROW_GROUP_SIZE 30720"

RANK = """CASE outcome WHEN 'succeeded' THEN 0 WHEN 'incomplete' THEN 1 ELSE 2 END,
    created_at DESC NULLS LAST, file DESC, result_line_number DESC"""

COUNTS = """
    WITH asked AS (SELECT custom_id, count(*) AS n FROM {inputs} GROUP BY ALL)
    SELECT coalesce(sum(n) FILTER (answered.attempts IS NULL), 0)::BIGINT AS missing,
        coalesce(sum(attempts) FILTER (n IS NULL), 0)::BIGINT AS unknown,
        coalesce(sum(attempts - 1) FILTER (n IS NOT NULL), 0)::BIGINT AS superseded,
        coalesce(sum(n - 1), 0)::BIGINT AS duplicate_inputs
    FROM asked FULL JOIN answered USING (custom_id)"""


class Plan:
    """One join.

    Args:
        inputs: The request file.
        results: The output file and the error file.
    """

    def __init__(self, inputs: Path, results: Sequence[Path]) -> None:
        self._inputs = inputs
        self._results = results
        self._duckdb = duckdb.connect(config={"threads": THREADS})
        self._run("SET TimeZone = 'UTC'")

    def fast(self, output: Path, *, parts: bool) -> dict[str, int]:
        """Join by temporary tables."""
        self._run(f"CREATE TEMP TABLE inputs AS {read_inputs(self._inputs)}")
        for number, path in enumerate(self._results):
            self._run(f"CREATE TEMP TABLE results_{number} AS {read_results(path)}")
        numbered = [f"SELECT *, rowid + 1 AS result_line_number FROM results_{number}" for number in range(len(self._results))]
        self._run(f"CREATE TEMP VIEW results AS {self._with_sources(numbered)}")
        self._run("CREATE TEMP TABLE answered AS SELECT custom_id, count(*) AS attempts FROM results GROUP BY ALL")
        inputs = f"(SELECT *, rowid + 1 AS input_line_number, {text(self._inputs)} AS input_source FROM inputs)"
        if parts:
            self._parts(inputs, output)
        else:
            self._copy(inputs, output, order="ORDER BY input_line_number")
        return self._counts("inputs")

    def lean(self, output: Path, *, parts: bool) -> dict[str, int]:
        """Join while reading; the results' ids are read in a first pass, for the counts."""
        files = f"[{', '.join(map(text, self._results))}]"
        self._run(f"""CREATE TEMP TABLE answered AS SELECT custom_id, count(*) AS attempts
            FROM read_ndjson({files}, columns = {{custom_id: 'VARCHAR'}}) GROUP BY ALL""")
        number = ", row_number() OVER () AS "
        numbered = [read_results(path, f"{number} result_line_number") for path in self._results]
        self._run(f"CREATE TEMP VIEW results AS {self._with_sources(numbered)}")
        inputs = read_inputs(self._inputs, f"{number} input_line_number, {text(self._inputs)} AS input_source")
        if parts:
            self._parts(f"({inputs})", output)
        else:
            self._run("SET disabled_optimizers = 'build_side_probe_side'")
            self._copy(f"({inputs})", output, options=(SMALL_GROUPS,))
        return self._counts(text(output / "*.parquet" if parts else output))

    def _parts(self, inputs: str, output: Path) -> None:
        self._run("SET preserve_insertion_order = false")
        self._copy(inputs, output, options=(SMALL_GROUPS, "PER_THREAD_OUTPUT"))

    def _copy(self, inputs: str, output: Path, *, order: str = "", options: Sequence[str] = ()) -> None:
        query = f"SELECT {columns()} FROM {inputs} AS i LEFT JOIN ({self._best()}) AS r USING (custom_id) {order}"
        self._run(f"COPY ({query}) TO {text(output)} ({', '.join((PARQUET, *options))})")

    def _best(self) -> str:
        """Return the query for the best result of each id; only repeated ids go through a window, if there are any."""
        if not self._run("SELECT count(*) FROM answered WHERE attempts > 1")[0][0]:
            return "SELECT *, 1 AS attempts FROM results"
        repeated = "(SELECT custom_id FROM answered WHERE attempts > 1)"
        window = f"row_number() OVER (PARTITION BY custom_id ORDER BY {RANK})"
        return f"""
            SELECT *, 1 AS attempts FROM results ANTI JOIN {repeated} USING (custom_id)
            UNION ALL
            SELECT *, count(*) OVER (PARTITION BY custom_id) AS attempts FROM results SEMI JOIN {repeated} USING (custom_id)
            QUALIFY {window} = 1"""

    def _with_sources(self, numbered: Sequence[str]) -> str:
        return " UNION ALL ".join(
            f"SELECT *, {text(path)} AS result_source, {text(path.stem.rpartition('_')[0])} AS batch_id, {number} AS file"
            f" FROM ({query})"
            for number, (path, query) in enumerate(zip(self._results, numbered, strict=True))
        )

    def _counts(self, inputs: str) -> dict[str, int]:
        """Count what is missing, unknown and repeated."""
        row = self._run(COUNTS.format(inputs=inputs))[0]
        return dict(zip(("missing", "unknown", "superseded", "duplicate_inputs"), row, strict=True))

    def _run(self, query: str) -> list[tuple[int, ...]]:
        return self._duckdb.execute(query).fetchall()


def main(argv: Sequence[str] | None = None) -> int:
    """Join and print the counts as JSON."""
    parser = argparse.ArgumentParser(description="Join in DuckDB.")
    parser.add_argument("inputs", type=Path)
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--plan", choices=["fast", "lean"], default="fast")
    parser.add_argument("--parts", action="store_true", help="a folder of files, one per thread")
    options = parser.parse_args(argv)
    plan = Plan(options.inputs, options.results)
    work = plan.lean if options.plan == "lean" else plan.fast
    print(json.dumps(work(options.output, parts=options.parts)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
