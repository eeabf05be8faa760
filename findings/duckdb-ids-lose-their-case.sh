#!/usr/bin/env bash
# DuckDB writes the ids "C6FE1C42-..." of a JSONL file in lower case.
#
# One would guess: a JSON string is text. Types are inferred for dates and times, and an id is copied as it is.
# What happens: read_json makes a column of the type UUID if each value looks like one, also within objects. What comes out, in JSON, CSV and
#   casts to text, is lower case, and in Parquet it is 16 bytes. Within DuckDB a join with a text column still finds the rows, because the
#   text becomes a UUID there; outside of it no id is equal. With one other id in the file, all stay as they are.
# Version: duckdb 2.0.1, Python 3.11, 2026-11-28.
# Why it matters for batch files: SQL Server, Swift and macOS' uuidgen print UUIDs in upper case, and keys of rows are usual ids of
#   requests. A request file that was filtered this way asks under other ids than the table it came from, and results that were exported
#   cannot be matched to their requests. A small sample with one other id shows nothing. `columns={"custom_id": "VARCHAR", ...}` keeps them.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'duckdb==2.0.1'
"$work/venv/bin/python" <<'PYTHON'
import json

import duckdb

IDS = ["C6FE1C42-D119-46FA-B961-72EA3B1FC22F", "0D3E8A10-7C11-4B62-9E55-1F2A3B4C5D6E"]


def copied(ids):
    with open("results.jsonl", "w") as file:
        file.writelines(json.dumps({"custom_id": custom_id, "response": {"request_id": custom_id}}) + "\n" for custom_id in ids)
    kind = duckdb.sql("SELECT typeof(custom_id) FROM 'results.jsonl' LIMIT 1").fetchall()[0][0]
    duckdb.sql("COPY (FROM 'results.jsonl') TO 'copy.jsonl'")
    with open("copy.jsonl") as file:
        lines = [json.loads(line) for line in file]
    return kind, [(line["custom_id"], line["response"]["request_id"]) for line in lines]


kind, pairs = copied(IDS)
mixed, kept = copied([*IDS, "request-3"])
print(f"two ids in upper case are of the type {kind}, and are written as:", *(pair[0] for pair in pairs), sep="\n  ")
print(f"with a third id, 'request-3', the type is {mixed}:", *(pair[0] for pair in kept), sep="\n  ")
lower = [(custom_id.lower(),) * 2 for custom_id in IDS]
raise SystemExit(not (kind == "UUID" and pairs == lower and mixed == "VARCHAR" and [pair[0] for pair in kept[:2]] == IDS))
PYTHON
