"""Batches on the command line: named by id, by request file or by campaign folder, and printed as a table, a record or JSON.

Also the ids of lines with errors, and the options of commands that list objects of the service.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from batchfiles.api.config import is_id
from batchfiles.cli.progress import print_note
from batchfiles.errors import DataError, FileError
from batchfiles.layout import PLAIN, Screen, age, cut, cut_in_middle, folded, local_time, text_table, visible

if TYPE_CHECKING:
    from batchfiles.api.batch import Batch
    from batchfiles.api.file import FileObject
    from batchfiles.campaign import Campaign
    from batchfiles.client.synchronous import Client
    from batchfiles.io.sources import Source

Noted = TypeVar("Noted", "Batch", "FileObject")

ID_SIGNS = ("*", "?", "[", os.sep)
"""Characters of globs and paths that are never in an id."""

names_argument = click.argument("names", nargs=-1, required=True, metavar="BATCH...")


@dataclass(frozen=True, slots=True)
class NamedBatch:
    """A batch named on the command line.

    Attributes:
        id: The id at the service.
        source: Its request file; None if only the id is known.
        folder: The campaign folder of the file; None if it has none.
    """

    id: str
    source: Source | None = None
    folder: Path | None = None


def named_batches(client: Client, names: tuple[str, ...], *, every: bool = False) -> list[NamedBatch]:
    """Return the named batches, each once.

    Args:
        client: Finds the batches of files.
        names: Ids, request files, campaign folders, or `-` for ids on standard input.
        every: Whether a part of a campaign means all its batches, or only the last.

    Raises:
        UsageError: A campaign has no batch yet.
        ClickException: The service has no batch of a file.
        FileError: A file doesn't exist or can't be read.
    """
    found = {batch.id: batch for name in names for batch in _batches_of(client, name, every=every)}
    if not found:
        raise click.UsageError("No batch was named.")
    return list(found.values())


def campaign_named(name: str) -> Campaign | None:
    """Return the campaign in a local folder of that name; None where there is none."""
    from batchfiles.campaign import campaign_of

    return campaign_of(Path(name)) if Path(name).is_dir() else None


def _batches_of(client: Client, name: str, *, every: bool) -> Iterator[NamedBatch]:
    if name == "-":
        yield from (NamedBatch(word) for line in sys.stdin for word in line.split())
    elif (campaign := campaign_named(name)) is not None:
        yield from _of_campaign(campaign, every=every)
    elif _can_be_id(name):
        yield NamedBatch(name)
    else:
        yield from _of_files(client, name)


def _can_be_id(name: str) -> bool:
    from batchfiles.io.sources import SUFFIXES

    if Path(name).exists() or any(sign in name for sign in ID_SIGNS) or any(suffix in name for suffix in SUFFIXES):
        return False
    return is_id(name)


def _of_campaign(campaign: Campaign, *, every: bool) -> Iterator[NamedBatch]:
    from batchfiles.io.sources import Source

    folder = Path(os.fspath(campaign.folder)) if isinstance(campaign.folder, Path) else None
    parts = campaign.manifest.parts
    waiting = sum(not part.batches for part in parts)
    if waiting == len(parts):
        raise click.UsageError(f"{campaign.folder} has no batch yet: use 'batchfiles submit {campaign.folder}'.")
    if waiting:
        print_note(f"{campaign.folder}: {waiting:,} of {len(parts):,} parts were not submitted yet")
    for part in parts:
        path = campaign.folder / part.file
        source = Source(str(path), path=path) if isinstance(path, Path) else None
        for batch_id in part.batches if every else part.batches[-1:]:
            yield NamedBatch(batch_id, source, folder)


def _of_files(client: Client, name: str) -> Iterator[NamedBatch]:
    from batchfiles.api.config import RetryPolicy
    from batchfiles.api.submitting import find
    from batchfiles.io.sources import expand

    for source in expand([name]):
        batch = client.run(find(client.config, RetryPolicy(), sha256=source.sha256().hex, even_ended=True))
        if batch is None:
            raise click.ClickException(
                f"{source.name}: the service has no batch of this file that was submitted by batchfiles: use the batch id"
            )
        yield NamedBatch(batch.id, source)


def ids_of_lines(source: Source, numbers: Iterable[int]) -> dict[int, str]:
    """Return the `custom_id` of some lines, counted from 1; lines without one are left out.

    Raises:
        FileError: The file can't be read.
        TruncatedFileError: It is compressed and damaged.
    """
    from batchfiles.codec import loads
    from batchfiles.errors import InvalidLineError
    from batchfiles.io.sources import read_blocks

    wanted = set(numbers)
    found: dict[int, str] = {}
    last = max(wanted, default=0)
    for block in read_blocks(source, lambda _: None) if wanted else ():
        if block.line_number > last:
            break
        for number, line in enumerate(block.lines, block.line_number):
            if number in wanted:
                try:
                    custom_id = loads(line).get("custom_id")
                except InvalidLineError:
                    continue
                if isinstance(custom_id, str):
                    found[number] = custom_id
    return found


limit_option = click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="How many to list."
)

all_option = click.option("--all", "everything", is_flag=True, help="List all, without a limit.")


def noted(value: Noted) -> Noted:
    """Return an object of the service, and report its values that could not be read."""
    for note in value.notes:
        print_note(f"{value.id}: {note}")
    return value


def report_pagination(count: int, limit: int | None, noun: str) -> None:
    """Report on standard error that a list is empty, or that there may be more: use --limit or --all."""
    if not count:
        print_note(f"no {noun}")
    elif count == limit:
        print_note(f"the newest {limit:,}: --limit and --all show more")


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
