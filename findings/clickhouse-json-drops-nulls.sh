#!/usr/bin/env bash
# ClickHouse's JSON type keeps no null and no empty object: two different failures become the same line.
#
# One would guess: a JSON column gives the object back, perhaps with its keys in another order.
# What happens: `"error": null`, `"response": null` and `"body": {}` are gone from what comes back, as are the keys themselves;
#   `"choices": []` and the empty string stay. A line with an empty body and a line without a body are equal.
# Version: chdb 4.4.0 (ClickHouse 26.9.2), Python 3.11, 2026-11-27.
# Why it matters for batch files: `response: null` (the request never ran) and `body: {}` with status 0 (it ran and was lost) call for
#   different action, and readers that ask for line["error"] meet a missing key. Keep the line as text beside the JSON column.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'chdb==4.4.0' 'chdb-core==26.9.0'
cd "$work"
"$work/venv/bin/python" <<'PYTHON'
import json
import chdb

lines = [
    {"custom_id": "expired", "response": None, "error": {"code": "batch_expired"}},
    {"custom_id": "lost", "response": {"status_code": 0, "request_id": "", "body": {}}, "error": None},
    {"custom_id": "no choice", "response": {"status_code": 200, "body": {"choices": []}}, "error": None},
]
with open("lines.jsonl", "w") as file:
    file.writelines(json.dumps(line) + "\n" for line in lines)
found = str(chdb.query("SELECT json FROM file('lines.jsonl', 'JSONAsObject', 'json JSON')", "JSONEachRow"))
seen = [json.loads(line)["json"] for line in found.splitlines()]
print(*map(json.dumps, seen), sep="\n")
raise SystemExit(seen != [
    {"custom_id": "expired", "error": {"code": "batch_expired"}},
    {"custom_id": "lost", "response": {"status_code": 0, "request_id": ""}},
    {"custom_id": "no choice", "response": {"status_code": 200, "body": {"choices": []}}},
])
PYTHON
