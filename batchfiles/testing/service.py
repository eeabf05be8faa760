"""The service itself: files and batches, and what it refuses. No HTTP here."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import IO, Any, BinaryIO, TypeVar, cast

from batchfiles.api.batch import Batch, BatchError
from batchfiles.api.file import FileDeleted, FileObject, ListBatchesResponse, ListFilesResponse
from batchfiles.limits import LimitsLike, profile
from batchfiles.testing.answers import Answerer, answer
from batchfiles.testing.batch_job import BatchJob, answered
from batchfiles.testing.files import FileStore, StoredFile
from batchfiles.testing.parameters import Refusal, Validation, check_batch, check_purpose, expiry, seconds_of, validated
from batchfiles.testing.quirks import Clock, Quirks

__all__ = ["Service"]

T = TypeVar("T", Batch, FileObject)

FIRST_LINE = 1024 * 1024
"""Bytes of an upload that are looked at; the service looks at its beginning only."""


class Service:
    """Everything that the local server knows. Its methods may be called from any thread.

    Args:
        answer: What answers a request: url and body in, status and body out.
        clock: The time; a `Clock(0)` stands until it is turned.
        stage_seconds: How long a batch is `validating`, `in_progress` and `finalizing` each. With 0 it is done at the first look.
        quirks: What real services do now and then.
        limits: What a file of requests may be; `"azure"` for Azure's rules, `"none"` for files of any size.
        models: The models there are; None for any.
    """

    def __init__(
        self,
        *,
        answer: Answerer = answer,
        clock: Clock | None = None,
        stage_seconds: float = 0.0,
        quirks: Quirks | None = None,
        limits: LimitsLike = "openai",
        models: Collection[str] | None = None,
    ) -> None:
        self.answer = answer
        self.clock = clock or Clock()
        self.stage_seconds = stage_seconds
        self.quirks = quirks or Quirks()
        self.limits = profile(limits)
        self.models = models
        self._files = FileStore()
        self._jobs: dict[str, BatchJob] = {}
        self._made = 0
        self._lock = threading.RLock()

    def close(self) -> None:
        """Remove the files."""
        self._files.close()

    @property
    def files(self) -> list[FileObject]:
        """All files, oldest first."""
        with self._lock:
            return [self._shown(stored) for stored in self._files.all(self.clock.now())]

    @property
    def batches(self) -> list[Batch]:
        """All batches as they stand now, oldest first; also those that `list_lag` still hides."""
        with self._lock:
            now = self.clock.now()
            return [job.look(now) for job in self._jobs.values()]

    # Files

    def create_file(
        self, content: BinaryIO, filename: str, purpose: str, *, anchor: str | None = None, seconds: object = None
    ) -> FileObject:
        """Take a file; only its beginning is looked at, as the service does.

        Args:
            content: Its bytes, at their beginning.
            filename: What it is called.
            purpose: `batch` for requests.
            anchor: What its life is counted from, if `seconds` are given.
            seconds: After how many it is to be deleted; a number or its digits.

        Raises:
            Refusal: It is empty, too large or no JSONL, has another name, or a parameter is wrong.
        """
        check_purpose(purpose)
        life = None if anchor is None and seconds is None else expiry("expires_after", anchor, seconds)
        if purpose == "batch":
            self._check_upload(content, filename)
        with self._lock:
            made = self._files.add(self._new_id("file-"), content, filename, purpose, self.clock.now(), life)
            return self._shown(self._files.get(made.id, self.clock.now()))

    def _shown(self, stored: StoredFile) -> FileObject:
        """Return a file object as the service shows it now."""
        if stored.object.purpose != "batch":
            return stored.object
        if self.clock.now() - stored.made < self.quirks.pending_files:
            return replace(stored.object, status="pending")
        if self.quirks.broken_files:
            return replace(stored.object, status="error", status_details="The file could not be processed.")
        return stored.object

    def _check_upload(self, content: BinaryIO, filename: str) -> None:
        if not filename.lower().endswith(".jsonl"):
            raise Refusal(400, "Invalid file format for Batch API. Must be .jsonl")
        size = content.seek(0, 2)
        content.seek(0)
        if self.limits.max_bytes is not None and size > self.limits.max_bytes:
            raise Refusal(413, "File is too large.")
        first = content.readline(FIRST_LINE)
        content.seek(0)
        if not first.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
            raise Refusal(400, "Invalid file format. The file must be in jsonl format: one JSON object a line.")

    def file(self, file_id: str) -> StoredFile:
        """Return a file.

        Raises:
            Refusal: There is none.
        """
        with self._lock:
            stored = self._files.get(file_id, self.clock.now())
            return replace(stored, object=self._shown(stored))

    def list_files(self, purpose: str | None, after: str | None, limit: int, order: str) -> ListFilesResponse:
        """Return a page of files.

        Raises:
            Refusal: `after` is no file.
        """
        found = [file for file in self.files if purpose in (None, file.purpose)]
        if order == "desc":
            found.reverse()
        page, has_more = _page(found, None if self.quirks.ignore_after else after, limit)
        return ListFilesResponse(data=page, has_more=has_more, **_ends(page))

    def delete_file(self, file_id: str) -> FileDeleted:
        """Delete a file.

        Raises:
            Refusal: There is none.
        """
        with self._lock:
            return self._files.delete(file_id, self.clock.now())

    # Batches

    def create_batch(self, asked: dict[str, Any]) -> Batch:
        """Make a batch; what is wrong with the lines shows later, in a batch that fails.

        Args:
            asked: The body of the call.

        Raises:
            Refusal: A parameter is wrong, or there is no such file.
        """
        check_batch(asked, self.limits, self.quirks.completion_windows)
        with self._lock:
            now = self.clock.now()
            file_id, endpoint = asked["input_file_id"], asked["endpoint"]
            stored = self._files.find(file_id, now)
            if stored is None or now - stored.made < self.quirks.new_file_pause:
                message = f"Cannot find file {file_id}, or project does not have access to it."
                raise Refusal(400, message, param="file_id")
            if self._shown(stored).status != "processed":
                message = f"The file {file_id} must be in the 'processed' state."
                raise Refusal(400, message, code="invalidPayload", param="file_id")
            validation = validated(stored.path, endpoint, self.limits, self.models)
            self._check_queue(validation, now)
            batch = Batch(
                id=self._new_id("batch_"),
                endpoint=endpoint,
                input_file_id=file_id,
                completion_window=asked["completion_window"],
                created_at=int(now),
                expires_at=int(now) + seconds_of(asked["completion_window"]),
                metadata=asked.get("metadata"),
            )
            expires = asked.get("output_expires_after")
            job = self._jobs[batch.id] = BatchJob(
                batch,
                self._files.keep(stored, batch.id),
                validation,
                made=now,
                stage_seconds=self.stage_seconds,
                quirks=self.quirks,
                answer=self.answer,
                store=partial(self._store_results, batch.id, None if expires is None else expires["seconds"]),
            )
            return job.look(now)

    def _check_queue(self, validation: Validation, now: float) -> None:
        """Find a batch wrong that has no place in the queue."""
        queue = self.quirks.enqueued_requests
        if queue is None or validation.errors:
            return
        waiting = sum(job.requests for job in self._jobs.values() if not job.look(now).is_terminal)
        if waiting + validation.requests > queue:
            message = (
                f"Enqueued token limit reached for {validation.model} in organization org-local. Limit: {queue:,} enqueued "
                "tokens. Please try again once some in_progress batches have been completed."
            )
            validation.errors.append(BatchError(code="token_limit_exceeded", message=message))

    def _store_results(self, batch_id: str, life: int | None, content: IO[bytes], kind: str, now: float) -> str:
        """Keep a file of results, unless it is one that is gone; return its id."""
        file_id = self._new_id("file-")
        if kind not in self.quirks.gone_files:
            self._files.add(file_id, cast("BinaryIO", content), f"{batch_id}_{kind}.jsonl", "batch_output", now, life)
        return file_id

    def batch(self, batch_id: str) -> Batch:
        """Return a batch as it stands now.

        Raises:
            Refusal: There is none.
        """
        with self._lock:
            return self._job(batch_id).look(self.clock.now())

    def list_batches(self, after: str | None, limit: int) -> ListBatchesResponse:
        """Return a page of batches, newest first.

        Raises:
            Refusal: `after` is no batch.
        """
        with self._lock:
            now = self.clock.now()
            listed = [job.look(now) for job in self._jobs.values() if now - job.made >= self.quirks.list_lag]
        page, has_more = _page(listed[::-1], None if self.quirks.ignore_after else after, limit)
        return ListBatchesResponse(data=page, has_more=has_more, **_ends(page))

    def cancel_batch(self, batch_id: str) -> Batch:
        """Cancel a batch; a cancelled one stays as it is.

        Raises:
            Refusal: There is none, or it is over.
        """
        with self._lock:
            return self._job(batch_id).cancel(self.clock.now())

    def _job(self, batch_id: str) -> BatchJob:
        if batch_id not in self._jobs:
            raise Refusal(404, f"No batch found with id '{batch_id}'.")
        return self._jobs[batch_id]

    # The models themselves

    def answer_live(self, url: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer one request at once.

        Args:
            url: The endpoint, such as `/v1/embeddings`.
            body: What is asked.

        Returns:
            The status and the body.
        """
        model = body.get("model")
        if self.models is not None and isinstance(model, str) and model not in self.models:
            message = f"The model '{model}' does not exist or you do not have access to it."
            return 404, Refusal(404, message, code="model_not_found").body
        return answered(url, body, self.answer)

    def _new_id(self, kind: str) -> str:
        self._made += 1
        return kind + hashlib.sha256(str(self._made).encode()).hexdigest()[:24]


def _page(found: list[T], after: str | None, limit: int) -> tuple[list[T], bool]:
    """Return the objects behind an id, and whether there are more behind them.

    Raises:
        Refusal: There is no such object.
    """
    ids = [each.id for each in found]
    if after is not None and after not in ids:
        raise Refusal(400, f"No object found with id '{after}'.", code="invalid_value", param="after")
    start = ids.index(after) + 1 if after is not None else 0
    return found[start : start + limit], len(found) > start + limit


def _ends(page: list[T]) -> dict[str, Any]:
    return {"first_id": page[0].id if page else None, "last_id": page[-1].id if page else None}
