"""What the tests of the commands for the service share: a local server, a key, and time that passes when somebody sleeps."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from batchfiles.cli.main import exit_code
from tests.canary import CANARY, findings_in, watch

if TYPE_CHECKING:
    from batchfiles.testing import Server

Outcome = tuple[int, str, str]

KEY = CANARY


class Time:
    """Turns itself and the server's clock where a client would sleep."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.slept = 0.0

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        return time.monotonic() + self.slept

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept += seconds
        self._server.service.clock.turn(seconds)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """Run a local server that the environment names; batches are done at the first look unless `stage_seconds` is set.

    At the end the key is searched for in what clients raised and logged, and in files.
    """
    for needed in ("starlette", "uvicorn", "httpx2"):
        pytest.importorskip(needed)
    from batchfiles.client import synchronous
    from batchfiles.testing import Server

    for name in ("AZURE_OPENAI_ENDPOINT", "OPENAI_API_VERSION", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    with Server() as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setattr(synchronous, "time", Time(running))
        with contextlib.contextmanager(watch)(monkeypatch):
            yield running
        assert findings_in(tmp_path) == []


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Run a command line; returns exit code, standard output and standard error. The key must be in neither."""

    def run(*arguments: str, stdin: bytes = b"") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = exit_code(arguments)
        out, err = capsys.readouterr()
        assert KEY not in out + err
        assert "Traceback" not in err
        return code, out, err

    return run


@pytest.fixture
def objects(ask: Callable[..., Outcome]) -> Callable[..., list[dict[str, Any]]]:
    """Run a command line with `--json`; returns the objects that it prints, one a line."""

    def run(*arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in ask(*arguments, "--json")[1].splitlines()]

    return run


def request(custom_id: str, words: str = "Hello", **changes: Any) -> bytes:
    """Return a line of a request file."""
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": words}]}
    line = {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body} | changes
    return json.dumps(line).encode() + b"\n"


@pytest.fixture
def requests_file(tmp_path: Path) -> Callable[..., str]:
    """Write a request file; returns its name in the current folder."""

    def write(name: str = "requests.jsonl", lines: tuple[bytes, ...] = (request("a"), request("b"))) -> str:
        (tmp_path / name).write_bytes(b"".join(lines))
        return name

    return write
