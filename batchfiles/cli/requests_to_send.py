"""The request files that are to be submitted: found, made plain, checked, and with the endpoint they ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchfiles.cli.named_batches import campaign_named
from batchfiles.cli.progress import Progress, total_of
from batchfiles.cli.terminal import visible
from batchfiles.cli.validate import plural
from batchfiles.errors import DataError

if TYPE_CHECKING:
    from batchfiles.campaign.manifest import Part
    from batchfiles.limits import Limits
    from batchfiles.streams.sources import Source
    from batchfiles.streams.spool import Spool

__all__ = ["RequestFile", "check", "endpoint_of", "request_files"]

LISTED = 20
"""Findings that are printed; `batchfiles validate` has them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFile:
    """A file that is to become a batch.

    Attributes:
        source: What can be read again: the file itself, or the copy of a stream under the name that people know.
        filename: What it is called at the service.
        folder: The campaign that it is part of; None for none.
        part: What the manifest says of it.
    """

    source: Source
    filename: str
    folder: Path | None = None
    part: Part | None = None


def request_files(names: Sequence[str], spool: Spool) -> list[RequestFile]:
    """Return the files that are meant, campaign folders taken apart.

    Args:
        names: Files, folders, globs, campaign folders, or `-` for standard input.
        spool: Where copies are made of what can be read only once.

    Raises:
        FileError: A file is not there or can't be read.
        DataError: A manifest is damaged.
    """
    return [file for name in names for file in _files_of(name, spool)]


def _files_of(name: str, spool: Spool) -> list[RequestFile]:
    from batchfiles.streams.sources import Source, expand

    campaign = campaign_named(name) if name != "-" else None
    if campaign is None:
        return [_file(source, spool) for source in expand([name])]
    folder = Path(str(campaign.folder))
    parts = [(part, Source(str(folder / part.file), path=folder / part.file)) for part in campaign.manifest.parts]
    return [_file(source, spool, folder, part) for part, source in parts]


def _file(source: Source, spool: Spool, folder: Path | None = None, part: Part | None = None) -> RequestFile:
    from batchfiles.campaign.names import stem_of
    from batchfiles.streams.sources import Source

    # Services take names that end in .jsonl.
    filename = f"{stem_of(source.file_name or 'requests')}.jsonl"
    if source.remote is None and (source.path is None or not source.path.is_file()):
        source = Source(source.name, path=spool.local(source))
    return RequestFile(source=source, filename=filename, folder=folder, part=part)


def check(files: Sequence[RequestFile], limits: Limits, *, quiet: bool) -> bool:
    """Validate files, each as a batch of its own; what is wrong goes to standard error. Returns whether nothing is."""
    from batchfiles.jobs.validate import validate

    sources = [file.source for file in files]
    with Progress("validate", total_of(sources), quiet=quiet) as progress:
        report = validate(*sources, limits=limits, on_bytes=progress.add)
    groups = [group for group in report.groups if group.first.severity == "error"][:LISTED]
    for group in groups:
        click.echo(visible(str(group)), err=True)
    if (rest := report.error_count - sum(group.count for group in groups)) > 0:
        click.echo(f"{rest:,} more errors are not listed: 'batchfiles validate' shows them", err=True)
    if not report.ok:
        errors = plural(report.error_count, "error")
        click.echo(f"{errors} (limits: {report.limits}): nothing was sent; --no-validate sends it all the same", err=True)
    return report.ok


def endpoint_of(source: Source) -> str:
    """Return the url of a file's first request.

    Raises:
        DataError: No line has one.
    """
    from batchfiles.codec import loads
    from batchfiles.errors import InvalidLine
    from batchfiles.streams.sources import read_blocks

    for block in read_blocks(source, lambda _: None):
        for line in block.lines:
            try:
                url = loads(line).get("url")
            except InvalidLine:
                continue
            if isinstance(url, str):
                return url
    raise DataError("no line says by its url which endpoint it is for: name it with --endpoint", path=source.name, role="input")
