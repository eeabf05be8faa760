#!/usr/bin/env bash
# instructor forgets whose answer it is when the model answers with a JSON list, and calls every other failure "Unknown error".
#
# One would guess: a result that cannot be used keeps its custom_id, and says what the service said.
# What happens: `parse_results` gives a line whose answer is `[]` or `"sorry"` (valid JSON, no object) the custom_id "unknown" and the
#   type "json_parse_error". A 429, an expired request, a refusal and an answer cut at max_tokens keep the id, but all four are
#   "extraction_error: Unknown error".
# Version: instructor 1.17.0 with pydantic 2.14.4, Python 3.11, 2026-11-27.
# Why it matters for batch files: a retry needs the id and the cause: a 429 is worth another try, a refusal is not. Two such lines share
#   the id "unknown", and one of their requests looks as if it had never been answered.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'instructor==1.17.0' 'pydantic==2.14.4'
"$work/venv/bin/python" <<'PYTHON'
import json
from instructor.batch.processor import BatchProcessor
from pydantic import BaseModel

class City(BaseModel):
    name: str

def line(custom_id, content, finish_reason="stop", refusal=None):
    message = {"role": "assistant", "content": content, "refusal": refusal}
    body = {"object": "chat.completion", "choices": [{"index": 0, "finish_reason": finish_reason, "message": message}]}
    return {"id": "1", "custom_id": custom_id, "response": {"status_code": 200, "request_id": "r", "body": body}, "error": None}

limited = {"status_code": 429, "request_id": "r", "body": {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}}
lines = [
    line("good", '{"name": "Rome"}'), line("list", "[]"), line("text", '"sorry"'),
    {"id": "1", "custom_id": "429", "response": limited, "error": None},
    {"id": "1", "custom_id": "expired", "response": None, "error": {"code": "batch_expired", "message": "Not executed in time"}},
    line("refused", None, refusal="I can't help with that."), line("cut", '{"name": "Ro', finish_reason="length"),
]
seen = []
for sent, result in zip(lines, BatchProcessor("openai/gpt-4o-mini", City).parse_results("\n".join(map(json.dumps, lines)))):
    said = "success" if result.success else f"{result.error_type}: {result.error_message.splitlines()[0]}"
    seen.append((result.custom_id, said))
    print(f"{sent['custom_id']} -> {result.custom_id}, {said}")
lost = ("unknown", "json_parse_error: Failed to parse JSON: 1 validation error for BatchError")
unnamed = [(name, "extraction_error: Unknown error") for name in ("429", "expired", "refused", "cut")]
raise SystemExit(seen != [("good", "success"), lost, lost, *unnamed])
PYTHON
