"""Where the table of a run goes."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from batchfiles.errors import OutputExists
from batchfiles.jobs.table_job import is_folder
from batchfiles.jobs.table_part import is_part_name
from batchfiles.streams.atomic import refuse_existing, refuse_existing_folder
from batchfiles.streams.remote import RemotePath, located, real_path
from batchfiles.streams.upload import refuse_remote_folder
from batchfiles.table.writing import format_of

__all__ = ["Target"]

STDOUT = "-"


class Target:
    """A table to write.

    Args:
        output: Its file or folder; `-` for standard output.
        format_name: Its format, where the name doesn't say it.

    Attributes:
        output: As given, as text.
        format: As given.
        key: What the journal calls it; None for standard output.

    Raises:
        ValueError: Nothing says the format.
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
        """Make sure that the table doesn't go among the files that it is made of.

        Raises:
            ValueError: It does.
        """
        if self.key is not None and isinstance(self._place, Path) and Path(self.key).is_relative_to(real_path(folder)):
            raise ValueError(f"{self.output} is in the campaign folder, whose files are joined: write the table elsewhere")

    def is_there(self, ours: Collection[str]) -> bool:
        """Return whether the table is there, and is one that this campaign wrote."""
        return self.key is not None and self.key in ours and self._exists()

    def refuse_foreign(self, ours: Collection[str], *, force: bool) -> None:
        """Make sure that nothing is overwritten that the campaign did not write.

        Raises:
            OutputExists: Something else is there, and `force` was not given.
            FileError: A folder is there that holds more than parts of a table, which `force` does not replace.
        """
        if self.key is not None and self.key not in ours and not force and self._exists():
            raise OutputExists(self.output)
        if self.key is not None and self._is_folder and (force or self.key not in ours):
            refuse_existing_folder(self._place, force=True, ours=is_part_name)

    def _exists(self) -> bool:
        try:
            if isinstance(self._place, RemotePath) and self._is_folder:
                refuse_remote_folder(self._place, force=False)
            elif isinstance(self._place, Path) and self._place.is_dir():
                return any(self._place.iterdir())
            else:
                refuse_existing(self._place, force=False)
        except OutputExists:
            return True
        return False
