#!/usr/bin/env bash
# daft's read_json replaces values that differ from the type of the column with null, and cuts fractions off.
#
# One would guess: a value of another type is an error, or its JSON text, as a value of mixed type is text in polars and DuckDB.
# What happens: with a text and an object in one column, the object is null, in a file of two lines. After the lines from which the types
#   are inferred, a sentence in a column of dates and a text in a column of integers are null, 4.9 is 4, and true is 1. No error, no
#   warning.
# Version: daft 0.7.26, Python 3.11, 2026-11-28.
# Why it matters for batch files: `error` is an object in most services and a text in vLLM's files, content is a text or a list, and an
#   answer of free text follows hundreds of dates. A failed request has no error in the frame, and an answer looks as if it never came.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'daft==0.7.26'
cd "$work"
export DO_NOT_TRACK=true DAFT_ANALYTICS_ENABLED=0
"$work/venv/bin/python" 2>/dev/null <<'PYTHON'
import json
import os
import sys

import daft


def read(values):
    with open("lines.jsonl", "w") as file:
        file.writelines(json.dumps({"custom_id": str(n), "value": value, "rest": "x" * 100}) + "\n" for n, value in enumerate(values))
    return daft.read_json("lines.jsonl").to_pydict()["value"]


errors = read([{"code": "rate_limit", "message": "slow down"}, "out of memory"])
print("two errors, an object and a text:", errors)
answers = read(["2026-11-27"] * 20_000 + ["It ends in May."])[-1]
print("an answer after 20,000 dates:", answers)
scores = read([5] * 20_000 + [4.9, "none", True])[-3:]
print("4.9, 'none' and true after 20,000 integers:", scores)
sys.stdout.flush()
os._exit(int((errors, answers, scores) != ([None, "out of memory"], None, [4, None, 1])))  # the engine's threads are not waited for
PYTHON
