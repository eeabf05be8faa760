"""The calls of `/batches` and `/files`, as `client.batches` and `client.files` of both clients."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from batchfiles.api.batch import Batch
from batchfiles.api.file import FileDeleted, FileObject
from batchfiles.api.files import PURPOSE, Order
from batchfiles.api.responses import Progress
from batchfiles.client.calls import Calls, Expiry, FilePages
from batchfiles.open_strings import BatchCompletionWindow, BatchEndpoint

if TYPE_CHECKING:
    from batchfiles.client.asynchronous import AsyncClient
    from batchfiles.client.synchronous import Client


class Batches:
    """The calls of `/batches`."""

    def __init__(self, client: Client, calls: Calls) -> None:
        self._run, self._calls = client.run, calls

    def create(
        self,
        input_file_id: str,
        endpoint: BatchEndpoint | str,
        completion_window: BatchCompletionWindow | str = BatchCompletionWindow.H24,
        *,
        metadata: dict[str, str] | None = None,
        output_expires_after: Expiry = None,
    ) -> Batch:
        """Make a batch of a file that was uploaded; never two, whatever happens to the answer.

        Example:
            >>> file = client.files.create("requests.jsonl")
            >>> batch = client.batches.create(file.id, "/v1/chat/completions", metadata={"project": "library"})
            >>> batch.input_file_id == file.id
            True
        """
        return self._run(self._calls.create_batch(input_file_id, endpoint, completion_window, metadata, output_expires_after))

    def retrieve(self, batch_id: str) -> Batch:
        """Look at a batch.

        Example:
            >>> batch = client.submit("requests.jsonl", "/v1/chat/completions")
            >>> client.batches.retrieve(batch.id).endpoint
            '/v1/chat/completions'
        """
        return self._run(self._calls.retrieve_batch(batch_id))

    def list(self, *, after: str | None = None, limit: int | None = None) -> list[Batch]:
        """Return batches, newest first, over as many pages as it takes; `limit` is how many at most.

        Example:
            >>> batch = client.submit("requests.jsonl", "/v1/chat/completions")
            >>> [found.id for found in client.batches.list(limit=10)] == [batch.id]
            True
        """
        return self._run(self._calls.list_batches(after, limit))

    def cancel(self, batch_id: str) -> Batch:
        """Cancel a batch; it is `cancelling` for up to ten minutes.

        Example:
            >>> from batchfiles.testing import Server, Service
            >>> slow = Service(stage_seconds=3_600)
            >>> with Server(slow) as server, Client("sk-local", base_url=server.base_url) as client:
            ...     batch = client.submit("requests.jsonl", "/v1/chat/completions")
            ...     client.batches.cancel(batch.id).status
            'cancelling'
        """
        return self._run(self._calls.cancel_batch(batch_id))


class Files:
    """The calls of `/files`."""

    def __init__(self, client: Client, calls: Calls) -> None:
        self._run, self._calls = client.run, calls

    def create(
        self,
        path: str | os.PathLike[str],
        *,
        purpose: str = PURPOSE,
        expires_after: Expiry = None,
        filename: str | None = None,
        progress: Progress | bool | None = None,
    ) -> FileObject:
        """Upload a file; it is never read into memory as a whole.

        Args:
            path: The file.
            purpose: `batch` for requests.
            expires_after: When the service is to delete it; a number is in seconds after its creation.
            filename: Its name at the service; the default is its own name.
            progress: Called as `progress(done, total)` with the bytes of the file that are sent. True shows a bar.

        Raises:
            APIError: The service refused.
            APIConnectionError: There was no answer to the last attempt.
            FileError: The file can't be read.

        Example:
            >>> file = client.files.create("requests.jsonl", expires_after=86_400)
            >>> file.filename, file.purpose, file.expires_at - file.created_at
            ('requests.jsonl', 'batch', 86400)
        """
        return self._run(self._calls.upload(path, purpose, expires_after, filename), progress=progress)

    def list(self, *, purpose: str | None = None, limit: int | None = None, order: Order | None = None) -> Iterator[FileObject]:
        """Yield files, over as many pages as it takes; `limit` is how many at most.

        Example:
            >>> file = client.files.create("requests.jsonl")
            >>> [found.filename for found in client.files.list(purpose="batch", order="desc")]
            ['requests.jsonl']
        """
        pages = FilePages(self._calls, purpose, limit, order)
        while not pages.are_over:
            yield from self._run(pages.read())

    def retrieve(self, file_id: str) -> FileObject:
        """Look at a file.

        Example:
            >>> file = client.files.create("requests.jsonl")
            >>> client.files.retrieve(file.id) == file
            True
        """
        return self._run(self._calls.retrieve_file(file_id))

    def delete(self, file_id: str) -> FileDeleted:
        """Delete a file.

        Example:
            >>> file = client.files.create("requests.jsonl")
            >>> client.files.delete(file.id).deleted
            True
        """
        return self._run(self._calls.delete_file(file_id))

    def content(self, file_id: str, output: str | os.PathLike[str], *, progress: Progress | bool | None = None) -> None:
        """Download a file. A broken download is resumed, and the file gets its name when it is complete.

        Args:
            file_id: The file.
            output: The path; another file must not exist there.
            progress: Called as `progress(done, total)` with the bytes of the file; `total` is None where it is unknown.
                True shows a bar.

        Raises:
            IncompleteDownloadError: The file was not downloaded completely, in all attempts.
            APIError: The service refused.
            FileError: The disk refused, or another file exists at the path.

        Example:
            >>> file = client.files.create("requests.jsonl")
            >>> client.files.content(file.id, "copy.jsonl", progress=lambda done, total: print(f"{done / total:.0%}"))
            100%
        """
        self._run(self._calls.content(file_id, output), progress=progress)


class AsyncBatches:
    """The calls of `/batches`."""

    def __init__(self, client: AsyncClient, calls: Calls) -> None:
        self._run, self._calls = client.run, calls

    async def create(
        self,
        input_file_id: str,
        endpoint: BatchEndpoint | str,
        completion_window: BatchCompletionWindow | str = BatchCompletionWindow.H24,
        *,
        metadata: dict[str, str] | None = None,
        output_expires_after: Expiry = None,
    ) -> Batch:
        """Make a batch of a file that was uploaded; never two, whatever happens to the answer."""
        return await self._run(
            self._calls.create_batch(input_file_id, endpoint, completion_window, metadata, output_expires_after)
        )

    async def retrieve(self, batch_id: str) -> Batch:
        """Look at a batch."""
        return await self._run(self._calls.retrieve_batch(batch_id))

    async def list(self, *, after: str | None = None, limit: int | None = None) -> list[Batch]:
        """Return batches, newest first, over as many pages as it takes; `limit` is how many at most."""
        return await self._run(self._calls.list_batches(after, limit))

    async def cancel(self, batch_id: str) -> Batch:
        """Cancel a batch; it is `cancelling` for up to ten minutes."""
        return await self._run(self._calls.cancel_batch(batch_id))


class AsyncFiles:
    """The calls of `/files`."""

    def __init__(self, client: AsyncClient, calls: Calls) -> None:
        self._run, self._calls = client.run, calls

    async def create(
        self,
        path: str | os.PathLike[str],
        *,
        purpose: str = PURPOSE,
        expires_after: Expiry = None,
        filename: str | None = None,
        progress: Progress | bool | None = None,
    ) -> FileObject:
        """Upload a file; it is never read into memory as a whole. The arguments and errors are those of `Files.create`."""
        return await self._run(self._calls.upload(path, purpose, expires_after, filename), progress=progress)

    async def list(
        self, *, purpose: str | None = None, limit: int | None = None, order: Order | None = None
    ) -> AsyncIterator[FileObject]:
        """Yield files, over as many pages as it takes; `limit` is how many at most."""
        pages = FilePages(self._calls, purpose, limit, order)
        while not pages.are_over:
            for file in await self._run(pages.read()):
                yield file

    async def retrieve(self, file_id: str) -> FileObject:
        """Look at a file."""
        return await self._run(self._calls.retrieve_file(file_id))

    async def delete(self, file_id: str) -> FileDeleted:
        """Delete a file."""
        return await self._run(self._calls.delete_file(file_id))

    async def content(self, file_id: str, output: str | os.PathLike[str], *, progress: Progress | bool | None = None) -> None:
        """Download a file. A broken download is resumed, and the file gets its name when it is complete.

        The arguments and errors are those of `Files.content`.
        """
        await self._run(self._calls.content(file_id, output), progress=progress)
