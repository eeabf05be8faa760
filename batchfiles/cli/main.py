r"""The command line: its commands, and the only place where errors become exit codes.

Exit codes:
    0   done; failed requests don't change the exit code
    1   done, with findings (`validate` with errors, `--fail-on`)
    2   wrong usage, files that don't belong together, or an output that exists
    3   failed: file, disk, network, service
    4   not finished yet
    70  a bug in batchfiles
    130 interrupted (Ctrl-C)
    141 the reader of the output stopped reading, as in `batchfiles show t.parquet | head -1`
    129, 143 ended by SIGHUP or SIGTERM, after cleaning up

Tracebacks are shown only with BATCHFILES_TRACEBACK=1.
"""

from __future__ import annotations

import atexit
import errno
import gc
import os
import re
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from types import FrameType
from typing import NoReturn, TextIO

import click

from batchfiles.errors import BatchFilesError, MismatchError, OutputExistsError, StillRunningError
from batchfiles.findings import nearest
from batchfiles.layout import cut, visible

USAGE, FAILED, UNFINISHED, BUG, INTERRUPTED, PIPE_CLOSED = 2, 3, 4, 70, 130, 141

NO_CHOICE = re.compile(r"'(.+)' is not one of")
"""The start of click's message about an unknown value of an option."""

GC_THRESHOLD = 50_000
"""New objects after which the garbage collector looks for cycles. With Python's own 700 it looked a hundred times during imports
alone, and it is not needed often: decoded lines have no cycles."""

TRACEBACK = "BATCHFILES_TRACEBACK"
COMPLETION = "_BATCHFILES_COMPLETE"

FILE_COMMANDS = {
    "prepare": ("batchfiles.cli.prepare:prepare", "Make a request from each row of a table."),
    "validate": ("batchfiles.cli.validate:validate", "Check request files before they are sent."),
    "join": ("batchfiles.cli.join:join", "Join results to their requests: a row for each request."),
    "export": ("batchfiles.cli.join:export", "Convert result files to a table, without their requests."),
    "retry": ("batchfiles.cli.retry:retry", "Write the requests that are worth sending again."),
    "edit": ("batchfiles.cli.edit:edit", "Change values in every line, and no other byte."),
    "split": ("batchfiles.cli.split:split", "Split request files into parts within the limits of a service."),
    "merge": ("batchfiles.cli.merge:merge", "Merge the lines of several files into one file."),
    "show": ("batchfiles.cli.show:show", "Show the first rows of a table or a batch file."),
    "stats": ("batchfiles.cli.stats:stats", "Count requests, outcomes, tokens and costs."),
    "errors": ("batchfiles.cli.stats:errors", "Group the errors in results, and count them."),
    "report": ("batchfiles.cli.report:report", "Write one HTML file about a batch, to look at and to share."),
    "get": ("batchfiles.cli.get:get", "Find a request and its results by custom_id."),
    "limits": ("batchfiles.cli.limits:limits", "Print the limits of the services, with sources."),
}
"""The commands for files: their functions, and their help in the list, which needs no import."""

SERVICE_COMMANDS = {
    "run": ("batchfiles.cli.run:run", "Take requests to a table: check, send, wait, retry, join."),
    "probe": ("batchfiles.cli.probe:probe", "Send the first requests of a file to the live endpoint."),
    "submit": ("batchfiles.cli.submit:submit", "Upload request files and create a batch for each, once."),
    "status": ("batchfiles.cli.status:status", "Show the status of batches."),
    "list": ("batchfiles.cli.status:list_batches", "List the batches of the service, newest first."),
    "wait": ("batchfiles.cli.status:wait", "Wait until batches have finished."),
    "cancel": ("batchfiles.cli.status:cancel", "Cancel batches."),
    "download": ("batchfiles.cli.download:download", "Download the results of batches."),
    "files": ("batchfiles.cli.files:files", "Upload, list, download and delete files at the service."),
}
"""The commands for the service; they need a key and the extra `client`."""

OTHER_COMMANDS = {
    "completion": ("batchfiles.cli.shell:completion", "Print a script for completion in bash, zsh or fish."),
    "man": ("batchfiles.cli.shell:man", "Print a manual page, or write all of them to a folder."),
}
"""The commands for the terminal."""

COMMANDS = {**FILE_COMMANDS, **SERVICE_COMMANDS, **OTHER_COMMANDS}

SECTIONS = (
    ("Commands for files", FILE_COMMANDS),
    ("Commands for the service", SERVICE_COMMANDS),
    ("Other commands", OTHER_COMMANDS),
)

HELP = """\
Read, check and join the JSONL batch files of the OpenAI Batch API, and turn them into Parquet.

\b
Check a request file before you pay for it:
    batchfiles validate requests.jsonl
\b
Join results and errors to their requests, a row for each request:
    batchfiles join requests.jsonl batch_output.jsonl batch_error.jsonl -o results.parquet
\b
Show the first rows:
    batchfiles show results.parquet

Data goes to standard output, messages go to standard error. - means standard input or output.
'batchfiles COMMAND -h' shows the help of a command.
"""

EPILOG = "Exit codes: 0 done, 1 done with findings, 2 wrong usage, 3 failed, 4 not finished yet, 70 a bug."


class Group(click.Group):
    """A group that suggests a similar command for an unknown one."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command; an unknown one is an error that suggests a similar one."""
        names = self.list_commands(ctx)
        if args and args[0] not in names and not args[0].startswith("-") and not ctx.resilient_parsing:
            near = nearest(args[0], names)
            ctx.fail(f"No such command {args[0]!r}{f', did you mean {near!r}?' if near else '.'}")
        return super().resolve_command(ctx, args)


class Commands(Group):
    """A group that imports a command when it is called, so that `batchfiles --help` is fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a command; None if it is unknown."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the commands without importing them."""
        for heading, commands in SECTIONS:
            with formatter.section(heading):
                formatter.write_dl([(name, words) for name, (_, words) in commands.items()])


def _show_version(ctx: click.Context, _parameter: click.Parameter, is_asked: bool) -> None:
    """Print the version, and which code reads lines."""
    if is_asked and not ctx.resilient_parsing:
        from importlib.metadata import version

        from batchfiles.native import describe

        click.echo(f"batchfiles {version('batchfiles')} ({describe()})")
        ctx.exit()


@click.group(
    cls=Commands, help=HELP, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version and exit."
)
def main() -> None:
    """Group the commands; the help is `HELP`."""


def root_context() -> click.Context:
    """Return the context of the program without a call, with its settings: click keeps the help option that it makes first."""
    return click.Context(main, info_name="batchfiles", **main.context_settings)


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    _open_closed_streams()
    gc.set_threshold(GC_THRESHOLD)
    # The interpreter would look for cycles among all objects as it ends: 0.1 s, and the system frees all memory anyway.
    atexit.register(gc.freeze)
    signal.signal(signal.SIGTERM, _end)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # nohup has it ignored
        signal.signal(signal.SIGHUP, _end)
    # File names may not be valid UTF-8: escape them.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(exit_code(sys.argv[1:] if arguments is None else arguments))


def _open_closed_streams() -> None:
    """Open the standard streams that the caller closed (`>&-`), so that no file of a command gets their numbers.

    Reading standard input or writing standard output is then an error, and messages are dropped.
    """
    streams = ((0, "stdin", "r", os.O_WRONLY), (1, "stdout", "w", os.O_RDONLY), (2, "stderr", "w", os.O_WRONLY))
    for number, name, mode, access in streams:
        if getattr(sys, name) is not None:
            continue
        null = os.open(os.devnull, access)
        if null != number:
            os.dup2(null, number)
            os.close(null)
        os.set_inheritable(number, True)
        setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - open until the end


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """Raise `SystemExit`, so that temporary files are removed, with the exit code that shells use for the signal."""
    sys.exit(128 + number)


def exit_code(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; errors go to standard error."""
    try:
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler) and handler is not signal.default_int_handler:  # that of `cli.program`, which exits at once
            signal.signal(signal.SIGINT, signal.default_int_handler)
        code = _invoke(list(arguments))
        sys.stdout.flush()  # here, where errors are still reported
    except (SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 - each is reported, with its exit code, also a panic of compiled code
        if os.environ.get(TRACEBACK) == "1":
            with suppress(OSError):
                traceback.print_exc()
        return _report(error, arguments)
    return code


def _invoke(arguments: list[str]) -> int:
    # Not `main.main()`: click exits with 1 for a closed pipe.
    if COMPLETION in os.environ:
        main.main(arguments, prog_name="batchfiles")
    if not arguments:  # releases of click differ here
        click.echo(main.get_help(root_context()), err=True)
        return USAGE
    try:
        with main.make_context("batchfiles", arguments) as context:
            main.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    return 0


def _suggestion(error: click.UsageError) -> str:
    """Suggest a similar value of an option."""
    choices = error.param.type if isinstance(error, click.BadParameter) and error.param is not None else None
    if not isinstance(choices, click.Choice) or not (wrong := NO_CHOICE.match(error.message)):
        return ""
    near = nearest(wrong[1], map(str, choices.choices))
    return f" Did you mean {near!r}?" if near else ""


def _report(error: BaseException, arguments: Sequence[str]) -> int:
    """Print an error in one line, and return its exit code, also if standard error can't be written."""

    def _print(words: str, *more: str) -> None:
        from batchfiles.cli.progress import print_error

        try:
            print_error(f"batchfiles: {_without_secrets(in_options(words), arguments)}")
            for line in more:
                click.echo(_without_secrets(line, arguments), err=True)
        except OSError:
            _forget(sys.stderr)

    if _is_closed_pipe(error):
        _forget(sys.stdout)
        return PIPE_CLOSED
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        _print("interrupted")
        return INTERRUPTED
    if isinstance(error, click.UsageError):
        hint = [] if error.ctx is None else [f"See '{error.ctx.command_path} -h'."]
        _print(f"error: {error.format_message()}{_suggestion(error)}", *getattr(error, "lines", ()), *hint)
        return USAGE
    if _is_wrong_usage(error):
        _print(f"error: {error}")
        return USAGE
    if isinstance(error, StillRunningError):
        _print(str(error))
        return UNFINISHED
    if _is_closed_stdout(error):
        _forget(sys.stdout)
        _print("error: standard output is closed")
        return FAILED
    if words := _failure_message(error):
        _print(f"error: {words}")
        return FAILED
    _print(
        f"bug: {type(error).__name__}: {cut(visible(str(error)[:1000]), 200)} - please report it; "
        f"{TRACEBACK}=1 shows the traceback"
    )
    return BUG


OPTIONS = {
    "overwrite=True": "--force",
    "resume=True": "--resume",
    "pairs={requests: results}": "--pair REQUESTS=RESULTS",
    "allow_http=True": "--allow-http",
    "recover=True": "--recover",
    "every=True": "--all",
    "excluded=": "--except",
    "only=": "--only",
    "url=": "--url",
    "max_line_bytes": "--max-line-bytes",
    "schema=": "--schema",
    "with_prefix=": "--with-prefix",
    "null='null'": "--null null",
    "null='drop'": "--null drop",
}
"""What messages call arguments, and the options for them."""

ARGUMENT = re.compile(r"(?<= )(?:" + "|".join(map(re.escape, OPTIONS)) + r")(?=[\s,.;:]|$)")


def in_options(words: str) -> str:
    """Return a message of the library with the options of the command line for its arguments."""
    return ARGUMENT.sub(lambda match: OPTIONS[match[0]], words)


def _without_secrets(words: str, arguments: Sequence[str]) -> str:
    """Remove the credentials of URLs from a message: click quotes its input."""
    from batchfiles.io.filesystems import is_plain_address, shown_name

    for argument in arguments:
        for text in (argument, argument.partition("=")[2]):
            if (shown := shown_name(text)) != text and not is_plain_address(text):
                words = words.replace(text, shown).replace(repr(text)[1:-1], shown)
    return words


def _is_closed_pipe(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno == errno.EPIPE


def _is_closed_stdout(error: BaseException) -> bool:
    """Return whether the caller closed standard output, which then is open for reading only."""
    if not isinstance(error, OSError) or error.errno != errno.EBADF or error.filename is not None:
        return False
    import fcntl

    return fcntl.fcntl(1, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY


def _forget(stream: TextIO) -> None:
    """Redirect a standard stream, or Python reports at exit again that it is closed or full."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def _is_wrong_usage(error: BaseException) -> bool:
    """Return whether another command line would help.

    Our functions raise a plain ValueError for wrong arguments. Any other ValueError is a bug.
    """
    if isinstance(error, (OutputExistsError, MismatchError)):
        return True
    frames = list(traceback.walk_tb(error.__traceback__))
    module = str(frames[-1][0].f_globals.get("__name__")) if frames else ""
    return type(error) is ValueError and module.startswith("batchfiles.")


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of a file that takes no more bytes."""

OUT_OF_MEMORY = ("can't start new thread", "can't allocate", "cannot allocate memory", "failed to map segment", "bad_alloc")
"""Messages of Python, the system and the loader when a limit is reached."""


def _is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory or threads ran out, also when a thread was started or a library loaded."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    words = str(error).lower()
    return isinstance(error, (RuntimeError, ImportError, SystemError)) and any(part in words for part in OUT_OF_MEMORY)


def _failure_message(error: BaseException) -> str | None:
    """Return the message of an error with exit code 3; None for other errors."""
    if isinstance(error, BatchFilesError):
        return str(error)
    if isinstance(error, click.ClickException):
        return error.format_message()
    if _is_out_of_memory(error):
        return "not enough memory or threads: raise the limits (ulimit -v, ulimit -u), or use --workers 1 if the command has it"
    if isinstance(error, OSError):
        words = (error.strerror or str(error)).lower()
        if isinstance(error.filename, (str, bytes)):
            return f"{os.fsdecode(error.filename)}: {words}"
        # Every other file that is written is named in a FileError.
        return f"<stdout>: {words}" if error.errno in FULL else words
    return None
