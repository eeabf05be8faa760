"""The examples in the docstrings of the clients are run against the local server, and every public method has one."""

from __future__ import annotations

import doctest
import inspect
from pathlib import Path
from typing import Any

import pytest

import batchfiles
from batchfiles.api import BatchRequest
from batchfiles.client import AsyncClient, Batches, Client, Files
from batchfiles.testing import Server

REQUEST = '{{"custom_id": "r{}", "method": "POST", "url": "/v1/chat/completions", "body": {{"model": "m", "messages": [{}]}}}}\n'


def examples() -> list[doctest.DocTest]:
    """Return the docstrings with examples, each to be run for itself."""
    found = []
    for kind in (Client, AsyncClient, Batches, Files, BatchRequest):
        found += doctest.DocTestFinder().find(kind, kind.__name__, globs={})
    return [each for each in found if each.examples]


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_the_example_prints_what_it_says(example: doctest.DocTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder with a request file, and with a client of a new server."""
    printed: list[str] = []
    monkeypatch.chdir(tmp_path)
    message = '{"role": "user", "content": "Say it."}'
    Path("requests.jsonl").write_text("".join(REQUEST.format(number, message) for number in range(2)))
    with Server() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-local")
        with Client() as client:
            example.globs = {**vars(batchfiles), "Client": Client, "BatchRequest": BatchRequest, "client": client}
            outcome = doctest.DocTestRunner(verbose=False).run(example, out=printed.append)
    assert outcome.failed == 0, "".join(printed)
    assert outcome.attempted > 0


@pytest.mark.parametrize("kind", [Client, Batches, Files])
def test_every_public_method_has_an_example(kind: type[Any]) -> None:
    """Also the class itself, if people make it."""
    methods = [method for name, method in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")]
    assert methods
    assert [method.__qualname__ for method in methods if "Example:" not in (method.__doc__ or "")] == []
