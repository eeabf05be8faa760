#!/usr/bin/env bash
# pyiceberg stores a null list of structs as an empty list, while it keeps a null list of strings.
#
# One would guess: append() stores the Arrow table that it is given; null and [] differ in Arrow, in Parquet and in Iceberg.
# What happens: in the data file itself the null list<struct> is [] (the null list<string>, struct and map beside it are kept), so no
#   engine that reads the Iceberg table can tell any more. No error, no warning.
# Version: pyiceberg 0.12.0 with pyarrow 26.0.1, Python 3.11, 2026-11-27.
# Why it matters for batch files: tool calls are a list of structs. Null says "there was no answer" and [] says "the model called no
#   tool"; the count of answers without a tool call takes in all failed requests.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'pyiceberg[sql-sqlite]==0.12.0' 'pyarrow==26.0.1'
cd "$work"
"$work/venv/bin/python" <<'PYTHON'
import glob
import os
import pyarrow
import pyarrow.parquet
from pyiceberg.catalog.sql import SqlCatalog

os.mkdir("warehouse")
catalog = SqlCatalog("local", uri="sqlite:///warehouse/catalog.db", warehouse=f"file://{os.path.abspath('warehouse')}")
catalog.create_namespace("batch")
table = pyarrow.table({
    "tool_calls": pyarrow.array([[{"name": "f"}], None, []], pyarrow.list_(pyarrow.struct({"name": pyarrow.string()}))),
    "texts": pyarrow.array([["one"], None, []], pyarrow.list_(pyarrow.string())),
    "usage": pyarrow.array([{"tokens": 1}, None, {"tokens": None}], pyarrow.struct({"tokens": pyarrow.int64()})),
})
catalog.create_table("batch.answers", schema=table.schema).append(table)
stored = pyarrow.parquet.read_table(glob.glob("warehouse/**/*.parquet", recursive=True)[0])
changed = [name for name in table.column_names if stored[name].to_pylist() != table[name].to_pylist()]
print("tool_calls given: ", table["tool_calls"].to_pylist())
print("tool_calls stored:", stored["tool_calls"].to_pylist())
print("columns that changed:", changed)
raise SystemExit(changed != ["tool_calls"] or stored["tool_calls"].to_pylist() != [[{"name": "f"}], [], []])
PYTHON
