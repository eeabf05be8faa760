#!/usr/bin/env bash
# LiteLLM gives a request that expired in an Anthropic batch the status 400 and the type invalid_request_error.
#
# One would guess: a request that was not run in time has no response and the code batch_expired, as in the files of OpenAI, or a status
#   that may be tried again. An overloaded service is a 503 here.
# What happens: "expired" and "canceled" become the same HTTP response, 400 with the type of a request that is wrong. Only the message has
#   the word. A request that never ran cannot be told from one that can never work by status, type or code.
# Version: litellm 1.110.2, Python 3.11, 2026-11-28.
# Why it matters for batch files: programs repeat 429 and 5xx and give up on 400. The requests that expired are the ones to send again, and
#   here they are counted as rejected and left out.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'litellm==1.110.2'
export LITELLM_LOCAL_MODEL_COST_MAP=True
"$work/venv/bin/python" - 2>/dev/null <<'PYTHON'
import json

from litellm.llms.anthropic.files.handler import AnthropicFilesHandler


def errored(kind, message):
    return {"type": "errored", "error": {"type": "error", "error": {"type": kind, "message": message}}}


results = {
    "expired": {"type": "expired"},
    "canceled": {"type": "canceled"},
    "wrong": errored("invalid_request_error", "max_tokens: must be at least 1"),
    "overloaded": errored("overloaded_error", "Overloaded"),
}
lines = "".join(json.dumps({"custom_id": custom_id, "result": result}) + "\n" for custom_id, result in results.items())
seen = {}
for line in AnthropicFilesHandler()._transform_anthropic_batch_results_to_openai_format(lines.encode()).splitlines():
    result = json.loads(line)
    response = result["response"]
    seen[result["custom_id"]] = response["status_code"], response["body"]["error"]["type"], result.get("error")
    print(f"{result['custom_id']:10} {response['status_code']} {response['body']['error']}")
bad = (400, "invalid_request_error", None)
raise SystemExit(seen != {"expired": bad, "canceled": bad, "wrong": bad, "overloaded": (503, "overloaded_error", None)})
PYTHON
