#!/usr/bin/env bash
# dlt reads the custom_id "00123" as two minutes after midnight on 1 January 1970 when the first id of the file is a timestamp.
#
# One would guess: an id that does not look like the first one makes the column text, or is an error.
# What happens: the first id, "2026-11-27T10:00:00Z", makes custom_id a timestamp column. "00123" is a number of seconds then and is
#   stored as 1970-01-01 00:02:03; "row-7" goes to a new column custom_id__v_text and its custom_id is null. No warning about either.
# Version: dlt 1.31.0 with duckdb 2.0.1, Python 3.11, 2026-11-27.
# Why it matters for batch files: a batch of time series, logs or tickets has such ids. No id of the loaded table can be compared with
#   those of the request file. A text hint for the column, given on the first load, keeps the ids (shown below).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'dlt==1.31.0' 'duckdb==2.0.1' pytz
cd "$work"
export RUNTIME__DLTHUB_TELEMETRY=false TZ=UTC
"$work/venv/bin/python" <<'PYTHON'
import dlt
import duckdb

ids = ["2026-11-27T10:00:00Z", "00123", "row-7"]

def load(name, **options):
    pipeline = dlt.pipeline(name, destination=dlt.destinations.duckdb(f"{name}.duckdb"), dataset_name="batch", pipelines_dir=name)
    pipeline.run([{"custom_id": custom_id, "ok": True} for custom_id in ids], table_name="lines", **options)
    lines = duckdb.connect(f"{name}.duckdb").sql("SELECT * EXCLUDE (_dlt_load_id, _dlt_id) FROM batch.lines ORDER BY rowid")
    return lines.columns, [tuple(str(value) for value in row) for row in lines.fetchall()]

columns, rows = load("plain")
print(columns, *rows, sep="\n")
hinted = load("hinted", columns={"custom_id": {"data_type": "text"}})
print("with a text hint:", [row[0] for row in hinted[1]])
expected = [("2026-11-27 10:00:00+00:00", "True", "None"), ("1970-01-01 00:02:03+00:00", "True", "None"), ("None", "True", "row-7")]
raise SystemExit(columns != ["custom_id", "ok", "custom_id__v_text"] or rows != expected or [row[0] for row in hinted[1]] != ids)
PYTHON
