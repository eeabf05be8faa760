"""What a run says of itself: while it goes on, when it ends, and before it would send anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["PlannedPart", "RunPlan", "RunReport", "RunStatus"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """How a run stands at a moment.

    Attributes:
        parts: The files of requests, those of retries included.
        waiting: Those that are not at the service.
        live: Those that are.
        done: Those whose results are here.
        requests: The requests of the live batches.
        answered: How many of them are done.
        news: What happened since the last time, for people; None where nothing did but counting.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """How far a run came.

    Attributes:
        folder: The campaign folder.
        output: The table.
        finished: Whether all is done; if not, the same call goes on.
        sent: Batches that this call made; 0 where nothing was left to do.
        batches: Batches that all calls made.
        parts: Files of requests, those of retries included.
        done: Those whose results are here.
        rounds: Rounds of retries.
        outcomes: How many requests ended how, in the table; empty where this call wrote none.
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
        """Return the report as plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPart:
    """One file of requests that a run would send.

    Attributes:
        file: Its name in the campaign folder.
        endpoint: Where its requests go.
        requests: Its lines.
        bytes: Its size.
        tokens: What its requests ask the models to read, by the rule of thumb of `split`.
    """

    file: str
    endpoint: str
    requests: int
    bytes: int
    tokens: int

    def to_dict(self) -> dict[str, Any]:
        """Return the part as plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """What a run would send now.

    Attributes:
        folder: The campaign folder.
        parts: What would be sent; what is at the service or done is not among them.
        not_read: Files and folders in the given folders that were skipped, such as results.
        examples: The first names of these, under `not_read`.
    """

    folder: str
    parts: tuple[PlannedPart, ...]
    not_read: int = 0
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain values, with its sums, for JSON."""
        sums = {name: sum(getattr(part, name) for part in self.parts) for name in ("requests", "bytes", "tokens")}
        skipped = {"not_read": self.not_read, "examples": dict(self.examples)}
        return {"folder": self.folder, **sums, "parts": [asdict(part) for part in self.parts], **skipped}
