"""The journal of a run: a line of JSON for each step, on the disk before the step is taken and after it.

How a run stands: what its journal says, added up. Each change is in the journal before it counts here.

One run at a time in a folder: a lock that the system takes back when its owner dies.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from batchfiles.errors import DataError, FileError
from batchfiles.io.atomic import file_error

__all__ = ["JOURNAL", "LOCK", "Journal", "PartState", "RunState", "locked", "read_journal"]

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


@dataclass(slots=True)
class PartState:
    """How one part stands.

    Attributes:
        name: Its file in the campaign folder.
        status: `waiting`, `unsure` (a batch may have been made: nobody has said), `live` (at the service), `ended`, or `done`
            (its results are in the folder).
        file_id: The uploaded file; None if it was not uploaded, or is to be uploaded again.
        token: The marker of the batch that was begun last.
        batch_id: The batch.
        odd_since: When it was first seen that the service doesn't know the batch, or that it is complete and names no files.
    """

    name: str
    status: str = "waiting"
    file_id: str | None = None
    token: str | None = None
    batch_id: str | None = None
    odd_since: datetime | None = None


class RunState:
    """The state of a run.

    Args:
        records: What happened so far.
        folder: The campaign folder.
        journal: Where the rest is written; None for who only looks.

    Attributes:
        begun: What was noted at the beginning: the sources with their sha256, the endpoint; None before.
        recovers: Whether batches that are at the service already are taken over; from the first call that was told so on.
        parts: The parts by the names of their files, in order.
        batches: The batches that were made of each part, in order.
        results: The files of results that were fetched, in that order: of two results for a request the later one counts.
        rounds: How many rounds of retries were made.
        tables: The tables that were written, or whose writing was begun.
        finished: The number of rounds that were allowed when the run was finished, and whether one more would find nothing to
            send again; None before.

    Raises:
        DataError: The journal says what can't be.
    """

    def __init__(self, records: Sequence[dict[str, Any]], folder: Path, journal: Journal | None = None) -> None:
        self._journal = journal
        self.begun: dict[str, Any] | None = None
        self.recovers = False
        self.parts: dict[str, PartState] = {}
        self.batches: dict[str, list[str]] = {}
        self.results: list[str] = []
        self.rounds = 0
        self.tables: set[str] = set()
        self.finished: tuple[int, bool] | None = None
        for number, record in enumerate(records, 1):
            try:
                self._apply(record)
            except (KeyError, TypeError, ValueError, AttributeError):
                words = "can't be read as a step of a run: it is damaged, or of a later version"
                raise DataError(words, path=str(folder / JOURNAL), line_number=number) from None

    @property
    def batch_count(self) -> int:
        """How many batches were made, those included that found no room."""
        return sum(map(len, self.batches.values()))

    def note(self, event: str, **facts: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
        """Write a step down, and count it.

        Raises:
            FileError: The disk refused.
        """
        assert self._journal is not None  # noqa: S101 - who only looks notes nothing
        self._apply(self._journal.write(event, **facts))

    def of_status(self, *statuses: str) -> list[PartState]:
        """Return the parts that stand so, in order."""
        return [part for part in self.parts.values() if part.status in statuses]

    def _apply(self, record: dict[str, Any]) -> None:
        event = record["event"]
        if event == "begun":
            self.begun = record
            self.recovers = record["recover"]
        elif event == "recovering":
            self.recovers = True
        elif event in ("split", "retried"):
            for name in record["parts"]:
                self.parts.setdefault(name, PartState(name))
            self.rounds += event == "retried"
            self.finished = None if event == "retried" else self.finished
        elif event == "table":
            self.tables.add(record["path"])
        elif event == "finished":
            self.finished = (record["retries"], record["settled"])
        elif event in STEPS:
            part = self.parts[record["part"]]
            STEPS[event](part, record)
            if event == "downloaded":
                self.results += (file for file in record["files"] if file not in self.results)
            if event == "created":
                self.batches.setdefault(part.name, []).append(record["batch_id"])


def _uploaded(part: PartState, record: dict[str, Any]) -> None:
    part.file_id = record["file_id"]


def _creating(part: PartState, record: dict[str, Any]) -> None:
    part.token, part.status = record["token"], "unsure"


def _not_created(part: PartState, record: dict[str, Any]) -> None:
    part.status = "waiting"
    if not record["keep_file"]:
        part.file_id = None


def _created(part: PartState, record: dict[str, Any]) -> None:
    part.batch_id, part.status, part.odd_since = record["batch_id"], "live", None


def _odd(part: PartState, record: dict[str, Any]) -> None:
    part.odd_since = datetime.fromisoformat(record["time"])


def _seen(part: PartState, _record: dict[str, Any]) -> None:
    part.odd_since = None


def _ended(part: PartState, _record: dict[str, Any]) -> None:
    part.status = "ended"


def _failed(part: PartState, record: dict[str, Any]) -> None:
    part.status, part.token = "waiting", None
    if not record["keep_file"]:
        part.file_id = None


def _downloaded(part: PartState, _record: dict[str, Any]) -> None:
    part.status = "done"


STEPS: dict[str, Callable[[PartState, dict[str, Any]], None]] = {
    "uploaded": _uploaded,
    "creating": _creating,
    "not_created": _not_created,
    "created": _created,
    "odd": _odd,
    "seen": _seen,
    "ended": _ended,
    "failed": _failed,
    "downloaded": _downloaded,
}
"""What each step of a part makes of it."""

LOCK = "run.lock"
"""The file's name. It stays when the run is over: removing it would let two processes lock two files of one name."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder, as long as the block lasts.

    Raises:
        FileError: Another run is at work there, or the system refused.
    """
    path = folder / LOCK
    try:
        file = path.open("a+b", buffering=0)
    except OSError as error:
        raise file_error(error, path) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read(20).decode("ascii", "replace").strip()
            words = f"another run is at work on this campaign (process {owner or 'unknown'}): wait for it, or end it"
            raise FileError(words, path=str(folder), number=errno.EAGAIN) from None
        except OSError as error:
            raise file_error(error, path) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        yield
