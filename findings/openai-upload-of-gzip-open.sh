#!/usr/bin/env bash
# The openai client cannot upload what gzip.open() gives, and blames a length that nobody declared.
#
# One would guess: a compressed request file, opened with gzip.open, uploads like any binary file: the client asks for an object with
#   read(), and a GzipFile is one.
# What happens: the size of the file on the disk (compressed) becomes the Content-Length of the decompressed bytes, and the upload stops
#   with "Too much data for declared Content-Length". Bytes that a writer has not flushed yet fail in the same way. An ordinary file that
#   was read already is no problem: it is sent from its first byte.
# Version: openai 3.54.0 with httpx2 2.16.2, Python 3.11, 2026-11-27.
# Why it matters for batch files: request files are kept compressed, the service takes them plain, so decompression on the way up is the
#   natural thing to write. Decompress into a temporary file, or pass the bytes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'openai==3.54.0' 'httpx2==2.16.2'
cd "$work"
"$work/venv/bin/python" <<'PYTHON'
import gzip
import http.server
import json
import threading
import openai

received = []

class Files(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        received.append(self.rfile.read(int(self.headers["content-length"])))
        answer = {"id": "file-1", "object": "file", "bytes": 1, "created_at": 1, "filename": "requests.jsonl",
                  "purpose": "batch", "status": "processed"}
        try:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())
        except OSError:
            pass  # the client is gone

    def log_message(self, *values):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = openai.OpenAI(api_key="none", base_url=f"http://127.0.0.1:{server.server_port}/v1", max_retries=0)
lines = b"".join(b'{"custom_id": "%d"}\n' % number for number in range(1000))
with open("requests.jsonl", "wb") as file:
    file.write(lines)
with gzip.open("requests.jsonl.gz", "wb") as file:
    file.write(lines)
fresh = open("fresh.jsonl", "w+b")
fresh.write(lines[:200])
peeked = open("requests.jsonl", "rb")
peeked.readline()
seen = {}
for name, file in {"read one line of": peeked, "gzip.open": gzip.open("requests.jsonl.gz", "rb"), "not flushed": fresh}.items():
    try:
        client.files.create(file=("requests.jsonl", file), purpose="batch")
        seen[name] = "all lines sent" if lines in received[-1] else "other bytes sent"
    except Exception as error:
        seen[name] = f"{type(error).__name__}: {error}"
    print(f"{name}: {seen[name]}")
too_much = "LocalProtocolError: Too much data for declared Content-Length"
raise SystemExit(list(seen.values()) != ["all lines sent", too_much, too_much])
PYTHON
