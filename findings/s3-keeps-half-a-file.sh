#!/usr/bin/env bash
# A with block that fails still publishes its half of a file on S3, with pyarrow and with s3fs.
#
# One would guess: an object store has no half-written objects. An upload becomes visible when it is completed, so an error in the middle
#   of the with block leaves nothing, or leaves the object of yesterday.
# What happens: the end of the block closes the stream, and closing completes the upload: the object now holds the lines before the error
#   and replaces the older, whole one. With s3fs a `transaction` around it leaves the old object; pyarrow has no such thing.
# Version: pyarrow 26.0.1, s3fs 2026.9.0, moto 5.2.5 as the store, Python 3.11, 2026-11-27.
# Why it matters for batch files: a conversion that meets a bad line on the way leaves a valid, shorter JSONL file under its final name.
#   Every line of it parses, so only a count against the requests can tell.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'moto[s3,server]==5.2.5' 's3fs==2026.9.0' 'pyarrow==26.0.1'
cd "$work"
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
"$work/venv/bin/python" 2>/dev/null <<'PYTHON'
import contextlib
import boto3
import pyarrow.fs
import s3fs
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
store = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
store.create_bucket(Bucket="batches")
arrow = pyarrow.fs.S3FileSystem(endpoint_override=f"{host}:{port}", scheme="http", region="us-east-1")
fsspec = s3fs.S3FileSystem(endpoint_url=f"http://{host}:{port}")

def broken_write(key, opened, around=contextlib.nullcontext()):
    store.put_object(Bucket="batches", Key=key, Body=b"1\n2\n3\n")
    with contextlib.suppress(ValueError), around, opened(f"batches/{key}") as file:
        file.write(b"1\n")
        raise ValueError("line 2 is bad")
    return store.get_object(Bucket="batches", Key=key)["Body"].read().decode().split()

seen = [broken_write("arrow", arrow.open_output_stream), broken_write("s3fs", lambda path: fsspec.open(path, "wb")),
        broken_write("transaction", lambda path: fsspec.open(path, "wb"), fsspec.transaction)]
server.stop()
print("lines of the object, 3 before: pyarrow {}, s3fs {}, s3fs in a transaction {}".format(*map(len, seen)))
raise SystemExit(seen != [["1"], ["1"], ["1", "2", "3"]])
PYTHON
