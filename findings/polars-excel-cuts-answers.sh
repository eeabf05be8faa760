#!/usr/bin/env bash
# polars writes the first 32,767 characters of an answer to Excel and says nothing.
#
# One would guess: an answer that is longer than an Excel cell may be is an error, or at least a warning as pandas gives one.
# What happens: `DataFrame.write_excel` cuts the text at 32,767 characters without an error, a warning or a mark in the cell. A JSON
#   answer in that column no longer parses.
# Version: polars 2.1.0, XlsxWriter 3.3.1, openpyxl 3.1.5 (to read back), Python 3.11, 2026-11-27.
# Why it matters for batch files: answers of reasoning models and whole response bodies pass 32,767 characters easily, and a sheet for
#   reviewers is a usual last step. Nobody sees which answers were cut.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'polars==2.1.0' 'xlsxwriter==3.3.1' 'openpyxl==3.1.5'
cd "$work"
"$work/venv/bin/python" <<'PYTHON'
import json
import warnings
import openpyxl
import polars

answer = json.dumps({"items": list(range(8000))})
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    polars.DataFrame({"custom_id": ["a"], "text": [answer]}).write_excel("answers.xlsx")
cell = openpyxl.load_workbook("answers.xlsx").active["B2"].value
try:
    json.loads(cell)
    parses = True
except ValueError:
    parses = False
print(f"written: {len(answer)} characters; read back: {len(cell)}; warnings: {len(caught)}; still JSON: {parses}")
raise SystemExit((len(answer) > 32767, len(cell), len(caught), parses) != (True, 32767, 0, False))
PYTHON
