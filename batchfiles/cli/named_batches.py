"""Which batches a command line means: by their ids, by their request files, or by the campaign that they are part of.

The lines of a local file that the service complains about.

What the commands have in common that list what the service has, the newest first.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchfiles.api.config import is_id
from batchfiles.cli.progress import say

if TYPE_CHECKING:
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
    "say_where_it_ends",
]

ID_SIGNS = ("*", "?", "[", os.sep)
"""What is in a glob or a path, and in no id."""

names_argument = click.argument("names", nargs=-1, required=True, metavar="BATCH...")


@dataclass(frozen=True, slots=True)
class NamedBatch:
    """A batch, and what is known of it here.

    Attributes:
        id: The service's name for it.
        source: Its request file; None where only the id is known.
        folder: The campaign that the file is part of; None where it is part of none.
    """

    id: str
    source: Source | None = None
    folder: Path | None = None


def named_batches(client: Client, names: tuple[str, ...], *, every: bool = False) -> list[NamedBatch]:
    """Return the batches that are meant, each once.

    Args:
        client: Where batches of files are looked up.
        names: Ids, request files, campaign folders, or `-` for ids on standard input.
        every: Whether a part of a campaign stands for all its batches; else for the last.

    Raises:
        UsageError: A campaign has no batch yet.
        ClickException: The service has no batch of a file.
        FileError: A file is not there or can't be read.
    """
    found = {batch.id: batch for name in names for batch in _batches_of(client, name, every=every)}
    if not found:
        raise click.UsageError("No batch is named.")
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
        raise click.UsageError(f"{campaign.folder} has no batch yet: 'batchfiles submit {campaign.folder}' makes them.")
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
                f"{source.name}: the service has no batch of these bytes that was submitted by batchfiles: name its id"
            )
        yield NamedBatch(batch.id, source)


def ids_of_lines(source: Source, numbers: Iterable[int]) -> dict[int, str]:
    """Return the `custom_id` of some lines; lines that have none, and that are no JSON, are left out.

    Args:
        source: A request file.
        numbers: Lines, counted from 1.

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


limit_option = click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="How many.")

all_option = click.option("--all", "everything", is_flag=True, help="All there are, however many.")


def say_where_it_ends(count: int, limit: int | None, noun: str) -> None:
    """Say on standard error that a list is empty, or that there may be more.

    Args:
        count: How many are listed.
        limit: How many were asked for; None for all.
        noun: What is listed, as one calls several of them.
    """
    if not count:
        say(f"no {noun}")
    elif count == limit:
        say(f"the newest {limit:,}: --limit and --all show more")
