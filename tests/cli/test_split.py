"""`batchfiles split`: what it prints where, and how it exits."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from batchfiles.campaign import MANIFEST
from batchfiles.cli.main import exit_code
from tests.jobs.wire import put, request, success

Outcome = tuple[int, str, str]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run the command in this process; returns exit code, standard output and standard error."""

    def run(*arguments: str | Path) -> Outcome:
        code = exit_code(["split", *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Make a file of three requests."""
    return put(tmp_path / "in.jsonl", *[request(name) for name in "abc"])


def test_the_parts_are_told_on_standard_error(ask: Callable[..., Outcome], source: Path, tmp_path: Path) -> None:
    """Standard output is for data."""
    code, out, err = ask(source, "-o", tmp_path / "campaign", "--max-requests", "2")
    assert (code, out) == (0, "")
    heading, first, second, sum_ = err.splitlines()
    assert heading.split() == ["part", "requests", "size"]
    assert (first.split()[:2], second.split()[:2]) == (["in-00001.jsonl", "2"], ["in-00002.jsonl", "1"])
    assert sum_.startswith(f"{tmp_path / 'campaign'}: 2 parts with 3 requests, ")
    assert sum_.endswith("(limits: openai with max_requests=2)")


def test_json_is_one_object_with_the_manifest(ask: Callable[..., Outcome], source: Path, tmp_path: Path) -> None:
    """The same as in the folder."""
    code, out, _ = ask(source, "-o", tmp_path / "campaign", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["manifest"] == json.loads((tmp_path / "campaign" / MANIFEST).read_text())
    assert (told["requests"], told["blank_lines"], told["unreadable"], told["findings"]) == (3, 0, 0, [])


def test_the_summary_lists_the_first_parts_and_says_that_there_are_more(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Nobody reads a thousand lines."""
    source = put(tmp_path / "in.jsonl", *[request(f"r{number}") for number in range(22)])
    _, _, err = ask(source, "-o", tmp_path / "campaign", "--max-requests", "1")
    assert "in-00020.jsonl" in err
    assert "in-00021.jsonl" not in err
    assert "… and 2 parts more: manifest.json lists them" in err


def test_what_divides_the_parts_is_a_column(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """A dash where a request has none."""
    source = put(tmp_path / "in.jsonl", request("a", model="m"), b'{"custom_id": "b", "url": "/v1/responses", "body": {}}')
    _, _, err = ask(source, "-o", tmp_path / "campaign", "--by", "model", "--by", "url", "--limits", "none")
    rows = [line.split() for line in err.splitlines()]
    assert rows[0] == ["part", "requests", "size", "model", "url"]
    assert [row[-2:] for row in rows[1:3]] == [["m", "/v1/chat/completions"], ["-", "/v1/responses"]]


def test_what_was_changed_is_said(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Blank lines, the mark at the beginning, the newline at the end, and lines that could not be read."""
    source = tmp_path / "in.jsonl"
    source.write_bytes(b"\xef\xbb\xbf" + request("a") + b"\n\n{cut\n" + request("b"))
    code, _, err = ask(source, "-o", tmp_path / "campaign", "--max-tokens", "100")
    assert code == 0
    assert "1 blank line left out" in err
    assert f"{source}:1: a byte order mark was left out" in err
    assert f"{source}:4: a newline was added after the last line" in err
    assert "1 line of invalid JSON: copied" in err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-o", "campaign", "--max-bytes", "50"], 3, "in.jsonl:1: the line has "),
        (["-o", "campaign", "--max-tokens", "0"], 2, "--max-tokens"),
        (["-o", "campaign", "--by", "size"], 2, "--by"),
        (["-o", "."], 2, "-o names the folder of an input file"),
        (["-o", "in.jsonl"], 2, "-o names an input file"),
        (["-o", "full"], 2, "full: exists already"),
        (["-o", "nowhere/campaign"], 3, "there is no folder"),
        ([], 2, "--output"),
    ],
)
def test_what_can_not_be_done_has_its_code_and_its_sentence(
    ask: Callable[..., Outcome],
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    """And nothing is written."""
    monkeypatch.chdir(source.parent)
    put(source.parent / "full" / "in-00001.jsonl", request("old"))
    found, out, err = ask("in.jsonl", *arguments)
    assert (found, out) == (code, "")
    assert words in err
    assert sorted(path.name for path in source.parent.iterdir()) == ["full", "in.jsonl"]
    assert [path.name for path in (source.parent / "full").iterdir()] == ["in-00001.jsonl"]


def test_results_keep_a_campaign_even_from_force(ask: Callable[..., Outcome], source: Path, tmp_path: Path) -> None:
    """Without them it is replaced."""
    campaign = tmp_path / "campaign"
    for _ in range(2):
        assert ask(source, "-o", campaign, "--max-requests", "1", "--force")[0] == 0
    put(campaign / "in-00001_output.jsonl", success("a"))
    code, out, err = ask(source, "-o", campaign, "--force")
    assert (code, out) == (3, "")
    words = "holds files that are not ours to delete, in-00001_output.jsonl for one: choose another folder, or remove this one"
    assert f"{campaign}: {words}" in err
    assert len(list(campaign.iterdir())) == 5


def test_results_are_wrong_usage(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """There is another command for them."""
    code, _, err = ask(put(tmp_path / "out.jsonl", success("a")), "-o", tmp_path / "campaign")
    assert code == 2
    assert "holds results, and requests are expected" in err


def test_standard_input_is_split(tmp_path: Path) -> None:
    """In its own process, with a pipe."""
    program = [sys.executable, "-c", "from batchfiles.cli.main import run; run()"]
    text = b"".join(request(name) + b"\n" for name in "abc")
    done = subprocess.run([*program, "split", "-", "-o", str(tmp_path / "campaign")], input=text, capture_output=True, check=True)
    assert (tmp_path / "campaign" / "requests-00001.jsonl").read_bytes() == text
    assert b"1 part with 3 requests" in b" ".join(done.stderr.split())  # lines are folded after long paths
