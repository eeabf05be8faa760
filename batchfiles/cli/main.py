r"""The command line as a whole: its commands, and the one place where errors become exit codes.

Exit codes:
    0   the job asked for was done; requests that failed are no failure of the job
    1   it was done and found something (`validate` with errors, `--fail-on`)
    2   wrong usage, or files that don't go together, or an output that exists already
    3   it could not be done: file, disk, network, service
    4   not finished yet
    70  a bug in batchfiles
    130 interrupted (Ctrl-C)
    141 whoever read our output stopped reading, as in `batchfiles show t.parquet | head -1`: the code that a shell gives to
        every tool in that place
    129, 143 ended by the system (SIGHUP as a terminal closes, SIGTERM), after cleaning up

Nobody gets a traceback unless BATCHFILES_TRACEBACK=1 asks for it.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

import click

from batchfiles.cli import interrupted
from batchfiles.cli.text import cut, visible
from batchfiles.errors import BatchFilesError, MismatchError, OutputExistsError, StillRunningError
from batchfiles.findings import nearest

__all__ = ["Commands", "main", "run"]

USAGE, FAILED, UNFINISHED, BUG, INTERRUPTED, PIPE_CLOSED = 2, 3, 4, 70, 130, 141

NO_CHOICE = re.compile(r"'(.+)' is not one of")
"""How click begins its sentence about an option that has no such value."""

TRACEBACK = "BATCHFILES_TRACEBACK"
COMPLETION = "_BATCHFILES_COMPLETE"

FILE_COMMANDS = {
    "prepare": ("batchfiles.cli.prepare:prepare", "Make a request of each row of a table."),
    "validate": ("batchfiles.cli.validate:validate", "Check request files before they are sent."),
    "join": ("batchfiles.cli.join:join", "Join results to their requests, every request accounted for."),
    "export": ("batchfiles.cli.join:export", "Turn result files into a table, without their requests."),
    "retry": ("batchfiles.cli.retry:retry", "Write the requests that may succeed if they are sent again."),
    "edit": ("batchfiles.cli.edit:edit", "Change the same value in every line, and no other byte."),
    "split": ("batchfiles.cli.split:split", "Cut request files into parts that a service takes."),
    "merge": ("batchfiles.cli.merge:merge", "Put the lines of several files into one."),
    "show": ("batchfiles.cli.show:show", "Look at the first rows of a table or a batch file."),
    "stats": ("batchfiles.cli.stats:stats", "Count requests, outcomes, tokens and what they cost."),
    "errors": ("batchfiles.cli.errors:errors", "Say which errors there are in results, and how often."),
    "get": ("batchfiles.cli.get:get", "Find one request and all its results."),
    "limits": ("batchfiles.cli.limits:limits", "Print the limits of the services, and where each number is from."),
}
"""Each command that works on files: where it is, and a line of help that needs no import."""

SERVICE_COMMANDS = {
    "run": ("batchfiles.cli.run:run", "From requests to a table: check, send, wait, retry, join."),
    "probe": ("batchfiles.cli.probe:probe", "Send the first requests of a file to the live endpoint."),
    "submit": ("batchfiles.cli.submit:submit", "Upload request files and make a batch of each, once."),
    "status": ("batchfiles.cli.status:status", "Say how batches stand."),
    "list": ("batchfiles.cli.status:list_batches", "List the batches of the service, newest first."),
    "wait": ("batchfiles.cli.status:wait", "Wait until batches have finished."),
    "cancel": ("batchfiles.cli.status:cancel", "Cancel batches."),
    "download": ("batchfiles.cli.download:download", "Fetch the results of batches."),
    "files": ("batchfiles.cli.files:files", "Upload, list, fetch and delete the files at the service."),
}
"""Each command that talks to the service, the same way; they need a key and the extra `client`."""

COMMANDS = {**FILE_COMMANDS, **SERVICE_COMMANDS}
"""All of them."""

SECTIONS = (("Commands for files", FILE_COMMANDS), ("Commands for the service", SERVICE_COMMANDS))

HELP = """\
Read, check and join the JSONL batch files of the OpenAI Batch API, and turn them into Parquet.

\b
Check a request file before it is paid for:
    batchfiles validate requests.jsonl
\b
Put results and errors beside their requests, a row for each request:
    batchfiles join requests.jsonl batch_output.jsonl batch_error.jsonl -o results.parquet
\b
Look at the first rows:
    batchfiles show results.parquet

Data goes to standard output, words to standard error; - stands for standard input or output.
'batchfiles COMMAND -h' explains a command.
"""

EPILOG = "Exit codes: 0 done, 1 done and something was found, 2 wrong usage, 3 could not be done, 4 not finished yet, 70 a bug."


class Commands(click.Group):
    """A group that imports a command when it is called, so that `batchfiles --help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the commands in the order in which people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a command; None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant, or name the one that may have been meant."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = nearest(args[0], COMMANDS)
            ctx.fail(f"No such command {args[0]!r}{f', did you mean {near!r}?' if near else '.'}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the commands without importing them."""
        for heading, commands in SECTIONS:
            with formatter.section(heading):
                formatter.write_dl([(name, words) for name, (_, words) in commands.items()])


@click.group(
    cls=Commands, help=HELP, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="batchfiles", message="%(prog)s %(version)s")
def main() -> None:
    """Hold the commands together; `HELP` is what people read."""


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Be the program: run the command line and exit."""
    signal.signal(signal.SIGTERM, _end)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # nohup has it ignored
        signal.signal(signal.SIGHUP, _end)
    # The name of a file may be no UTF-8: better an escaped name than no output.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(exit_code(sys.argv[1:] if arguments is None else arguments))


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """End as an exception does, so that temporary files are removed; with the code that a shell gives to the signal."""
    sys.exit(128 + number)


def exit_code(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; what went wrong stands on standard error."""
    try:
        if signal.getsignal(signal.SIGINT) is interrupted:
            signal.signal(signal.SIGINT, signal.default_int_handler)  # from here on an exception is caught
        code = _invoke(list(arguments))
        sys.stdout.flush()  # here, where an error is still an error
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - nothing is hidden: each gets its code and its sentence
        if os.environ.get(TRACEBACK) == "1":
            traceback.print_exc()
        return _report(error, arguments)
    return code


def _invoke(arguments: list[str]) -> int:
    # Not `main.main()`: click would make a closed pipe an exit code of 1.
    if COMPLETION in os.environ:
        main.main(arguments, prog_name="batchfiles")
    if not arguments:  # the releases of click don't agree on what this is
        click.echo(main.get_help(click.Context(main, info_name="batchfiles")), err=True)
        return USAGE
    try:
        with main.make_context("batchfiles", arguments) as context:
            main.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    return 0


def _meant(error: click.UsageError) -> str:
    """Name the choice of an option that was probably meant."""
    choices = error.param.type if isinstance(error, click.BadParameter) and error.param is not None else None
    if not isinstance(choices, click.Choice) or not (wrong := NO_CHOICE.match(error.message)):
        return ""
    near = nearest(wrong[1], map(str, choices.choices))
    return f" Did you mean {near!r}?" if near else ""


def _report(error: BaseException, arguments: Sequence[str]) -> int:
    """Say in one line what went wrong, and choose the code."""

    def _say(words: str) -> None:
        click.echo(f"batchfiles: {visible(_without_secrets(words, arguments))}", err=True)

    if _is_closed_pipe(error):
        _forget_stdout()
        return PIPE_CLOSED
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        _say("interrupted")
        return INTERRUPTED
    if isinstance(error, click.UsageError):
        _say(f"error: {error.format_message()}{_meant(error)}")
        if error.ctx is not None:
            click.echo(f"'{error.ctx.command_path} -h' explains it.", err=True)
        return USAGE
    if _is_wrong_usage(error):
        _say(f"error: {error}")
        return USAGE
    if isinstance(error, StillRunningError):
        _say(str(error))
        return UNFINISHED
    if words := _what_failed(error):
        _say(f"error: {words}")
        return FAILED
    _say(
        f"bug: {type(error).__name__}: {cut(visible(str(error)[:1000]), 200)} - this should not happen, please report it; "
        f"{TRACEBACK}=1 shows where it came from"
    )
    return BUG


def _without_secrets(words: str, arguments: Sequence[str]) -> str:
    """Return a message without the credentials of URLs: click repeats its input."""
    from batchfiles.io.urls import is_plain_address, shown_name

    for argument in arguments:
        for text in (argument, argument.partition("=")[2]):
            if (shown := shown_name(text)) != text and not is_plain_address(text):
                words = words.replace(text, shown).replace(repr(text)[1:-1], shown)
    return words


def _is_closed_pipe(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno == errno.EPIPE


def _forget_stdout() -> None:
    """Point standard output to nowhere, or Python would complain about the closed pipe once more as it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _is_wrong_usage(error: BaseException) -> bool:
    """Return whether another command line would help.

    Our functions say "wrong call" by a plain ValueError. One from elsewhere, or of a narrower kind, is a bug.
    """
    if isinstance(error, (OutputExistsError, MismatchError)):
        return True
    return type(error) is ValueError and _raised_in(error).startswith("batchfiles.")


def _raised_in(error: BaseException) -> str:
    """Name the module that raised an exception."""
    frames = list(traceback.walk_tb(error.__traceback__))
    name: Any = frames[-1][0].f_globals.get("__name__") if frames else None
    return name if isinstance(name, str) else ""


NO_ROOM = ("can't start new thread", "can't allocate", "cannot allocate memory", "failed to map segment", "bad_alloc")
"""Messages of Python, the system and the loader when a limit is reached."""


def _is_short_of_room(error: BaseException) -> bool:
    """Return whether an error means too little memory or too few threads, also as a failed thread start or library load."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    words = str(error).lower()
    return isinstance(error, (RuntimeError, ImportError, SystemError)) and any(said in words for said in NO_ROOM)


def _what_failed(error: BaseException) -> str | None:
    """Say what could not be done; None if the error is no such thing."""
    if isinstance(error, BatchFilesError):
        return str(error)
    if isinstance(error, click.ClickException):
        return error.format_message()
    if _is_short_of_room(error):
        return "not enough memory or threads: allow more of them (ulimit -v, ulimit -u), or use --workers 1 if the command has it"
    if isinstance(error, OSError):
        words = (error.strerror or str(error)).lower()
        return f"{os.fsdecode(error.filename)}: {words}" if isinstance(error.filename, (str, bytes)) else words
    return None
