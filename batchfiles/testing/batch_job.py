"""One batch of the local server: its stages over time, its answers, and its result files in shuffled order."""

from __future__ import annotations

import json
import os
import random
import tempfile
from array import array
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Self

from batchfiles.api.batch import Batch, BatchErrors, BatchRequestCounts, BatchUsage
from batchfiles.open_strings import BatchStatus
from batchfiles.testing.mock_answers import Answerer
from batchfiles.testing.parameters import Refusal, Validation, error_body, requests_of, seconds_of
from batchfiles.testing.quirks import Quirks


class ResultLines:
    """Lines in a temporary file, as a context manager. Uses 8 bytes of memory per line."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="batchfiles-testing-")  # noqa: SIM115 - closed by __exit__
        self._ends = array("Q", [0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._ends) - 1

    def add(self, line: bytes) -> None:
        """Append a line."""
        self._file.write(line)
        self._ends.append(self._ends[-1] + len(line))

    def shuffled(self, chance: random.Random) -> IO[bytes]:
        """Return a temporary file with the same lines in random order."""
        order = array("Q", range(len(self)))
        chance.shuffle(order)
        target: IO[bytes] = tempfile.TemporaryFile(prefix="batchfiles-testing-")  # noqa: SIM115 - the caller closes it
        for number in order:
            self._file.seek(self._ends[number])
            target.write(self._file.read(self._ends[number + 1] - self._ends[number]))
        target.seek(0)
        return target


CANCELLED: Final = {"code": "batch_cancelled", "message": "This request was not executed: the batch was cancelled."}
EXPIRED: Final = {
    "code": "batch_expired",
    "message": "This request could not be executed before the completion window expired.",
}


@dataclass(slots=True)
class Results:
    """The results of a batch.

    Attributes:
        outputs: The lines of the output file.
        errors: The lines of the error file.
        chance: The random order of the lines.
        completed: Requests with a successful answer.
        failed: Requests with another answer; unanswered ones are in neither number.
        expired: Requests that expired.
        input_tokens: Tokens of the requests.
        output_tokens: Tokens of the answers.
    """

    outputs: ResultLines
    errors: ResultLines
    chance: random.Random
    completed: int = 0
    failed: int = 0
    expired: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


@contextmanager
def execute(
    path: Path, batch: Batch, answer: Answerer, quirks: Quirks, *, stop_after: int | None, ended_by: dict[str, str]
) -> Iterator[Results]:
    """Answer the requests of a file; the results exist until the end of the block.

    Args:
        path: The validated file.
        batch: The batch; its id is the seed of the order.
        answer: Answers a request.
        quirks: The quirks.
        stop_after: The number of requests that are answered; None for all.
        ended_by: The error of the others.
    """
    with ResultLines() as outputs, ResultLines() as errors:
        results = Results(outputs, errors, random.Random(batch.id))  # noqa: S311 - no secret
        for number, (_, request) in enumerate(requests_of(path)):
            custom_id = request["custom_id"]
            fate = _fate(custom_id, batch.id, quirks)
            if custom_id in quirks.missing or fate == "drop":
                continue
            request.setdefault("url", batch.endpoint)
            line: dict[str, Any] = {
                "id": f"batch_req_{batch.id.removeprefix('batch_')}{number:06d}",
                "custom_id": custom_id,
                "response": None,
                "error": None,
            }
            if stop_after is not None and number >= stop_after:
                line["error"], good = ended_by, False
            elif fate == "expire":
                line["error"], good = EXPIRED, False
                results.expired += 1
            else:
                line["response"], good = _response(request, answer, quirks, results, line["id"], fate)
            written = json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"  # \udXXX is JSON
            for _ in range(2 if custom_id in quirks.duplicates else 1):
                (outputs if good or quirks.one_file else errors).add(written)
        yield results


def _fate(custom_id: str, batch_id: str, quirks: Quirks) -> int | str | None:
    """Draw the fate of a request: the status with which it fails, `expire`, `drop`, or None."""
    if not (quirks.fail or quirks.expire or quirks.drop):
        return None
    chance = random.Random(f"{quirks.seed} {batch_id} {custom_id}")  # noqa: S311 - no secret
    drawn = chance.random()
    for share, fate in ((quirks.fail, chance.choice(STATUSES)), (quirks.expire, "expire"), (quirks.drop, "drop")):
        if drawn < share:
            return fate
        drawn -= share
    return None


STATUSES: Final = (400, 429, 500, 503)
"""The statuses of failed requests: one permanent and three transient ones."""


def _response(
    request: dict[str, Any], answer: Answerer, quirks: Quirks, results: Results, line_id: str, fate: int | str | None
) -> tuple[dict[str, Any], bool]:
    """Answer and count a request; return the response and whether it was successful."""
    custom_id = request["custom_id"]
    if custom_id in quirks.no_response:  # the service counted such lines as completed
        results.completed += 1
        return {"status_code": 0, "request_id": "", "body": {}}, False
    failing = quirks.failing.get(custom_id, fate if isinstance(fate, int) else None)
    status, body = answered(request["url"], request["body"], answer) if failing is None else (failing, _failure(failing))
    good = 200 <= status < 300
    if good:
        results.completed += 1
        usage = body.get("usage") or {}
        results.input_tokens += usage.get("input_tokens", usage.get("prompt_tokens", 0))
        results.output_tokens += usage.get("output_tokens", usage.get("completion_tokens", 0))
    else:
        results.failed += 1
    return {"status_code": status, "request_id": f"req_{line_id.removeprefix('batch_req_')}", "body": body}, good


def answered(url: str, body: dict[str, Any], answer: Answerer) -> tuple[int, dict[str, Any]]:
    """Answer one request; if the function raises, only this request fails, with status 500."""
    try:
        return answer(url, body)
    except Exception as error:  # noqa: BLE001 - the user's function may raise anything
        return 500, _failure(500, f"The answer function raised {type(error).__name__}: {error}")


def _failure(status: int, message: str | None = None) -> dict[str, Any]:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return error_body(message or f"The request failed with status {status}.", kind=kind)


Store = Callable[[IO[bytes], str, float], str]
"""Stores a result file, given its bytes, its kind (`output` or `error`) and the time, and returns its id."""


class BatchJob:
    """A batch, from its creation to its result files.

    Its stages `validating`, `in_progress` and `finalizing` have the same length, and so has `cancelling`. While it is in
    progress, its requests are answered at a constant rate.

    Args:
        batch: The batch object, which is updated.
        path: The file of its requests.
        validation: The result of the validation of this file.
        made: The time of its creation.
        stage_seconds: The length of a stage.
        quirks: The quirks.
        answer: Answers a request.
        store: Stores the result files.
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

    def snapshot(self, now: float) -> Batch:
        """Update the batch to a time, and return it."""
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
        """Cancel the batch, unless it is cancelled already.

        Raises:
            Refusal: It has ended.
        """
        batch = self.snapshot(now)
        if batch.status in ("cancelling", "cancelled"):
            return batch
        if batch.is_terminal:
            raise Refusal(409, f"Cannot cancel a batch with status '{batch.status}'.")
        self._cancelled_at = now
        batch.status, batch.cancelling_at = BatchStatus.CANCELLING, int(now)
        return self.snapshot(now)

    def _advance(self, now: float) -> None:
        """Update the status of a batch that has not ended."""
        batch, stage = self.batch, self._stage_seconds
        age = now - self.made
        if age < stage:
            return
        batch.status = BatchStatus.IN_PROGRESS
        batch.in_progress_at = int(self.made + stage)
        batch.model = self._validation.model
        batch.request_counts = BatchRequestCounts(total=self.requests, completed=self._answered_by(now))
        if age >= 2 * stage:
            batch.status, batch.finalizing_at = BatchStatus.FINALIZING, int(self.made + 2 * stage)

    def _answered_by(self, now: float) -> int:
        """Return the number of requests that are answered at a time."""
        age = now - self.made - self._stage_seconds
        return max(0, min(self.requests, int(self.requests * age / self._stage_seconds))) if self._stage_seconds else 0

    def _fail(self, end: float) -> None:
        self._ended_at = end
        self.batch.status, self.batch.failed_at = BatchStatus.FAILED, int(end)
        self.batch.errors = BatchErrors(data=self._validation.errors)

    def _end(self, status: str, end: float, now: float, stop_after: int | None, ended_by: dict[str, str]) -> None:
        """Answer the requests, and write the files; `end` may be earlier than `now`."""
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
        batch.status, self._ended_at = BatchStatus(status), end
        batch.model = self._validation.model
        batch.in_progress_at = batch.in_progress_at or int(min(self.made + self._stage_seconds, end))
        if status == "completed":
            batch.finalizing_at = int(self.made + 2 * self._stage_seconds)
        setattr(batch, f"{status}_at", int(end))
        self._name_files(now)

    def _files_of(self, results: Results, end: float) -> list[tuple[str, str]]:
        """Store the files, and return the key and the id of each."""
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
        """Set the ids of the files in the batch, unless they are still late."""
        if self._ended_at is not None and now - self._ended_at >= self._quirks.late_files:
            for key, file_id in self._unnamed:
                setattr(self.batch, key, file_id)
            self._unnamed = []
