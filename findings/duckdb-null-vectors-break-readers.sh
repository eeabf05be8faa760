#!/usr/bin/env bash
# A column FLOAT[3] with nulls that DuckDB writes to Parquet is refused by pyarrow, and in hyparquet the next vector is null.
#
# One would guess: a null in an ARRAY column is written like a null in a LIST column, and every reader gives null for that row only.
# What happens: Parquet has one entry for a null list. DuckDB writes as many as the array has items, so two vectors of 3 and two nulls
#   are 12 entries in place of 8. DuckDB and polars read them back. pyarrow says "Length spanned by list offsets (10) larger than values
#   array", and hyparquet takes the null's second entry for the next row: the vector of the third row is gone, without an error.
#   With FLOAT[] all of them agree.
# Version: duckdb 2.0.1, pyarrow 26.0.1, polars 2.1.0, hyparquet 1.33.0, Python 3.11, Node.js 20.20, 2026-11-28.
# Why it matters for batch files: a table of embeddings has a null for each request that failed, and vector searches of DuckDB need
#   FLOAT[n]. Such a table, copied to Parquet, cannot be read by pyarrow, pandas, Spark's Arrow side and services on them.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'duckdb==2.0.1' 'pyarrow==26.0.1' 'polars==2.1.0'
npm install --silent --no-fund --no-audit --prefix "$work" hyparquet@1.33.0
cd "$work"
cat > read.mjs <<'JAVASCRIPT'
import {asyncBufferFromFile, parquetReadObjects} from 'hyparquet';

const rows = await parquetReadObjects({file: await asyncBufferFromFile(process.argv[2])});
console.log(JSON.stringify(rows.map(row => row.vector)));
JAVASCRIPT
"$work/venv/bin/python" - <<'PYTHON'
import json
import subprocess

import duckdb
import polars
import pyarrow
from pyarrow import parquet

VECTOR = [1.0, 2.0, 3.0]


def with_pyarrow(path: str) -> object:
    try:
        return parquet.read_table(path)["vector"].to_pylist()
    except pyarrow.ArrowInvalid as error:
        return str(error)


def with_hyparquet(path: str) -> object:
    return json.loads(subprocess.run(["node", "read.mjs", path], capture_output=True, text=True, check=True).stdout)


seen = {}
for type_, path in (("FLOAT[3]", "array.parquet"), ("FLOAT[]", "list.parquet")):
    duckdb.sql(f"COPY (SELECT CASE WHEN i % 2 = 0 THEN {VECTOR}::{type_} END AS vector FROM range(4) t(i)) TO '{path}'")
    entries = parquet.read_metadata(path).row_group(0).column(0).num_values
    seen[type_] = [entries, polars.read_parquet(path)["vector"].to_list(), with_pyarrow(path), with_hyparquet(path)]
    for name, found in zip(("entries", "polars", "pyarrow", "hyparquet"), seen[type_], strict=True):
        print(f"{type_} {name}: {found}")
right = [VECTOR, None, VECTOR, None]
refused = "Length spanned by list offsets (10) larger than values array (length 6)"
expected = {"FLOAT[3]": [12, right, refused, [VECTOR, None, None, None]], "FLOAT[]": [8, right, right, right]}
raise SystemExit(seen != expected)
PYTHON
