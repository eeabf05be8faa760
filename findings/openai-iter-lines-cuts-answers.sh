#!/usr/bin/env bash
# `iter_lines()` of a file's content in the openai client cuts JSON lines in the middle of an answer.
#
# One would guess: the lines of a JSONL file end at "\n". A line separator within a JSON string (U+2028, or U+0085 as in old texts) is
#   an ordinary character there and needs no escape.
# What happens: `client.files.content(id).iter_lines()` also cuts at U+2028, U+2029 and U+0085, as `text.splitlines()` does: 2 results
#   are 6 lines, and none of them is JSON. With `text.split("\n")`, or bytes, there are 2.
# Version: openai 3.57.0, Python 3.11, 2026-11-28.
# Why it matters for batch files: services that write UTF-8 without escapes, such as those on pydantic or Go, leave these characters in
#   answers, which have them from pasted texts and PDF files. A loop that skips lines with errors then loses the whole answer.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'openai==3.57.0'
"$work/venv/bin/python" - <<'PYTHON'
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

from openai import OpenAI

RESULTS = [{"custom_id": id, "response": {"status_code": 200, "body": {"text": "one\u2028two\x85three"}}} for id in ("a", "b")]
CONTENT = "".join(json.dumps(result, ensure_ascii=False) + "\n" for result in RESULTS).encode()


class Service(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)


server = HTTPServer(("127.0.0.1", 0), Service)
Thread(target=server.serve_forever, daemon=True).start()
client = OpenAI(api_key="none", base_url=f"http://127.0.0.1:{server.server_port}/v1")
lines = list(client.files.content("file-1").iter_lines())
right = client.files.content("file-1").text.strip().split("\n")
print(f"{len(RESULTS)} results: {len(right)} lines by newlines, {len(lines)} of iter_lines:")
print(*map(ascii, lines[:3]), sep="\n")
raise SystemExit((len(right), len(lines)) != (2, 6))
PYTHON
