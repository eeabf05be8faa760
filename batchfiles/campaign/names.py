"""How the files of a batch are called: a request file, and beside it what came back."""

from __future__ import annotations

import re

from batchfiles.streams.sources import COMPRESSED, SUFFIXES

__all__ = ["BATCH_ID", "RESULT_NAME", "stem_of"]

RESULT_NAME = re.compile(
    r"(?P<stem>.+)_(?:output|error)(?:" + "|".join(map(re.escape, SUFFIXES)) + ")(?:" + "|".join(map(re.escape, COMPRESSED)) + ")"
)
"""Downloads are named `<batch_id>_output.jsonl` and `<batch_id>_error.jsonl`, or with the stem of their request file."""

BATCH_ID = re.compile(r"batch[_-][A-Za-z0-9_-]+")
"""OpenAI's `batch_…`; Azure's and Groq's have the same beginning."""


def stem_of(name: str) -> str:
    """Return a file's name without the suffixes of a batch file: `part-1` of `part-1.jsonl.gz`."""
    for end in (suffix + compression for suffix in SUFFIXES for compression in COMPRESSED):
        if name.endswith(end):
            return name.removesuffix(end) or name
    return name
