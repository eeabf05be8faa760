"""How a run stands: what its journal says, added up. Each change is in the journal before it counts here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from batchfiles.campaign_run.journal import JOURNAL, Journal
from batchfiles.errors import DataError

__all__ = ["Ledger", "PartState"]


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


class Ledger:
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
