"""`--parsed` on the command line: the column, the summary, the exit codes, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from batchfiles.cli.main import exit_code
from tests.jobs.wire import put, request, success

SCHEMA = {"type": "object", "properties": {"day": {"type": "string", "format": "date"}}, "required": ["day"]}
Outcome = tuple[int, str, str]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Outcome]:
    """Run a command beside two requests, of whose answers one fits; returns exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
    put(Path("requests.jsonl"), request("a", response_format=wanted), request("b", response_format=wanted))
    put(Path("out.jsonl"), success("a", '{"day": "2026-08-01"}'), success("b", '{"day": 5}'))
    Path("schema.json").write_text(json.dumps(SCHEMA))
    Path("answers.py").write_text("from pydantic import BaseModel\nclass Answer(BaseModel):\n    day: str\n")

    def run(*arguments: str) -> Outcome:
        code = exit_code(arguments)
        return code, *capsys.readouterr()

    return run


JOIN = ("join", "requests.jsonl", "out.jsonl", "-o", "t.parquet")
EXPORT = ("export", "out.jsonl", "-o", "t.parquet")


@pytest.mark.parametrize("command", [(*JOIN, "--parsed"), (*EXPORT, "--parsed", "--schema", "schema.json")])
def test_the_table_has_the_answers_and_the_summary_the_conversion_errors(
    ask: Callable[..., Outcome], command: tuple[str, ...]
) -> None:
    """In words, and in the report."""
    code, out, err = ask(*command, "--json", "--workers", "2")
    assert code == 0
    assert json.loads(out)["parse_errors"] == 1
    assert "parse_error  1 answer that did not fit the JSON Schema" in err
    rows = pq.read_table("t.parquet", columns=["parsed", "parse_error"]).to_pylist()
    assert rows == [
        {"parsed": {"day": "2026-08-01"}, "parse_error": None},
        {"parsed": None, "parse_error": "$.day is an integer, not a string"},
    ]


def test_dates_are_dates_on_demand(ask: Callable[..., Outcome]) -> None:
    """The type is in the schema."""
    assert ask(*JOIN, "--parsed", "--parse-dates")[0] == 0
    assert str(pq.read_schema("t.parquet").field("parsed").type) == "struct<day: date32[day]>"


def test_a_pydantic_model_is_named_by_its_module(ask: Callable[..., Outcome]) -> None:
    """In the folder where the command runs."""
    pytest.importorskip("pydantic")
    assert ask(*EXPORT, "--parsed", "--schema", "answers:Answer")[0] == 0
    assert str(pq.read_schema("t.parquet").field("parsed").type) == "struct<day: string>"


@pytest.mark.parametrize(("condition", "expected"), [("parse_error", 1), ("parse_error>1", 0)])
def test_schedulers_can_ask_for_an_exit_code(ask: Callable[..., Outcome], condition: str, expected: int) -> None:
    """As for every other thing that is counted."""
    assert ask(*JOIN, "--parsed", "--fail-on", condition)[0] == expected


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*JOIN, "--schema", "schema.json"), "--schema needs --parsed"),
        ((*JOIN, "--parse-dates"), "--parse-dates needs --parsed"),
        ((*JOIN, "--fail-on", "parse_error"), "--fail-on parse_error needs --parsed"),
        ((*JOIN, "--parsed", "--table", "embeddings"), "--parsed needs --table requests"),
        ((*EXPORT, "--parsed"), "parsed needs --schema here"),
        ((*JOIN, "--parsed", "--schema", "out.jsonl"), "out.jsonl: a JSON Schema was expected"),
        ((*JOIN, "--parsed", "--schema", "no_such_module_here:Answer"), "can't be imported: ModuleNotFoundError"),
    ],
)
def test_what_can_not_be_done_is_wrong_usage(ask: Callable[..., Outcome], arguments: tuple[str, ...], words: str) -> None:
    """Refused before any work: no table is started."""
    code, _, err = ask(*arguments)
    assert (code, Path("t.parquet").exists()) == (2, False)
    assert words in err


def test_a_schema_that_is_not_there_can_not_be_read(ask: Callable[..., Outcome]) -> None:
    """A file is missing, the command line is right."""
    code, _, err = ask(*JOIN, "--parsed", "--schema", "nothing.json")
    assert (code, err) == (3, "batchfiles: error: nothing.json: no such file or directory\n")
