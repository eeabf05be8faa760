#!/usr/bin/env bash
# fastparquet reads a list of strings as None when its pages have no dictionary.
#
# One would guess: the encoding of a column changes its size and nothing else. pyarrow, which wrote the file, reads both forms alike.
# What happens: with a dictionary the lists are right. Without one each list of strings is None, a map {"hate": 0.5} is the text "hate";
#   lists of numbers stay right. With data pages of version 2 the same file is an error (IndexError or ValueError). A list of structs is
#   None in every form.
# Version: fastparquet 2026.9.0, pyarrow 26.0.1, Python 3.11, 2026-11-27.
# Why it matters for batch files: a writer drops the dictionary by itself when the texts differ too much, as texts of a model do. The
#   table then shows requests without an answer, with the right number of rows.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'fastparquet==2026.9.0' 'pyarrow==26.0.1'
cd "$work"
"$work/venv/bin/python" <<'PYTHON'
import fastparquet
import pyarrow
import pyarrow.parquet

calls = pyarrow.list_(pyarrow.struct({"name": pyarrow.string()}))
table = pyarrow.table({
    "texts": pyarrow.array([["one", "two"], ["three"]], pyarrow.list_(pyarrow.string())),
    "numbers": pyarrow.array([[1, 2], [3]], pyarrow.list_(pyarrow.int64())),
    "scores": pyarrow.array([{"hate": 0.5}, {"hate": 0.25}], pyarrow.map_(pyarrow.string(), pyarrow.float64())),
    "calls": pyarrow.array([[{"name": "f"}], [{"name": "g"}]], calls),
})

def plain_value(value):
    return {key: float(score) for key, score in value.items()} if isinstance(value, dict) else value

seen = []
for dictionary, pages in ((True, "1.0"), (False, "1.0"), (False, "2.0")):
    pyarrow.parquet.write_table(table, "t.parquet", use_dictionary=dictionary, data_page_version=pages)
    try:
        frame = fastparquet.ParquetFile("t.parquet").to_pandas()
        plain = {name: [plain_value(value) for value in frame[name]] for name in ("texts", "scores", "calls")}
        seen.append(f"{plain} {[[int(number) for number in row] for row in frame['numbers']]}")
    except (IndexError, ValueError):
        seen.append("error")
    print(f"dictionary {dictionary}, data pages {pages}: {seen[-1]}")
    assert pyarrow.parquet.read_table("t.parquet").equals(table)
right = "[[1, 2], [3]]"
raise SystemExit(seen != [
    "{'texts': [['one', 'two'], ['three']], 'scores': [{'hate': 0.5}, {'hate': 0.25}], 'calls': [None, None]} " + right,
    "{'texts': [None, None], 'scores': ['hate', 'hate'], 'calls': [None, None]} " + right,
    "error"])
PYTHON
