"""The rounds of retries and the table of a run."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from batchfiles.campaign.manifest import parts_of
from batchfiles.errors import OutputExistsError
from batchfiles.io.atomic import refuse_existing, refuse_existing_folder
from batchfiles.io.overwrite import is_folder
from batchfiles.io.remote.path import RemotePath, located, real_path
from batchfiles.io.remote.transfer import refuse_remote_folder
from batchfiles.io.sources import Source
from batchfiles.jobs.join.join import join
from batchfiles.jobs.join.lazy_table import is_part_name
from batchfiles.jobs.join.report import JoinReport
from batchfiles.jobs.retry.retry import retry
from batchfiles.runner.journal import RunState
from batchfiles.table.open import format_of

__all__ = ["Target", "add_retry_round", "write_table"]

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
        retry(*(folder / name for name in (*parts, *run_state.results)), output=folder, force=True, workers=workers)
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
    output: str,
    format_name: str | None,
    *,
    force: bool,
    workers: int | None,
) -> JoinReport:
    """Join all results to the requests, in their order, and write the table.

    Raises:
        OutputExistsError: The table exists and `force` is False.
        FileError: A file can't be read or written.
    """
    with join(*(folder / name for name in run_state.results), inputs=sources, workers=workers) as joined:
        return joined.write(output, format=format_name, force=force)


STDOUT = "-"


class Target:
    """The table to write.

    Args:
        output: Its file or folder; `-` for standard output.
        format_name: Its format, if the name doesn't have its suffix.

    Attributes:
        output: The output, as a string.
        format: The format, as given.
        key: Its name in the journal; None for standard output.

    Raises:
        ValueError: The format is unknown.
    """

    def __init__(self, output: str | os.PathLike[str], format_name: str | None) -> None:
        self.output = os.fspath(output)
        self.format = format_name
        self.key: str | None = None
        if self.output == STDOUT:
            if format_name is None:
                raise ValueError("a table on standard output needs a format")
            return
        self._is_folder = format_name in (None, "parquet") and is_folder(self.output)
        if format_name is None and not self._is_folder:
            format_of(self.output)
        self._place = located(self.output)
        self.key = self._place.shown if isinstance(self._place, RemotePath) else os.path.realpath(self._place)

    def refuse_inside(self, folder: Path) -> None:
        """Raise `ValueError` if the table is in the campaign folder."""
        if self.key is not None and isinstance(self._place, Path) and Path(self.key).is_relative_to(real_path(folder)):
            raise ValueError(f"{self.output} is in the campaign folder, whose files are joined: choose another folder")

    def exists(self, own: Collection[str]) -> bool:
        """Return whether the table exists and is one that this campaign wrote."""
        return self.key is not None and self.key in own and self._is_there()

    def refuse_foreign(self, own: Collection[str], *, force: bool) -> None:
        """Raise an error instead of overwriting what the campaign did not write.

        Raises:
            OutputExistsError: It exists, and `force` is False.
            FileError: It is a folder with other files than parts of a table, which is never replaced.
        """
        if self.key is not None and self.key not in own and not force and self._is_there():
            raise OutputExistsError(self.output)
        if self.key is not None and self._is_folder and (force or self.key not in own):
            refuse_existing_folder(self._place, force=True, ours=is_part_name)

    def _is_there(self) -> bool:
        try:
            if isinstance(self._place, RemotePath) and self._is_folder:
                refuse_remote_folder(self._place, force=False)
            elif isinstance(self._place, Path) and self._place.is_dir():
                return any(self._place.iterdir())
            else:
                refuse_existing(self._place, force=False)
        except OutputExistsError:
            return True
        return False
