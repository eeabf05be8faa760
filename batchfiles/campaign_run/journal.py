"""The journal of a run: a line of JSON for each step, on the disk before the step is taken and after it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from batchfiles.errors import DataError
from batchfiles.streams.atomic import file_error

__all__ = ["JOURNAL", "Journal", "read_journal"]

JOURNAL = "run.journal"
"""The file's name. It is no `.jsonl`, so that the folder's batch files are the same with and without it."""


def read_journal(folder: Path) -> list[dict[str, Any]]:
    """Return the records of the journal in a folder; none where there is no journal.

    A last line without its newline was never finished, and what it speaks of was never begun: it doesn't count.

    Raises:
        DataError: A line is no record.
        FileError: The system refused.
    """
    path = folder / JOURNAL
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise file_error(error, path) from None
    return list(_records(content[: content.rfind(b"\n") + 1], path))


def _records(content: bytes, path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(content.splitlines(), 1):
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict) or not isinstance(record.get("event"), str):
            words = "is no record of a run: the journal is damaged; move the folder away, and rebuild it by --recover"
            raise DataError(words, path=str(path), line_number=number)
        yield record


class Journal:
    """The journal of a folder, open for more; for one process at a time (see `lock`).

    Args:
        folder: Where it is.
        now: Tells the time.

    Attributes:
        path: The file.
        records: What stood in it when it was opened.

    Raises:
        DataError: A line is no record.
        FileError: The system refused.
    """

    def __init__(self, folder: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.path = folder / JOURNAL
        self.records = read_journal(folder)
        self._now = now
        try:
            self._file = self.path.open("ab", buffering=0)
            whole = self.path.read_bytes().rfind(b"\n") + 1
            self._file.truncate(whole)  # what a killed process did not finish writing
            _sync_folder(folder)
        except OSError as error:
            raise file_error(error, self.path) from None

    def write(self, event: str, **facts: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever JSON can hold
        """Add a record; it is safe on the disk when this returns.

        Raises:
            FileError: The disk refused.
        """
        record = {"event": event, "time": self._now().isoformat(timespec="milliseconds"), **facts}
        line = json.dumps(record).encode("ascii") + b"\n"
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
            os.fsync(self._file.fileno())
        except OSError as error:
            raise file_error(error, self.path) from None
        return record

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _sync_folder(folder: Path) -> None:
    """Make the name of a new journal itself survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
