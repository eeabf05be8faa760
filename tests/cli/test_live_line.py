"""News on standard error: a line that is drawn anew on a terminal, lines that stay elsewhere."""

from __future__ import annotations

import io
import logging

import pytest

from batchfiles.cli.progress import StatusLine, log_on_stderr, print_note

ERASE = "\r\x1b[K"


class Terminal(io.StringIO):
    """Standard error on a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


class Closed(Terminal):
    """A terminal that is gone."""

    def __init__(self) -> None:
        super().__init__()
        self.tries = 0

    def write(self, _: str) -> int:
        """Fail as the system does."""
        self.tries += 1
        raise BrokenPipeError


@pytest.fixture(autouse=True)
def narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 20 columns."""
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("TERM", "xterm")


def test_a_line_is_drawn_anew_and_taken_away() -> None:
    """What stays takes its place, and what is too long is cut: a line that wraps could not be erased."""
    terminal = Terminal()
    line = StatusLine(terminal)
    line.draw("1 of 2")
    line.leave("one is done")
    line.draw("2 of 2, which is the last")
    line.erase()
    line.erase()
    assert terminal.getvalue() == f"{ERASE}1 of 2{ERASE}one is done\n{ERASE}2 of 2, which is t…{ERASE}"


@pytest.mark.parametrize("kind", ["a log", "a dumb terminal"])
def test_elsewhere_there_are_only_lines_that_stay(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """No escape sequence reaches what can't erase a line."""
    monkeypatch.setenv("TERM", "dumb" if kind == "a dumb terminal" else "xterm")
    stream = Terminal() if kind == "a dumb terminal" else io.StringIO()
    line = StatusLine(stream)
    line.draw("1 of 2")
    line.leave("one is done")
    line.erase()
    assert stream.getvalue() == "one is done\n"


def test_nothing_is_written_where_it_is_to_be_quiet() -> None:
    """As for `--json`."""
    terminal = Terminal()
    line = StatusLine(terminal, quiet=True)
    line.draw("1 of 2")
    line.leave("one is done")
    line.erase()
    assert terminal.getvalue() == ""


def test_news_that_nobody_reads_end_nothing() -> None:
    """After the first failure nothing is tried again."""
    terminal = Closed()
    line = StatusLine(terminal)
    line.draw("1 of 2")
    line.leave("one is done")
    line.erase()
    assert terminal.tries == 1


def test_what_is_logged_stays_above_the_line_that_is_drawn() -> None:
    """The line is drawn anew below it; with `-q` neither is there, and with `-v` the steps are, too."""
    logger = logging.getLogger("batchfiles")
    terminal = Terminal()
    with log_on_stderr(quiet=False, verbose=False):
        line = StatusLine(terminal)
        line.draw("1 of 2")
        logger.warning("tried\x1b again")
        logger.info("a step")
        line.erase()
    warned = f"{ERASE}batchfiles: tried\\x1b again\n{ERASE}1 of 2{ERASE}"
    assert terminal.getvalue() == f"{ERASE}1 of 2{warned}"
    terminal = Terminal()
    with log_on_stderr(quiet=True, verbose=False):
        line = StatusLine(terminal)
        line.draw("1 of 2")
        logger.warning("tried again")
        print_note("done")
        line.leave("2 of 2")
    assert terminal.getvalue() == ""


def test_a_line_of_which_nobody_wants_to_know_hides_no_warning(capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` draws nothing, but retries are reported."""
    with log_on_stderr(quiet=False, verbose=True):
        StatusLine(Terminal(), quiet=True).draw("1 of 2")
        logging.getLogger("batchfiles").warning("tried again")
        logging.getLogger("batchfiles").info("a step")
    assert capsys.readouterr().err == "batchfiles: tried again\nbatchfiles: a step\n"
