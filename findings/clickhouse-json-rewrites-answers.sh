#!/usr/bin/env bash
# ClickHouse's JSON type rewrites an answer that looks like a date, one row at a time.
#
# One would guess: a text column keeps its texts when other rows of the column hold ordinary sentences.
# What happens: with the JSON type each value has its own type. "2026-11-27T10:00:00+02:00" is stored as a DateTime and comes back as
#   "2026-11-27 08:00:00" (the offset is gone), "2026-1-7" comes back as "2026-01-07 00:00:00"; the sentence in the next row, and the same
#   moment with nine digits of a second, are unchanged. A cast to String gives the rewritten text.
# Version: chdb 4.4.0 (ClickHouse 26.9.2), Python 3.11, 2026-11-27.
# Why it matters for batch files: "when does the contract end?" is a usual question. The stored answer is no longer what the model said,
#   and an exact comparison with the expected text fails. `input_format_try_infer_datetimes=0, input_format_try_infer_dates=0` keeps it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'chdb==4.4.0' 'chdb-core==26.9.0'
cd "$work"
export TZ=UTC
"$work/venv/bin/python" <<'PYTHON'
import json
import chdb

answers = ["2026-11-27T10:00:00+02:00", "2026-1-7", "It ends on 2026-11-27.", "2026-11-27T10:00:00.123456789+02:00"]
with open("answers.jsonl", "w") as file:
    file.writelines(json.dumps({"custom_id": str(number), "text": text}) + "\n" for number, text in enumerate(answers))
query = "SELECT json.text::String AS text FROM file('answers.jsonl', 'JSONAsObject', 'json JSON')"
off = " SETTINGS input_format_try_infer_datetimes=0, input_format_try_infer_dates=0"
seen, kept = ([json.loads(line)["text"] for line in str(chdb.query(query + tail, "JSONEachRow")).splitlines()] for tail in ("", off))
for written, read in zip(answers, seen):
    print(f"{written!r} -> {read!r}")
print("with both settings off, all as written:", kept == answers)
raise SystemExit(seen != ["2026-11-27 08:00:00", "2026-01-07 00:00:00", *answers[2:]] or kept != answers)
PYTHON
