"""Formats batches: as a table, a record or a JSON object a line, with the errors of failed batches."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from batchfiles.cli.named_batches import ids_of_lines
from batchfiles.errors import DataError, FileError
from batchfiles.layout import PLAIN, Screen, age, cut, cut_in_middle, folded, local_time, text_table, visible

if TYPE_CHECKING:
    from batchfiles.api.batch import Batch
    from batchfiles.io.sources import Source

__all__ = ["batch_json", "batch_record", "batch_table", "failure_words", "finished_at"]

CELL = 40
HEADINGS = ("batch", "status", "age", "for", "requests", "completed", "failed")
TEXTS = ("batch", "status", "age", "for")
OF_ENDPOINTS = ("for", "completed", "requests", "age", "failed")
OF_FILES = ("completed", "age", "requests", "for", "failed")
"""The columns that narrow terminals leave out, in this order, if batches are known by their endpoints or by their files."""
LISTED = 20
"""How many errors of a failed batch are listed; `--json` lists all."""

FAILURE_WORDS = 300
"""The maximum width of a message of the service."""


def finished_at(batch: Batch) -> int | None:
    """Return when a batch ended; None if it is not finished or the service doesn't report it."""
    moments = {
        "completed": batch.completed_at,
        "failed": batch.failed_at,
        "expired": batch.expired_at,
        "cancelled": batch.cancelled_at,
    }
    return moments.get(batch.status)


def batch_table(batches: Sequence[Batch], sources: Mapping[str, Source], screen: Screen = PLAIN) -> list[str]:
    """Return a table of batches, with their request files if known (`sources`, by batch id), else their endpoints."""
    rows = [_row(batch, sources.get(batch.id)) for batch in batches]
    optional = OF_FILES if sources else OF_ENDPOINTS
    return text_table(HEADINGS, rows, texts=TEXTS, whole=("batch", "status", "age"), optional=optional, screen=screen)


def _row(batch: Batch, source: Source | None) -> tuple[str, ...]:
    counts = batch.request_counts
    purpose = source.name if source is not None else batch.endpoint or "-"
    return (
        visible(batch.id),
        cut(visible(batch.status), CELL),
        "-" if batch.created_at is None else age(batch.created_at).removesuffix(" ago"),
        visible(purpose),
        f"{counts.total:,}",
        f"{counts.completed:,}",
        f"{counts.failed:,}",
    )


def batch_record(batch: Batch, source: Source | None, screen: Screen = PLAIN) -> list[str]:
    """Return a line for each known fact about a batch."""
    facts = [(label, visible(words)) for label, words in _facts(batch, source)]
    width = max(len(label) for label, _ in facts)
    lines = []
    room = None if screen.width is None else screen.width - width - 2
    for label, words in facts:
        first, *rest = [cut_in_middle(words, room)] if label == "file" and room is not None else folded(words, room, "")
        if label == "status":
            status, separator, more = first.partition(", ")
            first = screen.painted(status) + separator + more
        lines += [f"{screen.faint(f'{label:{width}}')}  {first}", *(" " * (width + 2) + line for line in rest)]
    return lines


def _facts(batch: Batch, source: Source | None) -> Iterator[tuple[str, str]]:
    counts, ended = batch.request_counts, finished_at(batch)
    yield "batch", batch.id
    yield "status", batch.status if ended is None else f"{batch.status}, {age(ended)}"
    if source is not None:
        yield "file", source.name
    if batch.endpoint or batch.model:
        yield "endpoint" if batch.endpoint else "model", ", ".join(filter(None, (batch.endpoint, batch.model)))
    yield "requests", f"{counts.total:,}: {counts.completed:,} completed, {counts.failed:,} failed ({batch.progress:.0%} done)"
    if batch.usage is not None:
        usage = batch.usage
        yield "tokens", f"{usage.total_tokens:,}: {usage.input_tokens:,} in, {usage.output_tokens:,} out"
    if batch.created_at is not None:
        yield "created", f"{local_time(batch.created_at)} ({age(batch.created_at)})"
    if batch.expires_at is not None and not batch.is_terminal:
        yield "expires", f"{local_time(batch.expires_at)} ({age(batch.expires_at)})"
    for label, file_id in (("input", batch.input_file_id), ("output", batch.output_file_id), ("errors", batch.error_file_id)):
        if file_id is not None:
            yield label, file_id
    metadata = {key: value for key, value in (batch.metadata or {}).items() if key != MARKER}
    if metadata:
        yield "metadata", ", ".join(f"{key}={value}" for key, value in metadata.items())


MARKER = "batchfiles"
"""The metadata key that identifies our batches, not shown to people."""


def failure_words(batch: Batch, source: Source | None) -> Iterator[str]:
    """Yield a line for each error of a failed batch, with its line in the local file and its `custom_id` if known."""
    errors = batch.errors.data if batch.errors is not None else []
    if batch.status == "failed" and not errors:
        yield visible(f"{batch.id}: failed; the service gave no reason")
    ids = _ids(batch, source)
    name = source.name if source is not None else batch.id
    for error in errors[:LISTED]:
        place = name if error.line is None else f"{name}:{error.line}"
        message = cut(visible(error.message or "no reason given"), FAILURE_WORDS)
        code = f" ({error.code})" if error.code else ""
        custom_id = ids.get(error.line or 0)
        asked = f" [custom_id {custom_id!r}]" if custom_id is not None else ""
        yield f"{visible(place)}: {message}{visible(code)}{visible(asked)}"
    if len(errors) > LISTED:
        yield f"{len(errors) - LISTED:,} more errors of {visible(batch.id)} are not listed: --json lists all"


def batch_json(batch: Batch, source: Source | None) -> str:
    """Return a batch as one line of JSON: the object of the service, with `file`, the local request file or null.

    If the file is known, errors with a line get its `custom_id`.
    """
    value = batch.to_dict()
    ids = _ids(batch, source)
    for error in value["errors"]["data"] if value["errors"] else ():
        if error["line"] in ids:
            error["custom_id"] = ids[error["line"]]
    value["file"] = None if source is None else source.name
    # ASCII: file names may not be valid UTF-8, and metadata may contain control characters.
    return json.dumps(value)


def _ids(batch: Batch, source: Source | None) -> dict[int, str]:
    """Return the ids of the lines with errors; none if the file can't be read any more."""
    if source is None or batch.errors is None or (source.path is not None and not Path(source.path).exists()):
        return {}
    try:
        return ids_of_lines(source, [error.line for error in batch.errors.data if error.line is not None])
    except (FileError, DataError):
        return {}
