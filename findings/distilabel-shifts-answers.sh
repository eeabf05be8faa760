#!/usr/bin/env bash
# One failed request makes distilabel give the answers of an OpenAI batch to other rows, and leaves out the last row.
#
# One would guess: a request that failed gives its row no generation, and each other row keeps its own: the custom_id of a request is the
#   number of its row.
# What happens: only the output file is read, and the service writes failed requests to the error file. The answers are sorted by custom_id
#   and put next to the rows by position, so from the failed request on, each row gets the answer of the row after it. The last row is
#   missing. There is no error and no warning.
# Version: distilabel 1.5.3 with openai 3.57.0, Python 3.11, 2026-11-28.
# Why it matters for batch files: a few failures are normal in a batch of 50,000. The data set that is made of it has wrong pairs of
#   questions and answers, all plausible. The custom_id decides which request an answer belongs to, never its position.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'uv==0.13.9'
"$work/venv/bin/uv" pip install -q --python "$work/venv/bin/python" 'distilabel==1.5.3' 'openai==3.57.0' 'requests==2.34.2' 'datasets==5.2.0'
HF_HOME="$work" "$work/venv/bin/python" -W ignore - 2> log <<'PYTHON' || { cat log; exit 1; }
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from distilabel.exceptions import DistilabelOfflineBatchGenerationNotFinishedException
from distilabel.models.llms.openai import OpenAILLM
from distilabel.steps.tasks import TextGeneration


def result(number, status, body):
    response = {"status_code": status, "request_id": "r", "body": body}
    return json.dumps({"id": f"l{number}", "custom_id": str(number), "response": response, "error": None}) + "\n"


def answer(number):
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": f"answer {number}"}}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    return result(number, 200, body)


FILES = {
    "file-out": "".join(answer(number) for number in (3, 0, 2)),
    "file-err": result(1, 400, {"error": {"message": "This request is too long.", "type": "invalid_request_error"}}),
}
BATCH = {"id": "batch_1", "object": "batch", "endpoint": "/v1/chat/completions", "input_file_id": "file-in", "created_at": 1,
         "completion_window": "24h", "status": "completed", "output_file_id": "file-out", "error_file_id": "file-err",
         "request_counts": {"total": 4, "completed": 3, "failed": 1}}
UPLOADED = {"id": "file-in", "object": "file", "bytes": 1, "created_at": 1, "filename": "f", "purpose": "batch", "status": "processed"}


class Service(BaseHTTPRequestHandler):
    def reply(self, text):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self):
        self.reply(FILES[self.path.split("/")[3]] if "/files/" in self.path else json.dumps(BATCH))

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.reply(json.dumps(UPLOADED if self.path.endswith("/files") else BATCH))

    def log_message(self, *arguments):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
llm = OpenAILLM(model="m", api_key="none", base_url=f"http://127.0.0.1:{server.server_port}/v1", use_offline_batch_generation=True)
task = TextGeneration(llm=llm)
task.load()
rows = [{"instruction": f"question {number}"} for number in range(4)]
try:
    list(task.process(rows))
except DistilabelOfflineBatchGenerationNotFinishedException:
    pass  # the batch was created; the next call fetches its results
seen = [(row["instruction"], row["generation"]) for row in next(task.process(rows))]
print("4 requests; number 1 failed:", *(f"{question!r} has {text!r}" for question, text in seen), sep="\n  ")
raise SystemExit(seen != [("question 0", "answer 0"), ("question 1", "answer 2"), ("question 2", "answer 3")])
PYTHON
