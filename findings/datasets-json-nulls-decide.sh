#!/usr/bin/env bash
# Hugging Face datasets refuses a JSONL file in which the first value of a column comes after 10 MB.
#
# One would guess: a column that is null in the first rows and a string later is a column of strings, as it is in a small file.
# What happens: each block of 10 MB gets its own types, and those of the first block are the types of the data set. A column that has only
#   nulls there is of the type "null", and the first string after that ends the load: "Couldn't cast array of type string to null". With
#   features= it loads.
# Version: datasets 5.2.0 with pyarrow 26.0.1, Python 3.11, 2026-11-27.
# Why it matters for batch files: error codes, tool calls and refusals are null in most rows of a joined table. A small sample loads, the
#   whole campaign does not, and only after the time of reading up to that row. Parquet has the types in the file.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'datasets==5.2.0' 'pyarrow==26.0.1'
cd "$work"
export HF_HOME="$work/home" HF_HUB_OFFLINE=1
"$work/venv/bin/python" 2>/dev/null <<'PYTHON'
import json

import datasets

TYPES = datasets.Features({name: datasets.Value("string") for name in ("custom_id", "text", "error_code")})


def load(name, rows, first, features=None):
    with open(f"{name}.jsonl", "w") as file:
        for number in range(rows):
            code = "rate_limit" if number >= first else None
            print(json.dumps({"custom_id": str(number), "text": "x" * 1000, "error_code": code}), file=file)
    try:
        found = datasets.load_dataset("json", data_files=f"{name}.jsonl", split="train", features=features)
    except datasets.exceptions.DatasetGenerationError as error:
        return str(error.__cause__)
    return f"{len(found)} rows"


seen = [load("sample", 1_000, 500), load("whole", 20_000, 19_000), load("typed", 20_000, 19_000, TYPES)]
for name, result in zip(("1 MB, an error after half of it", "20 MB, an error after 19 MB", "the same with features="), seen):
    print(f"{name}: {result}")
raise SystemExit(seen != ["1000 rows", "Couldn't cast array of type string to null", "20000 rows"])
PYTHON
