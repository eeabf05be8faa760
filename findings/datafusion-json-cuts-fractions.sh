#!/usr/bin/env bash
# DataFusion's JSON reader stores 4.9 as 4 and "007" as 7, once a column is inferred as integers.
#
# One would guess: types come from the first 1,000 lines, and a later value that does not fit is an error, as true, 1e20 and "n/a" are in
#   the same reader, and as 4.9 is in polars.
# What happens: a number with a fraction is cut toward zero and a text of digits becomes a number, in columns and in nested fields. The
#   query has no error and no warning.
# Version: datafusion 55.0.0, Python 3.11, 2026-11-28.
# Why it matters for batch files: scores in structured answers are whole numbers in most answers of a campaign. Averages come out too low
#   by a little, and -0.9 is 0. A schema in read_json (Float64) keeps the values.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'datafusion==55.0.0' 'pyarrow==26.0.1'
cd "$work"
"$work/venv/bin/python" <<'PYTHON'
import json

import pyarrow
from datafusion import SessionContext


def read(values, **options):
    with open("lines.jsonl", "w") as file:
        file.writelines(json.dumps({"parsed": {"score": value}}) + "\n" for value in [5] * 1000 + values)
    try:
        rows = SessionContext().read_json("lines.jsonl", file_extension=".jsonl", **options).to_pydict()["parsed"]
    except Exception as error:
        return str(error).split(": ")[-1]
    return [row["score"] for row in rows[1000:]]


seen = read([4.9, -0.9, "007"])
refused = [read([value]) for value in (True, 1e20, "n/a")]
typed = read([4.9, -0.9], schema=pyarrow.schema([("parsed", pyarrow.struct([("score", pyarrow.float64())]))]))
print("4.9, -0.9 and '007' after 1,000 integers:", seen)
print("true, 1e20 and 'n/a':", *refused, sep="\n  ")
print("4.9 and -0.9 with a schema:", typed)
raise SystemExit(seen != [4, 0, 7] or typed != [4.9, -0.9] or not all(isinstance(result, str) for result in refused))
PYTHON
