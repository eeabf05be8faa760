"""The status, the report and the plan of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from batchfiles.summary import Displayed

__all__ = ["PlannedPart", "RunPlan", "RunReport", "RunStatus"]


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
    """

    parts: int
    waiting: int
    live: int
    done: int
    requests: int
    answered: int
    news: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the state as plain values, for JSON."""
        return asdict(self)


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
        outcomes: The number of requests by outcome in the table; empty if this call wrote none.
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
    outcomes: Mapping[str, int] = field(default_factory=dict)
    not_read: int = 0
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return asdict(self)


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
