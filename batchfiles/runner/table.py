"""The rounds of retries, and the table in the end: what the campaign's files say, put together.

Where the table of a run goes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from batchfiles.campaign.manifest import read_manifest
from batchfiles.errors import OutputExistsError
from batchfiles.io.remote.path import is_within, real_path
from batchfiles.io.sources import Source
from batchfiles.io.target import STDOUT, Target, TargetLike
from batchfiles.jobs.join.join import join
from batchfiles.jobs.join.options import is_part_name
from batchfiles.jobs.join.report import JoinReport
from batchfiles.jobs.retry.retry import retry
from batchfiles.runner.journal import RunState
from batchfiles.table.open import TableFormat, format_of_target, table_target

__all__ = ["RunTable", "add_retry_round", "write_table"]

RETRY_NAME = re.compile(r".+-retry-[0-9]+\.jsonl")


def add_retry_round(folder: Path, run_state: RunState, *, workers: int | None) -> list[str]:
    """Make a part of the requests of each part that may succeed if they are sent again.

    Returns:
        The names of the new parts; none if there is nothing to send again.

    Raises:
        FileError: The disk refused.
    """
    found = _unknown_parts(folder, run_state)
    if not found:
        # A killed run may have left files that the manifest doesn't name: it takes all of them at once, behind the last.
        _remove_unnamed(folder)
        files = [folder / name for name in (*_first_parts(folder), *run_state.results)]
        retry(*files, output=folder, overwrite=True, workers=workers)
        found = _unknown_parts(folder, run_state)
    if found:
        run_state.note("retried", parts=found)
    return found


def _first_parts(folder: Path) -> list[str]:
    """Return the parts that hold each request once."""
    manifest = read_manifest(folder)
    return [part.file for part in manifest.parts if not part.retry_of] if manifest is not None else []


def _unknown_parts(folder: Path, run_state: RunState) -> list[str]:
    """Return the parts that stand in the manifest and not in the journal."""
    manifest = read_manifest(folder)
    return [part.file for part in manifest.parts if part.file not in run_state.parts] if manifest is not None else []


def _remove_unnamed(folder: Path) -> None:
    manifest = read_manifest(folder)
    named = {part.file for part in manifest.parts} if manifest is not None else set()
    for path in folder.iterdir():
        if RETRY_NAME.fullmatch(path.name) and path.name not in named:
            path.unlink()


def write_table(
    folder: Path,
    run_state: RunState,
    sources: Sequence[Source],
    output: Target,
    format_name: TableFormat | None,
    *,
    overwrite: bool,
    workers: int | None,
) -> JoinReport:
    """Join all results to the requests, in their order, and write the table.

    Raises:
        OutputExistsError: The table is there and `overwrite` was not given.
        FileError: The disk refused.
    """
    with join(*(folder / name for name in run_state.results), inputs=sources, workers=workers) as joined:
        return joined.write(output, format=format_name, overwrite=overwrite)


class RunTable:
    """A table to write.

    Args:
        output: Its file or folder; `-` for standard output.
        format_name: Its format, where the name doesn't say it.

    Attributes:
        target: Where it goes.
        output: The display name, `-` for standard output.
        format: As given.
        key: What the journal calls it; None for standard output.

    Raises:
        ValueError: Nothing says the format.
    """

    def __init__(self, output: TargetLike, format_name: TableFormat | None) -> None:
        self.target = table_target(output, format_name)
        self.format = format_name
        if self.target.stream is not None and format_name is None:
            raise ValueError("a table on standard output needs a format")
        format_of_target(self.target, format_name)
        self.output = STDOUT if self.target.place is None else str(self.target)
        self.key = None if self.target.key is None else str(self.target.key)

    def refuse_inside(self, folder: Path) -> None:
        """Make sure that the table doesn't go among the files that it is made of.

        Raises:
            ValueError: It does.
        """
        if self.target.key is not None and is_within(self.target.key, real_path(folder)):
            raise ValueError(f"{self.output} is in the campaign folder, whose files are joined: write the table elsewhere")

    def is_there(self, ours: Collection[str]) -> bool:
        """Return whether the table is there, and is one that this campaign wrote."""
        return self.key is not None and self.key in ours and self.target.exists()

    def refuse_foreign(self, ours: Collection[str], *, overwrite: bool) -> None:
        """Make sure that nothing is overwritten that the campaign did not write.

        Raises:
            OutputExistsError: Something else is there, and `overwrite` was not given.
            FileError: A folder is there that holds more than parts of a table, which `overwrite` does not replace.
        """
        if self.key is not None and self.key not in ours and not overwrite and self.target.exists():
            raise OutputExistsError(self.output)
        if self.target.is_folder and (overwrite or self.key not in ours):
            self.target.check(overwrite=True, ours=is_part_name)
