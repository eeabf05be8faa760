"""The rounds of retries and the table of a run."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from batchfiles.campaign.manifest import parts_of
from batchfiles.errors import OutputExistsError
from batchfiles.io.remote.path import is_within, real_path
from batchfiles.io.sources import Source
from batchfiles.io.target import STDOUT, PathTarget, Target, TargetLike
from batchfiles.jobs.join.join import join
from batchfiles.jobs.join.report import JoinReport
from batchfiles.jobs.join.table_files import is_own_file
from batchfiles.jobs.retry.retry import retry
from batchfiles.runner.journal import RunState
from batchfiles.table.open import TableFormat, format_of_target, table_target

__all__ = ["RunTable", "add_retry_round", "write_table"]

RETRY_NAME = re.compile(r".+-retry-[0-9]+\.jsonl")


def add_retry_round(folder: Path, run_state: RunState, *, workers: int | None) -> list[str]:
    """Write new parts with the retryable requests of each part.

    Returns:
        The names of the new parts; empty if nothing is retryable.

    Raises:
        FileError: A file can't be written.
    """
    found = _unknown_parts(folder, run_state)
    if not found:
        _remove_unnamed(folder)
        parts = [part.file for part in parts_of(folder) if not part.retry_of]
        retry(*(folder / name for name in (*parts, *run_state.results)), output=folder, overwrite=True, workers=workers)
        found = _unknown_parts(folder, run_state)
    if found:
        run_state.note("retried", parts=found)
    return found


def _unknown_parts(folder: Path, run_state: RunState) -> list[str]:
    """Return the parts that are in the manifest but not in the journal."""
    return [part.file for part in parts_of(folder) if part.file not in run_state.parts]


def _remove_unnamed(folder: Path) -> None:
    """Remove retry files that a killed run wrote before it wrote the manifest."""
    named = {part.file for part in parts_of(folder)}
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
        OutputExistsError: The table exists and `overwrite` is False.
        FileError: A file can't be read or written.
    """
    with join(*(folder / name for name in run_state.results), inputs=sources, workers=workers) as joined:
        return joined.write(output, format=format_name, overwrite=overwrite)


class RunTable:
    """The table to write.

    Args:
        output: Its file or folder; `-` for standard output.
        format_name: Its format, if the name doesn't have its suffix.

    Attributes:
        target: The target.
        output: The display name, `-` for standard output.
        format: The format, as given.
        key: Its name in the journal; None for standard output.

    Raises:
        ValueError: The format is unknown.
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
        """Raise `ValueError` if the table is in the campaign folder."""
        if self.target.key is not None and is_within(self.target.key, real_path(folder)):
            raise ValueError(f"{self.output} is in the campaign folder, whose files are joined: choose another folder")

    def exists(self, own: Collection[str]) -> bool:
        """Return whether the table exists and is one that this campaign wrote."""
        return self.key is not None and self.key in own and self.target.exists()

    def refuse_foreign(self, own: Collection[str], *, overwrite: bool) -> None:
        """Raise an error instead of overwriting what the campaign did not write.

        Raises:
            OutputExistsError: It exists, and `overwrite` is False.
            FileError: It is a folder with other files than parts of a table, which is never replaced.
        """
        if self.key is not None and self.key not in own and not overwrite and self.target.exists():
            raise OutputExistsError(self.output)
        if isinstance(self.target, PathTarget) and self.target.is_folder and (overwrite or self.key not in own):
            self.target.check(overwrite=True, ours=is_own_file(self.target))
