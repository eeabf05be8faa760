"""A batch is paid for once: answers to its making are lost in every way, and there are never two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from batchfiles import AlreadySubmitted, SubmissionUnknown
from batchfiles.testing import Fault, Faults, Server

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
def test_a_batch_that_no_list_shows_is_told_by_its_marker(client: Any, server: Server, requests: Path) -> None:
    """It is there, and whoever looks later finds it by the words of the exception."""
    server.faults.at("batches.create", 1, Fault("lost"))
    server.service.quirks.list_lag = 3_600.0
    with pytest.raises(SubmissionUnknown) as caught:
        client.submit(requests, CHAT)
    (batch,) = server.service.batches
    assert caught.value.marker in (batch.metadata or {})["batchfiles"]
    assert caught.value.marker in str(caught.value)


@pytest.mark.usefixtures("turned")
def test_the_same_bytes_are_not_sent_twice_unless_asked_to(client: Any, server: Server, requests: Path, tmp_path: Path) -> None:
    """Whatever the file is called."""
    first = client.submit(requests, CHAT, metadata={"team": "a"})
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(requests.read_bytes())
    with pytest.raises(AlreadySubmitted, match=first.id):
        client.submit(copy, CHAT)
    assert server.faults.seen["files.create"] == 1
    assert client.submit(copy, CHAT, again=True).id != first.id
    assert (first.metadata or {})["team"] == "a"


@pytest.mark.usefixtures("turned")
def test_a_file_that_the_service_does_not_know_yet_is_waited_for(client: Any, server: Server, requests: Path) -> None:
    """It was uploaded a moment ago."""
    server.service.quirks.new_file_pause = 5.0
    assert client.submit(requests, CHAT).id == server.service.batches[0].id
