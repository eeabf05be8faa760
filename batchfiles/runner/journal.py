"""The journal of a run, the state that it adds up to, and the lock of a campaign folder.

The journal has a line of JSON for each step. It is written before a step that costs money, and after it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any

from batchfiles.api.effects import Flow, Work
from batchfiles.errors import DataError, FileError
from batchfiles.io.remote_path import file_error

JOURNAL = "run.journal"
"""The name of the file. Its suffix is not `.jsonl`, so it is never read as a batch file."""


def read_journal(folder: Path) -> list[dict[str, Any]]:
    """Return the records of the journal in a folder; empty if there is none.

    A last line without a newline is ignored: its step was never started.

    Raises:
        DataError: A line is not a record.
        FileError: It can't be read.
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
            message = "not a record of a run: the journal is damaged; move the folder away, and rebuild it with recover=True"
            raise DataError(message, path=str(path), line_number=number)
        yield record


class Journal:
    """The journal of a folder, open for appending by one process at a time (see `locked`).

    Args:
        folder: The campaign folder.
        now: Returns the time.

    Attributes:
        path: The file.
        records: Its records when it was opened.

    Raises:
        DataError: A line is not a record.
        FileError: It can't be read or written.
    """

    def __init__(self, folder: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.path = folder / JOURNAL
        self.records = read_journal(folder)
        self._now = now
        try:
            self._file = self.path.open("ab", buffering=0)
            whole = self.path.read_bytes().rfind(b"\n") + 1
            self._file.truncate(whole)  # removes the incomplete line of a killed process
            _sync_folder(folder)
        except OSError as error:
            raise file_error(error, self.path) from None

    def write(self, event: str, **facts: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON values
        """Append a record, and sync it to disk.

        Raises:
            FileError: It can't be written.
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
    """Sync the name of a new journal to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(slots=True)
class PartState:
    """The state of one part.

    Attributes:
        name: Its file in the campaign folder.
        status: `waiting`, `unsure` (a batch may have been created), `live` (at the service), `ended`, or `done` (its results are
            in the folder).
        file_id: The uploaded file; None if it has to be uploaded.
        token: The marker of its last batch.
        batch_id: Its last batch.
        created_at: When this batch was created.
        odd_since: Since when the service doesn't know the batch, or the completed batch has no files.
    """

    name: str
    status: str = "waiting"
    file_id: str | None = None
    token: str | None = None
    batch_id: str | None = None
    created_at: datetime | None = None
    odd_since: datetime | None = None


class RunState:
    """The state of a run.

    Args:
        records: The records of the journal.
        folder: The campaign folder.
        journal: The journal for further steps; None for read-only use.

    Attributes:
        begun: The first record, with the sha256 of each source; None before.
        recovers: Whether existing batches of the service are taken over; set by the first call with `recover`.
        parts: The parts by file name, in order.
        batches: The batches of each part, in order.
        results: The downloaded result files, in order: the later of two results of a request counts.
        rounds: The number of rounds of retries.
        outputs: The tables and other files that were written, at least in part.
        settings: The options with which each table was written: see `RunTable`.
        promised: The options of the table in the last call.
        terms: The parameters of the batches in the last call; None in journals of earlier versions.
        has_sent: Whether a file was uploaded or a batch created, as far as is known.
        began_at: When the run was started; None before.
        finished_at: When it finished.
        finished: The number of allowed rounds when the run finished, and whether nothing was retryable; None before.

    Raises:
        DataError: The journal is inconsistent.
    """

    def __init__(self, records: Sequence[dict[str, Any]], folder: Path, journal: Journal | None = None) -> None:
        self._journal = journal
        self.begun: dict[str, Any] | None = None
        self.recovers = False
        self.parts: dict[str, PartState] = {}
        self.batches: dict[str, list[str]] = {}
        self.results: list[str] = []
        self.rounds = 0
        self.outputs: set[str] = set()
        self.settings: dict[str, dict[str, Any]] = {}
        self.promised: dict[str, Any] = {}
        self.terms: dict[str, Any] | None = None
        self.has_sent = False
        self.began_at: datetime | None = None
        self.finished_at: datetime | None = None
        self.finished: tuple[int, bool] | None = None
        for number, record in enumerate(records, 1):
            try:
                self._apply(record)
            except (KeyError, TypeError, ValueError, AttributeError):
                message = "not a valid step of a run: the journal is damaged, or of a later version"
                raise DataError(message, path=str(folder / JOURNAL), line_number=number) from None

    @property
    def is_open(self) -> bool:
        """Whether steps can be noted."""
        return self._journal is not None

    @property
    def batch_count(self) -> int:
        """The number of created batches, including those rejected because the queue was full."""
        return sum(map(len, self.batches.values()))

    def note(self, event: str, **facts: Any) -> None:  # noqa: ANN401 - any JSON values
        """Write a step to the journal, and apply it.

        Raises:
            FileError: It can't be written.
        """
        assert self._journal is not None  # noqa: S101 - not called in read-only use
        self._apply(self._journal.write(event, **facts))

    def noted(self, event: str, **facts: Any) -> Flow[None]:  # noqa: ANN401 - any JSON values
        """Do the same in a flow: a slow disk must not stop other tasks of an event loop."""
        yield Work(partial(self.note, event, **facts))

    def of_status(self, *statuses: str) -> list[PartState]:
        """Return the parts with one of these statuses, in order."""
        return [part for part in self.parts.values() if part.status in statuses]

    def _apply(self, record: dict[str, Any]) -> None:
        event = record["event"]
        if event in ("begun", "options", "recovering"):
            self._apply_options(event, record)
        elif event in ("split", "retried"):
            for name in record["parts"]:
                self.parts.setdefault(name, PartState(name))
            self.rounds += event == "retried"
            self.finished = None if event == "retried" else self.finished
        elif event == "table":
            self.outputs.add(record["path"])
            self.settings[record["path"]] = record.get("settings", {})
        elif event == "output":
            self.outputs.add(record["path"])
        elif event == "finished":
            self.finished_at = datetime.fromisoformat(record["time"])
            self.finished = (record["retries"], record["settled"])
        elif event == "uploading":
            self.has_sent = True
        elif event in STEPS:
            self._apply_step(self.parts[record["part"]], record)

    def _apply_options(self, event: str, record: dict[str, Any]) -> None:
        if event == "begun":
            self.begun = record
            self.began_at = datetime.fromisoformat(record["time"])
        self.recovers = self.recovers or event == "recovering" or record.get("recover", False)
        if event != "recovering":
            self.promised, self.terms = record.get("settings", {}), record.get("terms")

    def _apply_step(self, part: PartState, record: dict[str, Any]) -> None:
        event = record["event"]
        self.has_sent = True
        for name, value in STEPS[event](part, record).items():
            setattr(part, name, value)
        if event == "downloaded":
            self.results += (file for file in record["files"] if file not in self.results)
        if event == "created":
            self.batches.setdefault(part.name, []).append(record["batch_id"])


def _kept_file(part: PartState, record: dict[str, Any]) -> str | None:
    return part.file_id if record["keep_file"] else None


STEPS: dict[str, Callable[[PartState, dict[str, Any]], dict[str, Any]]] = {
    "uploaded": lambda _, record: {"file_id": record["file_id"]},
    "creating": lambda _, record: {"token": record["token"], "status": "unsure"},
    "not_created": lambda part, record: {"status": "waiting", "file_id": _kept_file(part, record)},
    "created": lambda _, record: {
        "batch_id": record["batch_id"],
        "status": "live",
        "created_at": datetime.fromisoformat(record.get("created_at") or record["time"]),
        "odd_since": None,
    },
    "odd": lambda _, record: {"odd_since": datetime.fromisoformat(record["time"])},
    "seen": lambda *_: {"odd_since": None},
    "ended": lambda *_: {"status": "ended"},
    "failed": lambda part, record: {"status": "waiting", "token": None, "file_id": _kept_file(part, record)},
    "downloaded": lambda *_: {"status": "done"},
}
"""The new values of a part after each of its steps."""

LOCK = "run.lock"
"""The name of the file. The process that has locked it removes it at its end."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder against other runs until the end of the block.

    Raises:
        FileError: Another run uses the folder, or the lock can't be created.
    """
    with _locked_file(folder) as file:
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        try:
            yield
        finally:
            with suppress(OSError):
                if os.path.samestat(os.fstat(file.fileno()), (folder / LOCK).stat()):  # the folder may be a new one
                    (folder / LOCK).unlink()


def _locked_file(folder: Path) -> FileIO:
    """Open and lock the file, until the locked one is the one in the folder: another process may have removed it meanwhile."""
    path = folder / LOCK
    while True:
        try:
            file = path.open("a+b", buffering=0)
        except OSError as error:
            raise file_error(error, path) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except BlockingIOError:
            file.seek(0)
            owner = file.read(20).decode("ascii", "replace").strip()
            message = f"another run uses this campaign (process {owner or 'unknown'}): wait for it, or end it"
            file.close()
            raise FileError(message, path=str(folder), number=errno.EAGAIN) from None
        except FileNotFoundError:
            pass
        except OSError as error:
            file.close()
            raise file_error(error, path) from None
        file.close()
