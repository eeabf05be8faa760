"""A local server, clients of both kinds with a key that nobody may see, and the search for it after every test."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from batchfiles.client import asynchronous, synchronous
from batchfiles.testing import Clock, Server, Service
from tests.canary import CANARY, findings, findings_in, watch
from tests.client.drivers import Awaited, Turned, opened

Opener = Callable[..., contextlib.AbstractContextManager[Any]]


@pytest.fixture(params=["sync", "async"])
def driver(request: pytest.FixtureRequest) -> str:
    """Run the test with each of the two clients."""
    return str(request.param)


@pytest.fixture
def server() -> Iterator[Server]:
    """Run a server whose clock only the test advances; batches are done at the first look."""
    with Server(Service(clock=Clock(1_760_000_000))) as server:
        yield server


@pytest.fixture
def turned(server: Server, monkeypatch: pytest.MonkeyPatch) -> Turned:
    """Replace sleeping: time passes for the clients and for the server."""
    clock = Turned(server.service.clock.turn)
    monkeypatch.setattr(synchronous, "time", clock)
    monkeypatch.setattr(asynchronous, "time", clock)
    monkeypatch.setattr(asynchronous.asyncio, "sleep", clock.sleep_async)
    return clock


@pytest.fixture
def open_client(driver: str, request: pytest.FixtureRequest) -> Opener:
    """Return what opens a client, for the local server by default."""

    def open_one(key: Any = CANARY, **options: Any) -> Any:
        if "base_url" not in options and "config" not in options:
            options["base_url"] = request.getfixturevalue("server").base_url
        if "http" not in options:
            # Reading the machine's certificates takes a tenth of a second, and they are not needed here.
            kind = httpx2.Client if driver == "sync" else httpx2.AsyncClient
            options["http"] = kind(trust_env=False, verify=False)
            return owning(opened(driver, key, **options))
        return opened(driver, key, **options)

    return open_one


def owning(client: Any) -> Any:
    """Let a client close what was made for it."""
    (client._client if isinstance(client, Awaited) else client)._owned = True
    return client


@pytest.fixture
def client(open_client: Opener) -> Iterator[Any]:
    """Open a client for the local server."""
    with open_client() as client:
        yield client


@pytest.fixture
def requests(tmp_path: Path) -> Path:
    """Write a file of four requests."""
    path = tmp_path / "requests.jsonl"
    body = '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say it."}]}'
    line = '{{"custom_id": "r{}", "method": "POST", "url": "/v1/chat/completions", "body": {}}}\n'
    path.write_text("".join(line.format(number, body) for number in range(4)))
    return path


@pytest.fixture(autouse=True)
def the_key_is_never_seen(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[str]]:
    """Search for the key in all that a test printed, logged, raised and wrote."""
    yield from watch(monkeypatch)
    printed = capfd.readouterr()
    assert findings(printed.out) + findings(printed.err) + findings_in(tmp_path) == []
