"""The service itself: files and batches, what becomes of them with time, and what it refuses. No HTTP here."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from batchfiles.api.batch import Batch, BatchError, BatchErrors, BatchRequestCounts, BatchUsage
from batchfiles.api.batch_request import BATCH_ENDPOINTS, COMPLETION_WINDOW, MAX_KEY, MAX_PAIRS, MAX_VALUE
from batchfiles.api.file import FileDeleted, FileObject, ListBatchesResponse, ListFilesResponse
from batchfiles.jobs.validate import validate
from batchfiles.limits import OPENAI, Limits
from batchfiles.testing.answers import Answerer, answer
from batchfiles.testing.clock import Clock
from batchfiles.testing.execution import Results, execute
from batchfiles.testing.quirks import Quirks
from batchfiles.testing.refusal import Refusal

__all__ = ["Service", "StoredFile"]

STAGES: Final = ("validating", "in_progress", "finalizing")
DAY: Final = 24 * 60 * 60


@dataclass(slots=True)
class StoredFile:
    """A file of the service, and where its bytes are."""

    object: FileObject
    path: Path
    etag: str
    made: float


@dataclass(slots=True)
class _Job:
    batch: Batch
    made: float
    failure: list[BatchError] = field(default_factory=list)
    results: Results | None = None
    ended: float | None = None
    cancelled_at: float | None = None


class Service:
    """Everything that the local server knows.

    Args:
        answer: What answers a request: url and body in, status and body out.
        clock: The time; a `Clock(0)` stands until it is turned.
        stage_seconds: How long a batch is `validating`, `in_progress` and `finalizing` each. With 0 it is done at the first look.
        quirks: What real services do now and then.
        limits: What a file of requests may be.
    """

    def __init__(
        self,
        *,
        answer: Answerer = answer,
        clock: Clock | None = None,
        stage_seconds: float = 0.0,
        quirks: Quirks | None = None,
        limits: Limits = OPENAI,
    ) -> None:
        self.answer = answer
        self.clock = clock or Clock()
        self.stage_seconds = stage_seconds
        self.quirks = quirks or Quirks()
        self.limits = limits
        self.files: dict[str, StoredFile] = {}
        self._jobs: dict[str, _Job] = {}
        self._made = 0
        self._folder = Path(tempfile.mkdtemp(prefix="batchfiles-testing-"))

    def close(self) -> None:
        """Remove the files."""
        shutil.rmtree(self._folder, ignore_errors=True)

    # Files

    def create_file(self, source: Path, filename: str, purpose: str, expires_after: int | None = None) -> FileObject:
        """Take a file; only its beginning is looked at, as the service does.

        Raises:
            Refusal: It is empty, too large, no JSONL, or has another name.
        """
        size = source.stat().st_size
        if purpose == "batch":
            self._check_upload(source, filename, size)
        return self._store(source, filename, purpose, expires_after)

    def _check_upload(self, source: Path, filename: str, size: int) -> None:
        if not filename.endswith(".jsonl"):
            raise Refusal(400, "Invalid file format for Batch API. Must be .jsonl")
        if self.limits.max_bytes is not None and size > self.limits.max_bytes:
            raise Refusal(413, "File is too large.")
        with source.open("rb") as file:
            first = file.readline(1024 * 1024)
        if not first.strip().startswith(b"{"):
            raise Refusal(400, "Invalid file format. The file must be a jsonl file, one JSON object a line.")

    def _store(self, source: Path, filename: str, purpose: str, expires_after: int | None = None) -> FileObject:
        now = self.clock.now()
        file_id = f"file-{self._new_id()}"
        path = self._folder / file_id
        shutil.move(source, path)
        with path.open("rb") as file:
            etag = f'"{hashlib.file_digest(file, "sha256").hexdigest()[:32]}"'
        made = FileObject(
            id=file_id,
            bytes=path.stat().st_size,
            created_at=int(now),
            expires_at=None if expires_after is None else int(now) + expires_after,
            filename=filename,
            purpose=purpose,
            status="processed",
        )
        self.files[file_id] = StoredFile(made, path, etag, now)
        return made

    def file(self, file_id: str) -> StoredFile:
        """Return a file.

        Raises:
            Refusal: There is none.
        """
        found = self.files.get(file_id)
        if found is None:
            raise Refusal(404, f"No such File object: {file_id}", param="id")
        return found

    def list_files(self, purpose: str | None, after: str | None, limit: int, order: str) -> ListFilesResponse:
        """Return a page of files."""
        found = [stored.object for stored in self.files.values() if purpose in (None, stored.object.purpose)]
        if order == "desc":
            found.reverse()
        page, has_more = _page(found, after, limit)
        return ListFilesResponse(data=page, has_more=has_more, **_ends(page))

    def delete_file(self, file_id: str) -> FileDeleted:
        """Delete a file.

        Raises:
            Refusal: There is none.
        """
        self.file(file_id).path.unlink()
        del self.files[file_id]
        return FileDeleted(id=file_id, deleted=True)

    # Batches

    def create_batch(self, asked: dict[str, Any]) -> Batch:
        """Make a batch; what is wrong with the lines shows later, in a batch that fails.

        Raises:
            Refusal: A parameter is wrong.
        """
        _check_parameters(asked)
        stored = self.files.get(asked["input_file_id"])
        now = self.clock.now()
        if stored is None or now - stored.made < self.quirks.new_file_pause:
            message = f"Cannot find file {asked['input_file_id']}, or project does not have access to it."
            raise Refusal(400, message, param="file_id")
        batch = Batch(
            id=f"batch_{self._new_id()}",
            endpoint=asked["endpoint"],
            input_file_id=asked["input_file_id"],
            completion_window=asked["completion_window"],
            created_at=int(now),
            expires_at=int(now) + DAY,
            metadata=asked.get("metadata"),
        )
        job = self._jobs[batch.id] = _Job(batch, now)
        job.failure = self._faults_of(stored, batch)
        return self._looked_at(job)

    def batch(self, batch_id: str) -> Batch:
        """Return a batch as it stands now.

        Raises:
            Refusal: There is none.
        """
        return self._looked_at(self._job(batch_id))

    def list_batches(self, after: str | None, limit: int) -> ListBatchesResponse:
        """Return a page of batches, newest first."""
        now = self.clock.now()
        listed = [job for job in self._jobs.values() if now - job.made >= self.quirks.list_lag]
        page, has_more = _page([self._looked_at(job) for job in reversed(listed)], after, limit)
        return ListBatchesResponse(data=page, has_more=has_more, **_ends(page))

    def cancel_batch(self, batch_id: str) -> Batch:
        """Cancel a batch; a cancelled one stays as it is.

        Raises:
            Refusal: There is none, or it is over.
        """
        job = self._job(batch_id)
        batch = self._looked_at(job)
        if batch.status in ("cancelled", "cancelling"):
            return batch
        if batch.is_terminal:
            raise Refusal(409, f"Cannot cancel a batch with status '{batch.status}'.")
        job.cancelled_at = self.clock.now()
        return self._looked_at(job)

    def _job(self, batch_id: str) -> _Job:
        if batch_id not in self._jobs:
            raise Refusal(404, f"No batch found with id '{batch_id}'.")
        return self._jobs[batch_id]

    def _faults_of(self, stored: StoredFile, batch: Batch) -> list[BatchError]:
        """Validate the file as the service does after a batch was made of it."""
        report = validate(stored.path, limits=self.limits)
        faults = [
            BatchError(code=finding.code, message=finding.message, param=_param(finding.json_path), line=finding.line_number)
            for finding in report.findings
            if finding.severity == "error"
        ]
        file = report.files[0]
        if not faults and file.endpoint != batch.endpoint:
            message = "The URL provided for this request does not match the batch endpoint."
            faults = [BatchError(code="invalid_url", message=message, param="url", line=1)]
        waiting = sum(job.batch.request_counts.total for job in self._jobs.values() if not job.batch.is_terminal)
        queue = self.quirks.enqueued_requests
        batch.request_counts = BatchRequestCounts(total=file.requests)
        if not faults and queue is not None and waiting + file.requests > queue:
            faults = [
                BatchError(code="token_limit_exceeded", message=f"Enqueued token limit reached. Limit: {queue:,} enqueued.")
            ]
        return faults

    def _looked_at(self, job: _Job) -> Batch:
        """Let a batch become what it has become by now."""
        batch, now = job.batch, self.clock.now()
        if batch.is_terminal:
            self._name_files(job, now)
            return batch
        age = now - job.made
        if job.failure and age >= self.stage_seconds:
            batch.status, batch.failed_at = "failed", int(now)
            batch.errors, batch.request_counts = BatchErrors(data=job.failure), BatchRequestCounts()
        elif job.cancelled_at is not None:
            self._cancel(job, now)
        elif age >= 3 * self.stage_seconds:
            self._complete(job, now)
        else:
            batch.status = STAGES[int(age / self.stage_seconds)]
            if batch.status == "in_progress":
                batch.in_progress_at = int(job.made + self.stage_seconds)
                batch.status = self.quirks.unknown_status or batch.status
            elif batch.status == "finalizing":
                batch.finalizing_at = int(job.made + 2 * self.stage_seconds)
        return batch

    def _cancel(self, job: _Job, now: float) -> None:
        """Half of the requests were answered by then."""
        batch = job.batch
        batch.cancelling_at = int(job.cancelled_at or now)
        if now - (job.cancelled_at or now) < self.stage_seconds:
            batch.status = "cancelling"
            return
        self._finish(job, "cancelled", now, stop_after=batch.request_counts.total // 2)
        batch.cancelled_at = int(now)

    def _complete(self, job: _Job, now: float) -> None:
        expired = self.quirks.expire_after is not None
        self._finish(job, "expired" if expired else "completed", now)
        if expired:
            job.batch.expired_at = int(now)
        else:
            job.batch.completed_at = int(now)

    def _finish(self, job: _Job, status: str, now: float, *, stop_after: int | None = None) -> None:
        batch = job.batch
        stored = self.files[batch.input_file_id or ""]
        results = job.results = execute(stored.path, batch.id, self.answer, self.quirks, stop_after=stop_after)
        batch.status, job.ended = status, now
        batch.in_progress_at = batch.in_progress_at or int(now)
        answered = [line for line in results.errors if b'"response": null' not in line]
        batch.request_counts = BatchRequestCounts(total=results.total, completed=len(results.outputs), failed=len(answered))
        tokens = results.input_tokens + results.output_tokens
        batch.usage = BatchUsage(input_tokens=results.input_tokens, output_tokens=results.output_tokens, total_tokens=tokens)
        self._name_files(job, now)

    def _name_files(self, job: _Job, now: float) -> None:
        """Make the files of results, at their time."""
        results = job.results
        if results is None or job.ended is None or now - job.ended < self.quirks.late_files:
            return
        job.results = None
        batch = job.batch
        batch.output_file_id = self._results_file(results.outputs, f"{batch.id}_output.jsonl")
        batch.error_file_id = self._results_file(results.errors, f"{batch.id}_error.jsonl")

    def _results_file(self, lines: list[bytes], name: str) -> str | None:
        if not lines:
            return None
        path = self._folder / f"new-{name}"
        with path.open("wb") as file:
            file.writelines(lines)
        return self._store(path, name, "batch_output").id

    def _new_id(self) -> str:
        self._made += 1
        return hashlib.sha256(str(self._made).encode()).hexdigest()[:24]


def _check_parameters(asked: dict[str, Any]) -> None:
    """Refuse what the service refuses, in its words.

    Raises:
        Refusal: A parameter is missing or wrong.
    """
    for name in ("input_file_id", "endpoint", "completion_window"):
        if not isinstance(asked.get(name), str) or not asked[name]:
            raise Refusal(400, f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)
    if asked["endpoint"] not in BATCH_ENDPOINTS:
        known = ", ".join(f"'{endpoint}'" for endpoint in BATCH_ENDPOINTS)
        message = f"Invalid value: '{asked['endpoint']}'. Supported values are: {known}."
        raise Refusal(400, message, code="invalid_value", param="endpoint")
    if asked["completion_window"] != COMPLETION_WINDOW:
        raise Refusal(400, "Invalid 'completion_window': it must be '24h'.", code="invalid_value", param="completion_window")
    metadata = asked.get("metadata")
    if metadata is not None:
        _check_metadata(metadata)


def _check_metadata(metadata: Any) -> None:  # noqa: ANN401 - whatever came
    if not isinstance(metadata, dict) or len(metadata) > MAX_PAIRS:
        raise Refusal(400, f"Invalid 'metadata': at most {MAX_PAIRS} pairs.", code="invalid_value", param="metadata")
    for key, value in metadata.items():
        if not isinstance(value, str):
            message = f"Invalid type for 'metadata.{key}': expected a string."
            raise Refusal(400, message, code="invalid_type", param=f"metadata.{key}")
        if len(key) > MAX_KEY or len(value) > MAX_VALUE:
            raise Refusal(
                400, f"Invalid 'metadata.{key}': string too long.", code="string_above_max_length", param=f"metadata.{key}"
            )


def _param(json_path: str | None) -> str | None:
    return None if json_path is None else json_path.removeprefix("$.")


def _page(found: list[Any], after: str | None, limit: int) -> tuple[list[Any], bool]:
    ids = [each.id for each in found]
    start = ids.index(after) + 1 if after in ids else 0
    return found[start : start + limit], len(found) > start + limit


def _ends(page: list[Any]) -> dict[str, Any]:
    return {"first_id": page[0].id if page else None, "last_id": page[-1].id if page else None}
