#!/usr/bin/env bash
# Hugging Face datasets refuses a whole Parquet file for one map column, although it can name the columns to read.
#
# One would guess: a map, an ordinary Parquet type, is read as a list of pairs or a dict; at least `columns=` leaves it out.
# What happens: each way in is a ValueError, "Arrow type map<...> does not have a datasets dtype equivalent", also when only the other
#   column is asked for. The same scores as a list of structs are read.
# Version: datasets 5.2.0, pyarrow 26.0.1, Python 3.11, 2026-11-27.
# Why it matters for batch files: scores by category (moderations) are a map by nature, and training sets are a usual end of a batch. The
#   way round is to read the columns with pyarrow and hand over the table.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'datasets==5.2.0' 'pyarrow==26.0.1'
cd "$work"
export HF_HOME="$work/home" HF_HUB_OFFLINE=1
"$work/venv/bin/python" 2>/dev/null <<'PYTHON'
import datasets
import pyarrow
import pyarrow.parquet

pairs = [[("hate", 0.5)], None]
as_map = pyarrow.array(pairs, pyarrow.map_(pyarrow.string(), pyarrow.float64()))
as_list = pyarrow.array([[{"category": "hate", "score": 0.5}], None])
ids = ["a", "b"]
pyarrow.parquet.write_table(pyarrow.table({"custom_id": ids, "scores": as_map}), "map.parquet")
pyarrow.parquet.write_table(pyarrow.table({"custom_id": ids, "scores": as_list}), "list.parquet")
tries = {
    "from_parquet": lambda: datasets.Dataset.from_parquet("map.parquet"),
    "from_parquet, columns=['custom_id']": lambda: datasets.Dataset.from_parquet("map.parquet", columns=["custom_id"]),
    "a list of structs": lambda: datasets.Dataset.from_parquet("list.parquet"),
    "pyarrow, columns=['custom_id']": lambda: datasets.Dataset(pyarrow.parquet.read_table("map.parquet", columns=["custom_id"])),
}
seen = []
for name, load in tries.items():
    try:
        seen.append(f"{len(load())} rows")
    except ValueError as error:
        seen.append(f"ValueError: {str(error)[:18]}")
    print(f"{name}: {seen[-1]}")
raise SystemExit(seen != ["ValueError: Arrow type map<str"] * 2 + ["2 rows"] * 2)
PYTHON
