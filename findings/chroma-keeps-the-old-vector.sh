#!/usr/bin/env bash
# Chroma keeps the old vector when the same id is added again, and updates of unknown ids are lost: both without an error.
#
# One would guess: add() of an id that exists is an error, as it is for an id twice in one call (DuplicateIDError), or replaces the vector.
#   update() of an id that does not exist is an error, and delete() of one deletes nothing.
# What happens: add() returns None and leaves vector, text and metadata of the id as they were; the other ids of the call are stored.
#   update() of an unknown id returns None and stores nothing, and delete() of one returns {"deleted": 1}. Only upsert() does what a
#   second load needs.
# Version: chromadb 1.5.9, Python 3.11, 2026-11-28.
# Why it matters for batch files: a campaign of embeddings is loaded again after a retry, or with another model of the same size. The count
#   of rows is right and the search still runs on the vectors of the first load, some of them of texts that have changed since.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'uv==0.13.9'
"$work/venv/bin/uv" pip install -q --python "$work/venv/bin/python" 'chromadb==1.5.9'
HOME="$work" "$work/venv/bin/python" -W ignore <<'PYTHON'
import chromadb
from chromadb.config import Settings
from chromadb.errors import DuplicateIDError

vectors = chromadb.EphemeralClient(Settings(anonymized_telemetry=False)).create_collection("vectors")


def vector(id):
    found = vectors.get(ids=[id], include=["embeddings"])["embeddings"]
    return [float(number) for number in found[0]] if len(found) else None


vectors.add(ids=["a"], embeddings=[[1.0, 0.0]])
vectors.add(ids=["a", "b"], embeddings=[[0.0, 1.0], [0.5, 0.5]])
added = vector("a")
print("a after a second add():", added, "rows:", vectors.count())
vectors.update(ids=["c"], embeddings=[[1.0, 0.0]])
updated = vector("c")
print("c after update():", updated)
deleted = vectors.delete(ids=["c"])
print("delete() of c:", deleted)
try:
    vectors.add(ids=["d", "d"], embeddings=[[1.0, 0.0], [0.0, 1.0]])
    twice = "no error"
except DuplicateIDError:
    twice = "DuplicateIDError"
print("an id twice in one add():", twice)
vectors.upsert(ids=["a"], embeddings=[[0.0, 1.0]])
print("a after upsert():", vector("a"))
raise SystemExit((added, updated, deleted, twice, vector("a")) != ([1.0, 0.0], None, {"deleted": 1}, "DuplicateIDError", [0.0, 1.0]))
PYTHON
