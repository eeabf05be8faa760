"""The command line as a whole: help, versions, and errors that become exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import pytest

from batchfiles import errors
from batchfiles.cli import main as module
from batchfiles.cli.main import COMMANDS, TRACEBACK, exit_code, main
from batchfiles.native import describe
from batchfiles.table.rows import schema

PROGRAM = [sys.executable, "-c", "from batchfiles.cli.main import run; run()"]

Outcome = tuple[int, str, str]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command line in this process; returns exit code, standard output and standard error."""

    def run(*arguments: str) -> Outcome:
        code = exit_code(arguments)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Make the `show` command raise what is given."""

    def use(error: BaseException) -> None:
        def fail(*_: Any, **__: Any) -> None:
            raise error

        monkeypatch.setattr(main, "get_command", lambda *_: click.Command("show", callback=fail))

    return use


@pytest.mark.parametrize("module_name", ["batchfiles.cli.main", "click", "batchfiles.errors", "batchfiles.cli.limits"])
def test_an_interruption_of_the_imports_is_no_traceback(module_name: str) -> None:
    """Ctrl-C in the first 150 ms, as after a typing mistake, showed where Python was just then."""
    code = f"""
import os, sys
from batchfiles.cli import program
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module_name!r}:
            os.kill(os.getpid(), 2)
sys.meta_path.insert(0, Interrupting())
program()
"""
    command = [sys.executable, "-c", code, "validate", "requests.jsonl"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (130, "batchfiles: interrupted\n")


@pytest.mark.parametrize("words", [["-o", "a"], ["-o", "a", "--force"], ["-o", "a/t.parquet"], ["-o", "t.csv", "--rejects", "a"]])
@pytest.mark.parametrize("command", ["join", "retry", "export", "merge", "split", "edit"])
def test_links_in_a_circle_are_no_bug(
    ask: Callable[..., Outcome], command: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a target, and as a file to read."""
    fixtures = Path(__file__).parents[2] / "fixtures" / "chat_completions"
    monkeypatch.chdir(tmp_path)
    Path("a").symlink_to("b")
    Path("b").symlink_to("a")
    code, _, err = ask(command, str(fixtures), *words)
    assert code in (2, 3), err
    code, _, err = ask(command, "a", "-o", "t.parquet")
    assert code in (2, 3), err


def program(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line as its own process."""
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_names_every_command(ask: Callable[..., Outcome], flag: str) -> None:
    """The group's help says what it is for, shows examples, and lists the commands with a line each."""
    code, out, _ = ask(flag)
    assert code == 0
    assert out.count("    batchfiles ") == 3
    for name, (_, words) in COMMANDS.items():
        assert any(line.split(maxsplit=1) == [name, words] for line in out.splitlines()), name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(ask: Callable[..., Outcome], name: str) -> None:
    """`batchfiles COMMAND -h` prints the help, with examples."""
    code, out, _ = ask(name, "-h")
    assert code == 0
    assert f"batchfiles {name}" in out
    assert "Examples:" in out or "Example:" in out


def test_no_command_is_wrong_usage_and_shows_the_help(ask: Callable[..., Outcome]) -> None:
    """Scripts that forget the command must not look fine."""
    code, out, err = ask()
    assert (code, out) == (2, "")
    assert "batchfiles validate" in err


def test_version(ask: Callable[..., Outcome]) -> None:
    """The version is the package's."""
    assert ask("--version") == (0, f"batchfiles {version('batchfiles')} ({describe()})\n", "")


def test_an_unknown_command_names_the_one_that_may_be_meant(ask: Callable[..., Outcome]) -> None:
    """A slip of the finger gets a hint."""
    code, _, err = ask("shwo")
    assert code == 2
    assert "did you mean 'show'?" in err
    assert "did you mean" not in ask("xyzzy")[2]


def test_an_unknown_option_names_the_help_of_its_command(ask: Callable[..., Outcome]) -> None:
    """One line says what is wrong, one where to look."""
    code, _, err = ask("show", "--nope")
    assert code == 2
    assert err.startswith("batchfiles: error: No such option")
    assert "'batchfiles show -h'" in err


def test_the_help_imports_neither_arrow_nor_orjson() -> None:
    """`batchfiles --help` must stay quick."""
    code = (
        "import sys; from batchfiles.cli.main import exit_code; code = exit_code(['--help']); "
        "sys.exit(code or any(name in sys.modules for name in ('pyarrow', 'orjson', 'batchfiles.cli.show')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.DEVNULL).returncode == 0


ERRORS: list[tuple[BaseException, int, str]] = [
    (errors.InvalidLineError("no JSON", code="invalid_json_line", path="a.jsonl", line_number=3), 3, "a.jsonl:3: no JSON"),
    (errors.FileError("no such file", path="a.jsonl", number=2), 3, "a.jsonl: no such file"),
    (errors.TruncatedFileError("cut short", path="a.gz"), 3, "a.gz: cut short"),
    (errors.WorkerError("a worker died"), 3, "a worker died"),
    (errors.MissingDependencyError("install x"), 3, "install x"),
    (errors.OutputExistsError("out.parquet"), 2, "out.parquet: exists already"),
    (errors.MismatchError("two formats", path="a.jsonl"), 2, "a.jsonl: two formats"),
    (FileNotFoundError(2, "No such file or directory", "x"), 3, "x: no such file or directory"),
    (OSError(28, "No space left on device"), 3, "no space left on device"),
    (MemoryError(), 3, "not enough memory"),
    (RuntimeError("can't start new thread"), 3, "not enough memory or threads"),
    (RuntimeError("can't allocate lock"), 3, "not enough memory or threads"),
    (OSError(12, "Cannot allocate memory"), 3, "not enough memory or threads"),
    (ImportError("x.so: failed to map segment from shared object"), 3, "not enough memory or threads"),
    (click.ClickException("no"), 3, "no"),
]


@pytest.mark.parametrize(("error", "expected", "words"), ERRORS, ids=lambda value: type(value).__name__)
def test_errors_become_exit_codes_and_one_line(
    ask: Callable[..., Outcome], raising: Callable[[BaseException], None], error: BaseException, expected: int, words: str
) -> None:
    """Each kind of error has its code and one line on standard error, and no traceback."""
    raising(error)
    code, out, err = ask("show")
    assert (code, out) == (expected, "")
    assert err.startswith("batchfiles: error: ")
    assert words in err
    assert len(err.splitlines()) == 1


def test_a_wrong_call_of_ours_is_wrong_usage(ask: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain ValueError from our own functions is wrong usage."""
    monkeypatch.setattr(main, "get_command", lambda *_: click.Command("show", callback=lambda: schema("nope")))
    code, _, err = ask("show")
    assert code == 2
    assert err.startswith("batchfiles: error: unknown table 'nope'")


@pytest.mark.parametrize(
    "error",
    [KeyError("x"), ValueError("from elsewhere"), TypeError("t"), UnicodeError("u"), RecursionError(), BaseException("panic")],
)
def test_a_bug_is_70_without_a_traceback(
    ask: Callable[..., Outcome], raising: Callable[[BaseException], None], error: BaseException
) -> None:
    """Whatever is not an error of files or usage is our mistake: said in one line, with the way to more."""
    raising(error)
    code, _, err = ask("show")
    assert code == 70
    assert err.startswith(f"batchfiles: bug: {type(error).__name__}")
    assert "BATCHFILES_TRACEBACK=1" in err
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1


def test_the_message_of_a_bug_is_short_and_harmless(
    ask: Callable[..., Outcome], raising: Callable[[BaseException], None]
) -> None:
    """An exception may quote a whole file, with escape sequences."""
    raising(KeyError("\x1b[31m" + "x" * 10_000))
    err = ask("show")[2]
    assert len(err) < 500
    assert "\x1b" not in err


def test_the_traceback_is_shown_on_request(
    ask: Callable[..., Outcome], raising: Callable[[BaseException], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One variable turns it on, for bugs and for errors."""
    monkeypatch.setenv("BATCHFILES_TRACEBACK", "1")
    raising(errors.FileError("no such file", path="x"))
    code, _, err = ask("show")
    assert code == 3
    assert "Traceback (most recent call last)" in err


def test_an_interrupt_is_130(ask: Callable[..., Outcome], raising: Callable[[BaseException], None]) -> None:
    """Ctrl-C needs no traceback."""
    raising(KeyboardInterrupt())
    assert ask("show") == (130, "", "batchfiles: interrupted\n")


def test_the_exit_code_of_a_command_is_kept(ask: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    """A command with findings calls `context.exit(1)`."""
    command = click.Command("show", callback=lambda: click.get_current_context().exit(1))
    monkeypatch.setattr(main, "get_command", lambda *_: command)
    assert ask("show") == (1, "", "")


def test_a_closed_pipe_is_quiet(tmp_path: Path) -> None:
    """`batchfiles show … | head -1` ends with the code that a shell gives to such tools, and without a word."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n' * 50_000)
    process = subprocess.Popen(
        [*PROGRAM, "show", str(path), "-n", "50000", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        words = process.stderr.read()
    assert (process.wait(), words) == (141, b"")


def test_a_full_standard_output_is_an_error() -> None:
    """What could not be written must not look fine, even if it was little."""
    for command in ("--version", "limits", "completion bash"):
        with Path("/dev/full").open("w") as full:
            found = subprocess.run([*PROGRAM, *command.split()], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert (found.returncode, found.stderr) == (3, "batchfiles: error: <stdout>: no space left on device\n"), command


@pytest.mark.parametrize(
    ("command", "code"), [("validate nope.jsonl", 3), ("join nope.jsonl --nope", 2), ("split . -o x", 3), ("--nope", 2)]
)
@pytest.mark.parametrize("trace", ["0", "1"])
def test_the_exit_code_remains_if_standard_error_is_full(tmp_path: Path, command: str, code: int, trace: str) -> None:
    """With `2>>run.log` on a full disk every error was 1, which means that the work was done."""
    with Path("/dev/full").open("w") as full:
        found = subprocess.run(
            [*PROGRAM, *command.split()], stderr=full, cwd=tmp_path, env={**os.environ, TRACEBACK: trace}, check=False
        )
    assert found.returncode == code


def test_closed_standard_streams_are_an_error_only_if_they_are_used(tmp_path: Path) -> None:
    """A scheduler that closes standard output (`>&-`) got "a bug in batchfiles" and exit code 70 after the work was done."""
    path = tmp_path / "requests.jsonl"
    path.write_text('{"custom_id": "a", "method": "POST", "url": "/v1/embeddings", "body": {"model": "m", "input": "x"}}\n')

    def closed(streams: str, *arguments: str) -> tuple[int, str, str]:
        command = ["sh", "-c", f'exec "$@" {streams}', "sh", *PROGRAM, *arguments]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        return found.returncode, found.stdout, found.stderr

    error = "batchfiles: error: standard output is closed\n"
    copy = ("merge", str(path), "-o")
    assert closed(">&-", *copy, "-") == (3, "", error)
    assert closed(">&-", "show", str(path)) == (3, "", error)
    assert closed(">&-", "--version") == (3, "", error)
    assert closed("2>&-", *copy, "-") == (0, path.read_text(), "")
    assert closed("<&-", "validate", "-")[0] == 3
    for number, streams in enumerate((">&-", "2>&-", "<&- >&- 2>&-")):
        target = tmp_path / f"{number}.jsonl"
        assert closed(streams, *copy, str(target))[0] == 0
        assert target.read_text() == path.read_text()


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_end_a_running_command(number: signal.Signals, expected: int) -> None:
    """The codes are those that shells know, and there is no traceback."""
    with subprocess.Popen([*PROGRAM, "show", "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_for_reading(process.pid)
        process.send_signal(number)
        _, words = process.communicate(timeout=20)
    assert process.returncode == expected
    assert b"Traceback" not in words


def wait_for_reading(pid: int) -> None:
    """Wait until a process blocks in a read of its standard input."""
    for _ in range(1000):
        if Path(f"/proc/{pid}/wchan").exists() and "pipe_read" in Path(f"/proc/{pid}/wchan").read_text():
            return
        if Path(f"/proc/{pid}/syscall").exists() and Path(f"/proc/{pid}/syscall").read_text().startswith("0 0x0 "):
            return
        time.sleep(0.01)


def test_names_that_are_not_utf8_can_be_printed(tmp_path: Path) -> None:
    """A file with any name has a row somewhere, and an error about it is readable."""
    name = os.fsdecode(bytes(tmp_path) + b"/caf\xe9.jsonl")
    Path(name).write_text('{"a": 1}\n')
    found = program("show", name)
    assert found.returncode == 0
    assert "caf\\udce9.jsonl" in found.stdout
    assert "caf\\udce9x" in program("show", name.replace(".jsonl", "x")).stderr


def test_shell_completion_works() -> None:
    """Click's own completion knows the commands."""
    environment = {**os.environ, "_BATCHFILES_COMPLETE": "bash_complete", "COMP_WORDS": "batchfiles sh", "COMP_CWORD": "1"}
    assert "show" in program(env=environment).stdout


def test_run_exits_with_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry point hands the code to the shell."""
    monkeypatch.setattr(module.signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as caught:
        module.run(["--version"])
    assert caught.value.code == 0


@pytest.mark.skipif(int(version("pyarrow").split(".")[0]) < 18, reason="needs a pyarrow that runs without numpy")
def test_a_join_imports_neither_numpy_nor_pandas_which_would_be_half_of_its_start(tmp_path: Path) -> None:
    """Both are imported by pyarrow where it finds them; nothing here uses them."""
    (tmp_path / "in.jsonl").write_text('{"custom_id":"a","method":"POST","url":"/v1/x","body":{"model":"m"}}\n')
    (tmp_path / "out.jsonl").write_text('{"id":"b","custom_id":"a","response":null,"error":null}\n')
    script = (
        "import sys\nfrom batchfiles.cli.main import exit_code\n"
        f"assert exit_code(['join', {str(tmp_path)!r}, '-o', {str(tmp_path / 'joined.parquet')!r}]) == 0\n"
        "print(sorted({'numpy', 'pandas', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "['pyarrow']\n", done.stderr


def test_no_command_imports_pyarrow_before_it_needs_it() -> None:
    """`workers` imported the writers of tables, so that commands imported pyarrow, numpy and pandas at their start."""
    script = (
        "import sys\nfrom importlib import import_module\nfrom batchfiles.cli.main import COMMANDS\n"
        "for place, _ in COMMANDS.values():\n    import_module(place.partition(':')[0])\n"
        "print(sorted({'numpy', 'pandas', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


NO_THREADS = """
import sys, threading
from batchfiles.cli.main import run
def start(self):
    raise RuntimeError("can't start new thread")
threading.Thread.start = start
run(sys.argv[1:])
"""


@pytest.mark.parametrize(
    "command",
    [
        ("join", "FIXTURES", "-o", "t.parquet"),
        ("join", "FIXTURES", "-o", "t.parquet", "--workers", "2"),
        ("export", "FIXTURES/batch_67697f1bb7df4ab576e1afdf97e305fa_output.jsonl", "-o", "t.parquet"),
        ("validate", "FIXTURES/requests.jsonl"),
        ("retry", "FIXTURES", "-o", "again.jsonl"),
        ("split", "FIXTURES/requests.jsonl", "-o", "campaign", "--max-requests", "5"),
        ("merge", "FIXTURES/requests.jsonl", "-o", "merged.jsonl"),
        ("stats", "FIXTURES"),
    ],
    ids=lambda command: " ".join(command[:1]),
)
def test_where_no_thread_can_be_started_it_works_or_says_so(command: tuple[str, ...], tmp_path: Path) -> None:
    """As below `ulimit -v` or in a container with few processes: an error of the machine, and never a bug, nor a hang."""
    fixtures = str(Path(__file__).parents[2] / "fixtures" / "chat_completions")
    arguments = [part.replace("FIXTURES", fixtures) for part in command]
    done = subprocess.run(
        [sys.executable, "-c", NO_THREADS, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120
    )
    assert done.returncode in (0, 3), done.stderr
    assert done.returncode == 0 or "not enough memory or threads" in done.stderr


def test_the_program_ends_without_a_search_for_cycles() -> None:
    """It took 0.1 s at the end of each command, and the system frees all memory anyway."""
    code = f"import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 0)); {PROGRAM[-1]}"
    done = subprocess.run([sys.executable, "-c", code, "limits"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True"
