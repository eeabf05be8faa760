"""What first lines say: which table fits, and what the first request asks for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from batchfiles.bodies import EMBEDDINGS, embeddings, endpoint_of
from batchfiles.codec import loads
from batchfiles.errors import InvalidLine
from batchfiles.jobs.local_file import LocalFile
from batchfiles.outcome import SUCCEEDED, read
from batchfiles.streams.sources import Source, read_blocks

__all__ = ["first_request", "table_of_inputs", "table_of_results", "text_sizes_of"]

SAMPLE = 100
"""Lines of a result file that show the size of its vectors if they are texts."""


def table_of_inputs(files: Iterable[LocalFile], *, cap: int) -> str:
    """Choose by the `url` of the first request, and, where that makes vectors, by all: files that mix endpoints make requests."""
    found = "requests"
    for line in _lines(files, cap):
        if EMBEDDINGS_URL.search(line):
            found = "embeddings"
        elif (value := _object(line)) is not None:
            url = value.get("url")
            if not isinstance(url, str) or not url.endswith("/embeddings"):
                return "requests"
            found = "embeddings"
    return found


EMBEDDINGS_URL = re.compile(rb'^{ ?"custom_id": ?"[^"\\]*", ?"method": ?"POST", ?"url": ?"[^"\\]*/embeddings", ?"body"')
"""The beginning of an ordinary request for vectors; other lines are decoded."""


def table_of_results(files: Iterable[LocalFile], *, cap: int) -> str:
    """Choose by the body of each file's first success: all must be vectors."""
    found = set()
    for file in files:
        for line in _lines([file], cap):
            if (value := _object(line)) is not None and (endpoint := _endpoint_of_success(value)) is not None:
                found.add(endpoint)
                break
    return "embeddings" if found == {EMBEDDINGS} else "requests"


def first_request(
    files: Iterable[LocalFile], is_wanted: Callable[[bytes, dict[str, Any] | None], bool], *, cap: int
) -> tuple[str, int, dict[str, Any]] | None:
    """Return the first wanted request that can be read, with its file's name and its line number; None if there is none.

    Args:
        files: The request files.
        is_wanted: Gets a line and None and returns whether to decode it; then gets the line and the request.
        cap: The longest line that the job reads, in bytes.
    """
    for file in files:
        for block in read_blocks(Source(file.name, path=file.path), lambda _: None, cap=cap):
            for number, line in enumerate(block.lines, block.line_number):
                value = _object(line) if is_wanted(line, None) else None
                if value is not None and isinstance(value.get("custom_id"), str) and is_wanted(line, value):
                    return file.name, number, value
    return None


def text_sizes_of(file: LocalFile, *, cap: int) -> dict[str, int]:
    """Return, by model, the most common size in bytes of the first text vectors of a file; without a model under ""."""
    found: dict[str, Counter[int]] = {}
    for line in islice(_lines([file], cap), SAMPLE):
        value = _object(line)
        if value is None or _endpoint_of_success(value) != EMBEDDINGS:
            continue
        body = read(value).body or {}
        model = body.get("model")
        sizes = found.setdefault(model if isinstance(model, str) else "", Counter())
        sizes.update(embeddings.text_sizes(body))
    return {model: sizes.most_common(1)[0][0] for model, sizes in found.items() if sizes}


def _endpoint_of_success(line: dict[str, Any]) -> str | None:
    result = read(line)
    return endpoint_of(result.body) if result.outcome == SUCCEEDED and result.body else None


def _lines(files: Iterable[LocalFile], cap: int) -> Iterator[bytes]:
    for file in files:
        for block in read_blocks(Source(file.name, path=file.path), lambda _: None, cap=cap):
            yield from block.lines


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        return loads(line)
    except InvalidLine:
        return None
