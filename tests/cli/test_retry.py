"""`batchfiles retry`: what it writes, what it says, and its exit codes."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from batchfiles.cli.main import exit_code
from tests.jobs.wire import completion, expired, failure, put, request, result, success

Outcome = tuple[int, str, str]


@pytest.fixture
def ask(capsysbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Outcome]:
    """Run `batchfiles retry` in this process; returns exit code, standard output and standard error."""

    def run(*arguments: object) -> Outcome:
        code = exit_code(["retry", *map(str, arguments)])
        out, err = capsysbinary.readouterr()
        return code, out.decode(), err.decode()

    return run


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    """Return a folder with five requests and four results."""
    put(tmp_path / "batch" / "requests.jsonl", *map(request, "abcde"))
    lines = [success("a"), result("b", completion(finish_reason="length")), failure("c", 400), expired("d")]
    put(tmp_path / "batch" / "batch_1_output.jsonl", *lines)
    return tmp_path / "batch"


def test_it_says_what_is_left_out_and_why(ask: Callable[..., Outcome], batch: Path, tmp_path: Path) -> None:
    """A line for each kind of end, on standard error."""
    code, out, err = ask(batch, "-o", tmp_path / "retry.jsonl")
    assert (code, out) == (0, "")
    assert (tmp_path / "retry.jsonl").read_bytes() == request("d") + b"\n" + request("e") + b"\n"
    *lines, empty, last = err.splitlines()
    assert lines == [
        "outcome     status  error          requests",
        "succeeded      200                        1  left out: succeeded",
        "incomplete     200                        1  left out: not retryable",
        "failed         400                        1  left out: not retryable",
        "expired             batch_expired         1  written",
        "missing                                   1  written",
        "all                                       5  2 written, 3 left out",
    ]
    assert empty == ""
    assert last.startswith(f"{tmp_path / 'retry.jsonl'}: 2 requests, 192 B, in ")


def test_words_take_others_and_values_are_set(ask: Callable[..., Outcome], batch: Path) -> None:
    """On standard output, in a pipe."""
    code, out, err = ask(batch, "-o", "-", "--only", "incomplete,4xx", "--except", "failed", "--set", "body.max_tokens=4000")
    assert code == 0
    assert out.encode() == request("b")[:-2] + b',"max_tokens":4000}}\n'
    assert "standard output: 1 request, 114 B, 1 changed, in " in err


def test_ids_come_from_standard_input(
    ask: Callable[..., Outcome], batch: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Unknown ids are reported."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"c\nx\n")))
    code, out, err = ask(batch / "requests.jsonl", "--ids", "-", "-o", "-")
    assert (code, out.encode()) == (0, request("c") + b"\n")
    assert "1 listed id without a request" in err


def test_the_report_is_there_for_programs(ask: Callable[..., Outcome], batch: Path, tmp_path: Path) -> None:
    """One JSON object on standard output."""
    code, out, _ = ask(batch, "-o", tmp_path / "retry.jsonl", "--all", "--json")
    report = json.loads(out)
    assert code == 0
    assert (report["inputs"], report["written"], report["left_out"]) == (5, 4, 1)
    assert report["files"][0]["retry_of"] == [str(batch / "requests.jsonl")]


def test_nothing_to_send_again_is_no_failure(ask: Callable[..., Outcome], batch: Path, tmp_path: Path) -> None:
    """The file is there, and empty; in a campaign there is none."""
    code, _, err = ask(batch, "-o", tmp_path / "retry.jsonl", "--only", "429")
    assert (code, (tmp_path / "retry.jsonl").read_bytes()) == (0, b"")
    assert "no request has: 429" in err
    code, _, err = ask(batch, "-o", batch, "--only", "429")
    assert code == 0
    assert err.endswith("nothing to retry, no file was written\n")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--only", "parse_error"], 2, "from a joined table only"),
        (["--only", "expired", "--all"], 2, "exclude each other"),
        (["--set", "body"], 2, "PATH=VALUE"),
        (["--set", "body.model.x=1"], 3, "the value is a string"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(
    ask: Callable[..., Outcome], batch: Path, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    """And leaves no file."""
    found, _, err = ask(batch, "-o", tmp_path / "retry.jsonl", *arguments)
    assert found == code
    assert words in err
    assert "Traceback" not in err
    assert not (tmp_path / "retry.jsonl").exists()


def test_files_that_are_there_or_are_read_are_not_written(ask: Callable[..., Outcome], batch: Path) -> None:
    """The second not even by force; and without results there is nothing to decide by."""
    requests = batch / "requests.jsonl"
    assert ask(batch, "-o", batch / "batch_1_output.jsonl")[0] == 2
    code, _, err = ask(batch, "-o", requests, "--force")
    assert code == 2
    assert "is a file that is read" in err
    code, _, err = ask(requests, "-o", "-")
    assert code == 2
    assert "no file holds results" in err


def test_results_that_no_request_asked_for_are_told(ask: Callable[..., Outcome], batch: Path, tmp_path: Path) -> None:
    """Results of another batch went by without a word; those and no others are refused."""
    other = put(tmp_path / "other.jsonl", success("x"))
    code, _, err = ask(batch, other, "-o", tmp_path / "retry.jsonl")
    assert code == 0
    assert "1 result without a request" in err
    code, _, err = ask(batch / "requests.jsonl", other, "-o", tmp_path / "none.jsonl")
    assert (code, (tmp_path / "none.jsonl").exists()) == (2, False)
    assert "of 1 results belong to a req" in err
