#!/usr/bin/env bash
# Perspective cuts every text at its first null character, so different answers become one group.
#
# One would guess: U+0000 is a character like others in JSON and in Arrow: DuckDB, polars, pandas and pyarrow keep it. A program that
#   can't hold it raises an error, as PostgreSQL's jsonb does.
# What happens: "caf\u0000e9 at ten" is "caf", loaded from JSON lines and from an Arrow table, and to_arrow gives "caf" back. Counts by
#   text add up different answers. The number of rows is right, and there is no error and no warning.
# Version: perspective-python 5.6.1 with pyarrow 26.0.1, Python 3.11, 2026-11-28.
# Why it matters for batch files: a model that writes a broken escape for an accented letter sends \u0000 in the middle of an answer. On
#   the dashboard the answer ends there, and looks complete.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'perspective-python==5.6.1' 'pyarrow==26.0.1'
cd "$work"
"$work/venv/bin/python" <<'PYTHON'
import json

import pyarrow
from perspective import Server

answers = ["caf\0e9 at ten", "caf\0e9 at six", "library at ten"]
table = pyarrow.table({"custom_id": ["a", "b", "c"], "text": answers})
sink = pyarrow.BufferOutputStream()
with pyarrow.ipc.new_stream(sink, table.schema) as writer:
    writer.write_table(table)
lines = "".join(json.dumps(row) + "\n" for row in table.to_pylist())
from_arrow = Server().new_local_client().table(sink.getvalue().to_pybytes())
from_json = Server().new_local_client().table(lines, format="ndjson")
seen = {}
for name, loaded in (("Arrow", from_arrow), ("JSON lines", from_json)):
    seen[name] = [row["text"] for row in loaded.view(columns=["text"]).to_json()]
    print(f"from {name}: {seen[name]}")
back = pyarrow.ipc.open_stream(from_arrow.view().to_arrow()).read_all()["text"].to_pylist()
groups = from_arrow.view(group_by=["text"], columns=["custom_id"], aggregates={"custom_id": "count"}).to_json()[1:]
print("to_arrow:", back)
print("groups:", *((group["__ROW_PATH__"][0], group["custom_id"]) for group in groups))
cut = ["caf", "caf", "library at ten"]
raise SystemExit(not seen["Arrow"] == seen["JSON lines"] == back == cut or len(groups) != 2)
PYTHON
