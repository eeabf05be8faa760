#!/usr/bin/env bash
# polars and ClickHouse drop the keys of a JSONL file that are not in its first lines: 100 in polars, 25,000 in ClickHouse.
#
# One would guess: types are inferred from a sample, and a key that comes later is an error, as it is in DuckDB, or a column with nulls.
# What happens: read_ndjson, scan_ndjson and ClickHouse's file() read the later lines without the key, at the top and within objects. No
#   error, no warning, and no column that could be null. `infer_schema_length=None`, or `input_format_max_rows_to_read_for_schema_inference`,
#   finds them.
# Version: polars 2.1.0, chdb 4.4.0 (ClickHouse 26.9.2), duckdb 2.0.1, Python 3.11, 2026-11-28.
# Why it matters for batch files: tool calls, refusals and the error in a body are in few results. If the first request that failed is line
#   101, no row has an error: each failure is a body without choices, and all of its causes are gone.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'polars==2.1.0' 'chdb==4.4.0' 'duckdb==2.0.1'
"$work/venv/bin/python" <<'PYTHON'
import json

import chdb
import duckdb
import polars


def write(name, count):
    with open(name, "w") as file:
        for number in range(count):
            file.write(json.dumps({"custom_id": str(number), "response": {"status_code": 200, "body": {"model": "m"}}}) + "\n")
        body = {"error": {"message": "This request is too long."}}
        file.write(json.dumps({"custom_id": "last", "response": {"status_code": 400, "body": body}, "provider": "late"}) + "\n")


write("short.jsonl", 100)
write("long.jsonl", 25_000)
expected = {"custom_id": "last", "response": {"status_code": 400, "body": {"model": None}}}
read = polars.read_ndjson("short.jsonl").to_dicts()[-1]
scanned = polars.scan_ndjson("short.jsonl").collect().to_dicts()[-1]
full = polars.read_ndjson("short.jsonl", infer_schema_length=None).to_dicts()[-1]
clickhouse = json.loads(str(chdb.query("SELECT * FROM file('long.jsonl') WHERE custom_id = 'last'", "JSONEachRow")))
try:
    duckdb.sql("SELECT * FROM read_json('long.jsonl', sample_size = 20000) WHERE custom_id = 'last'").fetchall()
    refused = ""
except duckdb.Error as error:
    refused = str(error).splitlines()[0]
print("polars, line 101:       ", read)
print("ClickHouse, line 25,001:", clickhouse)
print("DuckDB:", refused)
raise SystemExit(not (read == scanned == clickhouse == expected and full["provider"] == "late" and "unknown key" in refused))
PYTHON
