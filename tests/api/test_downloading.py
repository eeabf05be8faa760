"""Downloading, without a socket and a disk: which requests are sent, and which bytes are never combined."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import pytest

from batchfiles import (
    APIConnectionError,
    APIError,
    Batch,
    FileError,
    IncompleteDownloadError,
    NotFoundError,
    RateLimitError,
    RetryPolicy,
)
from batchfiles.api import Config, Request, Response
from batchfiles.api.downloading import download, download_file
from batchfiles.api.effects import Sleep, WriteFile
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


@pytest.mark.parametrize(
    "answer", [sized(5), sized(0), said({"id": "file-1"}), said({"error": "no such file"}, 404), said({}, 405)]
)
def test_a_file_that_is_there_is_left_alone(answer: Response) -> None:
    """Its size is the one that the service reports, or the service reports none, or no longer has the file."""
    stage = Stage(answer)
    stage.files[PATH] = b"whole"
    assert fetched(stage) == b"whole"


@pytest.mark.parametrize("is_busy", [False, True])
def test_the_notes_of_a_download_that_was_killed_after_its_renaming_are_removed(*, is_busy: bool) -> None:
    """They stayed forever next to 9 of 1,000 files; another download's files are left alone."""
    stage = Stage(sized(5))
    stage.files |= {PATH: b"whole", NOTES: b"{}"}
    stage.busy = [not is_busy]
    stage.run(download_file(Config(), "file-1", PATH, RetryPolicy()))
    assert (NOTES in stage.files) == is_busy


def test_a_download_stops_when_nothing_has_come_for_the_time_of_the_policy() -> None:
    """`max_seconds` was ignored; each piece that comes begins it anew."""
    stage = Stage(sized(), said({"error": {"message": "slow down"}}, 429, retry_after="60"), repeat=True)
    with pytest.raises(RateLimitError):
        stage.run(download_file(Config(), "file-1", PATH, RetryPolicy(max_seconds=150.0)))
    assert stage.sleeps == [60.0, 60.0]


def test_an_empty_name_of_a_folder_is_the_current_one() -> None:
    """`os.path.dirname("results.jsonl")` is empty: the files were written to the root."""
    stage = Stage(served(OLD), repeat=True)
    batch = Batch(id="batch_1", output_file_id="file-1")
    assert stage.run(download(Config(), batch, "", RetryPolicy())) == ["batch_1_output.jsonl"]
    assert set(stage.files) == {"batch_1_output.jsonl", "batch_1.json"}


def test_a_file_of_another_size_is_not_believed() -> None:
    """A final name alone proves nothing: another program may have left half a file there."""
    stage = Stage(sized())
    stage.files[PATH] = b"torn"
    with pytest.raises(FileError, match="has 4 bytes, and the file at the service 100"):
        fetched(stage)
    stage = Stage(served(OLD), repeat=True)
    stage.files[PATH] = b"torn"
    stage.run(download_file(Config(), "file-1", PATH, RetryPolicy(), replace=True))
    assert stage.files == {PATH: OLD}
    assert stage.logged[0] == (logging.WARNING, "d/f: has 4 bytes and not 100: fetching file-1 again")


def test_another_download_of_the_same_file_is_waited_for() -> None:
    """It holds the work file; when it is done, its file is used, and no byte is fetched twice."""
    stage = Stage(sized())
    stage.busy = [False, False, True]
    flow = download_file(Config(), "file-1", PATH, RetryPolicy())
    effect = next(flow)
    while True:
        if isinstance(effect, Sleep) and len(stage.sleeps) == 1:
            stage.files[PATH] = OLD
        try:
            effect = flow.send(stage._perform(effect))
        except StopIteration:
            break
    assert stage.files == {PATH: OLD}
    assert (stage.locks, len(stage.requests)) == ([PART] * 3, 1)
    assert [words for _, words in stage.logged] == ["d/f: another download is writing it; waiting for its end"]


def test_another_download_that_never_ends_is_given_up() -> None:
    """After an hour, with what to do."""
    stage = Stage(sized())
    stage.busy = [False] * 100_000
    with pytest.raises(FileError, match="writing it for an hour"):
        fetched(stage)


def moved(location: str, status: int = 302) -> Response:
    """Answer with a redirect."""
    return Response(status, {"location": location}, b"")


FULL = Config(organization="org", project="p", headers={"X-Gateway": "secret"}, query={"q": "1"})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_contents_are_fetched_from_where_the_service_has_put_them(status: int) -> None:
    """No credentials go to another origin, also not when it redirects to the first one."""
    stage = Stage(
        sized(),
        moved("/v1/elsewhere", status),
        moved("https://store.example/f?sig=1"),
        moved("https://api.openai.com/f"),
        whole(OLD),
    )
    stage.run(download_file(FULL, "file-1", PATH, RetryPolicy()))
    assert stage.files == {PATH: OLD}
    first, second, third, fourth = stage.requests[1:]
    assert (first.is_keyed, second.is_keyed, third.is_keyed, fourth.is_keyed) == (True, True, False, False)
    assert (second.url, third.url) == ("https://api.openai.com/v1/elsewhere", "https://store.example/f?sig=1")
    assert second.headers["X-Gateway"] == "secret"
    assert third.headers == fourth.headers == {"Accept": "application/binary, */*", "Accept-Encoding": "identity"}


def test_the_rest_of_a_file_is_asked_for_by_way_of_the_service() -> None:
    """Signed addresses expire; range and tag go along."""
    stage = Stage(
        sized(),
        moved("https://store.example/f"),
        Response(206, {"content-range": "bytes 40-99/100", "etag": TAGS[OLD]}, OLD[40:]),
    )
    stage.files |= {PART: OLD[:40], NOTES: json.dumps({"file_id": "file-1", "etag": '"old"'}).encode()}
    assert fetched(stage) == OLD
    assert stage.requests[-1].headers["Range"] == "bytes=40-"
    assert stage.requests[-1].headers["If-Range"] == '"old"'


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("http://store.example/f", "plain http"),
        ("file:///etc/passwd", "an address that is not http"),
        ("ftp://store.example/f", "an address that is not http"),
        ("https://store.example:99999999/", "can't be read"),
        ("https://[::1", "can't be read"),
        ("", "a redirect to nowhere"),
        ("/v1/files/file-1/content", "more than 10 times"),
    ],
)
def test_a_redirect_that_leads_nowhere_good_is_an_error(location: str, words: str) -> None:
    """And never a request."""
    stage = Stage(sized(), *[moved(location)] * 11)
    with pytest.raises(APIError, match=words):
        fetched(stage)


def test_another_process_resumes_where_one_was_killed() -> None:
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
    """The process ends after each of its effects on the disk in turn, and another one resumes."""
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
    with pytest.raises(APIConnectionError, match="no answer"):
        fetched(Stage(sized(), lost(), repeat=True))


def test_a_file_that_is_gone_is_an_error_at_once() -> None:
    """There is no waiting for it."""
    stage = Stage(said({"error": {"message": "No such File object: file-1"}}, 404), repeat=True)
    with pytest.raises(NotFoundError, match="file-1"):
        fetched(stage)


@pytest.mark.parametrize("content", [b"", OLD[:99], OLD + b"!"])
def test_a_length_that_does_not_fit_is_never_taken_for_the_file(content: bytes) -> None:
    """Neither shorter nor longer than the size that the service reports."""
    stage = Stage(sized(), Response(200, {"content-length": str(len(content))}, content), repeat=True)
    with pytest.raises(IncompleteDownloadError, match="of 100 bytes came"):
        fetched(stage)
    assert PATH not in stage.files


@pytest.mark.parametrize("told", [sized(0), said({"id": "file-1"}), said({"error": {"message": "no such call"}}, 405)])
def test_a_service_that_does_not_tell_the_size_is_believed_by_the_length(told: Response) -> None:
    """Some report 0 for every file, some have no such call."""
    assert fetched(Stage(told, whole(OLD))) == OLD


def test_without_any_length_only_a_body_that_marks_its_end_is_whole() -> None:
    """Chunks do; a connection that is closed may have been cut."""
    assert fetched(Stage(sized(0), Response(200, {"transfer-encoding": "chunked"}, OLD))) == OLD
    with pytest.raises(IncompleteDownloadError, match="an unknown number"):
        fetched(Stage(sized(0), Response(200, {}, OLD), repeat=True))


def test_a_service_that_always_sends_another_part_is_given_up() -> None:
    """It is started again three times."""
    stage = Stage(sized(), Response(206, {"content-range": "bytes 1-99/100", "etag": '"old"'}, OLD[1:]), repeat=True)
    with pytest.raises(IncompleteDownloadError, match="can't be had in one piece: a part came that was not asked for"):
        fetched(stage)


def test_the_results_of_a_batch_have_its_name() -> None:
    """Answers, failures, and the batch itself."""
    stage = Stage(sized(), whole(OLD), sized(), whole(NEW))
    found = Batch(id="batch_1", status="expired", output_file_id="file-1", error_file_id="file-2")
    assert stage.run(download(Config(), found, "d", RetryPolicy())) == ["d/batch_1_output.jsonl", "d/batch_1_error.jsonl"]
    assert stage.files["d/batch_1_output.jsonl"] == OLD
    assert stage.files["d/batch_1_error.jsonl"] == NEW
    assert Batch.from_dict(json.loads(stage.files["d/batch_1.json"])) == found


def test_a_name_that_leads_elsewhere_is_not_written_to() -> None:
    """A batch of one's own making may have any id."""
    flow = download(Config(), Batch(id="../../etc/cron", output_file_id="file-1"), "d", RetryPolicy())
    with pytest.raises(ValueError, match="is not an id of a batch"):
        Stage().run(flow)


def test_a_batch_without_files_leaves_only_itself() -> None:
    """It failed at its validation."""
    stage = Stage()
    flow = download(Config(), Batch(id="batch_1", status="failed"), "d", RetryPolicy())
    assert isinstance(flow.send(None), WriteFile)  # type: ignore[arg-type]
    assert stage.files == {}


def files_of(**there: bytes) -> Callable[[Request], Response]:
    """Answer as a service that has some files."""

    def answer(request: Request) -> Response:
        name = request.url.split("/files/")[1].partition("/")[0]
        if name not in there:
            return said({"error": {"message": "No such File object"}}, 404)
        return whole_of(there[name]) if request.url.endswith("/content") else said({"id": name, "bytes": len(there[name])})

    return answer


def whole_of(content: bytes) -> Response:
    """Answer with some bytes."""
    return Response(200, {"content-length": str(len(content))}, content)


BOTH = Batch(id="batch_1", status="completed", output_file_id="out", error_file_id="err")


def test_a_store_that_does_not_answer_is_named_and_not_the_service() -> None:
    """The hint of a connection that was refused named the service, which had answered."""
    stage = Stage(sized(), *[moved("https://store.example/f?sig=secret"), lost("connect")] * 6)
    with pytest.raises(APIConnectionError, match=r"\(the service has the contents of the file at store\.example\)") as caught:
        fetched(stage)
    assert caught.value.phase == "receive"


def test_a_service_that_only_has_the_contents_of_files_is_fetched_from() -> None:
    """It answers 404 to a question about the file, as to all that it doesn't know."""
    stage = Stage(said({"detail": "Not Found"}, 404), whole(OLD))
    assert fetched(stage) == OLD


@pytest.mark.parametrize("status", [400, 410, 422])
def test_a_file_that_is_gone_is_gone_with_any_status(status: int) -> None:
    """Only some services answer 404."""

    def answer(request: Request) -> Response:
        found = files_of(out=OLD)(request)
        return Response(status, {}, found.body) if found.status_code == 404 else found

    stage = Stage(answer, repeat=True)
    assert stage.run(download(Config(), BOTH, "d", RetryPolicy())) == ["d/batch_1_output.jsonl"]
    assert "the error file err of batch_1 is not at the service" in stage.logged[-1][1]


def test_a_missing_file_of_errors_does_not_cost_the_answers() -> None:
    """It is reported with its name and that of its batch."""
    stage = Stage(files_of(out=OLD), repeat=True)
    assert stage.run(download(Config(), BOTH, "d", RetryPolicy())) == ["d/batch_1_output.jsonl"]
    assert stage.files["d/batch_1_output.jsonl"] == OLD
    assert "d/batch_1.json" in stage.files
    words = "the error file err of batch_1 is not at the service: No such File object (status 404)"
    assert [entry for entry in stage.logged if entry[0] == logging.WARNING] == [(logging.WARNING, words)]


def test_a_missing_file_of_answers_is_an_error_and_does_not_cost_that_of_errors() -> None:
    """The message names both files and the batch."""
    stage = Stage(files_of(err=OLD), repeat=True)
    with pytest.raises(NotFoundError, match="the output file out of batch_1 is not at the service: No such File object"):
        stage.run(download(Config(), BOTH, "d", RetryPolicy()))
    assert stage.files == {"d/batch_1_error.jsonl": OLD}
    with pytest.raises(NotFoundError, match="the output file out"):
        Stage(files_of(), repeat=True).run(download(Config(), BOTH, "d", RetryPolicy()))
    alone = Batch(id="batch_1", status="completed", error_file_id="err")
    with pytest.raises(NotFoundError, match="the error file err"):
        Stage(files_of(), repeat=True).run(download(Config(), alone, "d", RetryPolicy()))


def test_an_id_of_a_file_that_can_not_be_read_is_an_error_and_an_empty_one_is_not() -> None:
    """Paid answers must not count as missing."""
    odd = Batch.from_dict({"id": "batch_1", "status": "completed", "output_file_id": "a/../b", "error_file_id": {}})
    with pytest.raises(APIError, match=r"the id of the output file of batch_1 can't be read: 'a/\.\./b'"):
        Stage().run(download(Config(), odd, "d", RetryPolicy()))
    errors = Batch.from_dict({"id": "batch_1", "status": "completed", "output_file_id": "out", "error_file_id": {"id": "err"}})
    stage = Stage(files_of(out=OLD), repeat=True)
    assert stage.run(download(Config(), errors, "d", RetryPolicy())) == ["d/batch_1_output.jsonl"]
    assert stage.logged[-1] == (logging.WARNING, "the id of the error file of batch_1 can't be read: {'id': 'err'}")
    assert (odd.unread_files, errors.unread_files) == (["output"], ["error"])
    empty = Batch.from_dict({"id": "batch_1", "status": "completed", "output_file_id": "out", "error_file_id": {}})
    stage = Stage(files_of(out=OLD), repeat=True)
    assert stage.run(download(Config(), empty, "d", RetryPolicy())) == ["d/batch_1_output.jsonl"]
