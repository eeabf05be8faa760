#!/usr/bin/env bash
# Dataset.to_json of Hugging Face datasets rounds every float to ten decimal places.
#
# One would guess: floats are written with the digits that give the same float again, as json, orjson and polars write them.
# What happens: pandas' to_json does the writing, with its default precision. -1.2345678e-07 becomes -0.0000001235, 4.2e-11 becomes 0.0,
#   and a double such as 0.1234567890123 loses its last digits. Dataset.from_json of the file gives other numbers, without a warning.
# Version: datasets 5.2.0 with pandas 3.1.1 and pyarrow 26.0.1, Python 3.11, 2026-11-28.
# Why it matters for batch files: embeddings and log probabilities are small numbers. A file that was exported and read again has other
#   vectors than the table it came from; to_parquet keeps them.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'datasets==5.2.0' 'pandas==3.1.1' 'pyarrow==26.0.1'
cd "$work"
export HF_HOME="$work/home" HF_HUB_OFFLINE=1
"$work/venv/bin/python" 2>/dev/null <<'PYTHON'
from datasets import Dataset

vector = [-1.2345678e-07, 4.2e-11, 0.1234567890123, 0.5]
table = Dataset.from_dict({"custom_id": ["a"], "embedding": [vector]})
table.to_json("table.jsonl")
table.to_parquet("table.parquet")
from_json = Dataset.from_json("table.jsonl")[0]["embedding"]
from_parquet = Dataset.from_parquet("table.parquet")[0]["embedding"]
print("table:  ", vector)
print("JSONL:  ", from_json)
print("Parquet:", from_parquet)
raise SystemExit(from_json != [-1.235e-07, 0.0, 0.123456789, 0.5] or from_parquet != vector)
PYTHON
