"""Downloading, without a socket and a disk: what is asked for, and what is never put together."""

from __future__ import annotations

import json

import pytest

from batchfiles import Batch, IncompleteDownload, NotFound, RetryPolicy, TransportError
from batchfiles.api import Config, Request, Response
from batchfiles.api.flows import download, download_file
from batchfiles.api.flows.effects import WriteFile
from tests.api.stage import Stage, lost, said

OLD, NEW = b"old!" * 25, b"new." * 25
TAGS = {OLD: '"old"', NEW: '"new"'}
PATH, PART, NOTES = "d/f", "d/f.part", "d/f.part.json"


def sized(size: int = 100) -> Response:
    """Answer with a file object."""
    return said({"id": "file-1", "bytes": size})


def whole(content: bytes) -> Response:
    """Answer with a whole file."""
    return Response(200, {"content-length": str(len(content)), "etag": TAGS[content]}, content)


def served(content: bytes) -> Answering:
    """Answer as a service with ranges does."""
    return Answering(content)


class Answering:
    """A service with one file, ranges and strong tags."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __call__(self, request: Request) -> Response:
        if not request.url.endswith("/content"):
            return sized(len(self.content))
        start = int(request.headers.get("Range", "bytes=0-")[6:-1])
        if not start or request.headers.get("If-Range") != TAGS[self.content]:
            return whole(self.content)
        span = f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
        return Response(206, {"content-range": span, "etag": TAGS[self.content]}, self.content[start:])


def fetched(stage: Stage) -> bytes:
    """Fetch the file of a stage."""
    stage.run(download_file(Config(), "file-1", PATH, RetryPolicy()))
    assert set(stage.files) == {PATH}
    return stage.files[PATH]


def test_a_file_that_is_there_is_left_alone() -> None:
    """At its final name a file is whole: nothing is asked."""
    stage = Stage()
    stage.files[PATH] = b"whole"
    assert fetched(stage) == b"whole"


def test_another_process_goes_on_where_one_was_killed() -> None:
    """With the tag that was noted; only the rest is sent."""
    stage = Stage(served(OLD), repeat=True)
    stage.files |= {PART: OLD[:40], NOTES: json.dumps({"file_id": "file-1", "etag": '"old"'}).encode()}
    assert fetched(stage) == OLD
    assert stage.requests[-1].headers["Range"] == "bytes=40-"


@pytest.mark.parametrize(
    "notes", [None, b"", b"{", b"[]", b'{"file_id": "file-2", "etag": "\\"old\\""}', b'{"file_id": "file-1", "etag": null}']
)
def test_a_part_of_which_nothing_sure_is_noted_is_not_continued(notes: bytes | None) -> None:
    """It is fetched from its beginning."""
    stage = Stage(served(OLD), repeat=True)
    stage.files[PART] = b"somebody else's"
    if notes is not None:
        stage.files[NOTES] = notes
    assert fetched(stage) == OLD
    assert "Range" not in stage.requests[-1].headers


def test_a_file_that_has_changed_is_fetched_from_its_beginning() -> None:
    """The service sends it whole, since its tag is another one."""
    stage = Stage(served(NEW), repeat=True)
    stage.files |= {PART: OLD[:40], NOTES: json.dumps({"file_id": "file-1", "etag": '"old"'}).encode()}
    assert fetched(stage) == NEW


def test_killed_at_any_moment_old_and_new_bytes_are_never_put_together() -> None:
    """The process ends after each of its effects on the disk in turn, and another one goes on."""
    for steps in range(40):
        stage = Stage(served(NEW), repeat=True)
        stage.files |= {PART: OLD[:40], NOTES: json.dumps({"file_id": "file-1", "etag": '"old"'}).encode()}
        flow = download_file(Config(), "file-1", PATH, RetryPolicy())
        answer = None
        ended = False
        for _ in range(steps):
            try:
                answer = stage._perform(flow.send(answer))
            except StopIteration:
                ended = True
                break
        flow.close()
        assert fetched(stage) == NEW, steps
    assert ended


def test_pages_of_proxies_and_lost_answers_are_tried_again() -> None:
    """Each attempt without a new byte counts; a new byte sets them back."""
    stage = Stage(sized(), Response(502, {}, b"<html>"), lost(), lost("connect"), whole(OLD))
    assert fetched(stage) == OLD


def test_a_service_that_gives_nothing_is_given_up() -> None:
    """With the last problem."""
    with pytest.raises(TransportError, match="no answer"):
        fetched(Stage(sized(), lost(), repeat=True))


def test_a_file_that_is_gone_is_an_error_at_once() -> None:
    """Nobody waits for it."""
    stage = Stage(said({"error": {"message": "No such File object: file-1"}}, 404))
    with pytest.raises(NotFound, match="file-1"):
        fetched(stage)


@pytest.mark.parametrize("content", [b"", OLD[:99], OLD + b"!"])
def test_a_length_that_does_not_fit_is_never_taken_for_the_file(content: bytes) -> None:
    """Neither shorter nor longer than the service's own word."""
    stage = Stage(sized(), Response(200, {"content-length": str(len(content))}, content), repeat=True)
    with pytest.raises(IncompleteDownload, match="of 100 bytes came"):
        fetched(stage)
    assert PATH not in stage.files


@pytest.mark.parametrize("told", [sized(0), said({"id": "file-1"}), said({"error": {"message": "no such call"}}, 405)])
def test_a_service_that_does_not_tell_the_size_is_believed_by_the_length(told: Response) -> None:
    """Some say 0 of every file, some have no such call."""
    assert fetched(Stage(told, whole(OLD))) == OLD


def test_without_any_length_only_a_body_that_marks_its_end_is_whole() -> None:
    """Chunks do; a connection that is closed may have been cut."""
    assert fetched(Stage(sized(0), Response(200, {"transfer-encoding": "chunked"}, OLD))) == OLD
    with pytest.raises(IncompleteDownload, match="an unknown number"):
        fetched(Stage(sized(0), Response(200, {}, OLD), repeat=True))


def test_a_service_that_always_sends_another_part_is_given_up() -> None:
    """It is begun again three times."""
    stage = Stage(sized(), Response(206, {"content-range": "bytes 1-99/100", "etag": '"old"'}, OLD[1:]), repeat=True)
    with pytest.raises(IncompleteDownload, match="can't be had in one piece: a part came that was not asked for"):
        fetched(stage)


def test_the_results_of_a_batch_have_its_name() -> None:
    """Answers, failures, and the batch itself."""
    stage = Stage(sized(), whole(OLD), sized(), whole(NEW))
    found = Batch(id="batch_1", status="expired", output_file_id="file-1", error_file_id="file-2")
    assert stage.run(download(Config(), found, "d", RetryPolicy())) == ["d/batch_1_output.jsonl", "d/batch_1_error.jsonl"]
    assert stage.files["d/batch_1_output.jsonl"] == OLD
    assert stage.files["d/batch_1_error.jsonl"] == NEW
    assert Batch.decode(json.loads(stage.files["d/batch_1.json"])) == found


def test_a_name_that_leads_elsewhere_is_not_written_to() -> None:
    """A batch of one's own making may have any id."""
    flow = download(Config(), Batch(id="../../etc/cron", output_file_id="file-1"), "d", RetryPolicy())
    with pytest.raises(ValueError, match="no id of a batch"):
        Stage().run(flow)


def test_a_batch_without_files_leaves_only_itself() -> None:
    """It failed at its validation."""
    stage = Stage()
    flow = download(Config(), Batch(id="batch_1", status="failed"), "d", RetryPolicy())
    assert isinstance(flow.send(None), WriteFile)  # type: ignore[arg-type]
    assert stage.files == {}
