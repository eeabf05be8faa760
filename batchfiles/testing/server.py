"""The server: the application, its faults, and a thread in which it runs."""

from __future__ import annotations

import socket
import threading
import time
from importlib.util import find_spec
from typing import Any, Self

from batchfiles.errors import MissingDependency

try:
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

    from batchfiles.testing.app import app_of
except ImportError as error:
    package = (error.name or "starlette").partition(".")[0]
    raise MissingDependency(f"the local server needs {package}: pip install 'batchfiles[testing]'") from None
if find_spec("python_multipart") is None and find_spec("multipart") is None:  # its name until 0.0.12
    raise MissingDependency("the local server needs python-multipart: pip install 'batchfiles[testing]'")

from batchfiles.testing.faults import Faults
from batchfiles.testing.service import Service
from batchfiles.testing.spoiling import Spoiler

__all__ = ["Server"]

START = 30.0
"""Seconds that it may take to start."""


class _Protocol(H11Protocol):
    """HTTP/1.1, with the connection at hand for whoever wants to break it."""

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


class Server:
    """The API on a port of this machine, as long as the block lasts.

    Args:
        service: What it knows and does; a new one if none is given.
        faults: What goes wrong; nothing if none is given.
        host: The address to listen on.
        port: The port; 0 for any that is free.

    Raises:
        OSError: It can't listen there.

    Attributes:
        service: What it knows and does: its files, its batches, its clock and quirks.
        base_url: What clients need, `/v1` included.
    """

    def __init__(
        self, service: Service | None = None, *, faults: Faults | None = None, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.service = service or Service()
        self._spoiler = Spoiler(app_of(self.service), faults or Faults())
        # asyncio sends small answers at once (TCP_NODELAY) only where the socket names its protocol; else each takes 40 ms.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            self.service.close()
            raise
        self.base_url = f"http://{host}:{self._socket.getsockname()[1]}/v1"
        self._server = uvicorn.Server(
            uvicorn.Config(self._spoiler, http=_Protocol, ws="none", lifespan="off", log_config=None, log_level="critical")
        )
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="batchfiles-testing", daemon=True
        )

    @property
    def faults(self) -> Faults:
        """What goes wrong; may be set anew at any time."""
        return self._spoiler.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._spoiler.faults = faults

    def __enter__(self) -> Self:
        self._thread.start()
        end = time.monotonic() + START
        while not self._server.started and self._thread.is_alive() and time.monotonic() < end:
            time.sleep(0.005)
        if not self._server.started:
            raise RuntimeError("the local server did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()
        self._socket.close()
        self.service.close()
