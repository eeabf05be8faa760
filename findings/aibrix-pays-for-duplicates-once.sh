#!/usr/bin/env bash
# AIBrix runs both requests of a duplicate custom_id and counts the tokens of one.
#
# One would guess: a file with the same custom_id twice is refused (duplicate_custom_id at OpenAI), or both requests are run and counted.
# What happens: validation finds 3 good requests. The executor treats the second answer of an id as a retry and leaves its tokens out, so
#   the batch's usage is smaller than the sum of the usage in its own output lines.
# Version: aibrix 0.8.0, Python 3.11, 2026-11-27.
# Why it matters for batch files: an output file of such a service may hold two answers of one id, both real, and `usage` of the batch
#   object is no check of a sum over the lines. Duplicates have to be found before the upload: not every service looks.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'aibrix==0.8.0'
cd "$work"
"$work/venv/bin/python" <<'PYTHON'
import asyncio
import json
from aibrix.batch.job_driver.base import BaseJobDriver
from aibrix.batch.storage.input_validation import validate_batch_input_file
from aibrix.storage.local import LocalStorage

ids = ["a", "b", "a"]
endpoint = "/v1/chat/completions"
requests = [{"custom_id": id, "method": "POST", "url": endpoint,
             "body": {"model": "m", "messages": [{"role": "user", "content": f"question {number}"}]}} for number, id in enumerate(ids)]

async def validate():
    storage = LocalStorage("store")
    await storage.put_object("requests", "".join(json.dumps(request) + "\n" for request in requests))
    return await validate_batch_input_file(storage, "requests", endpoint)

counted, problem = asyncio.run(validate())
driver = BaseJobDriver.__new__(BaseJobDriver)  # only the state that counting needs
driver._state_job_id, driver._usage, driver._usage_counted_ids = "job", None, set()
for id in ids:
    driver._accumulate_usage("job", id, {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110})
print(f"validation: {counted} requests, problem: {problem}; usage of three answers of 110 tokens: {driver._usage.total_tokens}")
raise SystemExit((counted, problem, driver._usage.total_tokens) != (3, None, 220))
PYTHON
