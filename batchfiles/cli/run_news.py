"""What a run says to people: while it goes on, when it ends, and what it would do."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self, TextIO

from batchfiles.cli.outcome_table import share
from batchfiles.cli.targets import place_of
from batchfiles.cli.terminal import cut, visible
from batchfiles.cli.text_table import text_table
from batchfiles.cli.validate import plural, size

if TYPE_CHECKING:
    from batchfiles.campaign_run.report import PlannedPart, RunPlan, RunReport, RunStatus

__all__ = ["RunNews", "words_of_plan", "words_of_report"]

PLAN_HEADINGS = ("part", "requests", "size", "tokens", "endpoint")
ERASE_LINE = "\r\x1b[K"

LISTED = 20
"""Parts that a plan lists; `--json` has them all."""


class RunNews:
    """On a terminal a line that is drawn anew, below the lines of what happened; elsewhere these lines only.

    Args:
        quiet: Say nothing.
        stream: Where to write; None is standard error.
    """

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._quiet = quiet
        self._stream = stream or sys.stderr
        self._on_terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._on_terminal:
            self._write(ERASE_LINE)

    def tell(self, status: RunStatus) -> None:
        """Show how the run stands."""
        erased = ERASE_LINE if self._on_terminal else ""
        news = "" if status.news is None else f"{erased}{visible(status.news)}\n"
        line = cut(_words(status), shutil.get_terminal_size().columns - 1) if self._on_terminal else ""
        self._write(news + erased + line)

    def _write(self, text: str) -> None:
        if self._quiet or not text:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:  # nobody reads it any more: no reason to end the run
            self._quiet = True


def _words(status: RunStatus) -> str:
    if not status.parts:
        return "checking the requests"
    parts = f"{plural(status.parts, 'part')}: {status.done:,} done, {status.live:,} at the service, {status.waiting:,} to send"
    if not status.requests:
        return parts
    return f"{parts}; {status.answered:,} of {status.requests:,} requests ({share(status.answered, status.requests)})"


def words_of_plan(plan: RunPlan) -> Iterator[str]:
    """Yield the lines that say what would be sent."""
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
