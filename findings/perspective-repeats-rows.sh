#!/usr/bin/env bash
# Perspective turns a table with a list column into one row for each item of the lists, so token sums count requests several times.
#
# One would guess: a list column is refused, as map and fixed-size list columns are, or shown as text; the number of rows stays.
# What happens: loading an Arrow table explodes the lists. Three requests are four rows and their 60 tokens are 70; an empty list stays one
#   row with null. With two list columns of different lengths in a row, loading stops instead. Nothing in size() or the schema says so.
# Version: perspective-python 5.6.1 with pyarrow 26.0.1, Python 3.11, 2026-11-28.
# Why it matters for batch files: tool calls, several choices and the categories of moderations are lists, and few requests have more than
#   one item. Counts and costs on the dashboard are higher than in the table by these few.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'perspective-python==5.6.1' 'pyarrow==26.0.1'
cd "$work"
"$work/venv/bin/python" <<'PYTHON'
import pyarrow
from perspective import Server


def load(table):
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return Server().new_local_client().table(sink.getvalue().to_pybytes())


flagged = [["hate", "violence"], [], ["self-harm"]]
given = pyarrow.table({"custom_id": ["a", "b", "c"], "total_tokens": [10, 20, 30], "flagged_categories": flagged})
table = load(given)
rows = table.view(columns=["custom_id", "total_tokens", "flagged_categories"]).to_json()
tokens = sum(row["total_tokens"] for row in rows)
without = load(given.drop_columns(["flagged_categories"])).size()
print(f"{given.num_rows} requests with {sum(given['total_tokens'].to_pylist())} tokens; in Perspective {table.size()} rows with {tokens} tokens:")
print(*rows, sep="\n")
print("without the list column:", without, "rows")
raise SystemExit((table.size(), tokens, without) != (4, 70, 3))
PYTHON
