"""Which batches a command line means: by their ids, by their request files, or by the campaign that they are part of."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchfiles.api.ids import is_id
from batchfiles.cli.live_line import say

if TYPE_CHECKING:
    from batchfiles.campaign.folder import Campaign
    from batchfiles.client.synchronous import Client
    from batchfiles.streams.sources import Source

__all__ = ["NamedBatch", "campaign_named", "fingerprint", "named_batches", "names_argument"]

CHUNK = 1024 * 1024
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


def fingerprint(source: Source) -> str:
    """Return the SHA-256 of a file's uncompressed bytes, in hexadecimal digits.

    Raises:
        FileError: The file can't be read.
        TruncatedFile: It is compressed and damaged.
    """
    digest = hashlib.sha256()
    with source.open() as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


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
    from batchfiles.streams.sources import SUFFIXES

    if Path(name).exists() or any(sign in name for sign in ID_SIGNS) or any(suffix in name for suffix in SUFFIXES):
        return False
    return is_id(name)


def _of_campaign(campaign: Campaign, *, every: bool) -> Iterator[NamedBatch]:
    from batchfiles.streams.sources import Source

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
    from batchfiles.api.flows import find
    from batchfiles.api.retry_policy import RetryPolicy
    from batchfiles.streams.sources import expand

    for source in expand([name]):
        batch = client.run(find(client.config, RetryPolicy(), sha256=fingerprint(source), even_ended=True))
        if batch is None:
            raise click.ClickException(
                f"{source.name}: the service has no batch of these bytes that was submitted by batchfiles: name its id"
            )
        yield NamedBatch(batch.id, source)
