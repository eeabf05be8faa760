"""Which table fits: said by the first request's url, or by the first success where there are no requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from batchfiles.bodies import endpoint_of
from batchfiles.codec import loads
from batchfiles.errors import InvalidLine
from batchfiles.jobs.local_file import LocalFile
from batchfiles.outcome import SUCCEEDED, read
from batchfiles.streams.sources import Source, read_blocks

__all__ = ["table_of_inputs", "table_of_results"]


def table_of_inputs(files: Iterable[LocalFile]) -> str:
    """Choose by the `url` of the first request that has one: `…/embeddings` makes vectors, everything else requests."""
    return _first(files, lambda line: line["url"] if isinstance(line.get("url"), str) else None)


def table_of_results(files: Iterable[LocalFile]) -> str:
    """Choose by the body of the first success."""
    return _first(files, _endpoint_of_success)


def _endpoint_of_success(line: dict[str, Any]) -> str | None:
    result = read(line)
    return endpoint_of(result.body) if result.outcome == SUCCEEDED and result.body else None


def _first(files: Iterable[LocalFile], endpoint: Callable[[dict[str, Any]], str | None]) -> str:
    for line in _objects(files):
        if (found := endpoint(line)) is not None:
            return "embeddings" if found.endswith("/embeddings") else "requests"
    return "requests"


def _objects(files: Iterable[LocalFile]) -> Iterator[dict[str, Any]]:
    for file in files:
        for block in read_blocks(Source(file.name, path=file.path), lambda _: None):
            for line in block.lines:
                try:
                    yield loads(line)
                except InvalidLine:
                    continue
