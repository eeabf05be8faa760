"""Resolves batches named on the command line: by id, by request file, or by campaign folder.

Also the ids of lines with errors, and the options of commands that list objects of the service.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from batchfiles.api.config import is_id
from batchfiles.cli.progress import say

if TYPE_CHECKING:
    from batchfiles.api.batch import Batch
    from batchfiles.api.file import FileObject
    from batchfiles.campaign.folder import Campaign
    from batchfiles.client.synchronous import Client
    from batchfiles.io.sources import Source


__all__ = [
    "NamedBatch",
    "all_option",
    "campaign_named",
    "ids_of_lines",
    "limit_option",
    "named_batches",
    "names_argument",
    "noted",
    "report_pagination",
]

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
    from batchfiles.campaign.folder import campaign_of

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
        say(f"{campaign.folder}: {waiting:,} of {len(parts):,} parts were not submitted yet")
    for part in parts:
        path = campaign.folder / part.file
        source = Source(str(path), path=path) if isinstance(path, Path) else None
        for batch_id in part.batches if every else part.batches[-1:]:
            yield NamedBatch(batch_id, source, folder)


def _of_files(client: Client, name: str) -> Iterator[NamedBatch]:
    from batchfiles.api.config import RetryPolicy
    from batchfiles.api.flows import find
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
        say(f"{value.id}: {note}")
    return value


def report_pagination(count: int, limit: int | None, noun: str) -> None:
    """Report on standard error that a list is empty, or that there may be more: use --limit or --all."""
    if not count:
        say(f"no {noun}")
    elif count == limit:
        say(f"the newest {limit:,}: --limit and --all show more")
