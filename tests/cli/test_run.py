"""`batchfiles run`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from batchfiles.cli.run import status_words

from .conftest import KEY, Outcome, request

if TYPE_CHECKING:
    from batchfiles.testing import Server

Ask = Callable[..., Outcome]
Objects = Callable[..., list[dict[str, Any]]]
RequestsFile = Callable[..., str]

FIVE = tuple(request(f"r{number}", f"Question {number}") for number in range(5))


def test_it_ends_with_a_table_and_says_what_became_of_the_requests(
    server: Server, ask: Ask, objects: Objects, requests_file: RequestsFile, tmp_path: Path
) -> None:
    """Words on standard error, a line for each change, and nothing on standard output."""
    code, out, err = ask("run", requests_file(lines=FIVE), "-o", "table.parquet", "--max-requests", "3")
    assert (code, out) == (0, "")
    (first, second) = objects("list")[::-1]
    assert err.splitlines()[:3] == [
        f"requests-00001.jsonl: sent as {first['id']}",
        f"requests-00002.jsonl: sent as {second['id']}",
        f"requests-00001.jsonl: {first['id']} completed",
    ]
    assert err.splitlines()[-1] == "table.parquet: 5 succeeded; 2 batches"
    assert pq.read_table(tmp_path / "table.parquet").num_rows == 5


def test_started_again_it_does_nothing(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """And exits with 0."""
    name = requests_file()
    ask("run", name, "-o", "table.parquet")
    made = len(server.service.files)
    code, _, err = ask("run", name, "-o", "table.parquet")
    assert (code, err) == (0, "table.parquet: was finished already, nothing was sent; 1 batch\n")
    assert len(server.service.files) == made


def test_a_table_of_a_finished_run_needs_no_key(
    server: Server, ask: Ask, requests_file: RequestsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is asked for it; for anything else there must be one."""
    name = requests_file()
    ask("run", name, "-o", "table.parquet")
    monkeypatch.delenv("OPENAI_API_KEY")
    assert ask("run", name, "-o", "table.csv")[0] == 0
    code, _, err = ask("run", name, "-o", "other.csv", "--campaign", "other")
    assert (code, "No API key: set OPENAI_API_KEY" in err) == (2, True)


def test_once_exits_with_4_until_it_is_finished(server: Server, ask: Ask, objects: Objects, requests_file: RequestsFile) -> None:
    """For schedulers."""
    server.service.stage_seconds = 60
    name = requests_file()
    code, _, err = ask("run", name, "-o", "table.parquet", "--once")
    assert code == 4
    (batch,) = objects("list")
    sent, live, last = err.splitlines()
    assert sent == f"requests-00001.jsonl: sent as {batch['id']}"
    assert re.fullmatch(rf"requests-00001.jsonl: {batch['id']} is validating, created \d s ago", live)
    assert re.fullmatch(r"not finished: 0 of 1 part done, 1 batch so far; run it again after \d\d:\d\d:\d\d", last)
    server.service.clock.turn(1000)
    assert ask("run", name, "-o", "table.parquet", "--once")[0] == 0


def test_limits_that_come_too_late_are_told(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """The parts are there already, and may be on their way."""
    server.service.stage_seconds = 60
    name = requests_file(lines=FIVE)
    ask("run", name, "-o", "table.parquet", "--once", "--max-requests", "3")
    _, _, err = ask("run", name, "-o", "table.parquet", "--once")
    assert err.startswith("the existing parts were made with the limits openai with max_requests=3, not openai, and are kept\n")


def test_dry_run_needs_no_key_and_leaves_nothing_behind(
    ask: Ask, requests_file: RequestsFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts, requests, bytes, tokens, as words and as JSON."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    name = requests_file(lines=FIVE)
    code, out, err = ask("run", name, "-o", "table.parquet", "--max-requests", "3", "--dry-run", "--json")
    plan = json.loads(out)
    assert code == 0
    assert [part["requests"] for part in plan["parts"]] == [3, 2]
    assert (plan["requests"], plan["bytes"]) == (5, Path(name).stat().st_size)
    assert err.endswith("nothing was sent\n")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_json_is_one_object_and_nothing_else_on_either_side(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """Except the last line, which is for people."""
    code, out, err = ask("run", requests_file(), "-o", "table.parquet", "--json")
    report = json.loads(out)
    assert code == 0
    assert (report["finished"], report["sent"], report["outcomes"]) == (True, 1, {"succeeded": 2})
    assert err.count("\n") == 1


def test_the_table_can_go_down_a_pipe(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """With a format; and it is made again each time."""
    name = requests_file()
    code, _, err = ask("run", name, "-o", "-")
    assert (code, "--format" in err) == (2, True)
    command = [sys.executable, "-c", "from batchfiles.cli.main import run; run()", "run", name, "-o", "-", "--format", "jsonl"]
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert [json.loads(line)["custom_id"] for line in done.stdout.splitlines()] == ["a", "b"]
    assert done.stderr == "standard output: 2 succeeded; 1 batch\n"


def test_a_lost_folder_is_told_with_what_can_be_done(
    server: Server, ask: Ask, requests_file: RequestsFile, tmp_path: Path
) -> None:
    """Nothing is paid for twice without --again; the code is that of `submit`, because the same command never helps."""
    name = requests_file()
    ask("run", name, "-o", "table.parquet")
    (tmp_path / "requests.campaign").rename(tmp_path / "lost")
    code, _, err = ask("run", name, "-o", "again.parquet")
    assert code == 2
    assert "is completed: nothing was sent; use it with --recover, or send and pay again with --again" in err
    assert ask("run", name, "-o", "again.parquet", "--recover")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("-", "-o", "t.parquet"), 2, "name a file"),
        (("requests.jsonl", "-o", "t.unknown"), 2, "t.unknown"),
        (("requests.jsonl", "-o", "requests.jsonl"), 2, "an input file"),
        (("requests.jsonl", "-o", "no/such/t.parquet"), 3, "there is no folder"),
        (("requests.jsonl", "-o", "t.parquet", "--recover", "--again"), 2, "use one of them"),
        (("none.jsonl", "-o", "t.parquet"), 3, "no such file"),
        (("requests.jsonl", "-o", "t.parquet", "--campaign", "requests.jsonl"), 3, "not a directory: requests.jsonl is a file"),
    ],
)
def test_what_can_not_be_done_is_said_before_anything_is_sent(
    server: Server, ask: Ask, requests_file: RequestsFile, arguments: tuple[str, ...], code: int, words: str
) -> None:
    """In one sentence."""
    requests_file()
    found, _, err = ask("run", *arguments)
    assert (found, words in err) == (code, True), err
    assert not server.service.files


def test_the_key_is_in_no_file_of_the_campaign(server: Server, ask: Ask, requests_file: RequestsFile, tmp_path: Path) -> None:
    """Neither in the journal nor in another file."""
    ask("run", requests_file(), "-o", "table.parquet")
    for path in (tmp_path / "requests.campaign").iterdir():
        assert KEY.encode() not in path.read_bytes()


def test_the_table_takes_the_options_of_join(server: Server, ask: Ask, requests_file: RequestsFile, tmp_path: Path) -> None:
    """Typed answers, the user's columns, rejects, a report; and what was found about the table is reported, as by `join`."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    (tmp_path / "own.csv").write_text("number,topic\n0,sea\n1,sky\n")
    name = requests_file(lines=FIVE)
    command = [
        *(
            "run",
            name,
            "-o",
            "table.parquet",
            "--parsed",
            "--schema",
            "schema.json",
            "--bodies",
            "none",
            "--request-bodies",
            "none",
        ),
        *("--with", "own.csv", "--id", "r{{number}}", "--with-prefix", "my_", "--rejects", "rejects.jsonl"),
        *("--report", "report.json", "--window", "24h", "--header", "X-Team: atlas", "--temp-dir", ".", "--workers", "1"),
    ]
    code, _, err = ask(*command)
    assert code == 0
    assert "unmatched    3 rows without a row in the table of --with" in err
    assert "5 answers that did not fit the JSON Schema" in err
    table = pq.read_table(tmp_path / "table.parquet")
    assert table.column("my_topic").to_pylist() == ["sea", "sky", None, None, None]
    assert {"parsed", "parse_error"} <= set(table.column_names)
    assert (tmp_path / "rejects.jsonl").read_bytes() == b""
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["finished"], report["table"]["parse_errors"], report["table"]["unmatched"]) == (True, 5, 3)
    code, _, err = ask(*command)
    assert (code, err) == (0, "table.parquet: was finished already, nothing was sent; 1 batch\n")


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("-o", "t.parquet", "--schema", "s.json"), 2, "--schema needs --parsed"),
        (("-o", "t.parquet", "--csv-safe"), 2, "--csv-safe needs CSV"),
        (("-o", "t.parquet", "--id", "{{a}}"), 2, "--with and --id"),
        (("-o", "t.parquet", "--with", "none.csv", "--id", "{{a}}"), 3, "none.csv"),
        (("-o", "t.parquet", "--with", "own.csv", "--id", "{{b}}"), 2, "no such column"),
        (("-o", "t.parquet", "--with", "requests.jsonl", "--id", "{{b}}", "--rejects", "requests.jsonl"), 2, "an input file"),
        (("-o", "t.parquet", "--parsed"), 2, "JSON Schema"),
        (("-o", "t.parquet", "--rejects", "t.parquet"), 2, "the same file"),
        (("-o", "t.parquet", "--report", "-"), 2, "--report needs a file"),
        (("-o", "t.parquet", "--report", "own.csv"), 2, "exists"),
        (("-o", "own.csv"), 2, "exists"),
        (("-o", "-"), 2, "--format"),
    ],
)
def test_what_is_refused_leaves_nothing_behind_dry_or_not(
    server: Server,
    ask: Ask,
    requests_file: RequestsFile,
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    words: str,
    dry: tuple[str, ...],
) -> None:
    """A dry run accepted what the run itself refused; a refused run left a campaign folder."""
    requests_file()
    (tmp_path / "own.csv").write_text("a\na\n")
    before = {path.name for path in tmp_path.iterdir()}
    found, _, err = ask("run", "requests.jsonl", *arguments, *dry)
    assert (found, words in err) == (code, True), err
    assert {path.name for path in tmp_path.iterdir()} == before
    assert not server.service.files


def test_without_a_key_nothing_is_left_behind(
    ask: Ask, requests_file: RequestsFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder had the parts, and with other limits the next start kept them."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    name = requests_file()
    assert ask("run", name, "-o", "table.parquet")[0] == 2
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_refusal_because_of_an_earlier_batch_leaves_nothing_behind(
    server: Server, ask: Ask, requests_file: RequestsFile, tmp_path: Path
) -> None:
    """The same command with --again sends it."""
    name = requests_file()
    ask("submit", name)
    assert ask("run", name, "-o", "table.parquet")[0] == 2
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert ask("run", name, "-o", "table.parquet", "--again")[0] == 0


def test_other_options_are_said(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """And applied: nothing is sent for another table."""
    name = requests_file()
    ask("run", name, "-o", "table.parquet")
    _, _, err = ask("run", name, "-o", "table.parquet", "--bodies", "all")
    assert err.splitlines() == [
        "changed since the last call: bodies; the table gets the new options",
        "table.parquet: 2 succeeded; 1 batch",
    ]


def status(**changes: Any) -> Any:
    """Return the status of a large run that waits."""
    from batchfiles import LiveBatch, RunStatus

    now = datetime(2026, 11, 28, 14, 5, 12).astimezone()
    batches = [
        LiveBatch(part=f"p{n}.jsonl", batch_id=f"batch_{n}", status="in_progress", created_at=now, age=7_080.0 - n, total=50_000)
        for n in range(120)
    ]
    fields: dict[str, Any] = {
        "parts": 1_000,
        "waiting": 640,
        "live": 120,
        "done": 240,
        "requests": 6_000_000,
        "answered": 3_612_345,
        "step": "wait",
        "seconds": 80_040.0,
        "began_at": now,
        "next_look": now,
        "batches": tuple(batches),
    }
    return RunStatus(**{**fields, **changes})


def test_the_status_fits_a_terminal() -> None:
    """Time spent, parts, age, answers and the next look: in full where there is room."""
    assert status_words(status(), 79) == "22:14 h, 240/1,000 done, 120 live, oldest 1:58 h, next look 14:05:12"
    assert status_words(status(), 59) == "22:14 h, 240/1,000 done, 120 live, next look 14:05:12"
    assert status_words(status(), 40) == "22:14 h, 240/1,000 done, 120 live"
    assert status_words(status(), 200) == (
        "22:14 h, 240 of 1,000 parts done, 120 at the service, 640 to send, oldest batch 1:58 h, "
        "3,612,345 of 6,000,000 requests (60.2%), next look 14:05:12"
    )
    small = status(parts=4, waiting=0, live=3, done=1, requests=20, answered=12, seconds=8_040.0)
    assert status_words(small, 79) == "2:14 h, 1/4 done, 3 live, oldest 1:58 h, 60.0% answered, next look 14:05:12"
    assert status_words(status(step="check", parts=0), 79) == "checking the requests"
    assert status_words(status(step="join"), 79) == "writing the table"


def test_vectors_that_are_not_in_the_table_are_reported_with_a_command_that_writes_them(
    server: Server, ask: Ask, requests_file: RequestsFile
) -> None:
    """The option of `join` was named, which `run` does not have."""
    vectors = {"custom_id": "v", "method": "POST", "url": "/v1/embeddings", "body": {"model": "m", "input": "x"}}
    code, _, err = ask(
        "run", requests_file(lines=(json.dumps(vectors).encode() + b"\n", request("r", "Question"))), "-o", "table.parquet"
    )
    assert code == 0
    assert "batchfiles join CAMPAIGN --table embeddings writes a row for each vector" in " ".join(err.split())
