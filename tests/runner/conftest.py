"""A run against the local server, with a client that sleeps without waiting."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httpx2")
pytest.importorskip("uvicorn")

from batchfiles.client import synchronous
from batchfiles.testing import Clock, Server, Service
from tests.canary import findings_in, watch
from tests.runner.questions import write_requests


class TurningTime:
    """A clock that advances by sleeping, together with the server's clock."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock
        self.slept = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        if self.clock is not None:
            self.clock.turn(seconds)


@pytest.fixture
def turning(monkeypatch: pytest.MonkeyPatch) -> TurningTime:
    """Let the client sleep without waiting."""
    found = TurningTime()
    monkeypatch.setattr(synchronous, "time", found)
    return found


@pytest.fixture(autouse=True)
def the_key_is_never_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Search for the key in all that a test logged, raised and wrote."""
    yield from watch(monkeypatch)
    assert findings_in(tmp_path) == []


@pytest.fixture
def requests(tmp_path: Path) -> Path:
    """Twenty requests; `--max-requests 6` splits them into four parts."""
    return write_requests(tmp_path / "requests.jsonl")


@pytest.fixture
def serve(turning: TurningTime) -> Iterator[Callable[..., Server]]:
    """Start a server with the clock of the client."""
    running: list[Server] = []

    def start(**options: Any) -> Server:
        clock = Clock(1_760_000_000)
        turning.clock = clock
        server = Server(Service(clock=clock, **options))
        running.append(server.__enter__())
        return server

    yield start
    for server in running:
        server.__exit__(None, None, None)
