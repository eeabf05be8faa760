"""`batchfiles merge`: what it prints where, and how it exits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from batchfiles.cli.main import exit_code
from tests.jobs.wire import put, request, success

Outcome = tuple[int, str, str]


@pytest.fixture
def ask(capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Outcome]:
    """Run the command in this process; returns exit code, standard output and standard error."""

    def run(*arguments: str | Path) -> Outcome:
        code = exit_code(["merge", *map(str, arguments)])
        out, err = capfdbinary.readouterr()
        return code, out.decode(), err.decode()

    return run


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder with two request files that share an id, and one of results."""
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "a.jsonl", request("x"), request("y"))
    put(tmp_path / "b.jsonl", request("z"), request("y", n=2))
    put(tmp_path / "c.jsonl", request("w"))
    put(tmp_path / "a_output.jsonl", success("x"))
    return tmp_path


def test_the_sum_is_told_on_standard_error(ask: Callable[..., Outcome], place: Path) -> None:
    """Standard output is for data."""
    code, out, err = ask("a.jsonl", "c.jsonl", "-o", "all.jsonl")
    assert (code, out) == (0, "")
    assert err.startswith("all.jsonl: 3 lines of 2 files, ")
    assert (place / "all.jsonl").read_bytes() == (place / "a.jsonl").read_bytes() + (place / "c.jsonl").read_bytes()


def test_a_repeated_id_is_named_with_both_places(ask: Callable[..., Outcome], place: Path) -> None:
    """It could not be done, and there is no file."""
    code, _, err = ask("a.jsonl", "b.jsonl", "-o", "all.jsonl")
    assert code == 3
    assert "b.jsonl:2: the custom_id 'y' is already on line 2 of a.jsonl" in err
    assert "(duplicate_custom_id)" in err
    assert not (place / "all.jsonl").exists()


@pytest.mark.parametrize(("keep", "kept"), [("first", "xyzw"), ("last", "xzyw"), ("keep", "xyzyw")])
def test_somebody_may_say_which_line_to_keep(ask: Callable[..., Outcome], place: Path, keep: str, kept: str) -> None:
    """The lines left out are counted."""
    code, out, _ = ask("a.jsonl", "b.jsonl", "c.jsonl", "-o", "all.jsonl", "--on-duplicate", keep, "--json")
    assert code == 0
    assert [json.loads(line)["custom_id"] for line in (place / "all.jsonl").read_text().splitlines()] == list(kept)
    told = json.loads(out)
    assert (told["lines"], told["dropped"], told["files"]) == (len(kept), 5 - len(kept), ["a.jsonl", "b.jsonl", "c.jsonl"])


def test_the_lines_may_go_to_standard_output(ask: Callable[..., Outcome], place: Path) -> None:
    """And into a pipe."""
    code, out, err = ask("a.jsonl", "-o", "-")
    assert (code, out.encode()) == (0, (place / "a.jsonl").read_bytes())
    assert "<stdout>: 2 lines of 1 file" in err


def test_what_was_changed_is_said(ask: Callable[..., Outcome], place: Path) -> None:
    """Blank lines, lines left out, and lines whose id can't be read."""
    put(place / "d.jsonl", request("x"), b"", b"{cut")
    _, _, err = ask("a.jsonl", "d.jsonl", "-o", "all.jsonl", "--on-duplicate", "first")
    assert err.splitlines()[:3] == [
        "1 blank line left out",
        "1 line left out: the custom_id is in another line too",
        "1 line without a readable custom_id: copied and not compared",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["a.jsonl", "a_output.jsonl", "-o", "all.jsonl"], 2, "holds results, and requests are expected"),
        (["a.jsonl", "-o", "a.jsonl"], 2, "-o names an input file"),
        (["a.jsonl", "-o", "b.jsonl"], 2, "exists already"),
        (["a.jsonl", "-o", "-", "--json"], 2, "both write to standard output"),
        (["a.jsonl", "-o", "all.jsonl", "--on-duplicate", "best"], 2, "--on-duplicate"),
        (["a.jsonl", "-o", "all.jsonl", "--max-line-bytes", "20"], 3, "a.jsonl:1: the line is above the limit"),
        (["nowhere.jsonl", "-o", "all.jsonl"], 3, "no such file"),
        (["a.jsonl"], 2, "--output"),
    ],
)
def test_what_can_not_be_done_has_its_code_and_its_sentence(
    ask: Callable[..., Outcome], place: Path, arguments: list[str], code: int, words: str
) -> None:
    """And nothing is written."""
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    found, out, err = ask(*arguments)
    assert (found, out) == (code, "")
    assert words in err
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
