#!/usr/bin/env bash
# gcp-storage-emulator accepts every precondition: "only if the object is new" overwrites the object.
#
# One would guess: an upload with if_generation_match=0 on an existing object is refused (status 412) as at Google, whose client sends the
#   condition and has an exception for it.
# What happens: the emulator reads neither ifGenerationMatch=0 nor a generation that never was; both uploads are answered 200 and replace
#   the object. The generation it reports does change with every write, so everything looks like the real thing.
# Version: gcp-storage-emulator 2026.7.19, google-cloud-storage 3.17.1, Python 3.11, 2026-11-27.
# Why it matters for batch files: "never replace results that are there" rests on this condition. Against this emulator a test that two
#   workers cannot both win fails with right code, and a test that expects no error passes with wrong code.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'gcp-storage-emulator==2026.7.19' 'google-cloud-storage==3.17.1'
cd "$work"
"$work/venv/bin/python" 2>/dev/null <<'PYTHON'
import os
import socket
from gcp_storage_emulator.server import create_server
from google.api_core.exceptions import PreconditionFailed
from google.auth.credentials import AnonymousCredentials

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
server = create_server("127.0.0.1", port, in_memory=True, default_bucket="batches")
server.start()
os.environ["STORAGE_EMULATOR_HOST"] = f"http://127.0.0.1:{port}"
from google.cloud import storage

bucket = storage.Client(project="test", credentials=AnonymousCredentials()).bucket("batches")
seen = []
for condition in (None, 0, 12345):
    try:
        bucket.blob("output.jsonl").upload_from_string(f"written with {condition}", if_generation_match=condition)
    except PreconditionFailed:
        pass
    blob = bucket.get_blob("output.jsonl")
    generation = blob.generation
    seen.append((blob.download_as_bytes().decode(), generation))
    print(f"if_generation_match={condition}: the object holds {seen[-1][0]!r}")
server.stop()
texts, generations = zip(*seen)
raise SystemExit(texts != ("written with None", "written with 0", "written with 12345") or len(set(generations)) != 3)
PYTHON
