"""What a run says to people: while it goes on, when it ends, and what it would do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Self, TextIO

from batchfiles.cli.live_line import LiveLine
from batchfiles.cli.outcome_table import share
from batchfiles.cli.targets import place_of
from batchfiles.cli.terminal import visible
from batchfiles.cli.text_table import text_table
from batchfiles.cli.validate import not_read_lines, plural, size

if TYPE_CHECKING:
    from batchfiles.campaign_run.report import PlannedPart, RunPlan, RunReport, RunStatus

__all__ = ["RunNews", "words_of_plan", "words_of_report"]

PLAN_HEADINGS = ("part", "requests", "size", "tokens", "endpoint")

LISTED = 20
"""Parts that a plan lists; `--json` has them all."""


class RunNews:
    """On a terminal a line that is drawn anew, below the lines of what happened; elsewhere these lines only.

    Args:
        quiet: Say nothing.
        stream: Where to write; None is standard error.
    """

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._line = LiveLine(stream, quiet=quiet)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.erase()

    def tell(self, status: RunStatus) -> None:
        """Show how the run stands."""
        if status.news is not None:
            self._line.leave(visible(status.news))
        self._line.draw(_words(status))


def _words(status: RunStatus) -> str:
    if not status.parts:
        return "checking the requests"
    parts = f"{plural(status.parts, 'part')}: {status.done:,} done, {status.live:,} at the service, {status.waiting:,} to send"
    if not status.requests:
        return parts
    return f"{parts}; {status.answered:,} of {status.requests:,} requests ({share(status.answered, status.requests)})"


def words_of_plan(plan: RunPlan) -> Iterator[str]:
    """Yield the lines that say what would be sent."""
    yield from not_read_lines(plan.not_read, plan.examples)
    if not plan.parts:
        yield f"{visible(plan.folder)}: nothing would be sent now"
        return
    yield from text_table(PLAN_HEADINGS, map(_row, plan.parts[:LISTED]), texts=("part", "endpoint"))
    if len(plan.parts) > LISTED:
        yield f"… and {plural(len(plan.parts) - LISTED, 'part')} more: --json lists them"
    sums = plan.to_dict()
    words = f"{plural(len(plan.parts), 'part')} with {plural(sums['requests'], 'request')}, {size(sums['bytes'])}"
    yield f"{words}, about {sums['tokens']:,} tokens to read; nothing was sent"


def _row(part: PlannedPart) -> tuple[str, ...]:
    return visible(part.file), f"{part.requests:,}", size(part.bytes), f"{part.tokens:,}", visible(part.endpoint)


def words_of_report(report: RunReport) -> Iterator[str]:
    """Yield the lines that say how far a run came."""
    yield from not_read_lines(report.not_read, report.examples)
    batches = plural(report.batches, "batch", "batches")
    retried = f", {plural(report.rounds, 'round')} of retries" if report.rounds else ""
    if not report.finished:
        yield f"not finished: {report.done:,} of {plural(report.parts, 'part')} done, {batches} so far; start it again later"
        return
    if report.outcomes:
        outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in report.outcomes.items())
        yield f"{place_of(report.output)}: {outcomes}; {batches}{retried}"
    else:
        yield f"{visible(report.output)}: finished before, nothing was sent; {batches}{retried}"
