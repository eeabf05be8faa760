#!/usr/bin/env bash
# dlt keeps one of two keys that have the same name in snake case, and an empty list is the same as none.
#
# One would guess: "requestId" and "request_id" of one object become two columns, or a clash is an error; `"choices": []` differs from a
#   body without choices.
# What happens: both keys become request_id and the later one in the line wins, without a warning. A list becomes a child table, so an
#   empty list, a null and a missing key all leave nothing.
# Version: dlt 1.31.0 with duckdb 2.0.1, Python 3.11, 2026-11-27.
# Why it matters for batch files: services that wrap one another send both spellings in one body (a gateway's requestId beside the
#   provider's request_id), and the id that support asks for is the one that went missing. "No choices" is an answer of its own.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'dlt==1.31.0' 'duckdb==2.0.1' pytz
cd "$work"
export RUNTIME__DLTHUB_TELEMETRY=false
"$work/venv/bin/python" <<'PYTHON'
import dlt
import duckdb

lines = [
    {"custom_id": "a", "body": {"requestId": "gateway-1", "request_id": "provider-1", "choices": [{"index": 0}]}},
    {"custom_id": "b", "body": {"request_id": "provider-2", "requestId": "gateway-2", "choices": []}},
    {"custom_id": "c", "body": {"request_id": "provider-3", "requestId": "gateway-3"}},
]
pipeline = dlt.pipeline("gateway", destination=dlt.destinations.duckdb("answers.duckdb"), dataset_name="batch", pipelines_dir="pipelines")
pipeline.run(lines, table_name="lines")
database = duckdb.connect("answers.duckdb")
ids = database.sql("SELECT custom_id, body__request_id FROM batch.lines ORDER BY custom_id").fetchall()
columns = [name for name in database.sql("SELECT * FROM batch.lines").columns if not name.startswith("_dlt")]
choices = database.sql("SELECT count(*) FROM batch.lines__body__choices").fetchall()[0][0]
print("columns:", columns)
print("what is left of two ids each:", ids)
print("rows of choices:", choices)
raise SystemExit((columns, ids, choices) != (["custom_id", "body__request_id"],
                 [("a", "provider-1"), ("b", "gateway-2"), ("c", "gateway-3")], 1))
PYTHON
