#!/usr/bin/env bash
# One failed request makes anymodel and Inspect lose the results of the whole OpenAI batch.
#
# One would guess: a batch with 2 answers and 1 failure gives 2 results and 1 error; both read the error file on purpose.
# What happens: anymodel raises AttributeError. It asks item.get("error", {}) for a message, but a line of an HTTP error has the key with the
#   value null, and a line of an expired request has `"response": null`. Inspect (inspect-ai, with a batch configuration) checks the body
#   of an HTTP error as a chat completion, and takes the code "batch_expired" for an HTTP status. Its generate() then raises the same
#   ValidationError or TypeError for all 3 requests. So each kind of line in an error file stops both, after the files were downloaded.
# Version: anymodel-py 0.7.0; inspect-ai 0.3.285 with openai 3.57.0; Python 3.11, 2026-11-28.
# Why it matters for batch files: both keys are always present in this format, one of them null, and a code is a word or a number. The
#   answers that are paid for cannot be fetched at all, and the error does not name the request that failed.
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
    print(f"anymodel, {name}: {seen[-1]}")
raise SystemExit(seen != ["2 results"] + ["AttributeError: 'NoneType' object has no attribute 'get'"] * 2)
PYTHON
python3 -m venv "$work/inspect"
"$work/inspect/bin/pip" install -q 'uv==0.13.9'
"$work/inspect/bin/uv" pip install -q --python "$work/inspect/bin/python" 'inspect-ai==0.3.285' 'openai==3.57.0'
HOME="$work" "$work/inspect/bin/python" -W ignore - 2> log <<'PYTHON' || { cat log; exit 1; }
import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from inspect_ai.model import BatchConfig, GenerateConfig, get_model

LIMITED = {"status_code": 429, "request_id": "r", "body": {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}}
FAILURES = {
    "no failure": None,
    "429": {"response": LIMITED, "error": None},
    "expired": {"response": None, "error": {"code": "batch_expired", "message": "Not executed in time"}},
}
files = {}


def results(requests, failure):
    """Put the results into two files; the second request fails."""
    files.update(out="", err="")
    for number, request in enumerate(requests):
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Rome"}}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        body = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini", "usage": usage, "choices": [choice]}
        good = {"response": {"status_code": 200, "request_id": "r", "body": body}, "error": None}
        bad = FAILURES[failure] if number == 1 else None
        files["err" if bad else "out"] += json.dumps({"id": "l", "custom_id": request["custom_id"], **(bad or good)}) + "\n"


class Service(BaseHTTPRequestHandler):
    failure = "no failure"

    def reply(self, text):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def batch(self):
        counts = {"total": 3, "completed": 2, "failed": 1}
        return {"id": "batch_1", "object": "batch", "endpoint": "/v1/chat/completions", "input_file_id": "in", "created_at": 1,
                "completion_window": "24h", "status": "completed", "request_counts": counts, "output_file_id": "out",
                "error_file_id": "err" if files["err"] else None}

    def do_GET(self):
        self.reply(files[self.path.split("/")[3]] if "/files/" in self.path else json.dumps(self.batch()))

    def do_POST(self):
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.path.endswith("/files"):
            return self.reply(json.dumps(self.batch()))
        results([json.loads(line) for line in sent.split(b"\n") if line.startswith(b"{")], Service.failure)
        uploaded = {"id": "in", "object": "file", "bytes": 1, "created_at": 1, "filename": "f", "purpose": "batch", "status": "processed"}
        self.reply(json.dumps(uploaded))

    def log_message(self, *arguments):
        pass


async def outcomes(address):
    options = GenerateConfig(batch=BatchConfig(size=3, tick=0.2, send_delay=1), max_retries=0)
    model = get_model("openai/gpt-4o-mini", base_url=address, api_key="none", responses_api=False, config=options, memoize=False)

    async def outcome(question):
        try:
            return (await model.generate(question)).completion
        except Exception as error:
            return type(error).__name__

    return await asyncio.gather(*map(outcome, "abc"))


server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
seen = []
for Service.failure in FAILURES:
    seen.append(asyncio.run(outcomes(f"http://127.0.0.1:{server.server_port}/v1")))
    print(f"Inspect, {Service.failure}:", *seen[-1])
raise SystemExit(seen != [["Rome"] * 3, ["ValidationError"] * 3, ["TypeError"] * 3])
PYTHON
