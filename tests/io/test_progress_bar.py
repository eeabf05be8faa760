"""`progress=True`: a bar of tqdm, or a line on standard error; and a callable is called as before."""

from __future__ import annotations

import inspect
import io
import re
import sys
from pathlib import Path
from unittest.mock import ANY

import pytest

import batchfiles
from batchfiles.client import AsyncClient, Client
from batchfiles.io.threads import ProgressBar, in_steps, progress_of

CHAT = Path(__file__).parents[2] / "fixtures" / "chat_completions"


class Terminal(io.StringIO):
    """Standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def without_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide tqdm."""
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)


def test_what_a_caller_may_give() -> None:
    """A callable, True, False or None; anything else is refused before any work."""
    calls: list[int] = []

    def callback(done: int, _total: int | None) -> None:
        calls.append(done)

    assert progress_of(callback, "join") is callback
    assert progress_of(None, "join") is None
    assert progress_of(False, "join") is None
    assert isinstance(progress_of(True, "join"), ProgressBar)
    for function in (batchfiles.validate, batchfiles.join, batchfiles.stats):
        with pytest.raises(TypeError, match=r"progress is True, or is called as progress\(done, total\): not int"):
            function(CHAT / "requests.jsonl", progress=5)  # type: ignore[arg-type]


@pytest.mark.usefixtures("without_tqdm")
def test_without_tqdm_a_terminal_has_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is redrawn ten times a second at most, and ends with the whole and a new line."""
    monkeypatch.setattr(sys, "stderr", shown := Terminal())
    now = iter([0.0, 0.05, 0.2, 0.21])
    bar = ProgressBar("join", clock=lambda: next(now))
    for done in (1_000_000, 2_000_000, 3_000_000, 4_000_000):
        bar(done, 4_000_000)
    first, *rest = shown.getvalue().split("\r")
    assert first == ""
    assert rest == ["join:  25%  1.0 MB of 4.0 MB", "join:  75%  3.0 MB of 4.0 MB", "join: 100%  4.0 MB of 4.0 MB\n"]


@pytest.mark.usefixtures("without_tqdm")
def test_what_is_drawn_is_seen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line without its end stays in the buffer of a terminal until it is flushed; a second bar begins again."""

    class Buffered(Terminal):
        seen = ""

        def flush(self) -> None:
            self.seen = self.getvalue()

    monkeypatch.setattr(sys, "stderr", shown := Buffered())
    bar = ProgressBar("join", clock=iter(range(9)).__next__)
    for done in (1_000_000, 2_000_000, 1_000_000, 4_000_000):
        bar(done, 4_000_000)
        assert shown.seen == shown.getvalue() != ""
    lines = ["", "join:  25%  1.0 MB of 4.0 MB", "join:  50%  2.0 MB of 4.0 MB\n", "join:  25%  1.0 MB of 4.0 MB"]
    assert shown.seen.split("\r") == [*lines, "join: 100%  4.0 MB of 4.0 MB\n"]


def test_steps_are_summed() -> None:
    """The first one is reported also if it has no bytes, a later one only if it has some; without a caller nothing is."""
    calls: list[tuple[int, int | None]] = []
    step = in_steps(lambda done, total: calls.append((done, total)), 10)
    for size in (0, 3, 0, 7):
        step(size)
    in_steps(None, 10)(3)
    assert calls == [(0, 10), (3, 10), (10, 10)]


@pytest.mark.usefixtures("without_tqdm")
def test_without_tqdm_a_log_has_a_line_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last line is written too, if the size is known; a job of unknown size has no share."""
    monkeypatch.setattr(sys, "stderr", shown := io.StringIO())
    now = iter([0.0, 5.0, 11.0, 12.0])
    bar = ProgressBar("stats", clock=lambda: next(now))
    for done in (1_000_000, 2_000_000, 3_000_000, 4_000_000):
        bar(done, None)
    bar.close()
    assert shown.getvalue() == "stats: 3.0 MB\n"
    ProgressBar("edit")(5_000_000, 5_000_000)
    assert shown.getvalue() == "stats: 3.0 MB\nedit: 100%  5.0 MB of 5.0 MB\n"


def test_with_tqdm_the_bar_is_its(capsys: pytest.CaptureFixture[str]) -> None:
    """A second pass has a second bar, and an unfinished one is closed with the job."""
    pytest.importorskip("tqdm")
    joined = batchfiles.join(CHAT, progress=True)
    joined.summarize()
    joined.summarize()
    err = capsys.readouterr().err
    assert err.count("join:   0%") == 2
    assert "join: 100%" in err
    assert "18.1k/18.1k" in err


@pytest.mark.parametrize("name", ["validate", "stats", "error_digest", "split", "merge", "edit", "retry", "join", "export"])
def test_every_job_shows_a_bar(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line with the name of the job at 100 %, in a unit that fits: `validate` showed two, and small files had 0.0 MB."""
    monkeypatch.setattr(ProgressBar, "__init__", _without_tqdm(ProgressBar.__init__))
    target = {"output": tmp_path / "out"} if name in {"split", "merge", "edit", "retry"} else {}
    target |= {"output": tmp_path / "o.jsonl"} if name in {"merge", "edit", "retry"} else {}
    more = {"values": {"body.model": "m"}} if name == "edit" else {}
    results = sorted(CHAT.glob("batch_*.jsonl"))
    files = {"retry": [CHAT], "stats": [CHAT], "join": [CHAT], "export": results, "error_digest": results}
    made = getattr(batchfiles, name)(*files.get(name, [CHAT / "requests.jsonl"]), **target, **more, progress=True)
    if name in {"join", "export"}:
        made.summarize()
    label = {"error_digest": "errors"}.get(name, name)
    assert re.findall(rf"{label}: 100%  [1-9][\d.]* kB of [1-9][\d.]* kB\n", capsys.readouterr().err) == [ANY]


def test_a_campaign_reports_its_end_once(tmp_path: Path) -> None:
    """It did so twice, which showed two bars at 100 %."""
    batchfiles.split(CHAT / "requests.jsonl", output=tmp_path / "parts", max_requests=6)
    calls: list[tuple[int, int | None]] = []
    joined = batchfiles.join(tmp_path / "parts", progress=lambda done, total: calls.append((done, total)))
    for target in ("one.parquet", "folder/"):
        calls.clear()
        joined.to_parquet(f"{tmp_path}/{target}")
        assert [done == total for done, total in calls].count(True) == 1
        assert calls[-1][0] == calls[-1][1]


def _without_tqdm(init: object) -> object:
    def made(self: ProgressBar, label: str) -> None:
        init(self, label)  # type: ignore[operator]
        self._tqdm = None

    return made


def test_every_public_function_that_takes_progress_takes_true() -> None:
    """By its annotation, for jobs and for the methods of the clients."""
    functions = [getattr(batchfiles, name) for name in batchfiles.__all__]
    functions += [method for kind in (Client, AsyncClient) for _, method in inspect.getmembers(kind, inspect.isfunction)]
    taking = [each for each in functions if inspect.isfunction(each) and "progress" in inspect.signature(each).parameters]
    assert len(taking) >= 12
    wrong = [each.__qualname__ for each in taking if "bool" not in str(inspect.signature(each).parameters["progress"].annotation)]
    assert wrong == []
