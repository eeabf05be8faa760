#!/usr/bin/env bash
# Ray Data changes the types of a table that passes through a function which returns its rows as they are.
#
# One would guess: map(lambda row: row) and map_batches(lambda batch: batch) give back the table.
# What happens: map stores times of which some are null as pickled Python objects, and columns without values have the type null.
#   map_batches with its default batches (NumPy) gives counts with nulls as floats with NaN and times without a zone. With
#   batch_format="pyarrow" the table is kept.
# Version: ray 2.60.0 with pyarrow 26.0.1 and numpy 2.4.6, Python 3.11, 2026-11-27.
# Why it matters for batch files: a request without an answer has no time and no token counts, so each joined table has such columns, and
#   what is written after that depends on the block: Parquet files of one folder have different types.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'ray==2.60.0' 'pyarrow==26.0.1' 'numpy==2.4.6' 'pandas==3.1.1'
cd "$work"
export RAY_USAGE_STATS_ENABLED=0
"$work/venv/bin/python" 2>/dev/null <<'PYTHON'
import pyarrow
import ray

ray.init(num_cpus=1, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
ray.data.DataContext.get_current().enable_progress_bars = False
answers = pyarrow.table({
    "created_at": pyarrow.array([1_751_328_000_123_456, None], pyarrow.timestamp("us", "UTC")),
    "output_tokens": pyarrow.array([12, None], pyarrow.int64()),
    "refusal": pyarrow.array([None, None], pyarrow.string()),
})
given = ray.data.from_arrow(answers)
ways = {
    "map": given.map(lambda row: row),
    "map_batches": given.map_batches(lambda batch: batch),
    "map_batches, pyarrow": given.map_batches(lambda batch: batch, batch_format="pyarrow"),
}
seen = {}
for name, dataset in ways.items():
    table = pyarrow.concat_tables(ray.get(dataset.to_arrow_refs()))
    seen[name] = [str(field.type) for field in table.schema]
    print(f"{name}: {', '.join(seen[name])}")
expected = {
    "map": ["extension<ray.data.arrow_pickled_object<ArrowPythonObjectType>>", "int64", "null"],
    "map_batches": ["timestamp[us]", "double", "null"],
    "map_batches, pyarrow": ["timestamp[us, tz=UTC]", "int64", "string"],
}
raise SystemExit(seen != expected)
PYTHON
