"""`python -m batchfiles.testing`: run the local server until it is interrupted or a command ends.

Its options are one for each quirk, and the faults.
"""

from __future__ import annotations

import argparse
import errno
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from textwrap import fill
from typing import Any, Final

from batchfiles.errors import MissingDependencyError
from batchfiles.testing.parameters import ERROR_FORMS
from batchfiles.testing.quirks import CALLS, FAULTS, GONE, QUIRKS, REDIRECTS, Fault, Faults, Quirks


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal arrives or the command ends.

    Returns:
        The exit code: that of the command, 0 after Ctrl-C, 2 for wrong usage, 3 if the server or the command could not start.
    """
    arguments = parser()
    options = arguments.parse_args(argv)
    try:
        quirks, faults = quirks_of(options), faults_of(options)
    except ValueError as error:
        arguments.error(str(error))
    if options.port is None:
        options.port = 0 if options.command else 8000
    if options.stage_seconds is None:
        options.stage_seconds = 0.0 if options.command else 1.0
    try:
        from batchfiles.testing.server import Server
        from batchfiles.testing.service import Service

        service = Service(stage_seconds=options.stage_seconds, quirks=quirks, limits="azure" if options.azure else "openai")
        server = Server(service, faults=faults, host=options.host, port=options.port)
    except (MissingDependencyError, OSError) as error:
        print(f"batchfiles.testing: {_reason(error, options)}", file=sys.stderr)  # noqa: T201
        return 3
    if options.command:
        with server:
            return _run(options.command, variables_of(options, server.base_url))
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with server:
        variables = variables_of(options, server.base_url)
        other = "unset OPENAI_BASE_URL; " if options.azure else ""
        print(f"{other}export {' '.join(f'{name}={value}' for name, value in variables.items())}", flush=True)  # noqa: T201
        stop.wait()
    return 0


def _run(command: list[str], variables: dict[str, str]) -> int:
    """Run a command with the server in its environment, and return its exit code."""
    environment = {name: value for name, value in os.environ.items() if name != "OPENAI_BASE_URL"} | variables
    try:
        process = subprocess.Popen(command, env=environment)  # noqa: S603 - the user's own command
    except OSError as error:
        print(f"batchfiles.testing: can't run {command[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 3
    # The terminal sends Ctrl-C to the command too; SIGTERM to this process is passed on.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    code = process.wait()
    return code if code >= 0 else 128 - code


def _reason(error: Exception, options: argparse.Namespace) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"port {options.port} of {options.host} is in use: choose another one with --port, or 0 for any free port"
    if isinstance(error, OSError):
        return f"can't listen on port {options.port} of {options.host}: {error.strerror or error}"
    return str(error)


KEY: Final = "sk-local"
"""The server accepts any key."""

WIDTH: Final = 79
"""Columns of the text before and after the options."""

DESCRIPTION: Final = fill(
    "A local server of the Files and Batches API. It answers with generated text, instances of the requested JSON Schema, and "
    "tool calls. It costs nothing, and deletes its files when it ends (Ctrl-C).",
    WIDTH,
)

USAGE: Final = (
    "Paste the printed line into another shell, and the clients there use this server: batchfiles, the openai SDK, curl. "
    "A COMMAND runs with the same variables; the server ends with it, with its exit code."
)

EPILOG: Final = f"""\
{fill(USAGE, WIDTH)}

{fill("CALL is " + ", ".join(CALLS) + ".", WIDTH)}
{fill("FAULT is " + ", ".join(FAULTS) + ", as described in docs/testing.md.", WIDTH)}

Examples:
  python -m batchfiles.testing --port 8000
  python -m batchfiles.testing --fail 2% --expire 1% --drop 1% --seed 7
  python -m batchfiles.testing --pending-files 20 --statuses completed=done
  python -m batchfiles.testing --azure --port 8000
  python -m batchfiles.testing --fault batches.retrieve:1-10=html,status=504
  python -m batchfiles.testing --faults-by-chance 7
  python -m batchfiles.testing batchfiles run requests.jsonl -o results.parquet
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m batchfiles.testing",
        usage="python -m batchfiles.testing [OPTION]... [COMMAND]",
        allow_abbrev=False,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    made.add_argument("--port", type=_port, help="0 for any free port (default: 8000; with a COMMAND, 0)")
    made.add_argument(
        "--stage-seconds",
        type=_seconds,
        metavar="SECONDS",
        help="how long a batch is validating, in progress and finalizing each (default: 1; with a COMMAND, 0)",
    )
    made.add_argument(
        "--azure",
        action="store_true",
        help="as Azure: its rules for files and its error codes, files that are pending for 2 seconds, an empty error file, and "
        "the variables AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY",
    )
    odd = made.add_argument_group("quirks of the service")
    for name, words in QUIRKS.items():
        more = f": {', '.join(ERROR_FORMS)}" if name == "error_form" else ""
        _add_quirk(odd, name, words.replace("`", "").replace("%", "%%") + more)
    faults = made.add_argument_group("faults of calls")
    faults.add_argument(
        "--fault",
        action="append",
        default=[],
        type=_fault,
        metavar="CALL[:N[-M]]=FAULT[,KEY=N]",
        help="inject a fault into the N-th call of its kind, those from N to M, or all; KEY: status, after or pause; repeatable",
    )
    faults.add_argument(
        "--faults-by-chance",
        type=int,
        metavar="SEED",
        help="inject temporary faults into a third of the first calls; the same seed gives the same faults",
    )
    made.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="a command to run against the server")
    return made


def _add_quirk(group: Any, name: str, words: str) -> None:  # noqa: ANN401 - argparse's own class is private
    """Add the option of a quirk; its type follows the default value."""
    option, usual = f"--{name.replace('_', '-')}", getattr(Quirks(), name)
    if isinstance(usual, bool):
        group.add_argument(option, action="store_true", help=words)
        return
    metavar, read = FORMS.get(name) or BY_TYPE[type(usual)]
    group.add_argument(option, type=read, metavar=metavar, help=words)


def quirks_of(options: argparse.Namespace) -> Quirks:
    """Return the quirks that the options set.

    Raises:
        ValueError: The options contradict each other.
    """
    found = {name: getattr(options, name) for name in QUIRKS}
    if options.azure:
        found |= {"pending_files": 2.0 if found["pending_files"] is None else found["pending_files"], "empty_error_file": True}
    return Quirks(**{name: value for name, value in found.items() if value is not None and value is not False})


def variables_of(options: argparse.Namespace, base_url: str) -> dict[str, str]:
    """Return the variables with which clients find the server."""
    if options.azure:
        return {"AZURE_OPENAI_ENDPOINT": base_url.removesuffix("/v1"), "AZURE_OPENAI_API_KEY": KEY}
    return {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": KEY}


def faults_of(options: argparse.Namespace) -> Faults:
    """Return the faults that the options ask for."""
    faults = Faults() if options.faults_by_chance is None else Faults.by_chance(options.faults_by_chance)
    for call, numbers, fault in options.fault:
        if numbers is None:
            faults.always(call, fault)
        for number in numbers or ():
            faults.at(call, number, fault)
    return faults


FAULT: Final = re.compile(
    r"(?P<call>[\w.]+)(?::(?P<first>\d{1,6})(?:-(?P<last>\d{1,6}))?)?=(?P<kind>\w+)(?P<more>(?:,\w+=[^,]+)*)"
)
PARTS: Final[dict[str, Callable[[str], Any]]] = {"status": int, "after": int, "pause": float}


def _fault(text: str) -> tuple[str, range | None, Fault]:
    """Read `batches.retrieve:1-10=html,status=504`."""
    found = FAULT.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form CALL=FAULT, CALL:N=FAULT or CALL:N-M=FAULT")
    if found["call"] not in CALLS:
        raise argparse.ArgumentTypeError(f"unknown call {found['call']!r}; expected {', '.join(CALLS)}")
    parts = {}
    for part in found["more"].split(",")[1:]:
        name, _, value = part.partition("=")
        if name not in PARTS:
            raise argparse.ArgumentTypeError(f"unknown key {name!r}; expected {', '.join(PARTS)}")
        parts[name] = _number(value, PARTS[name])
    try:
        fault = Fault(found["kind"], **parts)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if found["first"] is None:
        return found["call"], None, fault
    first, last = int(found["first"]), int(found["last"] or found["first"])
    if not 1 <= first <= last:
        raise argparse.ArgumentTypeError(f"{text!r}: calls are counted from 1, and the last is not before the first")
    return found["call"], range(first, last + 1), fault


def _number(text: str, read: Callable[[str], Any]) -> Any:  # noqa: ANN401 - int or float
    try:
        number = read(text)
    except ValueError:
        number = -1
    if not 0 <= number < 10**10:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number >= 0")
    return number


def _port(text: str) -> int:
    port = _number(text, int)
    if port > 65_535:
        raise argparse.ArgumentTypeError(f"{port} is not a port; expected 0 to 65535")
    return int(port)


def _seconds(text: str) -> float:
    seconds = _number(text, float)
    if seconds > 86_400:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 86400 seconds")
    return float(seconds)


def _count(text: str) -> int:
    return int(_number(text, int))


def _share(text: str) -> float:
    """Read `2%` or `0.02`."""
    share = _number(text.removesuffix("%"), float) / (100 if text.endswith("%") else 1)
    if share > 1:
        raise argparse.ArgumentTypeError(f"{text!r} is more than 100%; expected a share such as 2% or 0.02")
    return float(share)


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.split(",") if word.strip())


def _pairs(text: str) -> dict[str, str]:
    """Read `completed=succeeded,failed=broken`."""
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(name.strip() and sign for name, sign, _ in pairs):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE,NAME=VALUE")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _statuses(text: str) -> dict[str, int]:
    return {custom_id: int(_number(status, int)) for custom_id, status in _pairs(text).items()}


Form = tuple[str, Callable[[str], Any]]

BY_TYPE: Final[dict[type, Form]] = {
    float: ("SECONDS", _seconds),
    int: ("N", _count),
    frozenset: ("ID,...", _words),
    dict: ("NAME=VALUE,...", _pairs),
}

FORMS: Final[dict[str, Form]] = {
    "fail": ("SHARE", _share),
    "expire": ("SHARE", _share),
    "drop": ("SHARE", _share),
    "expire_after": ("N", _count),
    "enqueued_requests": ("N", _count),
    "failing": ("ID=STATUS,...", _statuses),
    "gone_files": ("|".join(GONE), _words),
    "unknown_status": ("WORD", str),
    "statuses": ("STATUS=WORD,...", _pairs),
    "status_key": ("KEY", str),
    "error_form": ("FORM", str),
    "redirect_contents": ("|".join(map(str, REDIRECTS)), _count),
    "completion_windows": ("WINDOW,...", _words),
}
"""The types of quirks that differ from `BY_TYPE`."""


if __name__ == "__main__":
    sys.exit(main())
