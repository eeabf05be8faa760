"""One batch of the local server, and what becomes of it with time."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import IO

from batchfiles.api.batch import Batch, BatchErrors, BatchRequestCounts, BatchUsage
from batchfiles.testing.answers import Answerer
from batchfiles.testing.execution import CANCELLED, EXPIRED, Results, execute
from batchfiles.testing.parameters import seconds_of
from batchfiles.testing.quirks import Quirks
from batchfiles.testing.refusal import Refusal
from batchfiles.testing.validation import Validation

__all__ = ["BatchJob"]

Store = Callable[[IO[bytes], str, float], str]
"""Makes a file of results, of its bytes, its kind (`output` or `error`) and the time; returns its id."""


class BatchJob:
    """A batch, from its making to its files.

    Its stages are `validating`, `in_progress` and `finalizing`, of the same length; a batch that is cancelled is `cancelling` for
    as long. While it is in progress its requests are answered one after the other, all in the same time.

    Args:
        batch: What callers see.
        path: The file of its requests.
        validation: What was found in it.
        made: The time of its making.
        stage_seconds: The length of a stage.
        quirks: What real services do now and then.
        answer: What answers a request.
        store: What makes the files of results.
    """

    def __init__(
        self,
        batch: Batch,
        path: Path,
        validation: Validation,
        *,
        made: float,
        stage_seconds: float,
        quirks: Quirks,
        answer: Answerer,
        store: Store,
    ) -> None:
        self.batch = batch
        self.made = made
        self.requests = validation.requests
        self._window = seconds_of(batch.completion_window)
        self._path = path
        self._validation = validation
        self._stage_seconds = stage_seconds
        self._quirks = quirks
        self._answer = answer
        self._store = store
        self._cancelled_at: float | None = None
        self._ended_at: float | None = None
        self._unnamed: list[tuple[str, str]] = []

    def look(self, now: float) -> Batch:
        """Let the batch become what it has become by now."""
        batch, done = self.batch, self.made + 3 * self._stage_seconds
        if self._ended_at is not None:
            self._name_files(now)
        elif self._validation.errors:
            if now >= self.made + self._stage_seconds:
                self._fail(self.made + self._stage_seconds)
        elif self._cancelled_at is not None:
            end = self._cancelled_at + self._stage_seconds
            if now >= end:
                self._end("cancelled", end, now, self._answered_by(self._cancelled_at), CANCELLED)
        elif done > (end := self.made + self._window) and now >= end:
            self._end("expired", end, now, self._answered_by(end), EXPIRED)
        elif now >= done:
            expires = self._quirks.expire_after is not None
            self._end("expired" if expires else "completed", done, now, self._quirks.expire_after, EXPIRED)
        else:
            self._advance(now)
        return batch

    def cancel(self, now: float) -> Batch:
        """Cancel it; one that is cancelled stays as it is.

        Raises:
            Refusal: It is over.
        """
        batch = self.look(now)
        if batch.status in ("cancelling", "cancelled"):
            return batch
        if batch.is_terminal:
            raise Refusal(409, f"Cannot cancel a batch with status '{batch.status}'.")
        self._cancelled_at = now
        batch.status, batch.cancelling_at = "cancelling", int(now)
        return self.look(now)

    def _advance(self, now: float) -> None:
        """Go through the stages that need no files."""
        batch, stage = self.batch, self._stage_seconds
        age = now - self.made
        if age < stage:
            return
        batch.status = "in_progress"
        batch.in_progress_at = int(self.made + stage)
        batch.model = self._validation.model
        batch.request_counts = BatchRequestCounts(total=self.requests, completed=self._answered_by(now))
        if age >= 2 * stage:
            batch.status, batch.finalizing_at = "finalizing", int(self.made + 2 * stage)

    def _answered_by(self, now: float) -> int:
        """Tell how many requests are answered at a time."""
        age = now - self.made - self._stage_seconds
        return max(0, min(self.requests, int(self.requests * age / self._stage_seconds))) if self._stage_seconds else 0

    def _fail(self, end: float) -> None:
        self._ended_at = end
        self.batch.status, self.batch.failed_at = "failed", int(end)
        self.batch.errors = BatchErrors(data=self._validation.errors)

    def _end(self, status: str, end: float, now: float, stop_after: int | None, ended_by: dict[str, str]) -> None:
        """Answer the requests, and write the files; the end may have been before somebody looked."""
        batch = self.batch
        with execute(self._path, batch, self._answer, self._quirks, stop_after=stop_after, ended_by=ended_by) as results:
            batch.request_counts = BatchRequestCounts(total=self.requests, completed=results.completed, failed=results.failed)
            batch.usage = BatchUsage(
                input_tokens=results.input_tokens,
                output_tokens=results.output_tokens,
                total_tokens=results.input_tokens + results.output_tokens,
            )
            self._unnamed = self._files_of(results, end)
            if results.expired and status == "completed":
                status = "expired"
        batch.status, self._ended_at = status, end
        batch.model = self._validation.model
        batch.in_progress_at = batch.in_progress_at or int(min(self.made + self._stage_seconds, end))
        if status == "completed":
            batch.finalizing_at = int(self.made + 2 * self._stage_seconds)
        setattr(batch, f"{status}_at", int(end))
        self._name_files(now)

    def _files_of(self, results: Results, end: float) -> list[tuple[str, str]]:
        """Make the files, and return the keys that their ids will stand under."""
        made = []
        for kind, lines in (("output", results.outputs), ("error", results.errors)):
            if lines or (kind == "error" and self._quirks.empty_error_file):
                with closing(lines.shuffled(results.chance)) as content:
                    if lines and self._quirks.no_last_newline:
                        content.truncate(content.seek(-1, os.SEEK_END))
                        content.seek(0)
                    made.append((f"{kind}_file_id", self._store(content, kind, end)))
        return made

    def _name_files(self, now: float) -> None:
        """Name the files in the batch, once it is time."""
        if self._ended_at is not None and now - self._ended_at >= self._quirks.late_files:
            for key, file_id in self._unnamed:
                setattr(self.batch, key, file_id)
            self._unnamed = []
