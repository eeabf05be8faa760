"""Whole runs under faults by chance, from submit to join: each ends in the right table or a typed error, never in two batches.

A seed makes a run, and the same seed the same run again. The suite does a few; all of them are

    BATCHFILES_SEEDS=1000 pytest tests/testing/test_chance.py

and one that failed is `BATCHFILES_SEED=17 pytest tests/testing/test_chance.py`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

import batchfiles
from batchfiles.client import Client, synchronous
from batchfiles.errors import APIConnectionError, APIError, StillRunningError
from batchfiles.testing import Fault, Faults, Quirks, Server, Service
from tests.canary import CANARY
from tests.testing.conftest import CHAT, chat_line, write_lines

SEEDS = range(int(os.environ.get("BATCHFILES_SEEDS", "40")))
if "BATCHFILES_SEED" in os.environ:
    SEEDS = range(int(os.environ["BATCHFILES_SEED"]), int(os.environ["BATCHFILES_SEED"]) + 1)
RUNS = 20
"""Runs per test; a failure names its seed."""

COUNT = 20
ODD = {"r3": "failed", "r7": "missing"}
"""The outcomes of the requests without a successful answer."""


class TurningTime:
    """A clock that advances by sleeping, without waiting."""

    def __init__(self) -> None:
        self._turned = 0.0

    def monotonic(self) -> float:
        """Return the real time plus the time slept."""
        return time.monotonic() + self._turned

    def sleep(self, seconds: float) -> None:
        """Advance the clock."""
        self._turned += seconds


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the requests."""
    folder = tmp_path_factory.mktemp("chance")
    write_lines(folder / "requests.jsonl", *(chat_line(f"r{number}") for number in range(COUNT)))
    return folder


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Server, Client]]:
    """Run a server with one failing and one missing request, and a client that sleeps without waiting."""
    monkeypatch.setattr(synchronous, "time", TurningTime())
    quirks = Quirks(failing={"r3": 429}, missing={"r7"})
    http = httpx2.Client(trust_env=False, verify=False)
    with Server(Service(quirks=quirks)) as server, http, Client(CANARY, base_url=server.base_url, http=http) as client:
        yield server, client


def one_run(server: Server, client: Client, place: Path, seed: int) -> tuple[Any, list[tuple[str, int, Fault]]]:
    """Go from requests to rows under the faults of a seed.

    Returns:
        The rows, or the type of the error; and the calls that met a fault.
    """
    path = place / "requests.jsonl"
    server.faults = faults = Faults.by_chance(seed)
    try:
        batch = client.wait(client.submit(path, CHAT, again=True).id)
        files = client.download(batch, place / f"{seed}-{time.monotonic_ns()}")
        return [(row["custom_id"], row["outcome"]) for row in batchfiles.join(path, *files)], faults.met
    except (APIError, APIConnectionError, StillRunningError) as error:
        return type(error).__name__, faults.met


@pytest.mark.parametrize("start", SEEDS[::RUNS])
def test_a_run_ends_in_the_right_table_or_a_typed_error_and_never_in_two_batches(
    service: tuple[Server, Client], place: Path, start: int
) -> None:
    """Any other exception fails the test."""
    server, client = service
    expected = [(f"r{number}", ODD.get(f"r{number}", "succeeded")) for number in range(COUNT)]
    for seed in range(start, min(start + RUNS, SEEDS.stop)):
        before = len(server.service.batches)
        rows, met = one_run(server, client, place, seed)
        assert rows == expected or isinstance(rows, str), (seed, rows, met)
        made = len(server.service.batches) - before
        assert made <= 1, (seed, met)
        assert made == 1 or isinstance(rows, str), (seed, met)
        print(seed, rows if isinstance(rows, str) else "table")


def test_a_seed_replays(service: tuple[Server, Client], place: Path) -> None:
    """The same calls have the same faults, with the same result."""
    server, client = service
    for seed in (3, 10, 13):
        first = one_run(server, client, place, seed)
        assert first == one_run(server, client, place, seed)
        assert first[1]


def test_most_runs_get_through(service: tuple[Server, Client], place: Path) -> None:
    """A client that gives up at the first fault would pass the other tests."""
    server, client = service
    ends = [one_run(server, client, place, seed)[0] for seed in range(10)]
    assert sum(isinstance(end, list) for end in ends) >= 7, ends
