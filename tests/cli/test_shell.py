"""Completion in real shells, manual pages, `python -m batchfiles`, and the options of all commands."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.shell_completion import BashComplete

from batchfiles.cli.main import COMMANDS, exit_code, main, root_context

Outcome = tuple[int, str, str]
ANSI = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\(B|\][^\x07]*\x07)")
FIXTURES = Path(__file__).parents[2] / "fixtures"


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command line; returns exit code, standard output and standard error."""

    def run(*arguments: object) -> Outcome:
        return exit_code(list(map(str, arguments))), *capsys.readouterr()

    return run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Callable[..., Outcome]) -> Path:
    """Make a folder with files to complete."""
    assert ask("join", FIXTURES / "chat_completions", "-o", tmp_path / "joined.parquet", "-q")[0] == 0
    (tmp_path / "requests.jsonl").write_bytes((FIXTURES / "chat_completions" / "requests.jsonl").read_bytes())
    for name in ("campaign_one", "campaign_two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text("{}")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def completed(words: str) -> list[str]:
    """Return the completions of the last word of a command line, as click sends them to bash."""
    *arguments, incomplete = words.split(" ")[1:]
    shell = BashComplete(main, {}, "batchfiles", "_BATCHFILES_COMPLETE")
    return [f"{item.type},{item.value}" for item in shell.get_completions(arguments, incomplete)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("batchfiles va", ["plain,validate"]),
        ("batchfiles files up", ["plain,upload"]),
        ("batchfiles join --csv-s", ["plain,--csv-safe"]),
        ("batchfiles validate re", ["file,re"]),
        ("batchfiles join requests.jsonl -o jo", ["file,jo"]),
        ("batchfiles split requests.jsonl -o ca", ["dir,ca"]),
        ("batchfiles validate --limits az", ["plain,azure"]),
        ("batchfiles validate --limits ours", ["file,ours"]),
        ("batchfiles limits mi", ["plain,mistral"]),
        ("batchfiles export --format csv", ["plain,csv"]),
        ("batchfiles show joined.parquet --columns custom_id,error_m", ["plain,custom_id,error_message"]),
        ("batchfiles show joined.parquet --where retr", ["plain,retryable"]),
        ("batchfiles show nothing.parquet --columns c", []),
        ("batchfiles retry requests.jsonl --only failed,exp", ["plain,failed,expired"]),
        ("batchfiles join --fail-on missing,conf", ["plain,missing,conflicting"]),
        ("batchfiles status camp", ["plain,campaign_one/", "plain,campaign_two/"]),
        ("batchfiles status requ", ["file,requ"]),
        ("batchfiles stats --color al", ["plain,always"]),
        ("batchfiles completion f", ["plain,fish"]),
    ],
)  # fmt: skip
def test_the_protocol_completes_words_and_values(folder: Path, words: str, expected: list[str]) -> None:
    """Arguments that are files are completed as files: completion took that away."""
    assert completed(words) == expected


def test_the_command_answers_the_shell(folder: Path) -> None:
    """The variables are those that the script for bash sets."""
    asked = {"_BATCHFILES_COMPLETE": "bash_complete", "COMP_WORDS": "batchfiles status camp", "COMP_CWORD": "2"}
    ran = subprocess.run([sys.executable, "-m", "batchfiles"], env={**os.environ, **asked}, capture_output=True, check=False)
    assert (ran.stdout, ran.stderr) == (b"plain,campaign_one/\nplain,campaign_two/\n", b"")


class Terminal:
    """A shell in a terminal."""

    def __init__(self, shell: list[str], folder: Path) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {"PATH": path, "HOME": str(folder), "TERM": "xterm", "PS1": "$ ", "LANG": "C.UTF-8"}
        self._process, self._terminal = pty.fork()
        if self._process == 0:
            os.chdir(folder)
            os.execvpe(shell[0], shell, environment)

    def type(self, keys: str, wanted: str, seconds: float = 40) -> str:
        """Type keys, and return what the terminal shows until the wanted text is there."""
        os.write(self._terminal, keys.encode())
        shown = ""
        end = time.monotonic() + seconds
        while wanted not in shown and time.monotonic() < end:
            if select.select([self._terminal], [], [], 0.2)[0]:
                try:
                    shown = ANSI.sub("", shown + os.read(self._terminal, 65_536).decode(errors="replace"))
                except OSError:
                    break
        return shown

    def close(self) -> None:
        """End the shell."""
        os.close(self._terminal)
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)


TYPED = {
    "batchfiles validate requ\t": "requests.jsonl",
    "batchfiles show joined.parquet --columns custom_id,outc\t": "custom_id,outcome",
    "batchfiles split requests.jsonl -o oth\t": "other/",
}
SHELLS = {
    "bash": (["bash", "--norc", "-i"], 'eval "$(batchfiles completion bash)"'),
    "zsh": (["zsh", "-f", "-i"], 'autoload -U compinit; compinit -u; eval "$(batchfiles completion zsh)"'),
    "fish": (["fish", "--no-config"], "batchfiles completion fish | source"),
}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_real_shell_completes(folder: Path, shell: str) -> None:
    """The script is loaded as its help says, and a tab is pressed in a terminal."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    if shutil.which("batchfiles", path=str(Path(sys.executable).parent)) is None:
        pytest.skip("the command is not installed")
    command, load = SHELLS[shell]
    terminal = Terminal(command, folder)
    try:
        assert "ready" in terminal.type(f"{load}; echo rea''dy\n", "ready")
        for keys, wanted in TYPED.items():
            assert wanted in terminal.type(keys, wanted)
            terminal.type("\x15", "", 0.1)  # Ctrl-U: an empty line
    finally:
        terminal.close()


def test_an_unknown_shell_is_wrong_usage(ask: Callable[..., Outcome]) -> None:
    """With the shells that there are."""
    code, _, err = ask("completion", "bsh")
    assert code == 2
    assert "Did you mean 'bash'?" in err


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write all manual pages."""
    found = tmp_path_factory.mktemp("man")
    assert exit_code(["man", "-o", str(found), "-q"]) == 0
    return found


def test_the_pages_have_the_help_option_as_it_is_called(pages: Path, ask: Callable[..., Outcome]) -> None:
    """They had `--help` only, and made `-h` an error for the rest of the process, because click keeps the option that it made."""
    assert ".B \\-h, \\-\\-help\n" in (pages / "batchfiles-cancel.1").read_text()
    assert ask("cancel", "-h")[0] == 0


def test_every_command_has_a_page(pages: Path) -> None:
    """With its options, its examples and its exit codes."""
    assert {path.stem for path in pages.iterdir()} == {"batchfiles", *(f"batchfiles-{name}" for name in COMMANDS)}
    text = (pages / "batchfiles-show.1").read_text()
    assert text.isascii()
    assert all(f".SH {heading}\n" in text for heading in ("NAME", "SYNOPSIS", "EXAMPLES", "EXIT STATUS", "OPTIONS", "SEE ALSO"))
    assert ".B \\-w, \\-\\-where CONDITION\n" in text


@pytest.mark.parametrize(
    "tool", [["mandoc", "-Tlint", "-W", "warning"], ["groff", "-ww", "-man", "-Tutf8", "-z"]], ids=lambda tool: tool[0]
)
def test_the_pages_are_valid(pages: Path, tool: list[str]) -> None:
    """No warning except about the date, which would make each build another file."""
    if shutil.which(tool[0]) is None:
        pytest.skip(f"{tool[0]} is not installed")
    ran = subprocess.run([*tool, *sorted(map(str, pages.iterdir()))], capture_output=True, text=True, check=False)
    assert [line for line in (ran.stdout + ran.stderr).splitlines() if "missing date" not in line] == []


def test_man_prints_one_page(pages: Path, ask: Callable[..., Outcome]) -> None:
    """And refuses what it can't print."""
    assert ask("man", "join")[1] == (pages / "batchfiles-join.1").read_text()
    assert ask("man")[1] == (pages / "batchfiles.1").read_text()
    assert "did you mean 'join'?" in ask("man", "jion")[2]
    assert ask("man", "-o", pages)[::2] == (
        2,
        f"batchfiles: error: {pages}/batchfiles.1: exists already: choose another name, or use --force\n",
    )
    assert ask("man", "join", "-o", pages)[0] == 2
    page = pages / "batchfiles.1"
    assert ask("man", "-o", page)[::2] == (3, f"batchfiles: error: {page}: is a file, and a folder was asked for\n")


def test_the_package_is_a_command() -> None:
    """`python -m batchfiles` said that it can't be executed."""
    ran = subprocess.run([sys.executable, "-m", "batchfiles", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("batchfiles ")


def test_all_commands_have_the_options_of_all_commands() -> None:
    """`-q` and `-v` were options of the commands for the service only."""
    context = root_context()
    for name in COMMANDS:
        command = main.get_command(context, name)
        found = [command] if not isinstance(command, click.Group) else command.commands.values()
        for each in found:
            assert each is not None
            assert {"quiet", "verbose", "color"} <= {parameter.name for parameter in each.params}, name


def test_quiet_prints_only_data_and_errors(folder: Path, ask: Callable[..., Outcome]) -> None:
    """No summary, also of the commands for files."""
    for command in (
        ("validate", "requests.jsonl"),
        ("join", "requests.jsonl", "-i", "requests.jsonl", "-o", "x.parquet"),
        ("split", "requests.jsonl", "-o", "parts"),
        ("merge", "requests.jsonl", "-o", "merged.jsonl"),
        ("edit", "requests.jsonl", "-o", "edited.jsonl", "--set", "body.n=1"),
        ("retry", "requests.jsonl", "joined.parquet", "-o", "retry.jsonl"),
    )[2:]:  # fmt: skip
        assert ask(*command, "-q") == (0, "", ""), command
    assert ask("merge", "requests.jsonl", "-o", "merged.jsonl", "-q")[2].startswith("batchfiles: error: ")
    assert ask("stats", "requests.jsonl", "-q")[1].startswith("file ")
    assert ask("stats", "requests.jsonl", "-q", "-v")[0] == 2


def test_verbose_prints_the_steps(folder: Path, ask: Callable[..., Outcome]) -> None:
    """The same as `logging` gets from the loggers `batchfiles.…`."""
    code, _, err = ask("join", FIXTURES / "chat_completions", "-o", "x.parquet", "-v")
    assert code == 0
    assert "batchfiles: " in err
    assert re.search(r"requests\.jsonl: requests", err)
    assert re.search(r"x\.parquet: written", err)


@pytest.mark.parametrize(
    ("options", "environment", "has_colors"),
    [
        ((), {}, False),
        (("--color", "always"), {}, True),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
        ((), {"FORCE_COLOR": "1"}, True),
        ((), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (("--color", "never"), {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colors_are_for_terminals(
    folder: Path,
    ask: Callable[..., Outcome],
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    environment: dict[str, str],
    has_colors: bool,
) -> None:
    """Files and pipes have none unless they are asked for; the words are the same."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    plain = [ask(*command, "--color", "never")[1] for command in ((("stats", "joined.parquet")), ("show", "joined.parquet"))]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = [ask(*command, *options)[1] for command in ((("stats", "joined.parquet")), ("show", "joined.parquet"))]

    assert [bool(ANSI.search(text)) for text in found] == [has_colors] * 2
    assert [[line.rstrip() for line in ANSI.sub("", text).splitlines()] for text in found] == [
        text.splitlines() for text in plain
    ]
    assert not has_colors or "\x1b[31mfailed" in found[0]


def test_an_error_is_broken_at_spaces_on_a_terminal(tmp_path: Path) -> None:
    """The terminal broke the words of long messages."""
    terminal = Terminal(["bash", "--norc"], tmp_path)
    try:
        terminal.type("stty cols 60\n", "$ ", 2)
        shown = terminal.type("batchfiles show none.jsonl --where 'a = 1' --id some-id-of-a-request; echo do''ne\n", "done")
    finally:
        terminal.close()
    assert "batchfiles: error: --where, --id and --row exclude each\r\n    other: use one of them.\r\n" in shown
