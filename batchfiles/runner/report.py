"""The status, the report and the plan of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from batchfiles.findings import not_read_lines, plural
from batchfiles.io.target import output_name
from batchfiles.jobs.join.summary import join_notes
from batchfiles.layout import duration, size, time_of_day, visible
from batchfiles.summary import PYTHON, Block, Displayed, Interface, Notes, Sentences, Table

if TYPE_CHECKING:
    from batchfiles.jobs.join.report import JoinReport

RunStep = Literal["check", "split", "send", "wait", "download", "retry", "join"]
"""What a run does at the moment."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class LiveBatch(Displayed):
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

    def _blocks(self) -> Iterator[Block]:
        return run_blocks(self)


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

    def _blocks(self) -> Iterator[Block]:
        return plan_blocks(self)


LISTED = 20
"""How many parts of a plan and batches of a run are listed; `to_dict()` has all."""

SHOWN_SECONDS = 60
"""Shorter runs don't show how long they took."""


def plan_blocks(plan: RunPlan, names: Interface = PYTHON) -> Iterator[Block]:
    """Yield the summary of a plan."""
    yield Sentences(not_read_lines(plan.not_read, plan.examples))
    if not plan.parts:
        yield Sentences([f"{visible(plan.folder)}: nothing would be sent now"])
        return
    rows = [
        (visible(part.file), f"{part.requests:,}", size(part.bytes), f"{part.tokens:,}", visible(part.endpoint))
        for part in plan.parts[:LISTED]
    ]
    headings = ("part", "requests", "size", "tokens", "endpoint")
    yield Table(headings, rows, texts=("part", "endpoint"), optional=("endpoint", "tokens"))
    if len(plan.parts) > LISTED:
        yield Sentences([f"… and {plural(len(plan.parts) - LISTED, 'part')} more: {names.all_of_them}"])
    sums = plan.to_dict()
    words = f"{plural(len(plan.parts), 'part')} with {plural(sums['requests'], 'request')}, {size(sums['bytes'])}"
    yield Sentences([f"{words}, about {sums['tokens']:,} tokens to read; nothing was sent"])


def run_blocks(report: RunReport, names: Interface = PYTHON, *, csv_safe: bool = False) -> Iterator[Block]:
    """Yield the summary of a run.

    Args:
        report: The report.
        names: What options are called.
        csv_safe: Whether cells that a spreadsheet would run were made harmless.
    """
    yield Sentences(not_read_lines(report.not_read, report.examples))
    batches = plural(report.batches, "batch", "batches")
    retried = f", {plural(report.rounds, 'round')} of retries" if report.rounds else ""
    spent = f", in {duration(report.seconds)}" if report.seconds >= SHOWN_SECONDS else ""
    if not report.finished:
        done = f"{report.done:,} of {plural(report.parts, 'part')} done"
        look = "later" if report.next_look is None else f"after {time_of_day(report.next_look)}"
        last = f"not finished: {done}, {batches} so far{spent}; run it again {look}"
        yield Sentences([*_live_lines(report.live_batches, names), last])
    elif report.table is not None:
        yield Notes(join_notes(report.table, names, csv_safe=csv_safe))
        outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in report.outcomes.items())
        yield Sentences([f"{output_name(report.output)}: {outcomes}; {batches}{retried}{spent}"])
    else:
        yield Sentences([f"{visible(report.output)}: was finished already, nothing was sent; {batches}{retried}"])


def _live_lines(batches: tuple[LiveBatch, ...], names: Interface) -> Iterator[str]:
    """Yield a line for each batch at the service, oldest first."""
    oldest = sorted(batches, key=lambda batch: batch.created_at)
    for batch in oldest[:LISTED]:
        state = visible(batch.status or "created")
        counts = f", {batch.completed + batch.failed:,} of {plural(batch.total, 'request')}" if batch.total else ""
        yield f"{visible(batch.part)}: {visible(batch.batch_id)} is {state}, created {duration(batch.age)} ago{counts}"
    if len(oldest) > LISTED:
        yield f"… and {plural(len(oldest) - LISTED, 'batch', 'batches')} more: {names.all_of_them}"
