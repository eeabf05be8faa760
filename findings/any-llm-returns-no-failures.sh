#!/usr/bin/env bash
# any-llm returns the answers of an OpenAI batch without its failures, and an empty list if all requests failed.
#
# One would guess: each request has an item in the results, and one that failed has its `error`: the item's type has a field for it.
# What happens: only the output file is read. OpenAI writes the failed requests to the error file, so 3 requests give 1 item, and a batch
#   in which every request failed gives no item and no exception, like an empty batch.
# Version: any-llm-sdk 1.40.2, Python 3.11, 2026-11-28.
# Why it matters for batch files: the number of results says nothing about what is missing, and a loop over them ends without a word about
#   the requests that could be sent again. Compare the ids with those of the request file.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'any-llm-sdk[openai]==1.40.2'
cd "$work"
"$work/venv/bin/python" <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from any_llm import AnyLLM

body = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Rome"}}]}
limited = {"status_code": 429, "request_id": "r", "body": {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}}
late = {"code": "batch_expired", "message": "This request could not be executed in time."}
output = {"id": "1", "custom_id": "a", "response": {"status_code": 200, "request_id": "r", "body": body}, "error": None}
errors = [{"id": "2", "custom_id": "b", "response": limited, "error": None}, {"id": "3", "custom_id": "c", "response": None, "error": late}]


def batch(id, completed, failed, **files):
    counts = {"total": completed + failed, "completed": completed, "failed": failed}
    return json.dumps({"id": id, "object": "batch", "endpoint": "/v1/chat/completions", "input_file_id": "in", "completion_window": "24h",
                       "status": "completed", "created_at": 1, "request_counts": counts, **files})


TEXTS = {
    "/v1/batches/some": batch("some", 1, 2, output_file_id="output", error_file_id="errors"),
    "/v1/batches/none": batch("none", 0, 2, error_file_id="errors"),
    "/v1/files/output/content": json.dumps(output) + "\n",
    "/v1/files/errors/content": "".join(json.dumps(line) + "\n" for line in errors),
}


class Service(BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.path)
        text = TEXTS[self.path].encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json" if "batches" in self.path else "application/octet-stream")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args):
        pass


asked = []
server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = AnyLLM.create("openai", api_key="none", api_base=f"http://127.0.0.1:{server.server_port}/v1")
seen = {}
for id in ("some", "none"):
    results = client.retrieve_batch_results(id).results
    seen[id] = [(item.custom_id, item.error) for item in results]
    print(f"batch {id!r}: {len(results)} results: {seen[id]}")
print("asked for:", *asked)
raise SystemExit(seen != {"some": [("a", None)], "none": []} or "/v1/files/errors/content" in asked)
PYTHON
