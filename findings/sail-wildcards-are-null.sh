#!/usr/bin/env bash
# Sail answers null where a JSON path has [*], so every answer of every request is null.
#
# One would guess: get_json_object(line, '$.response.body.choices[*].message.content') gives the texts of all choices, as in Spark and
#   Hive, whose queries Sail runs without changes; or an error says that the path is not supported.
# What happens: `[*]` and `.*` give null for each row, without an error or a warning. `[0]`, names in quotes and names with a slash work.
# Version: pysail 0.7.2 with pyspark-client 4.2.0, Python 3.11, 2026-11-28.
# Why it matters for batch files: a count of the answers that are not null is 0, and a filter on them is empty: the batch looks as if all
#   of its requests had failed. Lists of tool calls and of embeddings are read by the same paths. Use `[0]`, or the columns of a table.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'uv==0.13.9'
"$work/venv/bin/uv" pip install -q --python "$work/venv/bin/python" 'pysail==0.7.2' 'pyspark-client==4.2.0'
"$work/venv/bin/python" -W ignore - 2> log <<'PYTHON' || { cat log; exit 1; }
import json

from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession

server = SparkConnectServer()
server.start(background=True)
spark = SparkSession.builder.remote(f"sc://localhost:{server.listening_address[1]}").getOrCreate()
choices = [{"index": number, "message": {"content": text}} for number, text in enumerate(["one", "two"])]
line = {"custom_id": "a", "response": {"status_code": 200, "body": {"choices": choices}}, "error": None}
frame = spark.createDataFrame([(json.dumps(line),)], ["line"])
seen = []
for path in ["choices[0].message.content", "choices[*].message.content", "choices[*]", "choices[0].message.*"]:
    seen.append(frame.selectExpr(f"get_json_object(line, '$.response.body.{path}') AS found").collect()[0].found)
    print(f"{path}: {seen[-1]!r}")
raise SystemExit(seen != ["one", None, None, None])
PYTHON
