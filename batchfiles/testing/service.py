"""The service without HTTP: batches, their validation, and files, which are on disk."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, TypeVar, cast

from batchfiles.api.batch import Batch, BatchError
from batchfiles.api.file import FileDeleted, FileObject, ListBatchesResponse, ListFilesResponse
from batchfiles.limits import LimitsLike, profile
from batchfiles.testing.batch_job import BatchJob, answered
from batchfiles.testing.mock_answers import Answerer, answer
from batchfiles.testing.parameters import Refusal, Validation, check_batch, check_purpose, expiry, seconds_of, validated
from batchfiles.testing.quirks import Clock, Quirks

T = TypeVar("T", Batch, FileObject)

FIRST_LINE = 1024 * 1024
"""Bytes of an upload that are checked; the service checks only the beginning."""


class Service:
    """The state of the local server. Its methods can be called from any thread.

    Args:
        answer: Answers a request: gets the url and the body, and returns the status and the body.
        clock: The time; `Clock(0)` is stopped until it is turned.
        stage_seconds: The seconds for which a batch is `validating`, `in_progress` and `finalizing` each. With 0, it is completed
            as soon as it is created.
        quirks: The quirks.
        limits: The rules for request files: `"azure"` for Azure's rules, `"none"` for files of any size.
        models: The available models; None for any.
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
        """All batches, oldest first, including those that `list_lag` still hides."""
        with self._lock:
            now = self.clock.now()
            return [job.snapshot(now) for job in self._jobs.values()]

    # Files

    def create_file(
        self, content: BinaryIO, filename: str, purpose: str, *, anchor: str | None = None, seconds: object = None
    ) -> FileObject:
        """Store a file; only its beginning is checked, as the service does.

        Args:
            content: Its bytes, at the start of the stream.
            filename: Its name.
            purpose: `batch` for requests.
            anchor: The start of its lifetime, `created_at`, if `seconds` is given.
            seconds: Its lifetime, as a number or a string of digits.

        Raises:
            Refusal: It is empty, too large or not JSONL, has another suffix, or a parameter is wrong.
        """
        check_purpose(purpose)
        lifetime = None if anchor is None and seconds is None else expiry("expires_after", anchor, seconds)
        if purpose == "batch":
            self._check_upload(content, filename)
        with self._lock:
            made = self._files.add(self._new_id("file-"), content, filename, purpose, self.clock.now(), lifetime)
            return self._shown(self._files.get(made.id, self.clock.now()))

    def _shown(self, stored: StoredFile) -> FileObject:
        """Return a file object with its current status."""
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
            Refusal: It does not exist.
        """
        with self._lock:
            stored = self._files.get(file_id, self.clock.now())
            return replace(stored, object=self._shown(stored))

    def list_files(self, purpose: str | None, after: str | None, limit: int, order: str) -> ListFilesResponse:
        """Return a page of files.

        Raises:
            Refusal: `after` is not a file.
        """
        found = [file for file in self.files if purpose in (None, file.purpose)]
        if order == "desc":
            found.reverse()
        page, has_more = _page(found, None if self.quirks.ignore_after else after, limit)
        return ListFilesResponse(data=page, has_more=has_more, **_ends(page))

    def delete_file(self, file_id: str) -> FileDeleted:
        """Delete a file.

        Raises:
            Refusal: It does not exist.
        """
        with self._lock:
            return self._files.delete(file_id, self.clock.now())

    # Batches

    def create_batch(self, asked: dict[str, Any]) -> Batch:
        """Create a batch; a batch with invalid lines fails later.

        Args:
            asked: The body of the call.

        Raises:
            Refusal: A parameter is wrong, or the file does not exist.
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
            return job.snapshot(now)

    def _check_queue(self, validation: Validation, now: float) -> None:
        """Add an error if the queue has no room for the batch."""
        queue = self.quirks.enqueued_requests
        if queue is None or validation.errors:
            return
        waiting = sum(job.requests for job in self._jobs.values() if not job.snapshot(now).is_terminal)
        if waiting + validation.requests > queue:
            message = (
                f"Enqueued token limit reached for {validation.model} in organization org-local. Limit: {queue:,} enqueued "
                "tokens. Please try again once some in_progress batches have been completed."
            )
            validation.errors.append(BatchError(code="token_limit_exceeded", message=message))

    def _store_results(self, batch_id: str, lifetime: int | None, content: IO[bytes], kind: str, now: float) -> str:
        """Store a result file, unless `gone_files` has its kind, and return its id."""
        file_id = self._new_id("file-")
        if kind not in self.quirks.gone_files:
            self._files.add(file_id, cast("BinaryIO", content), f"{batch_id}_{kind}.jsonl", "batch_output", now, lifetime)
        return file_id

    def batch(self, batch_id: str) -> Batch:
        """Return a batch.

        Raises:
            Refusal: It does not exist.
        """
        with self._lock:
            return self._job(batch_id).snapshot(self.clock.now())

    def list_batches(self, after: str | None, limit: int) -> ListBatchesResponse:
        """Return a page of batches, newest first.

        Raises:
            Refusal: `after` is not a batch.
        """
        with self._lock:
            now = self.clock.now()
            listed = [job.snapshot(now) for job in self._jobs.values() if now - job.made >= self.quirks.list_lag]
        page, has_more = _page(listed[::-1], None if self.quirks.ignore_after else after, limit)
        return ListBatchesResponse(data=page, has_more=has_more, **_ends(page))

    def cancel_batch(self, batch_id: str) -> Batch:
        """Cancel a batch, unless it is cancelled already.

        Raises:
            Refusal: It does not exist, or has ended.
        """
        with self._lock:
            return self._job(batch_id).cancel(self.clock.now())

    def _job(self, batch_id: str) -> BatchJob:
        if batch_id not in self._jobs:
            raise Refusal(404, f"No batch found with id '{batch_id}'.")
        return self._jobs[batch_id]

    # Models

    def answer_live(self, url: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer a live request to an endpoint such as `/v1/embeddings`.

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
    """Return the objects after an id, and whether there are more."""
    ids = [each.id for each in found]
    if after is not None and after not in ids:
        raise Refusal(400, f"No object found with id '{after}'.", code="invalid_value", param="after")
    start = ids.index(after) + 1 if after is not None else 0
    return found[start : start + limit], len(found) > start + limit


def _ends(page: list[T]) -> dict[str, Any]:
    return {"first_id": page[0].id if page else None, "last_id": page[-1].id if page else None}


CHUNK: Final = 256 * 1024
"""Bytes of a file that are read at once."""

DAY: Final = 24 * 60 * 60

LIFETIMES: Final = {"batch": 30 * DAY, "batch_output": 30 * DAY}
"""Seconds until files expire, by purpose; others don't expire [OpenAI's OpenAPI document, FileExpirationAfter, and the Batch
guide]."""


@dataclass(slots=True)
class StoredFile:
    """A file of the service.

    Attributes:
        object: Its file object.
        path: The path of its bytes.
        made: The time of its creation, in seconds since 1970-01-01 UTC.
    """

    object: FileObject
    path: Path
    made: float

    @property
    def etag(self) -> str:
        """The strong entity tag; the bytes of an id never change."""
        return f'"{self.object.id}"'


class FileStore:
    """Files by their ids, oldest first, in a temporary folder."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="batchfiles-testing-"))
        self._files: dict[str, StoredFile] = {}

    def close(self) -> None:
        """Remove the bytes."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(
        self, file_id: str, content: BinaryIO, filename: str, purpose: str, now: float, lifetime: int | None = None
    ) -> FileObject:
        """Store a file, which expires after `lifetime` seconds; None for the default of its purpose."""
        path = self._folder / file_id
        with path.open("wb") as file:
            shutil.copyfileobj(content, file, CHUNK)
        seconds = LIFETIMES.get(purpose) if lifetime is None else lifetime
        made = FileObject(
            id=file_id,
            bytes=path.stat().st_size,
            created_at=int(now),
            expires_at=None if seconds is None else int(now) + seconds,
            filename=filename,
            purpose=purpose,
            status="processed",
        )
        self._files[file_id] = StoredFile(made, path, now)
        return made

    def keep(self, stored: StoredFile, name: str) -> Path:
        """Return another path to the bytes of a file, which remains after the file is deleted."""
        path = self._folder / name
        path.hardlink_to(stored.path)
        return path

    def find(self, file_id: str, now: float) -> StoredFile | None:
        """Return a file; None if it does not exist or has expired."""
        found = self._files.get(file_id)
        if found is not None and found.object.expires_at is not None and now >= found.object.expires_at:
            self._remove(found)
            return None
        return found

    def get(self, file_id: str, now: float) -> StoredFile:
        """Return a file.

        Raises:
            Refusal: It does not exist.
        """
        found = self.find(file_id, now)
        if found is None:
            raise Refusal(404, f"No such File object: {file_id}", param="id")
        return found

    def delete(self, file_id: str, now: float) -> FileDeleted:
        """Delete a file.

        Raises:
            Refusal: It does not exist.
        """
        self._remove(self.get(file_id, now))
        return FileDeleted(id=file_id, deleted=True)

    def all(self, now: float) -> Iterator[StoredFile]:
        """Yield the files, oldest first."""
        yield from filter(None, [self.find(file_id, now) for file_id in list(self._files)])

    def _remove(self, stored: StoredFile) -> None:
        del self._files[stored.object.id]
        stored.path.unlink(missing_ok=True)
