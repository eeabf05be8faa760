"""A local server with a stopped clock, and its clients: the official SDK, plain HTTP, and `Client`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from batchfiles.client import Client
from batchfiles.testing import Clock, Server, Service
from tests.canary import CANARY, findings_in, watch
from tests.testing.description import check_answer

CHAT = "/v1/chat/completions"
START = 1_760_000_000


def chat_line(custom_id: str, /, **changes: Any) -> dict[str, Any]:
    """Return a request; a value of None removes the key."""
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"Say {custom_id}."}]}
    line = {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": body, **changes}
    return {key: value for key, value in line.items() if value is not None}


def write_lines(path: Path, *lines: dict[str, Any]) -> Path:
    """Write a request file."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture(autouse=True)
def the_key_is_never_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Search for the key in all that a test logged, raised and wrote."""
    yield from watch(monkeypatch)
    assert findings_in(tmp_path) == []


@pytest.fixture
def server() -> Iterator[Server]:
    """Run a server with a stopped clock and stages of ten seconds."""
    with Server(Service(clock=Clock(START), stage_seconds=10)) as server:
        yield server


@pytest.fixture
def http(server: Server) -> Iterator[httpx2.Client]:
    """Call the server with a key; every answer is checked against the description of the API."""
    with httpx2.Client(
        base_url=server.base_url,
        headers={"Authorization": f"Bearer {CANARY}"},
        trust_env=False,
        verify=False,
        event_hooks={"response": [described]},
    ) as http:
        yield http


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """Return a `Client` of the server."""
    # Reading the machine's certificates takes a tenth of a second, and nobody needs them here.
    with httpx2.Client(trust_env=False, verify=False) as http, Client(CANARY, base_url=server.base_url, http=http) as client:
        yield client


@pytest.fixture
def requests(tmp_path: Path) -> Path:
    """Write a valid file of four requests."""
    return write_lines(tmp_path / "requests.jsonl", *(chat_line(f"r{number}") for number in range(4)))


def described(response: Any) -> None:
    """Check an answer of httpx or httpx2 against the description."""
    path = urlsplit(str(response.request.url)).path.removeprefix("/v1")
    if not path.startswith(("/files", "/batches")):
        return
    is_content = path.endswith("/content") and response.status_code == 200
    value = None if is_content else json.loads(response.read())
    check_answer(response.request.method, path, response.status_code, value)
