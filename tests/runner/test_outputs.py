"""The table of a run with the options of `join`, the files next to it, and what another call with other options does."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
import pytest

from batchfiles import RunStatus, run
from batchfiles.errors import (
    BatchFilesError,
    DuplicateCustomIdError,
    FileError,
    MismatchError,
    OutputExistsError,
)
from batchfiles.testing import Quirks, Server
from tests.runner.questions import SIX, client_of, write_requests

Serve = Callable[..., Server]

SCHEMA = {
    "type": "object",
    "properties": {"day": {"type": "string", "format": "date"}, "count": {"type": "integer"}},
    "required": ["day", "count"],
    "additionalProperties": False,
}

FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA}}


def validate_json(value: Any) -> None:
    """Compare a report with the JSON Schema of `run`."""
    schema = json.loads(files("batchfiles").joinpath("schemas", "run.schema.json").read_text("utf-8"))
    jsonschema.validate(value, schema)


def words_of(seen: list[RunStatus]) -> list[str]:
    """Return the messages among statuses."""
    return [status.news for status in seen if status.news is not None]


def test_the_table_takes_the_options_of_a_join(serve: Serve, tmp_path: Path) -> None:
    """Typed answers, the user's columns, no bodies; superseded results are the rejects, and the report is a file."""
    requests = write_requests(tmp_path / "requests.jsonl", 4, response_format=FORMAT)
    server = serve(quirks=Quirks(failing={"r2": 429}))
    own = pa.table({"number": [0, 1, 2, 3], "topic": ["sea", "sky", "sea", "sky"]})
    with client_of(server) as client:
        report = run(
            requests,
            output=tmp_path / "table.parquet",
            client=client,
            retries=1,
            parsed=True,
            parse_dates=True,
            with_table=own,
            id_template="r{{number}}",
            with_prefix="my_",
            bodies="none",
            request_bodies="none",
            rejects=tmp_path / "rejects.jsonl",
            report_file=tmp_path / "report.json",
        )
    table = pq.read_table(tmp_path / "table.parquet")
    assert table.column("my_topic").to_pylist() == ["sea", "sky", "sea", "sky"]
    assert table.schema.field("parsed").type.field("day").type == pa.date32()
    assert [answer is not None for answer in table.column("parsed").to_pylist()] == [True, True, False, True]
    assert table.column("request_body").null_count == table.column("response_body").null_count == 4
    assert report.table is not None
    assert (report.table.with_rows, report.table.superseded) == (4, 1)
    assert [json.loads(line)["custom_id"] for line in (tmp_path / "rejects.jsonl").read_text().splitlines()] == ["r2"]
    written = json.loads((tmp_path / "report.json").read_text())
    assert written == json.loads(json.dumps(report.to_dict()))
    validate_json(written)
    assert str(report).splitlines()[-1] == f"{tmp_path / 'table.parquet'}: 3 succeeded, 1 failed; 2 batches, 1 round of retries"


def test_all_paths_may_be_in_a_filesystem(serve: Serve, tmp_path: Path) -> None:
    """Also the user's table, the schema, the rejects and the report; the campaign folder is local."""
    inside = tmp_path / "inside"
    inside.mkdir()
    write_requests(inside / "requests.jsonl", 3)
    pq.write_table(pa.table({"id": ["r0", "r1", "r2"], "topic": ["a", "b", "c"]}), inside / "own.parquet")
    (inside / "schema.json").write_text(json.dumps(SCHEMA))
    with client_of(serve()) as client:
        options: dict[str, Any] = {
            "output": "table.parquet",
            "campaign": tmp_path / "campaign",
            "client": client,
            "with_table": "own.parquet",
            "id_template": "{{id}}",
            "with_prefix": "own_",
            "parsed": True,
            "schema": "schema.json",
            "rejects": "rejects.jsonl",
            "report_file": "report.json",
            "temp_dir": tmp_path,
            "filesystem": pyarrow.fs.SubTreeFileSystem(str(inside), pyarrow.fs.LocalFileSystem()),
        }
        assert run("requests.jsonl", **options).outcomes == {"succeeded": 3}
        assert run("requests.jsonl", **options).table is None
    assert pq.read_table(inside / "table.parquet").column("own_topic").to_pylist() == ["a", "b", "c"]
    assert {path.name for path in inside.iterdir()} == {
        *("requests.jsonl", "own.parquet", "schema.json", "table.parquet", "rejects.jsonl", "report.json")
    }
    assert {path.name for path in tmp_path.iterdir()} == {"inside", "campaign"}


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"parsed": True}, MismatchError, "JSON Schema"),
        ({"parsed": True, "schema": "none.json"}, FileError, "none.json"),
        ({"with_table": pa.table({"number": [1, 1]}), "id_template": "r{{number}}"}, DuplicateCustomIdError, "r1"),
        ({"with_table": pa.table({"number": [1]}), "id_template": "{{other}}"}, ValueError, "no such column"),
        ({"with_table": pa.table({"text": ["a"]}), "id_template": "{{text}}"}, BatchFilesError, "text"),
        ({"with_table": pa.table({"number": [1]})}, ValueError, "id_template"),
        ({"with_table": "-", "id_template": "{{id}}"}, TypeError, "reads its tables again"),
        ({"bodies": "some"}, ValueError, "bodies"),
        ({"csv_safe": True}, ValueError, "CSV"),
        ({"interval": 0}, ValueError, "interval"),
        ({"rejects": "there.jsonl"}, OutputExistsError, "there.jsonl"),
        ({"report_file": "there.jsonl"}, OutputExistsError, "there.jsonl"),
        ({"rejects": "no/folder.jsonl"}, FileError, "no/folder.jsonl"),
        ({"output": "requests.campaign/table.parquet"}, ValueError, "in the campaign folder"),
        ({"rejects": "requests.campaign/rejects.jsonl"}, ValueError, "in the campaign folder"),
    ],
)
def test_a_table_that_can_not_be_made_is_refused_before_anything_is_sent(
    serve: Serve,
    requests: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    error: type[Exception],
    words: str,
) -> None:
    """It was found out after the batches were paid for; and nothing is left."""
    monkeypatch.chdir(tmp_path)
    Path("there.jsonl").write_text("mine\n")
    server = serve()
    with client_of(server) as client, pytest.raises(error, match=words):
        run(requests, **{"output": "table.parquet", **options}, client=client)
    assert not server.service.files
    assert {path.name for path in tmp_path.iterdir()} == {"requests.jsonl", "there.jsonl"}
    assert Path("there.jsonl").read_text() == "mine\n"


def test_other_options_of_a_table_are_said_and_applied(serve: Serve, tmp_path: Path) -> None:
    """In a run that has not finished, and in one that has: nothing is sent for it."""
    requests = write_requests(tmp_path / "requests.jsonl", 4, response_format=FORMAT)
    table = tmp_path / "table.parquet"
    server, seen = serve(stage_seconds=60), list[RunStatus]()
    with client_of(server) as client:
        run(requests, output=table, client=client, once=True, on_update=seen.append)
        assert words_of(seen) == [f"requests-00001.jsonl: sent as {client.batches.list()[0].id}"]
        seen.clear()
        run(requests, output=table, client=client, parsed=True, bodies="none", on_update=seen.append)
        assert words_of(seen)[0] == "changed since the last call: parsed, bodies; the table gets the new options"
        assert "parsed" in pq.read_schema(table).names
        seen.clear()
        assert run(requests, output=table, client=client, parsed=True, bodies="none", on_update=seen.append).table is None
        assert words_of(seen) == []
        report = run(requests, output=table, client=client, bodies="none", on_update=seen.append)
        assert (report.sent, report.outcomes) == (0, {"succeeded": 4})
        assert words_of(seen) == ["changed since the last call: parsed; the table gets the new options"]
        assert "parsed" not in pq.read_schema(table).names


def test_the_contents_of_the_users_table_and_of_the_schema_are_options(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """A changed file makes the table again, an unchanged one does not."""
    own, schema = tmp_path / "own.csv", tmp_path / "schema.json"
    own.write_text("id,topic\nr0,sea\n")
    schema.write_text(json.dumps(SCHEMA))
    table = tmp_path / "table.parquet"
    options: dict[str, Any] = {"with_table": str(own), "id_template": "{{id}}", "parsed": True, "schema": str(schema)}
    with client_of(serve()) as client:
        run(requests, output=table, client=client, **options)
        assert run(requests, output=table, client=client, **options).table is None
        own.write_text("id,topic\nr0,sky\n")
        assert run(requests, output=table, client=client, **options).table is not None
        assert pq.read_table(table).column("topic").to_pylist()[0] == "sky"
        schema.write_text(json.dumps({**SCHEMA, "required": []}))
        assert run(requests, output=table, client=client, **options).table is not None


def test_other_parameters_of_batches_are_said_and_apply_to_new_batches(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """What was sent keeps its own."""
    quirks = Quirks(completion_windows=frozenset({"24h", "7d"}))
    server, seen = serve(stage_seconds=60, quirks=quirks), list[RunStatus]()
    table = tmp_path / "table.parquet"
    with client_of(server) as client:
        run(requests, output=table, client=client, limits=SIX, max_parallel=2, once=True)
        run(
            requests,
            output=table,
            client=client,
            limits=SIX,
            completion_window="7d",
            output_expires_after=7_200,
            on_update=seen.append,
        )
        windows = [batch.completion_window for batch in client.batches.list()]
    assert words_of(seen)[0] == (
        "changed since the last call: completion window, expiry of the results; this applies to new batches only"
    )
    assert sorted(windows) == ["24h", "24h", "7d", "7d"]


def test_a_file_that_is_missing_is_written_by_the_next_call(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """Rejects and a report can be asked for later; an old report is kept when nothing is done."""
    table, rejects, found = (tmp_path / name for name in ("table.parquet", "rejects.jsonl", "report.json"))
    with client_of(serve(quirks=Quirks(failing={"r2": 429}))) as client:
        run(requests, output=table, client=client, retries=1)
        report = run(requests, output=table, client=client, retries=1, rejects=rejects, report_file=found)
        assert (report.sent, rejects.read_text().count("\n")) == (0, 1)
        assert run(requests, output=table, client=client, retries=1, rejects=rejects, report_file=found).table is None
        assert json.loads(found.read_text())["table"]["superseded"] == 1
        rejects.unlink()
        run(requests, output=table, client=client, retries=1, rejects=rejects, report_file=found)
        assert rejects.exists()


def test_the_report_of_each_call_with_once_replaces_the_one_before(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """It says which batches are at the service, since when, and when another look is worthwhile."""
    server = serve(stage_seconds=60)
    with client_of(server) as client:
        for _ in range(2):
            report = run(
                requests, output=tmp_path / "table.parquet", client=client, once=True, report_file=tmp_path / "report.json"
            )
        (batch,) = client.batches.list()
    written = json.loads((tmp_path / "report.json").read_text())
    assert (written["finished"], written["table"], written["began_at"]) == (
        False,
        None,
        report.began_at.isoformat(timespec="seconds"),
    )
    validate_json(written)
    (live,) = written["live_batches"]
    assert f"{batch.id} is validating, created 0 s ago" in str(report)
    assert "not finished: 0 of 1 part done, 1 batch so far; run it again after" in str(report)
    assert (live["part"], live["batch_id"], live["status"], live["total"]) == ("requests-00001.jsonl", batch.id, "validating", 0)
    assert live["age"] <= written["seconds"] < 60
    assert report.next_look is not None
    assert 59 < (report.next_look - report.began_at).total_seconds() < 120


def test_a_status_has_ages_and_the_time_of_the_next_look(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """And the step: what a status line shows."""
    seen: list[RunStatus] = []
    with client_of(serve(stage_seconds=60)) as client:
        run(requests, output=tmp_path / "table.parquet", client=client, limits=SIX, on_update=seen.append)
    steps = list(dict.fromkeys(status.step for status in seen))
    assert steps == ["check", "split", "send", "wait", "download", "retry", "join"]
    waits = [status for status in seen if status.next_look is not None]
    assert waits
    assert all(len(status.batches) == status.live == 4 for status in waits)
    assert all(
        status.began_at is not None and status.began_at <= batch.created_at for status in waits for batch in status.batches
    )
    assert {status.part for status in seen if status.step == "download"} == {
        f"requests-0000{number}.jsonl" for number in range(1, 5)
    }
    json.dumps([status.to_dict() for status in seen])


def test_progress_has_the_bytes_of_each_step(serve: Serve, requests: Path, tmp_path: Path) -> None:
    """Check, split, upload, download, table: the last call of each has its total."""
    steps: dict[str, list[tuple[int, int | None]]] = {}
    at = [""]

    def note(status: RunStatus) -> None:
        at[0] = status.step

    with client_of(serve()) as client:
        run(
            requests,
            output=tmp_path / "table.parquet",
            client=client,
            on_update=note,
            progress=lambda done, total: steps.setdefault(at[0], []).append((done, total)),
        )
    size = requests.stat().st_size
    assert {"check", "split", "send", "download", "join"} <= steps.keys()
    assert [steps[name][-1] for name in ("check", "split", "send")] == [(size, size)] * 3
    assert all(calls[-1][0] == calls[-1][1] for calls in steps.values())
