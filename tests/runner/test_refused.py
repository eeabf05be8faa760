"""A run that is refused, or dry, leaves nothing: no folder, no lock, no journal."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batchfiles import Client, RunStatus, plan_run, run, split
from batchfiles.api import RetryPolicy
from batchfiles.cli.main import exit_code
from batchfiles.errors import (
    AlreadySubmittedError,
    APIConnectionError,
    AuthenticationError,
    BatchFilesError,
    FileError,
    InvalidLineError,
    LineTooLongError,
    MismatchError,
)
from batchfiles.runner.journal import LOCK, locked
from batchfiles.testing import Fault, Faults, Server
from tests.canary import CANARY
from tests.runner.questions import SIX, client_of, write_requests

Serve = Callable[..., Server]


def names_in(folder: Path) -> set[str]:
    """Return the paths of everything in a folder and below it."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("campaign", [None, "new/folder", "empty"])
@pytest.mark.parametrize("why", ["invalid", "key", "known", "refused", "unreachable", "interrupted"])
def test_a_refused_run_leaves_nothing(
    serve: Serve, requests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str, campaign: str | None
) -> None:
    """Whatever refuses it before something was sent; a folder that was there stays."""
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    server, error = serve(), BatchFilesError
    make: Callable[[], Client] = lambda: client_of(server)  # noqa: E731 - one of several
    on_update: Callable[[RunStatus], object] | None = None
    if why == "invalid":
        requests.write_bytes(requests.read_bytes() * 2)
        error = InvalidLineError
    elif why == "key":
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        make, error = Client, ValueError  # type: ignore[assignment]
    elif why == "known":
        with client_of(server) as client:
            client.submit(requests, "/v1/chat/completions")
        error = AlreadySubmittedError
    elif why == "refused":
        server.faults = Faults().always("batches.list", Fault("status", status=401))
        error = AuthenticationError
    elif why == "unreachable":
        make, error = unreachable, APIConnectionError
    else:
        error = KeyboardInterrupt  # type: ignore[assignment]

        def on_update(status: RunStatus) -> None:
            if status.step == "send":
                raise KeyboardInterrupt

    before = names_in(tmp_path)
    with pytest.raises(error):
        run(requests, output="table.parquet", campaign=campaign, client=make, on_update=on_update)
    assert names_in(tmp_path) == before


def unreachable() -> Client:
    """Return a client of a port that nobody listens to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    return Client(CANARY, base_url=address, policy=RetryPolicy(max_retries=0))


def test_a_line_that_fits_into_no_part_leaves_nothing(serve: Serve, tmp_path: Path) -> None:
    """It is found while the parts are written."""
    requests = write_requests(tmp_path / "requests.jsonl", 3)
    with client_of(serve()) as client, pytest.raises(LineTooLongError):
        run(requests, output=tmp_path / "table.parquet", client=client, limits=replace(SIX, max_bytes=50))
    assert names_in(tmp_path) == {"requests.jsonl"}


def test_what_was_sent_keeps_its_folder(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """From the first upload on, the journal is needed to resume, whatever the error is."""
    server = serve()
    server.faults = Faults().always("batches.create", Fault("status", status=400))
    with client_of(server) as client:
        with pytest.raises(BatchFilesError):
            run(requests, output=tmp_path / "table.parquet", client=client)
        assert "requests.campaign/run.journal" in names_in(tmp_path)
        server.faults = Faults()
        assert run(requests, output=tmp_path / "table.parquet", client=client).outcomes == {"succeeded": 20}


def test_a_folder_of_others_is_refused_as_it_is(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """A lock and a journal were created in it."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine\n")
    before = names_in(tmp_path)
    with client_of(serve()) as client, pytest.raises(MismatchError, match="other files"):
        run(requests, output=tmp_path / "table.parquet", campaign=folder, client=client)
    with pytest.raises(MismatchError, match="other files"):
        plan_run(requests, campaign=folder)
    assert names_in(tmp_path) == before


def test_a_campaign_that_was_begun_is_not_removed_by_a_refusal(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """Neither if the requests have changed, nor if the service refuses the next call."""
    server, table = serve(stage_seconds=60), tmp_path / "table.parquet"
    with client_of(server) as client:
        run(requests, output=table, client=client, once=True)
        before = names_in(tmp_path)
        content = requests.read_bytes()
        requests.write_bytes(content.replace(b"Question 3", b"Question X"))
        with pytest.raises(MismatchError):
            run(requests, output=table, client=client)
        requests.write_bytes(content)
        server.faults = Faults().always("batches.retrieve", Fault("status", status=401))
        with pytest.raises(AuthenticationError):
            run(requests, output=table, client=client)
        assert names_in(tmp_path) == before
        server.faults = Faults()
        assert run(requests, output=table, client=client).finished


def test_a_second_run_during_the_first_does_not_touch_its_folder(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """Not even before the first one has sent something."""
    server, seen = serve(), list[Any]()

    def again(status: RunStatus) -> None:
        if status.step == "send" and not seen:
            seen.append(names_in(tmp_path))
            with pytest.raises(FileError, match="another run uses"):
                run(requests, output=tmp_path / "other.parquet", client=client)
            seen.append(names_in(tmp_path))

    with client_of(server) as client:
        run(requests, output=tmp_path / "table.parquet", client=client, on_update=again)
    assert seen[0] == seen[1]
    assert {"requests.campaign/run.journal", "requests.campaign/run.lock"} <= seen[0]


def test_a_lock_that_was_removed_while_it_was_taken_is_taken_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run removes its lock at its end: the one who opened it just before would hold a lock that nobody else sees."""
    flock, removed = fcntl.flock, list[int]()

    def late(file: Any, operation: int) -> None:
        flock(file, operation)
        if not removed:
            removed.append(os.fstat(file.fileno()).st_ino)
            (tmp_path / LOCK).unlink()

    monkeypatch.setattr(fcntl, "flock", late)
    with locked(tmp_path):
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"
        with pytest.raises(FileError, match="another run uses"), locked(tmp_path):
            pass
    assert removed


def test_no_lock_is_left_by_a_run_or_a_refused_submit(
    serve: Serve, requests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file `run.lock` stayed in the folder of a campaign, also after a `submit` that sent nothing."""
    server = serve()
    with client_of(server) as client:
        run(requests, output=tmp_path / "table.parquet", client=client)
    assert "requests.campaign/run.lock" not in names_in(tmp_path)
    split(write_requests(tmp_path / "other.jsonl", 3), output=tmp_path / "parts")
    part = next((tmp_path / "parts").glob("*.jsonl"))
    part.write_bytes(part.read_bytes() * 2)
    before = names_in(tmp_path)
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    assert exit_code(["submit", str(tmp_path / "parts")]) == 1
    assert names_in(tmp_path) == before
