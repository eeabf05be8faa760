#!/usr/bin/env bash
# The groq client uploads an empty request file, or the end of it, when it repeats the upload of a body from S3.
#
# One would guess: an upload that is repeated after a 503 or a broken connection sends the same bytes again. If the source cannot be read
#   twice, the first error is raised, as the openai client does.
# What happens: botocore's StreamingBody, what get_object returns, has no seek. The client repeats the upload by itself (up to 2 times) and
#   sends what is left in the stream: nothing after a 503, and the end of the file after a broken connection, with half a line at its
#   beginning. The service answers 200 and the call returns. A file from open() is sent again from its first byte.
# Version: groq 1.7.0 with boto3 1.44.8, openai 3.57.0, Python 3.11, 2026-11-28.
# Why it matters for batch files: request files are made in a bucket, and passing the body on to files.create is the shortest way. The
#   batch runs with the last part of its requests, and nothing but a count shows that the others were never sent. Read the body into bytes
#   or a file first, or use `max_retries=0`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'groq==1.7.0' 'boto3==1.44.8' 'openai==3.57.0'
"$work/venv/bin/python" <<'PYTHON'
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.response import StreamingBody
from groq import Groq
from openai import InternalServerError, OpenAI

LINES = b"".join(json.dumps({"custom_id": f"request-{number:04}", "text": "x" * 1000}).encode() + b"\n" for number in range(4000))
UPLOADED = {"id": "file-1", "object": "file", "bytes": 1, "created_at": 1, "filename": "f", "purpose": "batch", "status": "processed"}
attempts: list[bytes] = []


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        attempts.append(b"")
        if self.server.breaks and len(attempts) == 1:
            self.rfile.read(1_000_000)
            self.close_connection = True
            return
        if self.headers["Transfer-Encoding"] == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        attempts[-1] = body.split(b'name="file"')[1].split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
        status, answer = (503, {"error": {"message": "Busy"}}) if len(attempts) == 1 else (200, UPLOADED)
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    breaks = False

    def handle_error(self, request, address):
        pass


def upload(source, breaks, client_type=Groq):
    attempts.clear()
    server = Server(("127.0.0.1", 0), Service)
    server.breaks = breaks
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = client_type(api_key="none", base_url=f"http://127.0.0.1:{server.server_port}/v1")
    try:
        file = client.files.create(file=("requests.jsonl", source), purpose="batch")
    finally:
        server.shutdown()
    return file.status, attempts[-1]


status, empty = upload(StreamingBody(io.BytesIO(LINES), len(LINES)), breaks=False)
print(f"4,000 lines from S3, the first attempt is answered 503: {status}, {empty.count(b'%c' % 10)} lines stored")
status, rest = upload(StreamingBody(io.BytesIO(LINES), len(LINES)), breaks=True)
print(f"the connection breaks in the first attempt: {status}, {rest.count(b'%c' % 10)} lines stored, the first is {rest[:30]!r}...")
_, whole = upload(io.BytesIO(LINES), breaks=True)
print(f"the same with a seekable file: {whole.count(b'%c' % 10)} lines")
try:
    upload(StreamingBody(io.BytesIO(LINES), len(LINES)), breaks=False, client_type=OpenAI)
    refused = False
except InternalServerError as error:
    refused = True
    print("openai, 503:", error)
same = refused and empty == b"" and 0 < len(rest) < len(LINES) and LINES.endswith(rest) and whole == LINES
raise SystemExit(not same)
PYTHON
