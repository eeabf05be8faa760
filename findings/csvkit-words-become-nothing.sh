#!/usr/bin/env bash
# csvkit empties answers such as "none" and "n/a", also when type inference is switched off.
#
# One would guess: `in2csv --no-inference` writes the strings of a JSONL file as they are; with inference, a column that holds words stays
#   text.
# What happens: with --no-inference the strings "none", "null" and "n/a" still become empty cells; with inference the ids
#   "00123" and "0123" become one and the same 123 as well. Only `--blanks` keeps the words, and it is another option.
# Version: csvkit 2.2.0 (agate 1.14.2), Python 3.11, 2026-11-27.
# Why it matters for batch files: one-word answers are usual in classification batches. "none" is then the same as no answer at all, and
#   two requests share one id, so a table made this way cannot be joined to its requests.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'csvkit==2.2.0' 'agate==1.14.2'
cat > "$work/answers.jsonl" <<'JSONL'
{"custom_id": "00123", "text": "none"}
{"custom_id": "0123", "text": "n/a"}
{"custom_id": "4", "text": "null"}
{"custom_id": "5", "text": "nothing"}
JSONL
guessed=$("$work/venv/bin/in2csv" --format ndjson "$work/answers.jsonl")
verbatim=$("$work/venv/bin/in2csv" --format ndjson --no-inference "$work/answers.jsonl")
blanks=$("$work/venv/bin/in2csv" --format ndjson --no-inference --blanks "$work/answers.jsonl")
printf 'default:\n%s\n\n--no-inference:\n%s\n\n--no-inference --blanks:\n%s\n' "$guessed" "$verbatim" "$blanks"
[ "$guessed" = $'custom_id,text\n123,\n123,\n4,\n5,nothing' ]
[ "$verbatim" = $'custom_id,text\n00123,\n0123,\n4,\n5,nothing' ]
[ "$blanks" = $'custom_id,text\n00123,none\n0123,n/a\n4,null\n5,nothing' ]
