"""The rounds of retries, and the table in the end: what the campaign's files say, put together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from batchfiles.campaign.manifest import read_manifest
from batchfiles.campaign_run.ledger import Ledger
from batchfiles.jobs.join import join
from batchfiles.jobs.join_report import JoinReport
from batchfiles.jobs.retry import retry
from batchfiles.streams.sources import Source

__all__ = ["add_round", "write_table"]

RETRY_NAME = re.compile(r".+-retry-[0-9]+\.jsonl")


def add_round(folder: Path, ledger: Ledger, *, workers: int | None) -> list[str]:
    """Make a part of the requests of each part that may succeed if they are sent again.

    Returns:
        The names of the new parts; none if there is nothing to send again.

    Raises:
        FileError: The disk refused.
    """
    found = _unknown_parts(folder, ledger)
    if not found:
        # A killed run may have left files that the manifest doesn't name: it takes all of them at once, behind the last.
        _remove_unnamed(folder)
        files = [folder / name for name in (*_first_parts(folder), *ledger.results)]
        retry(*files, output=folder, force=True, workers=workers)
        found = _unknown_parts(folder, ledger)
    if found:
        ledger.note("retried", parts=found)
    return found


def _first_parts(folder: Path) -> list[str]:
    """Return the parts that hold each request once."""
    manifest = read_manifest(folder)
    return [part.file for part in manifest.parts if not part.retry_of] if manifest is not None else []


def _unknown_parts(folder: Path, ledger: Ledger) -> list[str]:
    """Return the parts that stand in the manifest and not in the journal."""
    manifest = read_manifest(folder)
    return [part.file for part in manifest.parts if part.file not in ledger.parts] if manifest is not None else []


def _remove_unnamed(folder: Path) -> None:
    manifest = read_manifest(folder)
    named = {part.file for part in manifest.parts} if manifest is not None else set()
    for path in folder.iterdir():
        if RETRY_NAME.fullmatch(path.name) and path.name not in named:
            path.unlink()


def write_table(
    folder: Path,
    ledger: Ledger,
    sources: Sequence[Source],
    output: str,
    format_name: str | None,
    *,
    force: bool,
    workers: int | None,
) -> JoinReport:
    """Join all results to the requests, in their order, and write the table.

    Raises:
        OutputExists: The table is there and `force` was not given.
        FileError: The disk refused.
    """
    with join(*(folder / name for name in ledger.results), inputs=sources, workers=workers) as joined:
        return joined.write(output, format=format_name, force=force)
