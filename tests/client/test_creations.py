"""A batch is paid for once: answers to its creation are lost in every way, and there are never two."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from batchfiles import AlreadySubmittedError, Batch, BatchFileExpirationAfter, Config, SubmissionUnknownError
from batchfiles.testing import Fault, Faults, Server
from tests.client.conftest import Opener
from tests.client.drivers import Turned
from tests.client.raw import RawServer, head_of, response

CHAT = "/v1/chat/completions"


def faults_of(number: int) -> Fault:
    """Return the n-th way to lose an answer: cut after n bytes, or in other ways."""
    others = [Fault("lost"), Fault("status_after", status=500), Fault("status_after", status=408), Fault("not_json")]
    return others[number // 2 % 4] if number % 2 else Fault("cut", after=number * 5)


@pytest.mark.usefixtures("turned")
def test_answers_that_are_lost_at_a_hundred_points_never_make_two_batches(client: Any, server: Server, requests: Path) -> None:
    """Each submission has one batch, and it is the one that is returned."""
    for number in range(100):
        server.faults = Faults().at("batches.create", 1, faults_of(number))
        server.service.quirks.list_lag = (number % 3) * 10.0
        made = client.submit(requests, CHAT, again=True)
        assert len(server.service.batches) == number + 1
        assert made.id in {batch.id for batch in server.service.batches}
        assert server.faults.seen["batches.create"] == 1


@pytest.mark.usefixtures("turned")
def test_a_batch_that_no_list_shows_is_recognized_by_its_marker(client: Any, server: Server, requests: Path) -> None:
    """It exists, and can be found later with the marker in the message."""
    server.faults.at("batches.create", 1, Fault("lost"))
    server.service.quirks.list_lag = 3_600.0
    with pytest.raises(SubmissionUnknownError) as caught:
        client.submit(requests, CHAT)
    (batch,) = server.service.batches
    assert caught.value.marker in (batch.metadata or {})["batchfiles"]
    assert caught.value.marker in str(caught.value)


@pytest.mark.usefixtures("turned")
def test_the_same_bytes_are_not_sent_twice_unless_asked_to(client: Any, server: Server, requests: Path, tmp_path: Path) -> None:
    """With any name of the file."""
    first = client.submit(requests, CHAT, metadata={"team": "a"})
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(requests.read_bytes())
    with pytest.raises(AlreadySubmittedError, match=first.id):
        client.submit(copy, CHAT)
    assert server.faults.seen["files.create"] == 1
    assert client.submit(copy, CHAT, again=True).id != first.id
    assert (first.metadata or {})["team"] == "a"


@pytest.mark.usefixtures("turned")
def test_a_file_that_the_service_does_not_know_yet_is_waited_for(client: Any, server: Server, requests: Path) -> None:
    """It was uploaded a moment ago."""
    server.service.quirks.new_file_pause = 5.0
    assert client.submit(requests, CHAT).id == server.service.batches[0].id


def test_a_pending_file_and_a_service_with_its_own_words_go_the_whole_circle(
    client: Any, server: Server, requests: Path, tmp_path: Path, turned: Turned, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Azure's file, the states of an enum, numbers in strings: upload, batch, wait, download."""
    server.service.quirks.pending_files = 60.0
    to_dict = Batch.to_dict

    def odd(self: Batch) -> dict[str, Any]:
        value = to_dict(self)
        counts = {name: str(count) for name, count in value["request_counts"].items()}
        return value | {"status": f"BATCH_STATE_{value['status'].upper()}", "request_counts": counts, "error_file_id": {}}

    monkeypatch.setattr("batchfiles.testing.app.Batch.to_dict", odd)
    made = client.submit(requests, CHAT, metadata={"team": "a"})
    assert turned.monotonic() > 0
    done = client.wait(made.id)
    assert (done.status, done.request_counts.completed, done.error_file_id) == ("completed", 4, None)
    assert done.notes == ["'error_file_id' is an empty object: read as null"]
    (path,) = client.download(done, tmp_path / "results")
    assert Path(path).read_bytes().count(b"\n") == 4
    assert server.faults.seen["files.create"] == 1


def test_the_terms_of_a_batch_are_the_caller_s(client: Any, server: Server, requests: Path, turned: Turned) -> None:
    """Window and expiry, where a file is submitted and where a batch is made of one."""
    asked: list[dict[str, Any]] = []
    make = server.service.create_batch

    def watched(values: dict[str, Any]) -> Any:
        asked.append(dict(values))
        return make({**values, "completion_window": "24h"})

    server.service.create_batch = watched  # type: ignore[method-assign]
    first = client.submit(requests, CHAT, "7d", output_expires_after=3_600)
    client.batches.create(first.input_file_id, CHAT, "1h", output_expires_after=BatchFileExpirationAfter(7_200))
    assert [each["completion_window"] for each in asked] == ["7d", "1h"]
    assert [each["output_expires_after"]["seconds"] for each in asked] == [3_600, 7_200]
    with pytest.raises(ValueError, match="seconds"):
        client.submit(requests, CHAT, output_expires_after=5, again=True)
    assert turned.monotonic() > 0


def test_headers_and_parameters_of_a_client_go_along(open_client: Opener) -> None:
    """In addition to those of its configuration."""
    seen: list[tuple[str, bool, bool]] = []

    def serve(connection: socket.socket) -> None:
        head = head_of(connection).decode().lower()
        seen.append((head.split()[1], "x-team: atlas" in head, "x-zone: eu" in head))
        connection.sendall(response("200 OK", b'{"data": []}'))

    with RawServer(serve) as raw:
        config = Config(base_url=raw.base_url, headers={"X-Zone": "eu", "X-Team": "b"})
        with open_client(config=config, headers={"X-Team": "atlas"}, query={"api-version": "preview"}) as client:
            assert client.batches.list() == []
    assert seen == [("/v1/batches?api-version=preview&limit=100", True, True)]
