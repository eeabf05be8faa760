"""`batchfiles run`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

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


def test_once_exits_with_4_until_it_is_finished(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """For schedulers."""
    server.service.stage_seconds = 60
    name = requests_file()
    code, _, err = ask("run", name, "-o", "table.parquet", "--once")
    assert code == 4
    assert err.endswith("not finished: 0 of 1 part done, 1 batch so far; repeat the command later\n")
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
    """Nothing is paid for twice without --again."""
    name = requests_file()
    ask("run", name, "-o", "table.parquet")
    (tmp_path / "requests.campaign").rename(tmp_path / "lost")
    code, _, err = ask("run", name, "-o", "again.parquet")
    assert code == 3
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
