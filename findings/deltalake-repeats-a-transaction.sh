#!/usr/bin/env bash
# deltalake (Python) appends the same application transaction as often as it is given.
#
# One would guess: an append with Transaction(app_id, version) is made once: the Delta protocol has these versions so that a writer can
#   repeat a commit after a lost answer, and Spark's txnAppId and txnVersion skip an append that was made before.
# What happens: the version is stored and nothing compares it: the second append adds its rows again, also with a lower version. No error,
#   no warning. A writer must read transaction_version(app_id) first, and two writers can do so at the same time.
# Version: deltalake 1.6.6 with pyarrow 26.0.1, Python 3.11, 2026-11-27.
# Why it matters for batch files: the tasks of a campaign append their parts, and schedulers repeat tasks. Rows are doubled; overwriting
#   with the predicate `input_source = '…'` writes a part once.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'deltalake==1.6.6' 'pyarrow==26.0.1'
cd "$work"
"$work/venv/bin/python" <<'PYTHON'
import pyarrow
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

part = pyarrow.table({"custom_id": ["request-1", "request-2"]})
seen = []
for version in (2, 2, 1):
    properties = CommitProperties(app_transactions=[Transaction("requests-001", version)])
    write_deltalake("table", part, mode="append", commit_properties=properties)
    table = DeltaTable("table")
    seen.append((table.to_pyarrow_table().num_rows, table.transaction_version("requests-001")))
    print(f"version {version} given: {seen[-1][0]} rows, version {seen[-1][1]} stored")
raise SystemExit([rows for rows, _ in seen] != [2, 4, 6])
PYTHON
