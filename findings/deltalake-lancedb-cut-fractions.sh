#!/usr/bin/env bash
# Appending a column of floats to a column of integers cuts the fractions off, in Delta Lake and in LanceDB.
#
# One would guess: an append whose types don't fit is refused, or widens the column with schema_mode="merge"; pyarrow's cast refuses to lose
#   a fraction.
# What happens: write_deltalake (with and without schema_mode="merge") and lancedb's Table.add store 4.9 as 4, in a column and in a field of a
#   struct. No error, no warning. A column more is refused by both.
# Version: deltalake 1.6.6, lancedb 0.40.0 with pyarrow 26.0.1, Python 3.11, 2026-11-27.
# Why it matters for batch files: the type of a parsed answer follows from its JSON Schema. Where "score" was an integer in the first
#   campaign and is a number in the second, the second is stored with whole scores only.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'deltalake==1.6.6' 'lancedb==0.40.0' 'pyarrow==26.0.1'
cd "$work"
"$work/venv/bin/python" 2>/dev/null <<'PYTHON'
import lancedb
import pyarrow
from deltalake import DeltaTable, write_deltalake


def answers(score):
    return pyarrow.table({"score": [score], "parsed": [{"score": score}]})


seen = {}
for name, mode in (("write_deltalake", {}), ("write_deltalake, merge", {"schema_mode": "merge"})):
    write_deltalake(name, answers(4))
    write_deltalake(name, answers(4.9), mode="append", **mode)
    seen[name] = DeltaTable(name).to_pyarrow_table()
table = lancedb.connect("lance").create_table("answers", answers(4))
table.add(answers(4.9))
seen["lancedb add"] = table.to_arrow()
for name, stored in seen.items():
    print(f"{name}: {stored.to_pylist()}")
raise SystemExit(any(row != {"score": 4, "parsed": {"score": 4}} for stored in seen.values() for row in stored.to_pylist()))
PYTHON
