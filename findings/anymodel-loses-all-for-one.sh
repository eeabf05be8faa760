#!/usr/bin/env bash
# One failed request makes anymodel lose the results of the whole OpenAI batch.
#
# One would guess: a batch with 2 answers and 1 failure gives 2 results and 1 error; the adapter reads the error file on purpose.
# What happens: `get_batch_results` raises AttributeError. It asks item.get("error", {}) for a message, but a line of an HTTP error has
#   the key with the value null, and a line of an expired request has `"response": null`. So each kind of line that OpenAI writes into an
#   error file stops it, after both files were downloaded.
# Version: anymodel-py 0.7.0, Python 3.11, 2026-11-27.
# Why it matters for batch files: both keys are always present in this format, one of them null. A default for a missing key never comes
#   into play, and the answers that are paid for cannot be fetched through the gateway at all.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'anymodel-py==0.7.0'
cd "$work"
"$work/venv/bin/python" <<'PYTHON'
import asyncio
import json
from types import SimpleNamespace
from anymodel.providers._openai_batch import create_openai_batch_adapter

body = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini",
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Rome"}}]}
good = [{"id": n, "custom_id": n, "response": {"status_code": 200, "request_id": "r", "body": body}, "error": None} for n in "ab"]
limited = {"status_code": 429, "request_id": "r", "body": {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}}
failures = {
    "no failure": None,
    "429": {"id": "c", "custom_id": "c", "response": limited, "error": None},
    "expired": {"id": "c", "custom_id": "c", "response": None, "error": {"code": "batch_expired", "message": "Not executed in time"}},
}
seen = []
for name, failure in failures.items():
    adapter = create_openai_batch_adapter("none")
    batch = {"output_file_id": "out", "error_file_id": "err" if failure else None}
    texts = {"/batches/b": json.dumps(batch), "/files/out/content": "\n".join(map(json.dumps, good)),
             "/files/err/content": json.dumps(failure)}

    async def answer(path, **options):
        return SimpleNamespace(text=texts[path], json=lambda: json.loads(texts[path]))

    adapter._api_request = answer  # the service
    try:
        seen.append(str(len(asyncio.run(adapter.get_batch_results("b")))) + " results")
    except AttributeError as error:
        seen.append(f"AttributeError: {error}")
    print(f"{name}: {seen[-1]}")
raise SystemExit(seen != ["2 results"] + ["AttributeError: 'NoneType' object has no attribute 'get'"] * 2)
PYTHON
