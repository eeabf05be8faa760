"""`run`: requests become a table with any behavior of the service, and no request is paid for twice."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from batchfiles import OPENAI, Batch, RunStatus, plan_run, run
from batchfiles.errors import (
    AlreadySubmittedError,
    APIConnectionError,
    APIError,
    BatchFailedError,
    FileError,
    InvalidLineError,
    MismatchError,
    NotFoundError,
    OutputExistsError,
)
from batchfiles.runner import batches
from batchfiles.runner.journal import read_journal
from batchfiles.testing import Fault, Faults, Quirks, Server
from tests.runner.questions import SIX, batches_per_part, client_of, outcomes_of, rows_of, write_requests

Serve = Callable[..., Server]


def test_requests_become_a_table_in_their_order(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """Four parts, four batches, twenty rows."""
    server = serve(stage_seconds=60)
    with client_of(server) as client:
        report = run(requests, output=tmp_path / "table.parquet", client=client, limits=SIX)
    assert (report.finished, report.parts, report.sent, report.batches, report.rounds) == (True, 4, 4, 4, 0)
    assert report.outcomes == {"succeeded": 20}
    assert [row[0] for row in rows_of(tmp_path / "table.parquet")] == [f"r{number}" for number in range(20)]


def test_a_finished_run_sends_nothing_and_leaves_its_table_alone(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """Its modification time stays; a missing table is written again, and with `overwrite` an existing one."""
    server, table = serve(), tmp_path / "table.parquet"
    with client_of(server) as client:
        run(requests, output=table, client=client)
        before = table.stat().st_mtime_ns
        repeated = run(requests, output=table, client=client)
        assert (repeated.finished, repeated.sent, dict(repeated.outcomes)) == (True, 0, {})
        assert table.stat().st_mtime_ns == before
        assert run(requests, output=table, client=client, overwrite=True).outcomes == {"succeeded": 20}
        table.unlink()
        assert run(requests, output=table, client=client).sent == 0
    assert len(rows_of(table)) == 20
    assert set(batches_per_part(server).values()) == {1}


def test_no_more_batches_than_allowed_are_at_the_service(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """Only one at a time with `max_parallel=1`."""
    server, seen = serve(stage_seconds=60), []
    with client_of(server) as client:
        run(
            requests,
            output=tmp_path / "table.parquet",
            client=client,
            limits=SIX,
            max_parallel=1,
            on_update=lambda status: seen.append(status.live),
        )
    assert max(seen) == 1


def test_a_full_queue_is_waited_for(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """Batches rejected by a full queue are created again, and only these."""
    server = serve(stage_seconds=60, quirks=Quirks(enqueued_requests=7))
    with client_of(server) as client:
        report = run(requests, output=tmp_path / "table.parquet", client=client, limits=SIX)
    assert report.outcomes == {"succeeded": 20}
    assert report.batches > 4
    assert set(batches_per_part(server).values()) == {1}


def test_others_may_fill_the_queue_for_hours(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """With none of our batches at the service, the part is tried again after pauses."""
    server = serve(quirks=Quirks(enqueued_requests=0))
    seen: list[str] = []

    def watch(status: RunStatus) -> None:
        seen.append(status.news or "")
        if sum("queue" in news and "full" in news for news in seen) == 5:
            server.service.quirks.enqueued_requests = None

    with client_of(server) as client:
        report = run(requests, output=tmp_path / "table.parquet", client=client, on_update=watch)
    assert report.outcomes == {"succeeded": 20}


def test_what_expired_is_sent_again(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """A retry part for each part; the table has the better result."""
    server = serve(quirks=Quirks(expire_after=3))
    with client_of(server) as client:
        report = run(requests, output=tmp_path / "table.parquet", client=client, limits=SIX, retries=1)
    assert report.rounds == 1
    assert report.outcomes == {"succeeded": 20}
    manifest = json.loads((tmp_path / "requests.campaign" / "manifest.json").read_text())
    retries = [part for part in manifest["parts"] if "retry_of" in part]
    assert [part["retry_of"] for part in retries] == [
        ["requests-00001.jsonl"],
        ["requests-00002.jsonl"],
        ["requests-00003.jsonl"],
    ]
    assert all(len(part["batches"]) == 1 for part in manifest["parts"])


def test_what_fails_for_good_is_given_up_after_the_rounds(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """It is in the table; a call with more rounds continues."""
    server, table = serve(quirks=Quirks(failing={"r3": 429, "r4": 400}, missing=frozenset({"r7"}))), tmp_path / "table.parquet"
    with client_of(server) as client:
        first = run(requests, output=table, client=client, limits=SIX, retries=1)
        assert (first.rounds, first.outcomes) == (1, {"succeeded": 17, "failed": 2, "missing": 1})
        assert run(requests, output=table, client=client, limits=SIX, retries=1).sent == 0
        server.service.quirks = Quirks()
        second = run(requests, output=table, client=client, limits=SIX, retries=2)
    assert (second.rounds, second.sent, second.outcomes) == (2, 2, {"succeeded": 19, "failed": 1})


def test_a_batch_without_any_file_is_retried_whole(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """No result is downloaded, and no part is done."""
    every = frozenset(f"r{number}" for number in range(20))
    server = serve(quirks=Quirks(missing=every))
    with client_of(server) as client:
        report = run(
            requests,
            output=tmp_path / "table.parquet",
            client=client,
            on_update=lambda status: status.done and setattr(server.service, "quirks", Quirks()),
        )
    assert report.outcomes == {"succeeded": 20}


def test_files_that_are_named_late_are_waited_for(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """A completed batch without files is not taken for an empty one, which would be paid for again."""
    server = serve(quirks=Quirks(late_files=1500))
    with client_of(server) as client:
        report = run(requests, output=tmp_path / "table.parquet", client=client)
    assert (report.batches, report.outcomes) == (1, {"succeeded": 20})


def test_files_that_never_come_are_given_up(
    serve: Serve, requests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if each check is made by another process."""
    server = serve(quirks=Quirks(late_files=1e9))
    table = tmp_path / "table.parquet"
    with client_of(server) as client:
        assert not run(requests, output=table, client=client, once=True, retries=0).finished
        monkeypatch.setattr(batches, "LATE", timedelta(0))
        report = run(requests, output=table, client=client, once=True, retries=0)
    assert report.outcomes == {"missing": 20}


def test_a_batch_that_the_service_does_not_know_is_named(
    serve: Serve, requests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at the first check: a new batch may not be visible yet."""
    server = serve(stage_seconds=60)
    with client_of(server) as client:
        run(requests, output=tmp_path / "table.parquet", client=client, once=True)
        server.faults = Faults().always("batches.retrieve", Fault("status", status=404))
        assert not run(requests, output=tmp_path / "table.parquet", client=client, once=True).finished
        monkeypatch.setattr(batches, "VANISHED", timedelta(0))
        with pytest.raises(NotFoundError):
            run(requests, output=tmp_path / "table.parquet", client=client, once=True)
        server.faults = Faults()
        assert run(requests, output=tmp_path / "table.parquet", client=client).finished


def test_once_goes_as_far_as_it_can(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """Each call of a scheduler does what can be done, and the last one writes the table."""
    server, finished = serve(stage_seconds=60), []
    with client_of(server) as client:
        for _ in range(10):
            report = run(requests, output=tmp_path / "table.parquet", client=client, limits=SIX, max_parallel=2, once=True)
            finished.append(report.finished)
            if report.finished:
                break
            server.service.clock.turn(100)
    assert finished == [False, False, False, False, True]
    assert report.outcomes == {"succeeded": 20}
    assert set(batches_per_part(server).values()) == {1}


@pytest.mark.parametrize("number", [1, 4])
@pytest.mark.parametrize("kind", ["lost", "status_after", "reset", "html"])
def test_a_lost_answer_to_create_makes_no_second_batch(
    serve: Serve, requests: Path, tmp_path: Path, kind: str, number: int
) -> None:
    """The list is searched for the marker before the part is sent again."""
    server = serve(stage_seconds=60, quirks=Quirks(list_lag=3))
    server.faults = Faults().at("batches.create", number, Fault(kind))
    with client_of(server) as client:
        report = run(requests, output=tmp_path / "table.parquet", client=client, limits=SIX)
    assert report.outcomes == {"succeeded": 20}
    assert list(batches_per_part(server).values()) == [1, 1, 1, 1]


@pytest.mark.parametrize("seed", range(int(os.environ.get("BATCHFILES_FAULT_SEEDS", "4"))))
def test_faults_by_chance_end_in_the_right_table_or_a_typed_error(
    serve: Serve, requests: Path, tmp_path: Path, seed: int
) -> None:
    """The next call resumes; no part has two batches."""
    server = serve(quirks=Quirks(failing={"r5": 500}, expire_after=5))
    server.faults = Faults.by_chance(seed)
    table = tmp_path / "table.parquet"
    report = None
    while report is None:
        try:
            with client_of(server) as client:
                report = run(requests, output=table, client=client, limits=SIX, retries=1)
        except (APIError, APIConnectionError):
            server.faults = Faults()
    assert report.outcomes == {"succeeded": 19, "failed": 1}
    server.faults = Faults()
    assert list(batches_per_part(server).values()) == [1] * 7


def test_requests_that_the_service_would_refuse_cost_nothing(serve: Serve, tmp_path: Path) -> None:
    """The first error has its line, and nothing was uploaded."""
    requests = write_requests(tmp_path / "requests.jsonl", 3)
    requests.write_bytes(requests.read_bytes() + requests.read_bytes().splitlines(keepends=True)[0])
    server = serve()
    with client_of(server) as client, pytest.raises(InvalidLineError, match="duplicate") as caught:
        run(requests, output=tmp_path / "table.parquet", client=client)
    assert (caught.value.line_number, caught.value.code) == (4, "duplicate_custom_id")
    assert not server.service.files


def test_a_refused_part_is_told_by_line_and_id_and_sent_again_by_the_next_call(
    serve: Serve, requests: Path, tmp_path: Path
) -> None:
    """The service has unknown rules: this one accepts only short ids."""
    server = serve(limits=replace(OPENAI, max_custom_id_length=2))
    with client_of(server) as client:
        with pytest.raises(BatchFailedError, match=r"requests-00001\.jsonl:11 'r10'"):
            run(requests, output=tmp_path / "table.parquet", client=client)
        server.service.limits = OPENAI
        report = run(requests, output=tmp_path / "table.parquet", client=client)
    assert report.outcomes == {"succeeded": 20}


def test_several_models_become_several_parts(serve: Serve, tmp_path: Path) -> None:
    """A file can have only one model; the rows stay in the order of the requests."""
    requests = write_requests(tmp_path / "requests.jsonl", 6)
    lines = requests.read_text().splitlines(keepends=True)
    requests.write_text("".join(line.replace("4o-mini", "5") if number % 2 else line for number, line in enumerate(lines)))
    server = serve()
    with client_of(server) as client:
        report = run(requests, output=tmp_path / "table.parquet", client=client)
    assert (report.parts, report.outcomes) == (2, {"succeeded": 6})
    assert [row[0] for row in rows_of(tmp_path / "table.parquet")] == ["r0", "r1", "r2", "r3", "r4", "r5"]


def test_changed_requests_are_refused(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """The campaign belongs to the old requests."""
    server = serve()
    with client_of(server) as client:
        run(requests, output=tmp_path / "table.parquet", client=client)
        write_requests(requests, 21)
        with pytest.raises(MismatchError, match="changed since"):
            run(requests, output=tmp_path / "table.parquet", client=client)


def test_a_foreign_table_is_refused_before_anything_is_sent(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """`overwrite` replaces it."""
    table = tmp_path / "table.csv"
    table.write_text("mine\n")
    server = serve()
    with client_of(server) as client:
        with pytest.raises(OutputExistsError):
            run(requests, output=table, client=client)
        assert not server.service.files
        assert run(requests, output=table, client=client, overwrite=True).finished


def test_a_folder_for_the_table_with_files_of_others_is_refused_before_anything_is_sent(
    serve: Serve, requests: Path, tmp_path: Path
) -> None:
    """Even with `force`; without other files it is replaced."""
    table = tmp_path / "table"
    table.mkdir()
    (table / "part-00000.parquet").write_bytes(b"old")
    (table / "thesis.txt").write_text("precious")
    server = serve()
    with client_of(server) as client:
        with pytest.raises(FileError, match=r"thesis\.txt for one"):
            run(requests, output=table, client=client, overwrite=True)
        assert not server.service.files
        (table / "thesis.txt").unlink()
        assert run(requests, output=table, client=client, overwrite=True).finished
        (table / "notes.txt").write_text("notes")
        assert run(requests, output=table, client=client).finished
    assert (table / "notes.txt").exists()


def test_a_folder_with_other_files_is_no_campaign(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """Another campaign does not use the folder."""
    server = serve()
    with client_of(server) as client, pytest.raises(MismatchError, match="has other files"):
        run(requests, output=tmp_path.parent / "table.parquet", client=client, campaign=tmp_path)


def test_the_table_does_not_go_into_the_campaign(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """Its files are joined."""
    server = serve()
    with client_of(server) as client, pytest.raises(ValueError, match="choose another folder"):
        run(requests, output=tmp_path / "c" / "table.parquet", client=client, campaign=tmp_path / "c")


def test_the_plan_says_what_would_be_sent_and_sends_nothing(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """Before the run all parts, after it none; the campaign folder is not created."""
    plan = plan_run(requests, limits=SIX)
    assert [(part.requests, part.endpoint) for part in plan.parts] == [(6, "/v1/chat/completions")] * 3 + [
        (2, "/v1/chat/completions")
    ]
    assert plan.to_dict()["bytes"] == requests.stat().st_size
    assert plan.to_dict()["tokens"] > 0
    assert not (tmp_path / "requests.campaign").exists()
    server = serve()
    with client_of(server) as client:
        run(requests, output=tmp_path / "table.parquet", client=client, limits=SIX)
    assert plan_run(requests, limits=SIX).parts == ()


class TestLostFolder:
    """The campaign folder is lost, and the service still has the batches."""

    def test_it_is_not_paid_for_again(self, serve: Serve, requests: Path, tmp_path: Path) -> None:
        """Unless `again` is set."""
        server, table = serve(), tmp_path / "table.parquet"
        with client_of(server) as client:
            run(requests, output=table, client=client, limits=SIX)
            shutil.rmtree(tmp_path / "requests.campaign")
            with pytest.raises(AlreadySubmittedError):
                run(requests, output=table, client=client, limits=SIX, overwrite=True)
            assert run(requests, output=table, client=client, limits=SIX, overwrite=True, again=True).sent == 4

    def test_recover_takes_over_what_is_there_rounds_of_retries_included(
        self, serve: Serve, requests: Path, tmp_path: Path
    ) -> None:
        """The table is the same, and nothing is sent."""
        server, table = serve(quirks=Quirks(expire_after=4, failing={"r2": 429})), tmp_path / "table.parquet"
        with client_of(server) as client:
            run(requests, output=table, client=client, limits=SIX, retries=2)
            before = rows_of(table)
            shutil.rmtree(tmp_path / "requests.campaign")
            table.unlink()
            report = run(requests, output=table, client=client, limits=SIX, retries=2, recover=True)
        assert (report.sent, report.rounds) == (0, 2)
        assert rows_of(table) == before

    def test_recover_waits_for_what_is_live_and_sends_what_is_missing(self, serve: Serve, requests: Path, tmp_path: Path) -> None:
        """Two parts were sent when the folder was lost."""
        server, table = serve(stage_seconds=60), tmp_path / "table.parquet"
        with client_of(server) as client:
            run(requests, output=table, client=client, limits=SIX, max_parallel=2, once=True)
            shutil.rmtree(tmp_path / "requests.campaign")
            report = run(requests, output=table, client=client, limits=SIX, recover=True)
        assert (report.sent, report.batches, report.outcomes) == (2, 4, {"succeeded": 20})
        assert set(batches_per_part(server).values()) == {1}


def test_nothing_is_created_before_its_token_is_in_the_journal(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """The line is on disk before the call."""
    server = serve()
    folder, seen = tmp_path / "requests.campaign", []
    make = server.service.create_batch

    def watched(asked: dict[str, object]) -> object:
        last = read_journal(folder)[-1]
        seen.append((last["event"], asked["metadata"]["batchfiles"].split()[0] == last["token"]))  # type: ignore[index]
        return make(asked)

    server.service.create_batch = watched  # type: ignore[method-assign, assignment]
    with client_of(server) as client:
        run(requests, output=tmp_path / "table.parquet", client=client, limits=SIX)
    assert seen == [("creating", True)] * 4


def test_a_killed_run_left_files_of_a_round_that_the_manifest_does_not_name(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """They are written again; no request is sent twice because of them."""
    server, table = serve(quirks=Quirks(failing={"r2": 429})), tmp_path / "table.parquet"
    with client_of(server) as client:
        run(requests, output=table, client=client, limits=SIX, retries=0)
        leftover = tmp_path / "requests.campaign" / "requests-00001-retry-1.jsonl"
        leftover.write_bytes(requests.read_bytes())
        server.service.quirks = Quirks()
        report = run(requests, output=table, client=client, limits=SIX, retries=1)
    assert leftover.read_bytes().count(b"\n") == 1
    assert (report.sent, report.outcomes) == (1, {"succeeded": 20})


def test_a_table_of_another_format_is_made_of_a_finished_run(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """Nothing is sent for it."""
    server = serve()
    with client_of(server) as client:
        run(requests, output=tmp_path / "table.parquet", client=client)
        report = run(requests, output=tmp_path / "table.jsonl", client=client)
    assert (report.sent, report.outcomes) == (0, {"succeeded": 20})
    assert outcomes_of(tmp_path / "table.parquet") == {"succeeded": 20}
    assert (tmp_path / "table.jsonl").read_text().count("\n") == 20


def test_a_pending_file_is_waited_for_and_not_uploaded_twice(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """As at Azure; a run that was killed while waiting uses its upload, or uploads again if it is gone."""
    server, table = serve(quirks=Quirks(pending_files=45.0)), tmp_path / "table.parquet"
    with client_of(server) as client:
        server.faults = (
            Faults().at("batches.create", 1, Fault("status", status=429)).at("batches.create", 2, Fault("status", status=429))
        )
        report = run(requests, output=table, client=client, limits=SIX, completion_window="24h", output_expires_after=3_600)
    assert (report.finished, report.outcomes) == (True, {"succeeded": 20})
    assert server.faults.seen["files.create"] == 4
    assert set(batches_per_part(server).values()) == {1}


def test_an_upload_that_is_gone_is_made_again(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """Files expire, or are deleted while the queue is full."""
    server, table = serve(), tmp_path / "table.parquet"
    with client_of(server) as client:
        server.faults = Faults().always("batches.create", Fault("status", status=429))
        run(requests, output=table, client=client, once=True)
        (file,) = server.service.files
        server.service.delete_file(file.id)
        server.faults = Faults()
        assert run(requests, output=table, client=client).outcomes == {"succeeded": 20}
        assert server.faults.seen["files.create"] == 1


def test_a_file_that_could_not_be_processed_ends_the_run_and_is_uploaded_again(
    serve: Serve, requests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run must not wait forever for a broken file."""
    server, table = serve(quirks=Quirks(pending_files=10.0)), tmp_path / "table.parquet"
    shown = server.service._shown
    with client_of(server) as client:
        monkeypatch.setattr(server.service, "_shown", lambda stored: replace(shown(stored), status="error"))
        with pytest.raises(APIError, match="could not process the file"):
            run(requests, output=table, client=client)
        monkeypatch.setattr(server.service, "_shown", shown)
        assert run(requests, output=table, client=client).outcomes == {"succeeded": 20}
    assert server.faults.seen["files.create"] == 2


def test_a_file_of_errors_that_is_gone_does_not_stop_a_run(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """The table has the answers, and the other requests are missing."""
    server, table = serve(quirks=Quirks(failing={"r2": 400})), tmp_path / "table.parquet"
    store = server.service._files.add

    def forget(*args: object, **options: object) -> object:
        made = store(*args, **options)  # type: ignore[arg-type]
        if made.filename is not None and made.filename.endswith("_error.jsonl"):
            server.service._files._files.pop(made.id)
        return made

    server.service._files.add = forget  # type: ignore[method-assign, assignment]
    with client_of(server) as client:
        report = run(requests, output=table, client=client, retries=0)
    assert report.outcomes == {"succeeded": 19, "missing": 1}


@pytest.mark.parametrize("word", ["succeeded", "completed_with_errors", "BATCH_STATE_SUCCEEDED", "JOB_STATE_EARLY_STOPPED"])
def test_the_last_words_of_other_services_end_a_run(
    serve: Serve, requests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """Other odd values are ignored."""
    server, table = serve(stage_seconds=60), tmp_path / "table.parquet"
    to_dict = Batch.to_dict

    def odd(self: Batch) -> dict[str, object]:
        value = to_dict(self)
        return value | {"status": word if value["status"] == "completed" else value["status"], "error_file_id": {}, "usage": 7}

    monkeypatch.setattr("batchfiles.testing.app.Batch.to_dict", odd)
    with client_of(server) as client:
        assert run(requests, output=table, client=client).outcomes == {"succeeded": 20}


def test_a_service_that_ignores_the_cursor_takes_a_run_and_refuses_to_recover(
    serve: Serve, requests: Path, tmp_path: Path
) -> None:
    """The newest batches are enough to find a duplicate, but not to take over all of them: half would be paid for twice."""
    server, table = serve(), tmp_path / "table.parquet"
    page = server.service.list_batches
    server.service.list_batches = lambda _after, limit: replace(page(None, limit), has_more=True)  # type: ignore[method-assign]
    with client_of(server) as client:
        client.submit(write_requests(tmp_path / "other.jsonl", 3), "/v1/chat/completions")
        assert run(requests, output=table, client=client).outcomes == {"succeeded": 20}
        with pytest.raises(APIError, match="the same page again"):
            run(requests, output=table, client=client, campaign=tmp_path / "lost", recover=True, overwrite=True)


def test_a_batch_that_failed_with_results_is_not_paid_for_twice(
    serve: Serve, requests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At OpenAI a failed batch has none; at other services it can fail halfway, and its results are downloaded."""
    server, table = serve(quirks=Quirks(missing=frozenset({"r3"}))), tmp_path / "table.parquet"
    to_dict = Batch.to_dict
    monkeypatch.setattr("batchfiles.testing.app.Batch.to_dict", lambda self: to_dict(self) | {"status": "JOB_STATE_FAILED"})
    with client_of(server) as client:
        assert run(requests, output=table, client=client, retries=0).outcomes == {"succeeded": 19, "missing": 1}
    assert server.faults.seen["batches.create"] == 1


def test_what_a_folder_of_requests_holds_besides_them_is_named(serve: Serve, tmp_path: Path) -> None:
    """Results among the requests stopped the run, and other files were skipped silently."""
    folder = tmp_path / "campaigns"
    folder.mkdir()
    write_requests(folder / "requests.jsonl", 3)
    (folder / "batch_1_output.jsonl").write_bytes(b'{"id": "1", "custom_id": "r0", "response": null, "error": null}\n')
    (folder / "notes.txt").write_text("Dear Sir,\n")
    with client_of(serve()) as client:
        assert plan_run(folder, campaign=tmp_path / "c").not_read == 2
        report = run(folder, output=tmp_path / "table.parquet", campaign=tmp_path / "c", client=client)
    assert (report.outcomes, report.not_read) == ({"succeeded": 3}, 2)
    assert {Path(name).name for name in report.examples["not_read"]} == {"batch_1_output.jsonl", "notes.txt"}
