"""The status, the report and the plan of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from batchfiles.summary import Displayed

if TYPE_CHECKING:
    from batchfiles.jobs.join.report import JoinReport

__all__ = ["LiveBatch", "PlannedPart", "RunPlan", "RunReport", "RunStatus", "RunStep"]

RunStep = Literal["check", "split", "send", "wait", "download", "retry", "join"]
"""What a run does at the moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveBatch:
    """A batch of a run that has not ended.

    Attributes:
        part: The request file, by its name in the campaign folder.
        batch_id: The batch.
        status: Its status at the last look; None before the first look.
        created_at: When it was created.
        age: The seconds since then.
        total: The number of its requests, as the service counts them; 0 before the service does.
        completed: How many of them were answered.
        failed: How many of them failed.
    """

    part: str
    batch_id: str
    status: str | None
    created_at: datetime
    age: float
    total: int = 0
    completed: int = 0
    failed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the batch as plain values, for JSON."""
        return _plain(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RunStatus(Displayed):
    """The current status of a run.

    Attributes:
        parts: The request files, including retries.
        waiting: Parts that are not at the service.
        live: Parts that are at the service.
        done: Parts whose results are downloaded.
        requests: The requests of the live batches.
        answered: How many of them are answered.
        news: A message about the last event; None if only the counts changed.
        step: What is done now.
        part: The part that is sent or downloaded; None in other steps.
        began_at: When the first call of this run began; None before the requests were checked.
        seconds: The seconds since then.
        next_look: When the batches are looked at again; None if the run is not waiting.
        batches: The batches that have not ended, in the order of their parts.
    """

    parts: int
    waiting: int
    live: int
    done: int
    requests: int
    answered: int
    news: str | None = None
    step: RunStep = "wait"
    part: str | None = None
    began_at: datetime | None = None
    seconds: float = 0.0
    next_look: datetime | None = None
    batches: tuple[LiveBatch, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the state as plain values, for JSON."""
        return _plain(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RunReport(Displayed):
    """The report of a call of `run`.

    Attributes:
        folder: The campaign folder.
        output: The table.
        finished: Whether everything is done; if not, the same call continues.
        sent: Batches that this call created.
        batches: Batches that all calls created.
        parts: The request files, including retries.
        done: Parts whose results are downloaded.
        rounds: Rounds of retries.
        began_at: When the first call of this run began.
        seconds: The seconds from then to the end of the run, or to now if it has not finished.
        next_look: When another call is worthwhile; None if the run has finished.
        live_batches: The batches that have not ended, in the order of their parts.
        outcomes: The number of requests by outcome in the table; empty if this call wrote none.
        table: The report of the table, as of `join`; None if this call wrote none.
        not_read: Files and folders in the given folders that were skipped, such as results.
        examples: The first names of these, under `not_read`.
    """

    folder: str
    output: str
    finished: bool
    sent: int
    batches: int
    parts: int
    done: int
    rounds: int
    began_at: datetime
    seconds: float
    next_look: datetime | None = None
    live_batches: tuple[LiveBatch, ...] = ()
    outcomes: Mapping[str, int] = field(default_factory=dict)
    table: JoinReport | None = None
    not_read: int = 0
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values; times as ISO 8601."""
        return _plain(self)


def _plain(value: LiveBatch | RunStatus | RunReport) -> dict[str, Any]:
    """Return the fields as JSON values."""
    return {each.name: _plain_value(getattr(value, each.name)) for each in fields(value)}


def _plain_value(value: Any) -> Any:  # noqa: ANN401 - any field
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, tuple):
        return [_plain_value(each) for each in value]
    if isinstance(value, Mapping):
        return dict(value)
    return value.to_dict() if hasattr(value, "to_dict") else value


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PlannedPart(Displayed):
    """A request file that a run would send.

    Attributes:
        file: Its name in the campaign folder.
        endpoint: The endpoint of its requests.
        requests: The number of its lines.
        bytes: Its size.
        tokens: The estimated input tokens of its requests.
    """

    file: str
    endpoint: str
    requests: int
    bytes: int
    tokens: int

    def to_dict(self) -> dict[str, Any]:
        """Return the part as plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RunPlan(Displayed):
    """The parts that a run would send now.

    Attributes:
        folder: The campaign folder.
        parts: The parts that would be sent, without those at the service or done.
        not_read: Files and folders in the given folders that were skipped, such as results.
        examples: The first names of these, under `not_read`.
    """

    folder: str
    parts: tuple[PlannedPart, ...]
    not_read: int = 0
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan with its sums as JSON values."""
        sums = {name: sum(getattr(part, name) for part in self.parts) for name in ("requests", "bytes", "tokens")}
        skipped = {"not_read": self.not_read, "examples": dict(self.examples)}
        return {"folder": self.folder, **sums, "parts": [asdict(part) for part in self.parts], **skipped}
