#!/usr/bin/env bash
# litellm counts a Responses answer of status "failed" as a successful request, and a torn line not at all.
#
# One would guess: a batch output with one good answer, one Responses body of status "failed" and one line that was cut short has
#   1 successful and 2 failed requests.
# What happens: `batch_cost_and_usage` looks at the HTTP status only and reports 2 successful, 0 failed; the function that reads the
#   file drops the line that is not JSON, with no count of it.
# Version: litellm 1.110.2, Python 3.11, 2026-11-27.
# Why it matters for batch files: a 200 does not mean an answer (the body of /v1/responses has a status of its own), and a count of
#   lines that leaves out what it cannot read never reconciles with the requests.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'litellm==1.110.2'
export LITELLM_LOCAL_MODEL_COST_MAP=True
"$work/venv/bin/python" - 2>/dev/null <<'PYTHON'
import json
from litellm.batches.batch_utils import batch_cost_and_usage, get_file_content_as_dictionary

def line(custom_id, body):
    return json.dumps({"id": "1", "custom_id": custom_id, "response": {"status_code": 200, "request_id": "r", "body": body}, "error": None})

usage = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
good = {"object": "response", "status": "completed", "model": "gpt-4o-mini", "output": [], "usage": usage}
failed = {"object": "response", "status": "failed", "model": "gpt-4o-mini", "output": [], "usage": None,
          "error": {"code": "server_error", "message": "The server had an error"}}
content = "\n".join([line("a", good), line("b", failed), line("c", good)[:80]]) + "\n"
read = get_file_content_as_dictionary(content.encode())
counts = batch_cost_and_usage(read, "openai")
print(f"3 lines in the file, {len(read)} read: {counts.successful_requests} successful, {counts.failed_requests} failed")
raise SystemExit((len(read), counts.successful_requests, counts.failed_requests) != (2, 2, 0))
PYTHON
