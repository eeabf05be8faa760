#!/usr/bin/env bash
# One call of `batches.create` makes two batches if the answer to the first attempt is lost, with the openai clients of Python and JavaScript.
#
# One would guess: a request that costs money is not repeated when its outcome is unknown, or all attempts have one idempotency key, so
#   that the service can tell. The clients have an option with that name.
# What happens: after a 502, as a gateway gives when it loses the answer, both clients send the request again by themselves (up to 2
#   times), without any key. The service has two batches of one file. The call returns the second, and nothing names the first.
# Version: openai 3.57.0 with Python 3.11, openai 7.59.0 (npm) with Node.js 20.20, 2026-11-28.
# Why it matters for batch files: both batches run and are paid for, and the results of one are never looked at. `max_retries=0` for
#   this call, and a look into the list of batches after an error, avoid it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'openai==3.57.0'
npm install --silent --no-fund --no-audit --prefix "$work" openai@7.59.0
cat > "$work/create.mjs" <<'JAVASCRIPT'
import OpenAI from 'openai';

const client = new OpenAI({apiKey: 'none', baseURL: process.argv[2]});
const order = {input_file_id: 'file-1', endpoint: '/v1/chat/completions', completion_window: '24h'};
console.log((await client.batches.create(order)).id);
JAVASCRIPT
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import json
import subprocess
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

from openai import OpenAI

made: list[dict[str, str]] = []


class Service(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...

    def do_POST(self) -> None:
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        made.append({name.lower(): value for name, value in self.headers.items()})
        batch = {"id": f"batch_{len(made)}", "object": "batch", "status": "validating", "created_at": 1, **order}
        content = b"" if len(made) == 1 else json.dumps(batch).encode()  # the batch is made, and the first answer is lost
        self.send_response(502 if len(made) == 1 else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


server = HTTPServer(("127.0.0.1", 0), Service)
Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}/v1"


def with_python() -> str:
    client = OpenAI(api_key="none", base_url=address)
    return client.batches.create(input_file_id="file-1", endpoint="/v1/chat/completions", completion_window="24h").id


def with_node() -> str:
    return subprocess.run(["node", "create.mjs", address], capture_output=True, text=True, check=True).stdout.strip()


seen = []
for create in (with_python, with_node):
    made.clear()
    returned = create()
    keys = sum("idempotency-key" in headers for headers in made)
    print(f"{create.__name__}: {len(made)} batches were made, {keys} with a key; the call returned {returned}")
    seen.append((len(made), keys, returned))
raise SystemExit(seen != [(2, 0, "batch_2")] * 2)
PYTHON
