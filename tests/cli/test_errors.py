"""`batchfiles errors`: what it prints where, and how it exits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from batchfiles.cli.main import exit_code
from tests.jobs.wire import expired, failure, put, request, success

Outcome = tuple[int, str, str]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Run `batchfiles errors` in this process; returns exit code, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: object) -> Outcome:
        code = exit_code(["errors", *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    """Write a folder of requests and results."""
    put(tmp_path / "requests.jsonl", request("a"))
    lines = [failure(f"id-{number}", 400, f"Got {number} tokens") for number in range(7)]
    put(tmp_path / "x_error.jsonl", success("fine"), expired("late"), *lines)
    return tmp_path


def test_errors_are_listed_the_most_frequent_first(
    ask: Callable[..., Outcome], campaign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With share, place and message; that they are there is no failure of the command."""
    monkeypatch.chdir(campaign.parent)
    code, out, err = ask(campaign.name)
    path = Path(campaign.name, "x_error.jsonl")
    assert code == 0
    assert out.splitlines() == [
        "9 results, 8 without success (88.9%)",
        "",
        "7 (77.8%)  failed 400",
        "    Got <n> tokens",
        f"    first: {path}:3  id-0",
        "    says: Got 0 tokens",
        "",
        "1 (11.1%)  expired batch_expired, retryable",
        "    This request could not be executed before the completion window expired.",
        f"    first: {path}:2  late",
    ]
    assert err.split() == f"1 request file skipped: {path.with_name('requests.jsonl')}".split()


def test_ids_are_named_on_request(ask: Callable[..., Outcome], campaign: Path) -> None:
    """The first few for people, all for programs."""
    _, out, _ = ask(campaign, "--ids")
    assert "    ids: id-0, id-1, id-2, id-3, id-4, …\n" in out
    assert "    ids: late\n" in out
    _, out, err = ask(campaign, "--ids", "--json")
    groups = json.loads(out)["groups"]
    assert [group["custom_ids"] for group in groups] == [[f"id-{number}" for number in range(7)], ["late"]]
    assert err == ""


def test_what_is_not_printed_is_said(ask: Callable[..., Outcome], campaign: Path) -> None:
    """Nobody must take the first errors for all."""
    _, out, err = ask(campaign, "-n", 1)
    assert "expired" not in out
    assert "1 more error: raise -n to see more" in err


def test_no_error_is_a_short_answer(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Without a percentage."""
    assert ask(put(tmp_path / "out.jsonl", success("1"))) == (0, "1 result, 0 without success\n", "")


def test_requests_alone_are_wrong_usage(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """A file that is not there is another thing."""
    code, out, err = ask(put(tmp_path / "in.jsonl", request("1")))
    assert (code, out) == (2, "")
    assert "in output files and error files" in err
    assert ask(tmp_path / "gone.jsonl")[0] == 3


def test_what_a_file_holds_can_not_write_on_the_terminal(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Messages and ids come from anybody; long ones are cut."""
    _, out, err = ask(put(tmp_path / "error.jsonl", failure("\x1b[2J\n", 400, "\x1b[31m\u2028" + "long " * 1000)), "--ids")
    assert (out + err).replace("\n", "").isprintable()
    assert len(out.splitlines()) < 20
