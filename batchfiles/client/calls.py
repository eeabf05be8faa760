"""Every call of the clients as a flow, with their configuration filled in: what `Client` runs and `AsyncClient` awaits."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from batchfiles.api import batches, files
from batchfiles.api.batch import Batch
from batchfiles.api.batch_request import COMPLETION_WINDOW, BatchFileExpirationAfter, BatchRequest
from batchfiles.api.config import Config
from batchfiles.api.file import FileDeleted, FileObject
from batchfiles.api.flows import Submission, call, create, download, download_file, list_batches, submit, upload, wait
from batchfiles.api.flows.effects import Flow
from batchfiles.api.messages import FilePart
from batchfiles.api.page import ListFilesResponse
from batchfiles.api.retry_policy import RetryPolicy
from batchfiles.streams.atomic import file_error

__all__ = ["Calls", "Expiry", "submission_of"]


Expiry = BatchFileExpirationAfter | int | None
"""When files are to be deleted; a number counts the seconds from their making."""


def submission_of(
    path: str | os.PathLike[str],
    endpoint: str,
    metadata: dict[str, str] | None,
    *,
    completion_window: str = COMPLETION_WINDOW,
    output_expires_after: Expiry = None,
) -> Submission:
    """Look at a file that is to become a batch.

    Raises:
        FileError: It can't be read.
        ValueError: The metadata has more than 15 pairs, or too long ones; the files can't be kept for such a time.
    """
    expires = BatchFileExpirationAfter.of(output_expires_after)
    file = Path(path)
    try:
        with file.open("rb") as stream:
            sha256, size = hashlib.file_digest(stream, "sha256").hexdigest(), os.fstat(stream.fileno()).st_size
    except OSError as error:
        raise file_error(error, file) from None
    return Submission(
        path=str(file),
        size=size,
        sha256=sha256,
        filename=file.name,
        endpoint=endpoint,
        completion_window=completion_window,
        metadata=dict(metadata or {}),
        output_expires_after=expires,
    )


@dataclass(frozen=True, slots=True)
class Calls:
    """The flows of one client.

    Attributes:
        config: Where the service is.
        policy: How often a call is tried.
    """

    config: Config
    policy: RetryPolicy

    def create_batch(
        self,
        input_file_id: str,
        endpoint: str,
        completion_window: str,
        metadata: dict[str, str] | None,
        output_expires_after: Expiry,
    ) -> Flow[Batch]:
        """Make a batch of a file that was uploaded."""
        params = BatchRequest(
            input_file_id=input_file_id,
            endpoint=endpoint,
            completion_window=completion_window,
            metadata=metadata,
            output_expires_after=BatchFileExpirationAfter.of(output_expires_after),
        )
        return create(self.config, params, self.policy)

    def retrieve_batch(self, batch_id: str) -> Flow[Batch]:
        """Look at a batch."""
        return call(batches.retrieve_request(self.config, batch_id), batches.retrieve_response, self.policy)

    def list_batches(self, after: str | None, limit: int | None) -> Flow[list[Batch]]:
        """Return batches, over as many pages as it takes."""
        return list_batches(self.config, self.policy, after=after, limit=limit)

    def cancel_batch(self, batch_id: str) -> Flow[Batch]:
        """Cancel a batch; a conflict is final."""
        return call(batches.cancel_request(self.config, batch_id), batches.cancel_response, self.policy, conflicts=False)

    def upload(self, path: str | os.PathLike[str], purpose: str, expires_after: Expiry, filename: str | None) -> Flow[FileObject]:
        """Upload a file.

        Raises:
            FileError: It can't be read.
        """
        file = Path(path)
        try:
            size = file.stat().st_size
        except OSError as error:
            raise file_error(error, file) from None
        part = FilePart(str(file), 0, size)
        expiry = BatchFileExpirationAfter.of(expires_after)
        return upload(self.config, part, filename or file.name, self.policy, purpose=purpose, expires_after=expiry)

    def list_files(self, purpose: str | None, after: str | None, limit: int | None, order: str | None) -> Flow[ListFilesResponse]:
        """Return one page of files."""
        request = files.list_request(self.config, purpose=purpose, after=after, limit=limit, order=order)
        return call(request, files.list_response, self.policy)

    def retrieve_file(self, file_id: str) -> Flow[FileObject]:
        """Look at a file."""
        return call(files.retrieve_request(self.config, file_id), files.retrieve_response, self.policy)

    def delete_file(self, file_id: str) -> Flow[FileDeleted]:
        """Delete a file."""
        return call(files.delete_request(self.config, file_id), files.delete_response, self.policy)

    def content(self, file_id: str, path: str | os.PathLike[str]) -> Flow[None]:
        """Fetch the bytes of a file to a path where nothing is yet."""
        return download_file(self.config, file_id, os.fspath(path), self.policy)

    def submit(
        self,
        path: str | os.PathLike[str],
        endpoint: str,
        completion_window: str,
        metadata: dict[str, str] | None,
        output_expires_after: Expiry,
        *,
        again: bool,
    ) -> Flow[Batch]:
        """Upload a file and make one batch of it."""
        submission = submission_of(
            path, endpoint, metadata, completion_window=completion_window, output_expires_after=output_expires_after
        )
        return submit(self.config, submission, self.policy, again=again)

    def wait(self, batch_id: str, interval: float | None, timeout: float | None) -> Flow[Batch]:
        """Wait for a batch."""
        return wait(self.config, batch_id, self.policy, interval=interval, timeout=timeout)

    def download(self, batch: Batch, directory: str | os.PathLike[str]) -> Flow[list[str]]:
        """Fetch the results of a batch into a folder, which is made if it isn't there.

        Raises:
            FileError: The folder can't be made.
        """
        folder = os.fspath(directory)
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise file_error(error, Path(folder)) from None
        return download(self.config, batch, folder, self.policy)
