#!/usr/bin/env bash
# moto stores an upload whose checksum is wrong, and copies an object that is not the expected one.
#
# One would guess: an upload whose bytes do not match its Content-MD5 or x-amz-checksum-sha256 is refused with BadDigest, as at S3, since
#   moto does check the conditions of writes (If-None-Match, If-Match).
# What happens: both uploads are answered 200 and replace the object; the ETag is that of the damaged bytes. A copy with a wrong
#   CopySourceIfMatch is made, too. The same If-Match on the write itself is a 412.
# Version: moto 5.2.5, boto3 1.44.8, Python 3.11, 2026-11-28.
# Why it matters for batch files: checksums are what notices request files that were cut or changed on their way to a bucket. A test of
#   that with moto passes whether or not the program sends one, and a test that damages an upload on purpose finds it stored.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'moto[s3,server]==5.2.5' 'boto3==1.44.8'
"$work/venv/bin/python" - 2>/dev/null <<'PYTHON'
import boto3
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
account = {"region_name": "us-east-1", "aws_access_key_id": "none", "aws_secret_access_key": "none"}
client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", **account)
client.create_bucket(Bucket="bucket")


def code_of(call, **options: object) -> str:
    client.put_object(Bucket="bucket", Key="key", Body=b"old")
    try:
        call(Bucket="bucket", Key="key", **options)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "stored"


seen = {
    "wrong If-Match": code_of(client.put_object, Body=b"new", IfMatch='"0"'),
    "wrong Content-MD5": code_of(client.put_object, Body=b"new", ContentMD5="A" * 22 + "=="),
    "wrong SHA-256": code_of(client.put_object, Body=b"new", ChecksumSHA256="A" * 43 + "="),
    "copy with a wrong If-Match": code_of(client.copy_object, CopySource="bucket/key", CopySourceIfMatch='"0"', MetadataDirective="REPLACE"),
}
server.stop()
for case, code in seen.items():
    print(f"{case}: {code}")
raise SystemExit(list(seen.values()) != ["PreconditionFailed", "stored", "stored", "stored"])
PYTHON
