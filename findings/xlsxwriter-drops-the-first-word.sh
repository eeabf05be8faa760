#!/usr/bin/env bash
# pandas and polars write the answer "internal: yes" to Excel as " yes", and "mailto:anna@example.com" without its first word.
#
# One would guess: a text is written as it is. What Excel itself would take for a formula or a link may be escaped, or become a link that
#   still shows the text.
# What happens: XlsxWriter makes links of texts that begin with "internal:", "external:" and "mailto:", and what the cell holds is the
#   rest. There is no error and no warning. A text that begins with "https://" and is longer than 2,079 characters is not written at all;
#   for this one there is a warning.
# Version: pandas 3.1.1, polars 2.1.0, XlsxWriter 3.3.1, python-calamine 0.9.1 (to read back), Python 3.11, 2026-11-28.
# Why it matters for batch files: labels such as "internal" and "external" before a colon are usual answers of classifications, and
#   extracted addresses begin with "mailto:". The sheet has other answers than the table, or an empty cell for a long answer.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'pandas==3.1.1' 'polars==2.1.0' 'XlsxWriter==3.3.1' 'python-calamine==0.9.1'
cd "$work"
"$work/venv/bin/python" -W ignore - <<'PYTHON'
import pandas
import polars
from python_calamine import CalamineWorkbook

texts = ["internal: yes", "external: two reviews", "mailto:anna@example.com", "https://a.example/" + "x" * 2100, "plain: yes"]
pandas.DataFrame({"text": texts}).to_excel("pandas.xlsx", index=False, engine="xlsxwriter")
polars.DataFrame({"text": texts}).write_excel("polars.xlsx")
expected = [" yes", " two reviews", "anna@example.com", "", "plain: yes"]
same = True
for name in ("pandas", "polars"):
    rows = CalamineWorkbook.from_path(f"{name}.xlsx").get_sheet_by_index(0).to_python()[1:]
    found = [row[0] if row else "" for row in rows]
    for text, cell in zip(texts, found, strict=True):
        print(f"{name}: {text[:28]!r} is {cell[:28]!r}")
    same = same and found == expected
raise SystemExit(not same)
PYTHON
