"""Progress: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import io

import pytest

from batchfiles.cli.progress import STATE, Progress


class Terminal(io.StringIO):
    """Standard error on a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now


@pytest.fixture(autouse=True)
def usual_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 100 columns, and no line on it: messages of later tests would be written above a line that is left."""
    monkeypatch.setattr(STATE, "drawn", None)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")


def test_a_quick_job_shows_nothing() -> None:
    """Below a second there is nothing to wait for."""
    stream, clock = Terminal(), Clock()
    with Progress("join", 1000, stream=stream, clock=clock) as progress:
        clock.now += 0.9
        progress.update(900)
    assert stream.getvalue() == ""


def test_a_bar_says_how_far_how_fast_and_how_long() -> None:
    """Bytes done of all, speed, and what is left; erased at the end."""
    stream, clock = Terminal(), Clock()
    with Progress("join", 400_000_000, stream=stream, clock=clock) as progress:
        clock.now += 2
        progress.update(100_000_000)
    shown = stream.getvalue()
    assert "join  [######------------------]   25%  100.0 of 400.0 MB  50 MB/s  6 s left" in shown
    assert shown.endswith("\r\x1b[K")


def test_a_bar_is_drawn_ten_times_a_second_at_most() -> None:
    """A thousand blocks a second are not a thousand bars."""
    stream, clock = Terminal(), Clock()
    with Progress("join", 10_000, stream=stream, clock=clock) as progress:
        for done in range(3000):
            clock.now += 0.001
            progress.update(done)
    assert 15 <= stream.getvalue().count("MB/s") <= 21


def test_the_total_may_come_with_the_first_step() -> None:
    """A job knows how much there is only when it has looked at its files."""
    stream, clock = Terminal(), Clock()
    with Progress("join", stream=stream, clock=clock) as progress:
        progress.update(40_000_000, 400_000_000)
        clock.now += 2
        progress.update(200_000_000, 400_000_000)
    assert "50%  200.0 of 400.0 MB  100 MB/s" in stream.getvalue()


def test_without_a_total_there_is_no_share() -> None:
    """A pipe has no end that anybody knows."""
    stream, clock = Terminal(), Clock()
    with Progress("read", None, stream=stream, clock=clock) as progress:
        clock.now += 2
        progress.update(5_000_000)
    assert "read  5.0 MB  2 MB/s" in stream.getvalue()
    assert "%" not in stream.getvalue()


def test_a_narrow_terminal_gets_the_words_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What doesn't fit is cut: a line that wraps could not be erased."""
    monkeypatch.setenv("COLUMNS", "30")
    stream, clock = Terminal(), Clock()
    progress = Progress("join", 400_000_000, stream=stream, clock=clock)
    clock.now += 2
    progress.update(100_000_000)
    line = stream.getvalue().removeprefix("\r\x1b[K")
    assert len(line) == 29
    assert "#" not in line


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_elsewhere_there_is_a_line_every_ten_seconds(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log gets whole lines and no escape sequences; a dumb terminal counts as a log."""
    monkeypatch.setenv("TERM", "dumb")
    clock = Clock()
    with Progress("join", 100_000_000, stream=stream, clock=clock) as progress:
        for second in range(1, 36):
            clock.now += 1
            progress.update(second * 1_000_000)
    assert len(stream.getvalue().splitlines()) == 3
    assert "\x1b" not in stream.getvalue()


def test_quiet_shows_nothing() -> None:
    """Programs get no bar."""
    stream, clock = Terminal(), Clock()
    with Progress("join", 10, quiet=True, stream=stream, clock=clock) as progress:
        clock.now += 100
        progress.update(5)
    assert stream.getvalue() == ""


@pytest.mark.parametrize(("seconds", "words"), [(9, "9 s"), (75, "1:15 min"), (7260, "2:01 h")])
def test_the_time_left_is_readable(seconds: int, words: str) -> None:
    """Seconds, minutes, hours."""
    stream, clock = Terminal(), Clock()
    progress = Progress("join", (10 + seconds) * 1_000_000, stream=stream, clock=clock)
    clock.now += 10
    progress.update(10_000_000)
    assert f"{words} left" in stream.getvalue()


def test_nobody_reading_is_no_reason_to_stop() -> None:
    """A closed standard error silences the bar and nothing else."""

    class Gone(Terminal):
        def write(self, _: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    clock = Clock()
    with Progress("join", 10, stream=Gone(), clock=clock) as progress:
        for _ in range(3):
            clock.now += 2
            progress.update(5)
