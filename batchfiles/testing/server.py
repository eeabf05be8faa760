"""The server: the application with its faults, in a thread."""

from __future__ import annotations

import asyncio
import socket
import threading
from importlib.util import find_spec
from typing import Any, Self

from batchfiles.errors import missing_extra

__all__ = ["Server"]


try:
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol
    from uvicorn.server import ServerState

    from batchfiles.testing.app import app_of
    from batchfiles.testing.fault_middleware import FaultMiddleware
except ImportError as error:
    package = (error.name or "starlette").partition(".")[0]
    raise missing_extra("the local server", package, "testing") from None
from batchfiles.testing.quirks import Faults
from batchfiles.testing.service import Service

for package, modules in (("python-multipart", ("python_multipart", "multipart")), ("jsonschema", ("jsonschema",))):
    if not any(map(find_spec, modules)):  # python-multipart was imported as multipart until 0.0.12
        raise missing_extra("the local server", package, "testing")

BACKLOG = 2048
"""The queue of connections that are not accepted yet."""


class _Protocol(H11Protocol):
    """HTTP/1.1, with access to the transport for `FaultMiddleware`."""

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


def _listener(host: str, port: int) -> socket.socket:
    """Bind a port.

    Raises:
        OSError: It is in use.
    """
    # asyncio sets TCP_NODELAY only if the socket names its protocol; otherwise each small answer takes 40 ms.
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except OSError:
        found.close()
        raise
    return found


class Server:
    """The API on a local port, for the duration of a `with` block. The storage of `redirect_contents` has a second port.

    Args:
        service: The service; None for a new one.
        faults: The faults to inject.
        host: The address to listen on.
        port: The port; 0 for any free one.

    Raises:
        OSError: The port can't be used.

    Attributes:
        service: The service, with its files, batches, clock and quirks.
        base_url: The URL for clients, including `/v1`.
    """

    def __init__(
        self, service: Service | None = None, *, faults: Faults | None = None, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.service = service or Service()
        app = app_of(self.service)
        self._middleware = FaultMiddleware(app, faults or Faults())
        self._sockets: list[socket.socket] = []
        try:
            self._sockets += [_listener(host, port)]
            self._sockets += [_listener(host, 0)]
        except OSError:
            for listener in self._sockets:
                listener.close()
            self.service.close()
            raise
        own, storage = (f"http://{host}:{listener.getsockname()[1]}" for listener in self._sockets)
        app.state.storage = storage
        self.base_url = f"{own}/v1"
        self._loop: asyncio.AbstractEventLoop
        self._stop = asyncio.Event()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="batchfiles-testing", daemon=True)

    @property
    def faults(self) -> Faults:
        """The injected faults; can be replaced at any time."""
        return self._middleware.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._middleware.faults = faults

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread.start()
        self._listening.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self.service.close()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        """Serve with uvicorn's protocol; uvicorn's own server would take 0.2 seconds to stop, in each test."""
        config = uvicorn.Config(self._middleware, ws="none", lifespan="off", log_config=None, log_level="critical")
        config.load()
        state = ServerState()
        listeners = [
            await self._loop.create_server(lambda: _Protocol(config, state, {}), sock=sock, backlog=BACKLOG)
            for sock in self._sockets
        ]
        self._listening.set()
        await self._stop.wait()
        for listener in listeners:
            listener.close()
        for connection in list(state.connections):
            connection.transport.abort()
        for task in list(state.tasks):
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)
