"""`batchfiles edit`: what it writes, what it says, and its exit codes."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from batchfiles.cli.main import exit_code
from tests.jobs.wire import put, request, success

Outcome = tuple[int, str, str]


@pytest.fixture
def ask(capsysbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Outcome]:
    """Run `batchfiles edit` in this process; returns exit code, standard output and standard error."""

    def run(*arguments: object) -> Outcome:
        code = exit_code(["edit", *map(str, arguments)])
        out, err = capsysbinary.readouterr()
        return code, out.decode(), err.decode()

    return run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a file of two requests."""
    return put(tmp_path / "in.jsonl", b'{"custom_id":"a","body":{"n":1.0}}', b'{"custom_id":"b","body":{"n":2E0}}')


def test_values_are_json_or_else_strings(ask: Callable[..., Outcome], source: Path) -> None:
    """`--set-string` makes a string of anything."""
    code, out, err = ask(source, "-o", "-", "--set", "body.n=1E2", "--set", "body.model=gpt-x", "--set-string", "body.user=42")
    assert code == 0
    assert out.splitlines()[0] == '{"custom_id":"a","body":{"n":1E2,"model":"gpt-x","user":"42"}}'
    assert err == "standard output: 2 lines, 2 changed, 0 copied unchanged, 126 B\n"


def test_changes_are_made_in_the_order_of_the_command_line(ask: Callable[..., Outcome], source: Path) -> None:
    """Whatever the options are called."""
    _, out, _ = ask(source, "-o", "-", "--set", "body.n.x=1", "--unset", "body.n", "--bad-lines", "copy")
    assert out.splitlines()[0] == '{"custom_id":"a","body":{"n":1.0}}'
    _, out, _ = ask(source, "-o", "-", "--unset=body.n", "--set", "body.n.x=1", "--set-string=body.n.x=2", "--set=body.n.y=3")
    assert out.splitlines()[0] == '{"custom_id":"a","body":{"n":{"x":"2","y":3}}}'


def test_standard_input_and_back_again(
    ask: Callable[..., Outcome], source: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Short lines become full in a pipe."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(source.read_bytes())))
    code, _, _ = ask("-", "-o", tmp_path / "full.jsonl", "--full", "/v1/completions")
    assert code == 0
    assert (tmp_path / "full.jsonl").read_text().count('},"method":"POST","url":"/v1/completions"}\n') == 2
    code, out, _ = ask(tmp_path / "full.jsonl", "-o", "-", "--short")
    assert (code, out) == (0, source.read_text())


def test_a_line_that_cannot_be_changed_ends_it_with_its_place(ask: Callable[..., Outcome], source: Path, tmp_path: Path) -> None:
    """Exit code 3; with `--bad-lines drop` 1, and the finding is reported."""
    source.write_bytes(source.read_bytes() + b"{]\n")
    code, _, err = ask(source, "-o", tmp_path / "out.jsonl", "--set", "body.n=1")
    assert code == 3
    assert f"{source}:3: not valid JSON" in err
    assert not (tmp_path / "out.jsonl").exists()
    code, out, err = ask(source, "-o", tmp_path / "out.jsonl", "--set", "body.n=1", "--bad-lines", "drop", "--json")
    report = json.loads(out)
    assert (code, report["lines"], report["dropped"], report["findings"][0]["line_number"]) == (1, 3, 1, 3)
    assert "1 line that can't be changed, left out" in err


def test_results_are_refused(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """They once got a `body` beside their `response`, with exit code 0. In a folder of both, it is they who are named."""
    put(tmp_path / "a.jsonl", request("a"))
    results = put(tmp_path / "a_output.jsonl", success("a"))
    for files in (results, tmp_path):
        code, _, err = ask(files, "-o", tmp_path / "out.jsonl", "--set", "body.model=x")
        assert code == 2
        assert f"{results}: holds results, and requests are expected here" in err
        assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "body.n"], "PATH=VALUE"),
        (["--set", "[0]=1"], "does not begin with a path"),
        (["--set", "body..x=1"], "--set: 'body..x=1' does not begin with a path: unexpected '..x=1'"),
        (["--set", "body.x=" + "[" * 200_000], "nested too deeply"),
        (["--unset", "a..b"], "is not a valid path"),
        (["--set", "custom_id=x"], "same custom_id"),
        ([], "nothing to change"),
        (["--full", "/x", "--short"], "not both"),
    ],
)
def test_wrong_usage_is_said_in_words(
    ask: Callable[..., Outcome], source: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    """Exit code 2, and no file."""
    code, _, err = ask(source, "-o", tmp_path / "out.jsonl", *arguments)
    assert code == 2
    assert words in err
    assert not (tmp_path / "out.jsonl").exists()


def test_a_file_that_is_there_or_that_is_read_is_not_written(ask: Callable[..., Outcome], source: Path, tmp_path: Path) -> None:
    """The second not even by force."""
    put(tmp_path / "out.jsonl", request("x"))
    assert ask(source, "-o", tmp_path / "out.jsonl", "--short")[0] == 2
    assert ask(source, "-o", tmp_path / "out.jsonl", "--short", "--force")[0] == 0
    code, _, err = ask(source, "-o", source, "--short", "--force")
    assert code == 2
    assert "names an input file" in err
