"""The asynchronous driver, for asyncio. It differs from the synchronous one in how it waits, and in nothing else."""

from __future__ import annotations

import asyncio
import inspect
import os
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import closing
from typing import Any, Self, TypeVar

from batchfiles.api import effects
from batchfiles.api.batch import Batch
from batchfiles.api.config import Config, Key, RetryPolicy
from batchfiles.api.effects import FAILURES, Flow, Running, Saved
from batchfiles.api.responses import TIMEOUT, Progress, Request, Response
from batchfiles.client import disk
from batchfiles.client.calls import LOGGER, Expiry, ServiceClient, access_of
from batchfiles.client.resources import AsyncBatches, AsyncFiles
from batchfiles.client.transport import CHUNK, CUT, NOT_SENT, Deadline, Exchange, KeyAuth, httpx2
from batchfiles.errors import APIConnectionError, FileError
from batchfiles.open_strings import BatchCompletionWindow, BatchEndpoint

T = TypeVar("T")

OnUpdate = Callable[[Any], "Awaitable[object] | object"]


class AsyncClient(ServiceClient):
    """The service, asynchronously; as `Client`, with methods to be awaited. Files are read and written in threads.

    Args:
        key: The key, or a function that returns one and is asked again after a 401; else `OPENAI_API_KEY`.
        config: Where the service is; None uses `base_url` and the environment variables.
        base_url: The address of an OpenAI-compatible service.
        headers: More headers for each request, in addition to those of the configuration: some gateways need them.
        query: More parameters of each address.
        timeout: Seconds for a whole request; for uploads and downloads ten times as many.
        policy: How often a call is tried.
        http: An `httpx2.AsyncClient` of your own; it is not closed here.

    Raises:
        ValueError: The API key is missing or not valid, or the base URL is not valid; no socket was opened.

    Example:
        >>> import asyncio
        >>> from batchfiles import AsyncClient
        >>> async def completed():
        ...     async with AsyncClient() as client:
        ...         batch = await client.submit("requests.jsonl", "/v1/chat/completions")
        ...         return (await client.wait(batch.id)).request_counts.completed
        >>> asyncio.run(completed())
        2
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
        http: httpx2.AsyncClient | None = None,
    ) -> None:
        access, key = access_of(key, config, base_url, headers, query), None
        super().__init__(access, timeout, policy)
        self._owned = http is None
        self._http = http or httpx2.AsyncClient(trust_env=False)
        self.batches = AsyncBatches(self, self._calls)
        self.files = AsyncFiles(self, self._calls)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connections."""
        if self._owned:
            await self._http.aclose()

    async def submit(
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

        If the answer is lost, the batch is looked for in the list; it is not created a second time. The arguments and errors are
        those of `Client.submit`.
        """
        flow = await asyncio.to_thread(
            self._calls.submit, path, endpoint, completion_window, metadata, output_expires_after, again=again
        )
        return await self.run(flow, progress=progress)

    async def wait(
        self, batch_id: str, *, on_update: OnUpdate | None = None, interval: float | None = None, timeout: float | None = None
    ) -> Batch:
        """Wait until a batch has ended and names its result files.

        The arguments and errors are those of `Client.wait`; `on_update` may be a coroutine function.
        """
        return await self.run(self._calls.wait(batch_id, interval, timeout), on_update=on_update)

    async def download(
        self, batch: Batch | str, output: str | os.PathLike[str], *, progress: Progress | bool | None = None
    ) -> list[str]:
        """Download the result files of a batch into a folder: `<batch_id>_output.jsonl`, `<batch_id>_error.jsonl`.

        The batch itself is written as `<batch_id>.json`. A file that exists with the size that the service states is kept. The
        arguments, the result and the errors are those of `Client.download`.
        """
        found = await self.batches.retrieve(batch) if isinstance(batch, str) else batch
        return await self.run(self._calls.download(found, output), progress=progress)

    async def run(self, flow: Flow[T], *, on_update: OnUpdate | None = None, progress: Progress | bool | None = None) -> T:
        """Perform what a flow asks for, until it returns.

        Raises:
            BatchFilesError: What the flow raises.
        """
        exchange = _Exchange(self._http, KeyAuth(self.config, self._key), self._timeout, progress)
        running = Running(flow)
        try:
            while (effect := running.asks()) is not None:
                try:
                    running.answer(await _perform(effect, exchange, on_update))
                except FAILURES as error:
                    running.fail(error)
            return running.result
        finally:
            exchange.disk.close()
            await exchange.close()


async def in_thread(function: Callable[[], T]) -> T:
    """Call a function in a thread. If the task is cancelled, wait for the end of the function first: it may be writing files."""
    work = asyncio.ensure_future(asyncio.to_thread(function))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise


async def _perform(effect: effects.Effect, exchange: _Exchange, on_update: OnUpdate | None) -> Any:  # noqa: ANN401 - one line for each effect
    match effect:
        case effects.Open(request):
            return await exchange.open(request)
        case effects.ReadBody(limit):
            return await exchange.read(limit)
        case effects.SaveBody(_, offset, total):
            return await exchange.save(offset, total)
        case effects.Sleep(seconds):
            return await asyncio.sleep(seconds)
        case effects.Now():
            return time.monotonic()
        case effects.Random():
            return random.random()  # noqa: S311 - spreads retries, and is not a secret
        case effects.Token():
            return secrets.token_hex(16)
        case effects.Notify(status):
            told = on_update(status) if on_update is not None else None
            return await told if inspect.isawaitable(told) else told
        case effects.Work(function):
            return await in_thread(function)
        case effects.Log(level, words):
            return LOGGER.log(level, "%s", words)
        case _:
            return await asyncio.to_thread(exchange.disk.perform, effect)


class _Exchange(Exchange[httpx2.AsyncClient]):
    """An exchange that is awaited."""

    async def open(self, request: Request) -> Response:
        await self.close()
        self._begin(request)
        problem = await self._send(request)
        if problem is None and self._may_have_another_key:
            await self.close()
            self._auth.renew()
            problem = await self._send(request)
        if problem is not None:
            raise problem
        return self._head

    async def read(self, limit: int) -> bytes:
        self._opened_status = self._opened.status_code
        pieces: list[bytes] = []
        size = 0
        problem = None
        try:
            async for piece in self._timely(self._opened.aiter_bytes()):
                pieces.append(piece)
                size += len(piece)
                if size >= limit:
                    break
        except CUT as error:
            problem = self._problem(error)
        await self.close()
        if problem is not None:
            raise problem
        return self._shown(b"".join(pieces)[:limit])

    async def save(self, offset: int, total: int | None) -> Saved:
        size, problem = offset, None
        with self.disk.appended(offset) as file:
            try:
                async for piece in self._timely(self._opened.aiter_raw()):
                    await asyncio.to_thread(file.write, piece)
                    size += len(piece)
                    self._progress(size, total)
            except CUT as error:
                problem = self._problem(error)
        await self.close()
        return Saved(size, None if problem is None else problem.reason)

    async def close(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            await response.aclose()

    async def _send(self, request: Request) -> APIConnectionError | FileError | None:
        """Send; returns why it failed, so that no traceback goes through frames that know the key."""
        try:
            built = self._built(request, self._body(request) if request.body else None)
            async with asyncio.timeout(self._left):
                self._response = await self._http.send(built, auth=self._auth_of(request), stream=True, follow_redirects=False)
        except (*NOT_SENT, TimeoutError) as error:
            return self._problem(error)
        return None

    async def _body(self, request: Request) -> AsyncIterator[bytes]:
        for part in request.body:
            if isinstance(part, bytes):
                yield part
                continue
            sent = 0
            with closing(disk.pieces(part, CHUNK)) as pieces:
                while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                    self._check_time()
                    yield piece
                    sent += len(piece)
                    self._progress(sent, part.length)

    async def _timely(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield pieces unchanged, however small, and check the deadline at each and between them."""
        while True:
            try:
                async with asyncio.timeout(self._left):
                    piece = await anext(pieces, None)
            except TimeoutError:
                raise Deadline from None
            if piece is None:
                return
            self._check_time()
            yield piece
