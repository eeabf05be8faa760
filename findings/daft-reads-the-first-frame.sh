#!/usr/bin/env bash
# daft reads only the first part of a .zst, .bz2 or .xz file that was put together from several.
#
# One would guess: `cat a.jsonl.zst b.jsonl.zst` is a valid file with the lines of both: the formats say so, and zstd, bzip2 and xz,
#   pyarrow, polars, DuckDB, pandas and DataFusion read it so.
# What happens: read_json and read_csv stop after the first frame or stream, without an error: 10 of 30 lines. Two members of a .gz file
#   are both read, so a test with gzip shows nothing.
# Version: daft 0.7.26, Python 3.11, 2026-11-28.
# Why it matters for batch files: parts are merged with `cat`, log shippers append frames, and pzstd and pbzip2 write many for one file.
#   The lines of all later parts look like requests that were never answered.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'daft==0.7.26' 'zstandard==0.25.0'
cd "$work"
export DO_NOT_TRACK=true DAFT_ANALYTICS_ENABLED=0
"$work/venv/bin/python" 2>/dev/null <<'PYTHON'
import bz2
import gzip
import json
import lzma
import os
import sys

import daft
import zstandard


def lines(first, last):
    return "".join(json.dumps({"custom_id": f"request-{number}"}) + "\n" for number in range(first, last)).encode()


seen = {}
for suffix, compress in {"gz": gzip.compress, "zst": zstandard.compress, "bz2": bz2.compress, "xz": lzma.compress}.items():
    with open(f"parts.jsonl.{suffix}", "wb") as file:
        file.write(compress(lines(0, 10)) + compress(lines(10, 30)))
    seen[suffix] = daft.read_json(f"parts.jsonl.{suffix}").count_rows()
    print(f"parts.jsonl.{suffix}: {seen[suffix]} of 30 lines")
with open("parts.jsonl.zst", "rb") as file:
    whole = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read() == lines(0, 30)
whole = whole and bz2.open("parts.jsonl.bz2").read() == lzma.open("parts.jsonl.xz").read() == lines(0, 30)
print("zstandard, bz2 and lzma read all of their files:", whole)
sys.stdout.flush()
os._exit(int(seen != {"gz": 30, "zst": 10, "bz2": 10, "xz": 10} or not whole))  # the engine's threads are not waited for
PYTHON
