"""The synchronous driver."""

from __future__ import annotations

import os
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any, Self, TypeVar

from batchfiles.api import effects
from batchfiles.api.batch import Batch
from batchfiles.api.config import Config, Key, RetryPolicy
from batchfiles.api.effects import FAILURES, Flow, Running, Saved
from batchfiles.api.responses import TIMEOUT, Progress, Request, Response
from batchfiles.client import disk
from batchfiles.client.calls import LOGGER, Expiry, ServiceClient, access_of
from batchfiles.client.resources import Batches, Files
from batchfiles.client.transport import CHUNK, CUT, NOT_SENT, Exchange, KeyAuth, httpx2, limit_stream, until
from batchfiles.errors import APIConnectionError, FileError
from batchfiles.open_strings import BatchCompletionWindow, BatchEndpoint

T = TypeVar("T")


class Client(ServiceClient):
    """The service, synchronously. A context manager; `close` ends its connections.

    Args:
        key: The key, or a function that returns one and is asked again after a 401; else `OPENAI_API_KEY`.
        config: Where the service is; None uses `base_url` and the environment variables.
        base_url: The address of an OpenAI-compatible service.
        headers: More headers for each request, in addition to those of the configuration: some gateways need them.
        query: More parameters of each address.
        timeout: Seconds for a whole request, from its sending to the end of its answer; for a file ten times as many.
        policy: How often a call is tried.
        http: An `httpx2.Client` of your own, with proxies and certificates; it is not closed here. Else one that takes nothing
            from the environment.

    Raises:
        ValueError: The API key is missing or not valid, or the base URL is not valid; no socket was opened.

    Example:
        >>> from batchfiles import Client, join
        >>> from batchfiles.testing import Server
        >>> with Server() as server, Client("sk-local", base_url=server.base_url) as client:
        ...     batch = client.wait(client.submit("requests.jsonl", "/v1/chat/completions").id)
        ...     files = client.download(batch, "results")
        >>> [row["outcome"] for row in join("requests.jsonl", *files)]
        ['succeeded', 'succeeded']
    """

    def __init__(
        self,
        key: str | Key | Callable[[], str] | None = None,
        *,
        config: Config | None = None,
        base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
        policy: RetryPolicy | None = None,
        http: httpx2.Client | None = None,
    ) -> None:
        access, key = access_of(key, config, base_url, headers, query), None
        super().__init__(access, timeout, policy)
        self._owned = http is None
        self._http = http or httpx2.Client(trust_env=False)
        self.batches = Batches(self, self._calls)
        self.files = Files(self, self._calls)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; `with` does it too.

        Example:
            >>> client = Client()
            >>> client.close()
        """
        if self._owned:
            self._http.close()

    def submit(
        self,
        path: str | os.PathLike[str],
        endpoint: BatchEndpoint | str,
        completion_window: BatchCompletionWindow | str = BatchCompletionWindow.H24,
        *,
        metadata: dict[str, str] | None = None,
        output_expires_after: Expiry = None,
        again: bool = False,
        progress: Progress | bool | None = None,
    ) -> Batch:
        """Upload a request file and create one batch of it.

        If the answer is lost, the batch is looked for in the list; it is not created a second time.

        Args:
            path: The file of requests.
            endpoint: Where its requests go.
            completion_window: How long it may take, in the format of the service: `24h` for OpenAI.
            metadata: At most 15 pairs.
            output_expires_after: When the files of results are to be deleted; a number counts the seconds from their making.
            again: Whether a file that has a batch already may have another one.
            progress: Called as `progress(done, total)` with the bytes of the file that are sent. True shows a bar.

        Raises:
            AlreadySubmittedError: There is a live or finished batch of the same bytes; it is in the exception.
            SubmissionUnknownError: The answer was lost, and the batch is not in the list.
            APIError: The service refused it.
            APIConnectionError: The service could not be reached, and nothing was made.
            FileError: The file can't be read.
            ValueError: A parameter is one that the service would refuse.

        Example:
            >>> batch = client.submit("requests.jsonl", "/v1/chat/completions", metadata={"project": "library"})
            >>> batch.metadata["project"]
            'library'
        """
        return self.run(
            self._calls.submit(path, endpoint, completion_window, metadata, output_expires_after, again=again), progress=progress
        )

    def wait(
        self,
        batch_id: str,
        *,
        on_update: Callable[[Batch], object] | None = None,
        interval: float | None = None,
        timeout: float | None = None,
    ) -> Batch:
        """Wait until a batch has ended and names its result files.

        Args:
            batch_id: The batch.
            on_update: Called with the batch at the first look and after each change.
            interval: Seconds between two looks; the default grows from 5 to 60.
            timeout: Seconds after which to stop waiting; the default is to wait as long as it takes.

        Raises:
            StillRunningError: The timeout has ended; `.batch` is the batch as it was last seen.
            NotFoundError: The service does not know the batch.
            APIError: The service refused.
            APIConnectionError: The service could not be reached for an hour.

        Example:
            >>> batch = client.submit("requests.jsonl", "/v1/chat/completions")
            >>> client.wait(batch.id, on_update=lambda batch: print(batch.status)).request_counts.completed
            completed
            2
        """
        return self.run(self._calls.wait(batch_id, interval, timeout), on_update=on_update)

    def download(
        self, batch: Batch | str, output: str | os.PathLike[str], *, progress: Progress | bool | None = None
    ) -> list[str]:
        """Download the result files of a batch into a folder: `<batch_id>_output.jsonl`, `<batch_id>_error.jsonl`.

        The batch itself is written as `<batch_id>.json`. A file that exists with the size that the service states is kept.

        Args:
            batch: The batch or its id.
            output: The folder; it is created if needed.
            progress: Called as `progress(done, total)` with the bytes of the current file; `total` is None where it is unknown.
                True shows a bar.

        Returns:
            The paths of the result files.

        Raises:
            IncompleteDownloadError: A file was not downloaded completely, in all attempts.
            APIError: The service refused.
            FileError: The disk refused.

        Example:
            >>> batch = client.wait(client.submit("requests.jsonl", "/v1/chat/completions").id)
            >>> [path] = client.download(batch, "results")
            >>> path == f"results/{batch.id}_output.jsonl"
            True
        """
        found = self.batches.retrieve(batch) if isinstance(batch, str) else batch
        return self.run(self._calls.download(found, output), progress=progress)

    def run(
        self, flow: Flow[T], *, on_update: Callable[[Any], object] | None = None, progress: Progress | bool | None = None
    ) -> T:
        """Perform what a flow of `batchfiles.api` asks for, until it returns.

        Args:
            flow: The flow.
            on_update: Called with a batch that is waited for, or with the status of a run, after each change.
            progress: Called as `progress(done, total)` with the bytes of each file that is sent or saved. True shows a bar.

        Raises:
            BatchFilesError: What the flow raises.

        Example:
            >>> from batchfiles.api.submitting import list_batches
            >>> client.run(list_batches(client.config, client.policy, limit=10))
            []
        """
        exchange = _Exchange(self._http, KeyAuth(self.config, self._key), self._timeout, progress)
        running = Running(flow)
        try:
            while (effect := running.asks()) is not None:
                try:
                    running.answer(_perform(effect, exchange, on_update))
                except FAILURES as error:
                    running.fail(error)
            return running.result
        finally:
            exchange.disk.close()
            exchange.close()


def _perform(effect: effects.Effect, exchange: _Exchange, on_update: Callable[[Any], object] | None) -> Any:  # noqa: ANN401 - one line for each effect
    match effect:
        case effects.Open(request):
            return exchange.open(request)
        case effects.ReadBody(limit):
            return exchange.read(limit)
        case effects.SaveBody(_, offset, total):
            return exchange.save(offset, total)
        case effects.Sleep(seconds):
            return time.sleep(seconds)
        case effects.Now():
            return time.monotonic()
        case effects.Random():
            return random.random()  # noqa: S311 - spreads retries, and is not a secret
        case effects.Token():
            return secrets.token_hex(16)
        case effects.Notify(status):
            return on_update(status) if on_update is not None else None
        case effects.Work(function):
            return function()
        case effects.Log(level, words):
            return LOGGER.log(level, "%s", words)
        case _:
            return exchange.disk.perform(effect)


class _Exchange(Exchange[httpx2.Client]):
    """An exchange that blocks the thread until it has ended."""

    def open(self, request: Request) -> Response:
        self.close()
        self._begin(request)
        problem = self._send(request)
        if problem is None and self._may_have_another_key:
            self.close()
            self._auth.renew()
            problem = self._send(request)
        if problem is not None:
            raise problem
        return self._head

    def read(self, limit: int) -> bytes:
        self._opened_status = self._opened.status_code
        pieces: list[bytes] = []
        size = 0
        problem = None
        try:
            with until(self._end):
                for piece in self._timely(self._opened.iter_bytes()):
                    pieces.append(piece)
                    size += len(piece)
                    if size >= limit:
                        break
        except CUT as error:
            problem = self._problem(error)
        self.close()
        if problem is not None:
            raise problem
        return self._shown(b"".join(pieces)[:limit])

    def save(self, offset: int, total: int | None) -> Saved:
        size, problem = offset, None
        with self.disk.appended(offset) as file:
            try:
                with until(self._end):
                    for piece in self._timely(self._opened.iter_raw()):
                        file.write(piece)
                        size += len(piece)
                        self._progress(size, total)
            except CUT as error:
                problem = self._problem(error)
        self.close()
        return Saved(size, None if problem is None else problem.reason)

    def close(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            response.close()

    def _send(self, request: Request) -> APIConnectionError | FileError | None:
        """Send; returns why it failed, so that no traceback goes through frames that know the key."""
        try:
            built = self._built(request, self._body(request) if request.body else None, limit_stream)
            with until(self._end):
                self._response = self._http.send(built, auth=self._auth_of(request), stream=True, follow_redirects=False)
        except NOT_SENT as error:
            return self._problem(error)
        return None

    def _body(self, request: Request) -> Iterator[bytes]:
        for part in request.body:
            if isinstance(part, bytes):
                yield part
                continue
            sent = 0
            with closing(disk.pieces(part, CHUNK)) as pieces:
                for piece in pieces:
                    self._check_time()
                    yield piece
                    sent += len(piece)
                    self._progress(sent, part.length)

    def _timely(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Yield pieces unchanged, however small, and check the deadline at each."""
        for piece in pieces:
            self._check_time()
            yield piece
