#!/usr/bin/env bash
# csvq joins the answer of request "123" to request "00123" too, and finds no request without an answer.
#
# One would guess: the strings of a JSONL file are text. Two ids are equal if their characters are.
# What happens: the operator "=" compares texts that look like numbers as numbers, and all others without regard to case: "00123" equals
#   "123", "1e2" equals "100", and "Item-1" equals "item-1". JOIN, NOT IN, GROUP BY and DISTINCT do the same. "==" compares the characters.
# Version: csvq 1.18.1, Go 1.26, 2026-11-28.
# Why it matters for batch files: a join of requests and results on custom_id gives an id the answer of another, has more rows than there
#   are results, and a search for requests without a result finds none. USING has no other operator.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
GOBIN="$work" go install github.com/mithrandie/csvq@v1.18.1 2>/dev/null
cat > requests.jsonl <<'LINES'
{"custom_id":"00123","question":"a"}
{"custom_id":"123","question":"b"}
{"custom_id":"1e2","question":"c"}
{"custom_id":"Item-1","question":"d"}
LINES
cat > results.jsonl <<'LINES'
{"custom_id":"123","answer":"to b"}
{"custom_id":"100","answer":"to another"}
{"custom_id":"item-1","answer":"to another"}
LINES
ask() { ./csvq --format CSV --without-header "$1" | tr '\n' ';'; }
joined=$(ask 'SELECT q.custom_id, r.answer FROM `requests.jsonl` q JOIN `results.jsonl` r ON q.custom_id = r.custom_id')
exact=$(ask 'SELECT q.custom_id, r.answer FROM `requests.jsonl` q JOIN `results.jsonl` r ON q.custom_id == r.custom_id')
missing=$(ask 'SELECT COUNT(*) FROM `requests.jsonl` WHERE custom_id NOT IN (SELECT custom_id FROM `results.jsonl`)')
different=$(ask 'SELECT COUNT(*) FROM (SELECT DISTINCT custom_id FROM `requests.jsonl`) d')
echo "joined with =:  $joined"
echo "joined with ==: $exact"
echo "requests without a result: $missing different ids of 4: $different"
[ "$joined" = '00123,to b;123,to b;1e2,to another;Item-1,to another;' ]
[ "$exact" = '123,to b;' ] && [ "$missing" = '0;' ] && [ "$different" = '3;' ]
