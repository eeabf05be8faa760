"""Both drivers with the same calls, and a clock that sleeping advances."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

from batchfiles.client import AsyncClient, Client
from batchfiles.client.resources import AsyncBatches, AsyncFiles

__all__ = ["Awaited", "Turned", "opened"]


class Turned:
    """A module `time` whose `sleep` advances its own clock, and calls others with the seconds."""

    def __init__(self, tell: Callable[[float], object]) -> None:
        self._ahead = 0.0
        self._tell = tell

    def monotonic(self) -> float:
        """Return the real seconds, plus the simulated ones."""
        return time.monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        """Advance the clock."""
        self._ahead += seconds
        self._tell(seconds)

    async def sleep_async(self, seconds: float) -> None:
        """Advance the clock, as asyncio does it."""
        self.sleep(seconds)


class Awaited:
    """An `AsyncClient` that is called like a `Client`: every method is awaited in its own loop."""

    def __init__(self, client: Any, runner: asyncio.Runner | None = None) -> None:
        self._client = client
        self._runner = runner or asyncio.Runner()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if isinstance(found, (AsyncBatches, AsyncFiles)):
            return Awaited(found, self._runner)
        return self._called(found) if callable(found) else found

    def _called(self, method: Callable[..., Any]) -> Callable[..., Any]:
        async def awaited(*args: Any, **options: Any) -> Any:
            answer = method(*args, **options)
            if isinstance(answer, AsyncIterator):
                return [item async for item in answer]
            return await answer if inspect.isawaitable(answer) else answer

        return lambda *args, **options: self._runner.run(awaited(*args, **options))

    def __repr__(self) -> str:
        return repr(self._client)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._client.close())
        self._runner.close()


def opened(driver: str, key: Any, **options: Any) -> Any:
    """Return a client of one of the two kinds."""
    return Client(key, **options) if driver == "sync" else Awaited(AsyncClient(key, **options))
