"""The quirks, seen in the batch, in its files, and in a join of them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import pytest

import batchfiles
from batchfiles.client import Client
from batchfiles.testing import Server
from tests.testing.conftest import CHAT, START, chat_line, write_lines

DONE = 30.0
"""Seconds until a batch is done: three stages."""


@pytest.fixture
def run(server: Server, client: Client, tmp_path: Path) -> Any:
    """Return a function that sends a file of ten requests through the service, and joins the results."""

    def run(count: int = 10) -> tuple[batchfiles.Batch, Counter[str]]:
        path = write_lines(tmp_path / "requests.jsonl", *(chat_line(f"r{number}") for number in range(count)))
        batch = client.batches.create(client.files.create(path).id, CHAT)
        server.service.clock.turn(DONE)
        batch = client.batches.retrieve(batch.id)
        files = client.download(batch, tmp_path)
        return batch, Counter(row["outcome"] for row in batchfiles.join(path, *files))

    return run


def test_a_batch_without_quirks_answers_every_request(run: Any) -> None:
    """The order differs from that of the requests, and is the same each time."""
    batch, outcomes = run()
    assert outcomes == {"succeeded": 10}
    assert batch.request_counts == batchfiles.BatchRequestCounts(total=10, completed=10, failed=0)
    assert batch.result_file_ids == [batch.output_file_id]


def test_results_are_shuffled(server: Server, client: Client, tmp_path: Path, run: Any) -> None:
    """A pipeline that expects the order of the requests fails in its first test."""
    batch, _ = run(50)
    lines = (tmp_path / f"{batch.id}_output.jsonl").read_text().splitlines()
    ids = [json.loads(line)["custom_id"] for line in lines]
    assert ids != sorted(ids, key=lambda each: int(each[1:]))
    assert sorted(ids) == sorted(f"r{number}" for number in range(50))


def test_an_expired_batch_keeps_what_was_answered(server: Server, run: Any) -> None:
    """The others are `batch_expired`, and count as neither completed nor failed."""
    server.service.quirks.expire_after = 4
    batch, outcomes = run()
    assert outcomes == {"succeeded": 4, "expired": 6}
    assert (batch.status, batch.expired_at, batch.completed_at) == ("expired", START + 30, None)
    assert (batch.request_counts.completed, batch.request_counts.failed) == (4, 0)


def test_a_batch_expires_when_its_day_is_over(server: Server, client: Client, requests: Path) -> None:
    """With a turned clock: no request is answered before the work starts, and some are while it runs."""
    server.service.stage_seconds = 100_000
    early = client.batches.create(client.files.create(requests).id, CHAT)
    server.service.stage_seconds = 57_600
    begun = client.batches.create(early.input_file_id or "", CHAT)
    server.service.clock.turn(86_399)
    assert client.batches.retrieve(early.id).status == "validating"
    server.service.clock.turn(1)
    found = [client.batches.retrieve(each.id) for each in (early, begun)]
    assert [(each.status, each.expired_at, each.request_counts.completed) for each in found] == [
        ("expired", START + 86_400, 0),
        ("expired", START + 86_400, 2),
    ]


def test_lines_may_be_missing_repeated_failed_or_without_an_answer(server: Server, run: Any) -> None:
    """Each request is accounted for in the join."""
    quirks = server.service.quirks
    quirks.missing, quirks.duplicates, quirks.no_response = {"r1"}, {"r2"}, {"r3"}
    quirks.failing = {"r4": 429, "r5": 400}
    batch, outcomes = run()
    assert outcomes == {"succeeded": 6, "missing": 1, "no_response": 1, "failed": 2}
    assert (batch.request_counts.total, batch.request_counts.failed) == (10, 2)


def test_a_batch_may_fail_as_a_whole_and_be_completed(server: Server, run: Any) -> None:
    """Then there is no output file (BerriAI/litellm#33987)."""
    server.service.quirks.failing = {f"r{number}": 500 for number in range(10)}
    batch, outcomes = run()
    assert (batch.status, batch.output_file_id, outcomes) == ("completed", None, {"failed": 10})


def test_an_id_may_be_empty(server: Server, client: Client, http: httpx2.Client, requests: Path) -> None:
    """In all answers, also in lists; our client reads no error from it."""
    server.service.quirks.empty_ids = True
    batch = client.batches.create(client.files.create(requests).id, CHAT)
    assert (batch.output_file_id, batch.error_file_id) == (None, None)
    server.service.clock.turn(DONE)
    assert http.get(f"batches/{batch.id}").json()["error_file_id"] == ""
    assert [each["error_file_id"] for each in http.get("batches").json()["data"]] == [""]


def test_an_error_file_may_be_empty(server: Server, run: Any, tmp_path: Path) -> None:
    """As Azure does for a batch without failures."""
    server.service.quirks.empty_error_file = True
    batch, outcomes = run()
    assert outcomes == {"succeeded": 10}
    assert (tmp_path / f"{batch.id}_error.jsonl").read_bytes() == b""


def test_files_may_come_late(server: Server, client: Client, requests: Path) -> None:
    """The batch is completed, and has its files later."""
    server.service.quirks.late_files = 15
    batch = client.batches.create(client.files.create(requests).id, CHAT)
    server.service.clock.turn(DONE + 14)
    found = client.batches.retrieve(batch.id)
    assert (found.status, found.output_file_id) == ("completed", None)
    server.service.clock.turn(1)
    assert client.batches.retrieve(batch.id).output_file_id is not None


def test_a_new_file_may_be_unknown_for_a_while(server: Server, http: httpx2.Client, requests: Path) -> None:
    """With the same error as for a file that does not exist."""
    server.service.quirks.new_file_pause = 5
    with requests.open("rb") as file:
        file_id = http.post("files", files={"file": file}, data={"purpose": "batch"}).json()["id"]
    asked = {"input_file_id": file_id, "endpoint": CHAT, "completion_window": "24h"}
    refused = http.post("batches", json=asked)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "file_id")
    server.service.clock.turn(5)
    assert http.post("batches", json=asked).status_code == 200


def test_a_list_may_lag(server: Server, client: Client, requests: Path) -> None:
    """A created batch exists, but is not in the list yet."""
    server.service.quirks.list_lag = 5
    batch = client.batches.create(client.files.create(requests).id, CHAT)
    assert client.batches.list() == []
    assert [each.id for each in server.service.batches] == [batch.id]
    server.service.clock.turn(5)
    assert [each.id for each in client.batches.list()] == [batch.id]


def test_a_queue_may_be_full(server: Server, client: Client, requests: Path) -> None:
    """A batch above the limit is created and fails; later there is room for another one."""
    server.service.quirks.enqueued_requests = 7
    file_id = client.files.create(requests).id
    first = client.batches.create(file_id, CHAT)
    second = client.batches.create(file_id, CHAT)
    assert second.status == "validating"
    server.service.clock.turn(10)
    failed = client.batches.retrieve(second.id)
    assert failed.errors is not None
    assert [(error.code, error.line) for error in failed.errors.data] == [("token_limit_exceeded", None)]
    assert (failed.errors.data[0].message or "").startswith("Enqueued token limit reached for gpt-4o-mini in organization")
    server.service.clock.turn(20)
    third = client.batches.create(file_id, CHAT)
    server.service.clock.turn(30)
    assert [client.batches.retrieve(each.id).status for each in (first, third)] == ["completed", "completed"]


def test_a_status_may_be_one_that_nobody_knows(server: Server, client: Client, requests: Path) -> None:
    """Our client keeps it, and does not take it for a final status."""
    server.service.quirks.unknown_status = "thinking"
    batch = client.batches.create(client.files.create(requests).id, CHAT)
    server.service.clock.turn(10)
    found = client.batches.retrieve(batch.id)
    assert (found.status, found.is_terminal) == ("thinking", False)


def test_requests_stay_though_their_file_is_deleted(server: Server, client: Client, requests: Path) -> None:
    """They are in the created batch."""
    batch = client.batches.create(client.files.create(requests).id, CHAT)
    client.files.delete(batch.input_file_id or "")
    server.service.clock.turn(DONE)
    assert client.batches.retrieve(batch.id).request_counts.completed == 4


def test_an_answer_function_decides_what_comes_back(server: Server, run: Any) -> None:
    """It gets the url and the body; if it raises, only that request fails."""

    def answer(url: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        asked = body["messages"][0]["content"]
        if asked == "Say r1.":
            raise LookupError("no idea")
        if asked == "Say r2.":
            return 404, {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": None}}
        return 200, {"object": "chat.completion", "choices": [{"message": {"content": "\ud83d"}, "finish_reason": "stop"}]}

    server.service.answer = answer
    _, outcomes = run()
    assert outcomes == {"succeeded": 8, "failed": 2}
