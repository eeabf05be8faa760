#!/usr/bin/env bash
# The `id` of an output line is not unique in files of AIBrix: it has five hexadecimal digits.
#
# One would guess: the id of a line ("batch_req_..." at OpenAI) names one line, and is a safe key for removing duplicates.
# What happens: AIBrix's batch executor gives each line five random hexadecimal digits. A full batch of 50,000 lines shares them out among
#   about 48,800 ids, so more than a thousand lines carry the id of another line. custom_id is right in all of them.
# Version: aibrix 0.8.0, Python 3.11, 2026-11-27.
# Why it matters for batch files: merging parts of a download, or a table with the id as its primary key, drops good answers of other
#   requests. Only the custom_id (or the line as a whole) tells whether two lines are the same.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'aibrix==0.8.0'
cd "$work"
"$work/venv/bin/python" <<'PYTHON'
import string
from aibrix.batch.job_driver.base import BaseJobDriver

answer = [{"embedding": [0.5]}]  # a list is passed on as it is, so no job is needed
lines = [BaseJobDriver._build_response(None, f"request-{n}", "job", n, None, request_output=answer) for n in range(50_000)]
ids = [line["id"] for line in lines]
short = all(len(id) == 5 and set(id) <= set(string.hexdigits) for id in ids)
print(f"{len(lines)} lines, {len({line['custom_id'] for line in lines})} custom_ids, {len(set(ids))} ids such as {ids[0]!r}")
raise SystemExit(not short or len(set(ids)) > 49_500)
PYTHON
