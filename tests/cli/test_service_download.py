"""`batchfiles download`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import Outcome, request

if TYPE_CHECKING:
    from batchfiles.testing import Server

Ask = Callable[..., Outcome]
Objects = Callable[..., list[dict[str, Any]]]
RequestsFile = Callable[..., str]


@pytest.fixture
def batch(server: Server, ask: Ask, requests_file: RequestsFile) -> str:
    """Submit two requests, of which one fails; returns the id of the batch."""
    server.service.quirks.failing = {"b": 429}
    return ask("submit", requests_file())[1].strip()


def test_the_results_stand_in_the_folder_with_the_batch_itself(ask: Ask, batch: str) -> None:
    """Under the names that `join` knows; their paths go to standard output."""
    code, out, err = ask("download", batch, "-o", "results")
    assert code == 0
    assert out.split() == [f"results/{batch}_output.jsonl", f"results/{batch}_error.jsonl"]
    assert err.startswith(f"{batch}: completed, ")
    assert json.loads(Path("results", f"{batch}.json").read_text())["id"] == batch
    assert ask("join", "requests.jsonl", "results", "-o", "joined.jsonl")[0] == 0
    rows = [json.loads(line) for line in Path("joined.jsonl").read_text().splitlines()]
    assert [(row["custom_id"], row["outcome"]) for row in rows] == [("a", "succeeded"), ("b", "failed")]


def test_what_is_there_is_not_fetched_again(server: Server, ask: Ask, batch: str) -> None:
    """At its final name a file is whole."""
    first = ask("download", "requests.jsonl", "-o", "results")
    fetched = server.faults.seen["files.content"]
    assert ask("download", batch, "-o", "results")[:2] == first[:2]
    assert server.faults.seen["files.content"] == fetched == 2


def test_a_cut_download_ends_whole(server: Server, ask: Ask, batch: str) -> None:
    """It is resumed."""
    from batchfiles.testing import Fault, Faults

    ask("download", batch, "-o", "whole")
    server.faults = Faults().at("files.content", 1, Fault("cut", after=20)).at("files.content", 3, Fault("reset"))
    assert ask("download", batch, "-o", "cut")[0] == 0
    for file in Path("whole").glob("*.jsonl"):
        assert Path("cut", file.name).read_bytes() == file.read_bytes()


def test_without_a_folder_there_is_no_place_for_them(ask: Ask, batch: str) -> None:
    """Only a campaign has one."""
    code, _, err = ask("download", batch)
    assert code == 2
    assert "-o DIR" in err


def test_a_campaign_gets_its_results_into_its_folder(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """Where `join` looks for them; the earlier batches of a part bring theirs, too."""
    lines = tuple(request(f"r{number}") for number in range(4))
    ask("split", requests_file(lines=lines), "-o", "campaign", "--max-requests", "2")
    first = ask("submit", "campaign")[1].split()
    second = ask("submit", "campaign", "--again")[1].split()
    assert ask("download", "campaign")[0] == 0
    assert {file.name for file in Path("campaign").glob("*_output.jsonl")} == {f"{name}_output.jsonl" for name in first + second}
    assert ask("join", "campaign", "-o", "joined.jsonl")[0] == 0
    assert [json.loads(line)["outcome"] for line in Path("joined.jsonl").read_text().splitlines()] == ["succeeded"] * 4


def test_one_that_is_not_finished_does_not_hold_up_the_others(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """4 says that the command is to be repeated."""
    done = ask("submit", requests_file("done.jsonl"))[1].strip()
    ask("wait", done)
    server.service.stage_seconds = 100.0
    live = ask("submit", requests_file("live.jsonl", (request("z"),)))[1].strip()
    code, out, err = ask("download", live, done, "-o", "results")
    assert code == 4
    assert out.split() == [f"results/{done}_output.jsonl"]
    assert f"{live}: validating, not finished yet" in err


def test_results_that_are_late_are_not_taken_for_none(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """A batch may be completed before its files are named."""
    server.service.quirks.late_files = 50.0
    batch = ask("submit", requests_file())[1].strip()
    code, out, err = ask("download", batch, "-o", "results")
    assert (code, out) == (4, "")
    assert "has not named its files yet" in err
    server.service.clock.turn(60)
    assert ask("download", batch, "-o", "results")[0] == 0


def test_a_batch_that_failed_has_no_results(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """1, and what says why."""
    batch = ask("submit", requests_file(lines=(request("a"), request("a"))), "--no-validate")[1].strip()
    code, out, err = ask("download", batch, "-o", "results")
    assert (code, out) == (1, "")
    assert "batchfiles status" in err


def test_a_cancelled_batch_has_what_was_answered_by_then(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """It is finished like any other."""
    server.service.stage_seconds = 100.0
    batch = ask("submit", requests_file())[1].strip()
    server.service.clock.turn(150)
    ask("cancel", batch)
    server.service.clock.turn(200)
    code, out, _ = ask("download", batch, "-o", "results")
    assert code == 0
    assert f"results/{batch}_error.jsonl" in out


def test_json_names_the_files_of_each_batch(objects: Objects, batch: str) -> None:
    """One object a line."""
    assert objects("download", batch, "-o", "results") == [
        {"id": batch, "status": "completed", "files": [f"results/{batch}_output.jsonl", f"results/{batch}_error.jsonl"]}
    ]


def test_a_folder_that_can_not_be_made_is_a_sentence(ask: Ask, batch: str) -> None:
    """As any other failure of the disk."""
    code, _, err = ask("download", batch, "-o", "requests.jsonl/results")
    assert code == 3
    assert "requests.jsonl/results: " in err


def test_a_file_of_errors_that_is_gone_does_not_cost_the_answers(server: Server, ask: Ask, batch: str) -> None:
    """Nor the batches after it; it is named with its batch, and the exit code says that something is missing."""
    ask("wait", batch)
    found = server.service.batch(batch)
    server.service.delete_file(found.error_file_id or "")
    code, out, err = ask("download", batch, "-o", "results", "-q")
    assert (code, out.split()) == (1, [f"results/{batch}_output.jsonl"])
    code, out, err = ask("download", batch, "-o", "results")
    assert code == 1
    assert f"the error file {found.error_file_id} of {batch} is not at the service" in err


def test_a_file_of_answers_that_is_gone_does_not_cost_other_batches(
    server: Server, ask: Ask, batch: str, requests_file: RequestsFile
) -> None:
    """The others are downloaded, and the exit code is 3."""
    other = ask("submit", requests_file("other.jsonl", (request("z"),)))[1].strip()
    ask("wait", batch, other)
    server.service.delete_file(server.service.batch(batch).output_file_id or "")
    code, out, err = ask("download", batch, other, "-o", "results")
    assert code == 3
    assert out.split() == [f"results/{other}_output.jsonl"]
    assert Path("results", f"{batch}_error.jsonl").exists()
    assert f"error: the output file {server.service.batch(batch).output_file_id} of {batch} is not at the service" in err


def test_a_batch_with_an_unknown_word_and_files_can_be_downloaded(
    server: Server, ask: Ask, batch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The word may be the service's own for the end."""
    ask("wait", batch)
    look = server.service.batch
    monkeypatch.setattr(server.service, "batch", lambda batch_id: replace(look(batch_id), status="archived_warm"))
    code, out, err = ask("download", batch, "-o", "results")
    assert code == 0
    assert len(out.split()) == 2
    assert "unknown status 'archived_warm'" in err
    monkeypatch.setattr(
        server.service, "batch", lambda batch_id: replace(look(batch_id), status="odd", output_file_id=None, error_file_id=None)
    )
    assert ask("download", batch, "-o", "other")[0] == 4


def test_what_can_not_be_read_is_said_once(server: Server, ask: Ask, batch: str) -> None:
    """Two looks at the batch said each note twice; and the model was shown as the endpoint that could not be read."""
    server.service.quirks.odd_values = True
    code, _, err = ask("download", batch, "-o", "results")
    assert (code, err.count("'endpoint' is a list: read as null")) == (0, 1)
    record = ask("status", batch)[1].splitlines()
    assert [line.split()[0] for line in record if "gpt-4o" in line] == ["model"]


@pytest.mark.parametrize(
    ("completed", "failed", "reported"), [(2, 0, True), (1, 1, False), (1, 0, True), (2, 1, True), (0, 2, False), (0, 0, False)]
)
def test_counts_that_differ_from_the_files_are_reported_and_the_files_are_joined(
    server: Server, ask: Ask, batch: str, monkeypatch: pytest.MonkeyPatch, completed: int, failed: int, *, reported: bool
) -> None:
    """A service counted 1,000 completed and 0 failed requests, and had ten of them in the error file (tidyverse/ellmer#830)."""
    from batchfiles import BatchRequestCounts

    ask("wait", batch)
    look = server.service.batch
    counts = BatchRequestCounts(total=2, completed=completed, failed=failed)
    monkeypatch.setattr(server.service, "batch", lambda batch_id: replace(look(batch_id), request_counts=counts))
    code, _, err = ask("download", batch, "-o", "results")
    words = (
        f"{batch}: the service counts {completed} completed and {failed} failed requests, but its files have 1 result and 1 error"
    )
    assert (code, words in err, "counts" in err) == (0, reported, reported)
    assert ask("join", "requests.jsonl", "results", "-o", "joined.jsonl")[0] == 0
    rows = [json.loads(line) for line in Path("joined.jsonl").read_text().splitlines()]
    assert [row["outcome"] for row in rows] == ["succeeded", "failed"]
