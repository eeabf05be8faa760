#!/usr/bin/env bash
# In AIBrix's error lines a request that can never work and an engine that is busy have the same code and no status.
#
# One would guess: a request that the engine answered with 400 has that answer in `response`, with its status and body, as in the format of
#   OpenAI; `response` is null only where no answer came.
# What happens: `response` is null for each of them and error.code is always "inference_failed". The status is a word in the message
#   ("status=400"); whether a retry makes sense and the body of the engine's answer are known to the executor and are not written.
# Version: aibrix 0.8.0, Python 3.11, 2026-11-27.
# Why it matters for batch files: a retry of all lines with this code sends hopeless requests again and again. Only the text of the
#   message tells a 400 from a 503 here, and "no response" does not mean that the request never ran.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'aibrix==0.8.0'
cd "$work"
"$work/venv/bin/python" <<'PYTHON'
import json
from aibrix.batch.client.errors import InferenceError, InferenceErrorCode
from aibrix.batch.job_driver.base import BaseJobDriver
from aibrix.batch.job_entity import BatchJobError

failures = [
    InferenceError(InferenceErrorCode.HTTP_ERROR, "too many tokens", status_code=400, response_body={"error": "context"}, retryable=False),
    InferenceError(InferenceErrorCode.HTTP_ERROR, "overloaded", status_code=503, retryable=True),
    InferenceError(InferenceErrorCode.TRANSPORT_ERROR, "connection reset", retryable=True),
]
seen = []
for number, failure in enumerate(failures):
    line = BaseJobDriver._build_response(None, f"request-{number}", "job", number, None, error=failure)
    written = json.loads(json.dumps(line, default=BatchJobError.json_serializer))
    seen.append((written["response"], written["error"]["code"], written["error"]["message"]))
    print("line", json.dumps({key: written[key] for key in ("custom_id", "response", "error")}))
messages = ["[http_error] too many tokens status=400", "[http_error] overloaded status=503", "[transport_error] connection reset"]
raise SystemExit(seen != [(None, "inference_failed", message) for message in messages])
PYTHON
