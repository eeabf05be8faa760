"""`batchfiles status`, `list`, `wait` and `cancel`."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import Outcome, request

if TYPE_CHECKING:
    from batchfiles.testing import Server

Ask = Callable[..., Outcome]
Objects = Callable[..., list[dict[str, Any]]]
RequestsFile = Callable[..., str]

TWICE = (request("a"), request("b"), request("a"))


@pytest.fixture
def submitted(server: Server, ask: Ask, requests_file: RequestsFile) -> Callable[..., str]:
    """Submit a file of some name and lines without a look into it; returns the id of its batch."""

    def submit(name: str = "requests.jsonl", *lines: bytes) -> str:
        return ask("submit", requests_file(name, lines or (request(name),)), "--no-validate")[1].strip()

    return submit


def test_a_batch_that_goes_on_is_4_and_one_that_is_done_is_0(server: Server, ask: Ask, submitted: Callable[..., str]) -> None:
    """So that a script can tell; the same record for people."""
    server.service.stage_seconds = 100.0
    batch = submitted()
    code, out, _ = ask("status", batch)
    assert code == 4
    assert out.splitlines()[:2] == [f"batch     {batch}", "status    validating"]
    server.service.clock.turn(300)
    code, out, _ = ask("status", batch)
    assert code == 0
    assert "status    completed, " in out
    assert "requests  1: 1 completed, 0 failed (100% done)" in out


def test_several_batches_are_a_table(ask: Ask, submitted: Callable[..., str]) -> None:
    """A line for each, in the order in which they were named."""
    one, two = submitted("one.jsonl"), submitted("two.jsonl")
    code, out, _ = ask("status", two, one, two)
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split() == ["batch", "status", "age", "for", "requests", "completed", "failed"]
    assert [line.split()[:2] for line in lines[1:]] == [[two, "completed"], [one, "completed"]]


def test_a_request_file_stands_for_its_last_batch(ask: Ask, submitted: Callable[..., str]) -> None:
    """It is known by its bytes, and also where it failed."""
    batch = submitted("requests.jsonl", *TWICE)
    Path("requests.jsonl").rename("renamed.jsonl")
    code, out, _ = ask("status", "renamed.jsonl")
    assert code == 1
    assert out.startswith(f"batch     {batch}\nstatus    failed")


def test_a_file_that_was_never_sent_is_said_so(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """And one that is not there is a file that is not there."""
    code, _, err = ask("status", requests_file())
    assert code == 3
    assert "requests.jsonl: the service has no batch of this file" in err
    code, _, err = ask("status", "nothing.jsonl")
    assert code == 3
    assert "nothing.jsonl: no such file" in err


def test_an_unknown_batch_does_not_hide_the_others(ask: Ask, submitted: Callable[..., str]) -> None:
    """The rest is shown, and 3 says that something could not be had."""
    batch = submitted()
    code, out, err = ask("status", "batch_unknown", batch)
    assert code == 3
    assert batch in out
    assert "No batch found with id 'batch_unknown'" in err


def test_ids_come_from_standard_input(ask: Ask, submitted: Callable[..., str]) -> None:
    """One a line, or several in one."""
    one, two = submitted("one.jsonl"), submitted("two.jsonl")
    out = ask("status", "-", stdin=f"{one}\n\n{two}\n".encode())[1]
    assert [line.split()[0] for line in out.splitlines()[1:]] == [one, two]
    assert ask("status", "-", stdin=b"")[0] == 2


def test_what_is_no_id_is_never_part_of_an_address(server: Server, ask: Ask) -> None:
    """A path that leads elsewhere is a file that is not there."""
    code, _, err = ask("status", "../files/file-1")
    assert code == 3
    assert "../files/file-1" in err


def test_why_a_batch_failed_stands_beside_the_lines(ask: Ask, objects: Objects, submitted: Callable[..., str]) -> None:
    """With the place in the local file and the custom_id; in JSON the id is in the error itself."""
    submitted("requests.jsonl", *TWICE)
    assert "requests.jsonl:3: " in ask("status", "requests.jsonl")[1]
    (batch,) = objects("status", "requests.jsonl")
    (error,) = batch["errors"]["data"]
    assert (error["line"], error["custom_id"], batch["file"]) == (3, "a", "requests.jsonl")


def test_a_file_that_is_named_beside_an_id_is_known_by_its_bytes(ask: Ask, submitted: Callable[..., str]) -> None:
    """Without it the id of the batch is shown instead; another file is refused."""
    batch = submitted("requests.jsonl", *TWICE)
    assert f"\n{batch}:3: " in ask("status", batch)[1]
    assert "\nrequests.jsonl:3: " in ask("status", batch, "--file", "requests.jsonl")[1]
    Path("other.jsonl").write_bytes(request("z"))
    code, _, err = ask("status", batch, "--file", "other.jsonl")
    assert code == 2
    assert "other.jsonl" in err


@pytest.mark.parametrize("metadata", [None, {"batchfiles": "token -"}])
def test_the_file_of_a_batch_without_a_fingerprint_is_taken_as_named(
    server: Server, ask: Ask, requests_file: RequestsFile, metadata: dict[str, str] | None
) -> None:
    """One that somebody else has made, or one that was made of an uploaded file: there is nothing to compare."""
    import httpx2

    uploaded = ask("files", "upload", requests_file(lines=TWICE))[1].strip()
    made = {"input_file_id": uploaded, "endpoint": "/v1/chat/completions", "completion_window": "24h", "metadata": metadata}
    batch = httpx2.post(f"{server.base_url}/batches", headers={"Authorization": "Bearer x"}, json=made).json()["id"]
    code, out, _ = ask("status", batch, "--file", "requests.jsonl")
    assert code == 1
    assert out.splitlines()[-1].endswith("[custom_id 'a']")


def test_the_service_can_not_write_into_the_terminal(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """What it sends is written out."""
    server.service.quirks.unknown_status = "\x1b[2Jgone"
    server.service.stage_seconds = 100.0
    ask("submit", requests_file())
    server.service.clock.turn(150)
    for command in ("status", "requests.jsonl"), ("list",):
        out = ask(*command)[1]
        assert "\x1b" not in out
        assert "gone" in out


def test_an_unknown_status_is_not_the_end(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """It is waited out like any other."""
    server.service.quirks.unknown_status = "pondering"
    server.service.stage_seconds = 100.0
    ask("submit", requests_file())
    server.service.clock.turn(150)
    assert ask("status", "requests.jsonl")[0] == 4
    code, out, err = ask("wait", "requests.jsonl")
    assert code == 0
    assert "pondering" in err
    assert "completed" in out


def test_a_campaign_shows_the_last_batch_of_each_part(
    server: Server, ask: Ask, objects: Objects, requests_file: RequestsFile
) -> None:
    """With the files of the parts; before there is any, it says what makes them."""
    ask("split", requests_file(), "-o", "campaign", "--max-requests", "1")
    code, _, err = ask("status", "campaign")
    assert code == 2
    assert "batchfiles submit campaign" in err
    first = ask("submit", "campaign")[1].split()
    second = ask("submit", "campaign", "--again")[1].split()
    assert not set(first) & set(second)
    found = objects("status", "campaign")
    assert [batch["id"] for batch in found] == second
    assert [Path(batch["file"]).parent.name for batch in found] == ["campaign", "campaign"]


def test_list_shows_the_newest_and_all_if_asked(ask: Ask, objects: Objects, submitted: Callable[..., str]) -> None:
    """With a word where there may be more."""
    ids = [submitted(f"{number}.jsonl") for number in range(3)]
    code, out, err = ask("list", "--limit", "2")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:]] == ids[:0:-1]
    assert "--all" in err
    assert [batch["id"] for batch in objects("list", "--all")] == ids[::-1]


def test_an_empty_list_prints_nothing(server: Server, ask: Ask) -> None:
    """A note is printed, too."""
    assert ask("list") == (0, "", "no batches\n")
    assert ask("list", "--json") == (0, "", "")


def test_wait_tells_each_change_and_ends_with_how_all_stand(server: Server, ask: Ask, submitted: Callable[..., str]) -> None:
    """All batches are polled in turn."""
    server.service.stage_seconds = 100.0
    one, two = submitted("one.jsonl"), submitted("two.jsonl")
    code, out, err = ask("wait", one, two)
    told = [line.split("  ")[:2] for line in err.splitlines() if line.startswith("batch_")]
    assert code == 0
    assert told.index([two, "validating"]) < told.index([one, "completed"])
    assert told.count([one, "completed"]) == told.count([two, "completed"]) == 1
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [[one, "completed"], [two, "completed"]]


def test_wait_stops_after_its_time_and_says_4(server: Server, ask: Ask, submitted: Callable[..., str]) -> None:
    """The last known state of the batch is shown; it continues."""
    server.service.stage_seconds = 100.0
    batch = submitted()
    code, out, err = ask("wait", batch, "--timeout", "60")
    assert code == 4
    assert "status    validating" in out
    assert f"{batch} is validating, and the time to wait has ended" in err
    assert ask("wait", batch)[0] == 0


def test_wait_looks_as_often_as_it_is_told(server: Server, ask: Ask, submitted: Callable[..., str]) -> None:
    """Seconds between two looks."""
    server.service.stage_seconds = 100.0
    batch = submitted()
    before = server.faults.seen["batches.retrieve"]
    ask("wait", batch, "--interval", "10")
    assert 30 <= server.faults.seen["batches.retrieve"] - before <= 33


def test_wait_with_json_prints_objects_only(server: Server, ask: Ask, submitted: Callable[..., str]) -> None:
    """For programs: nothing on standard error."""
    server.service.stage_seconds = 100.0
    code, out, err = ask("wait", submitted(), "--json")
    assert (code, err) == (0, "")
    assert out.count("\n") == 1


def test_a_batch_that_failed_ends_the_waiting_with_1(ask: Ask, submitted: Callable[..., str]) -> None:
    """So that `batchfiles wait X && batchfiles download X` stops there."""
    code, out, _ = ask("wait", submitted("requests.jsonl", *TWICE))
    assert code == 1
    assert "duplicate_custom_id" in out


def test_cancel_cancels_what_can_be_cancelled(server: Server, ask: Ask, submitted: Callable[..., str]) -> None:
    """One that is over stays as it is, and makes it a 1."""
    done = submitted("done.jsonl")
    server.service.stage_seconds = 100.0
    live = submitted("live.jsonl")
    assert ask("status", done)[0] == 0
    code, out, err = ask("cancel", live, done)
    assert code == 1
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [[live, "cancelling"], [done, "completed"]]
    assert f"{done} is completed and can't be cancelled any more" in err
    assert ask("cancel", live)[0] == 0


def test_on_a_terminal_one_line_is_drawn_anew() -> None:
    """Finished batches have a permanent line; the others are summed up."""
    from batchfiles.api.batch import Batch, BatchRequestCounts
    from batchfiles.cli.status import WaitOutput

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    shown = WaitOutput(2, stream=terminal)
    shown.update(Batch(id="batch_1", status="validating"))
    assert terminal.getvalue() == "\r\x1b[K2 batches: 1 validating"
    shown.update(Batch(id="batch_1", status="in_progress", request_counts=BatchRequestCounts(total=10, completed=4, failed=1)))
    assert terminal.getvalue().endswith("\r\x1b[K2 batches: 1 in_progress; 5 of 10 requests (50%), 1 failed")
    shown.update(Batch(id="batch_2", status="completed", request_counts=BatchRequestCounts(total=10, completed=10)))
    assert "\r\x1b[Kbatch_2  completed  10 of 10 requests, 0 failed\n" in terminal.getvalue()
    assert terminal.getvalue().endswith("2 batches: 1 in_progress, 1 completed; 15 of 20 requests (75%), 1 failed")
    shown.close()
    assert terminal.getvalue().endswith("\r\x1b[K")
