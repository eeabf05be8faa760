#!/usr/bin/env bash
# A request file that is filtered with DuckDB or polars has other requests in it: keys of the other lines come in as null.
#
# One would guess: choosing lines of a JSONL file and writing them as JSONL gives these lines, perhaps with other spaces or key order.
# What happens: an object is a struct with the keys of all lines, and the writer writes each of them. The JSON Schema of one tool gets the
#   property of another tool, as "zone": null, which is no schema, and the body gets "seed": null. jq and grep add nothing.
# Version: duckdb 2.0.1, polars 2.1.0, Python 3.11, 2026-11-28.
# Why it matters for batch files: "select the requests that failed and send them again" is the usual reason for a query on a request file.
#   The new file is valid JSONL with the right ids, and the service is asked for something else than the first time.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'duckdb==2.0.1' 'polars==2.1.0'
cd "$work"
"$work/venv/bin/python" <<'PYTHON'
import json

import duckdb
import polars


def request(id, tool, argument, **more):
    parameters = {"type": "object", "properties": {argument: {"type": "string"}}}
    tools = [{"type": "function", "function": {"name": tool, "parameters": parameters}}]
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}], "tools": tools, **more}
    return {"custom_id": id, "method": "POST", "url": "/v1/chat/completions", "body": body}


first, second = request("a", "weather", "city"), request("b", "clock", "zone", seed=7)
with open("requests.jsonl", "w") as file:
    file.writelines(json.dumps(line) + "\n" for line in (first, second))
duckdb.sql("COPY (SELECT * FROM read_json('requests.jsonl') WHERE custom_id = 'a') TO 'duckdb.jsonl'")
polars.read_ndjson("requests.jsonl").filter(polars.col("custom_id") == "a").write_ndjson("polars.jsonl")
changed = request("a", "weather", "city", seed=None)
changed["body"]["tools"][0]["function"]["parameters"]["properties"]["zone"] = None
print("request:", json.dumps(first["body"]["tools"][0]["function"]["parameters"]), "seed" in first["body"])
seen = []
for name in ("duckdb", "polars"):
    with open(f"{name}.jsonl") as file:
        seen.append(json.load(file))
    body = seen[-1]["body"]
    print(f"{name}: ", json.dumps(body["tools"][0]["function"]["parameters"]), "seed" in body)
raise SystemExit(seen != [changed] * 2)
PYTHON
