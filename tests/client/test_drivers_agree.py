"""The two clients differ in how they wait, and in nothing else: the same faults bring the same end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from batchfiles import BatchFilesError
from batchfiles.client import asynchronous, synchronous
from batchfiles.testing import Clock, Faults, Quirks, Server, Service
from tests.canary import CANARY
from tests.client.drivers import Turned, opened

SEEDS = int(os.environ.get("BATCHFILES_SEEDS", "20"))


def end_of(driver: str, seed: int, requests: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, ...]:
    """Run a pipeline against a server with the faults of a seed; return how it ended and what the server saw."""
    quirks = Quirks(failing={"r1": 429}, missing=frozenset({"r2"}), empty_ids=True, late_files=30.0, new_file_pause=2.0)
    service = Service(clock=Clock(1_760_000_000), stage_seconds=20.0, quirks=quirks)
    clock = Turned(service.clock.turn)
    for module in (synchronous, asynchronous):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(asynchronous.asyncio, "sleep", clock.sleep_async)
    with Server(service, faults=Faults.by_chance(seed)) as server, opened(driver, CANARY, base_url=server.base_url) as client:
        seen: list[str] = []
        try:
            batch = client.submit(requests, "/v1/chat/completions")
            batch = client.wait(batch.id, on_update=lambda batch: seen.append(batch.status))
            files = client.download(batch, folder)
        except BatchFilesError as error:
            return type(error).__name__, seen, dict(server.faults.seen), len(service.batches)
        return [Path(path).read_bytes() for path in files], seen, dict(server.faults.seen), len(service.batches)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_same_faults_bring_the_same_end(seed: int, requests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same files or the same error, the same news, the same calls; and never two batches."""
    ends = [end_of(driver, seed, requests, tmp_path / driver, monkeypatch) for driver in ("sync", "async")]
    assert ends[0] == ends[1]
    assert ends[0][3] <= 1
