"""`run_async`: what `run` does, for asyncio. Both take the same steps, so the journals and the tables are the same."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Iterator
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

from batchfiles import OPENAI, AsyncClient, RunReport, RunStatus, run, run_async
from batchfiles.errors import AlreadySubmittedError, BatchFailedError, FileError, InvalidLineError
from batchfiles.testing import Quirks, Server, Service
from tests.canary import CANARY
from tests.runner.questions import SIX, batches_per_part, client_of, rows_of, write_requests


@pytest.fixture
def server() -> Iterator[Server]:
    """Run a server whose batches take a moment, in which one request fails and some expire."""
    with Server(Service(stage_seconds=0.02, quirks=Quirks(failing={"r2": 429}, expire_after=5))) as server:
        yield server


def async_client(server: Server) -> AsyncClient:
    """Return a client of a server."""
    return AsyncClient(CANARY, base_url=server.base_url)


def events_in(folder: Path) -> list[tuple[str, str | None]]:
    """Return the event and the part of each record of a journal."""
    records = map(json.loads, (folder / "run.journal").read_text().splitlines())
    return [(record["event"], record.get("part")) for record in records]


def test_it_takes_the_same_arguments() -> None:
    """Except for the kind of the client, and what `on_update` may be."""
    one, other = signature(run).parameters, signature(run_async).parameters
    assert list(one) == list(other)
    assert [name for name in one if str(one[name]) != str(other[name])] == ["client", "on_update"]


def test_both_write_the_same_journal_table_and_report(server: Server, tmp_path: Path) -> None:
    """Parts, expiry, a round of retries, rejects."""
    found: dict[str, Any] = {}
    for name in ("sync", "async"):
        place = tmp_path / name
        place.mkdir()
        requests = write_requests(place / "requests.jsonl")
        options: dict[str, Any] = {
            "output": place / "table.parquet",
            "rejects": place / "rejects.jsonl",
            "limits": SIX,
            "retries": 1,
            "again": True,
            "interval": 0.02,
        }
        if name == "sync":
            with client_of(server) as client:
                report = run(requests, client=client, **options)
        else:
            report = asyncio.run(run_async(requests, client=lambda: async_client(server), **options))
        # When a batch ends is a matter of the clock, so only the order within a part is compared.
        events = sorted(events_in(place / "requests.campaign"), key=lambda event: event[1] or "")
        counts = (report.sent, report.batches, report.rounds, report.parts, dict(report.outcomes))
        found[name] = (counts, events, rows_of(place / "table.parquet"), (place / "rejects.jsonl").read_text().count("\n"))
    assert found["sync"] == found["async"]


def test_statuses_are_awaited_and_the_loop_stays_free(server: Server, tmp_path: Path) -> None:
    """Other tasks run while the requests are checked, sent and joined; local work is in threads."""
    requests = write_requests(tmp_path / "requests.jsonl")
    seen: list[str] = []
    threads: set[str] = set()
    turns = [0]

    async def note(status: RunStatus) -> None:
        await asyncio.sleep(0)
        seen.append(status.step)

    async def count() -> None:
        while True:
            turns[0] += 1
            await asyncio.sleep(0.001)

    async def both() -> RunReport:
        other = asyncio.ensure_future(count())
        async with async_client(server) as client:
            report = await run_async(
                requests,
                output=tmp_path / "table.parquet",
                client=client,
                interval=0.02,
                retries=0,
                on_update=note,
                progress=lambda *_: threads.add(threading.current_thread().name),
            )
        other.cancel()
        return report

    assert asyncio.run(both()).finished
    assert list(dict.fromkeys(seen)) == ["check", "split", "send", "wait", "download", "join"]
    assert turns[0] > 10
    assert len(threads) > 1


def test_several_runs_share_a_loop(server: Server, tmp_path: Path) -> None:
    """Each in its own folder, and two in the same folder are not run at once."""
    places = [write_requests(tmp_path / f"requests-{number}.jsonl", 5 + number) for number in range(3)]

    async def all_of_them() -> list[Any]:
        async with async_client(server) as client:
            runs: list[Awaitable[RunReport]] = [
                run_async(path, output=path.with_suffix(".parquet"), client=client, interval=0.02, retries=2) for path in places
            ]
            again = run_async(places[0], output=tmp_path / "again.parquet", client=client, interval=0.02)
            return await asyncio.gather(*runs, again, return_exceptions=True)

    one, *others, same = asyncio.run(all_of_them())
    assert [dict(report.outcomes) for report in others] == [{"succeeded": 5, "failed": 1}, {"succeeded": 6, "failed": 1}]
    refused = [each for each in (one, same) if isinstance(each, FileError)]  # unless one had ended before the other began
    assert len(refused) <= 1
    assert all(each.finished for each in (one, same) if each not in refused)


def test_a_cancelled_run_resumes(server: Server, tmp_path: Path) -> None:
    """Cancelled at any moment, by a timeout here; also by `run`, with the same options. Nothing is sent twice."""
    requests, table = write_requests(tmp_path / "requests.jsonl"), tmp_path / "table.parquet"
    options: dict[str, Any] = {"output": table, "limits": SIX, "interval": 0.02, "retries": 1}

    async def for_a_while(seconds: float) -> RunReport:
        async with async_client(server) as client, asyncio.timeout(seconds):
            return await run_async(requests, client=client, **options)

    for seconds in (0.02, 0.1, 0.15, 0.2, 0.3, 0.4):
        try:
            if asyncio.run(for_a_while(seconds)).finished:
                break
        except TimeoutError:
            continue
    with client_of(server) as client:
        report = run(requests, client=client, **options)
    assert report.finished
    assert len(rows_of(table)) == 20
    assert set(batches_per_part(server).values()) == {1}


def test_a_cancelled_run_ends_its_local_work_before_it_unlocks(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that still writes parts must not meet the next run in the same folder."""
    from batchfiles.runner import steps

    requests = write_requests(tmp_path / "requests.jsonl")
    lay, done = steps.write_parts, list[float]()

    def slow(*arguments: Any, **options: Any) -> Any:
        time.sleep(0.3)
        found = lay(*arguments, **options)
        done.append(time.monotonic())
        return found

    monkeypatch.setattr(steps, "write_parts", slow)

    async def cancelled() -> float:
        async with async_client(server) as client:
            task = asyncio.ensure_future(run_async(requests, output=tmp_path / "table.parquet", client=client))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return time.monotonic()

    ended = asyncio.run(cancelled())
    assert done
    assert done[0] < ended
    assert {path.name for path in tmp_path.iterdir()} == {"requests.jsonl"}


@pytest.mark.parametrize("why", ["invalid", "known", "failed"])
def test_errors_and_what_is_left_are_those_of_run(server: Server, tmp_path: Path, why: str) -> None:
    """A refused run leaves nothing, one that has sent something its folder."""
    requests = write_requests(tmp_path / "requests.jsonl")
    expected: type[Exception] = InvalidLineError
    if why == "invalid":
        requests.write_bytes(requests.read_bytes() * 2)
    elif why == "known":
        server.service.quirks = Quirks()  # an expired batch may be sent again
        with client_of(server) as client:
            client.submit(requests, "/v1/chat/completions")
        expected = AlreadySubmittedError
    else:
        server.service.limits = replace(OPENAI, max_custom_id_length=2)
        expected = BatchFailedError
    with pytest.raises(expected):
        asyncio.run(run_async(requests, output=tmp_path / "table.parquet", client=lambda: async_client(server), interval=0.02))
    assert (tmp_path / "requests.campaign").exists() == (why == "failed")
