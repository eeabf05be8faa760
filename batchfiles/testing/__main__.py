"""`python -m batchfiles.testing`: the local server, until it is interrupted, or as long as a command takes."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

__all__ = ["main"]

KEY = "sk-local"
"""Any key is good."""

EPILOG = """\
Give what it prints to the shell in which your programs run, and they talk to this server: batchfiles, the openai SDK, curl.
With a COMMAND, that is run with the same in its environment, and the server ends with it; the exit code is the command's.

Examples:
  python -m batchfiles.testing --port 8000
  python -m batchfiles.testing --port 0 --stage-seconds 10
  python -m batchfiles.testing --faults-by-chance 7
  python -m batchfiles.testing batchfiles run requests.jsonl -o results.parquet
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal comes, or as long as a command takes.

    Returns:
        The exit code: 0 after Ctrl-C, 2 for wrong usage, 3 where it could not be started; that of the command, if there is one.
    """
    from batchfiles.errors import MissingDependency

    options = _parser().parse_args(argv)
    if options.port is None:
        options.port = 0 if options.command else 8000
    if options.stage_seconds is None:
        options.stage_seconds = 0.0 if options.command else 1.0
    try:
        from batchfiles.testing.faults import Faults
        from batchfiles.testing.server import Server
        from batchfiles.testing.service import Service

        faults = None if options.faults_by_chance is None else Faults.by_chance(options.faults_by_chance)
        server = Server(Service(stage_seconds=options.stage_seconds), faults=faults, host=options.host, port=options.port)
    except (MissingDependency, OSError) as error:
        print(f"batchfiles.testing: {_reason(error, options)}", file=sys.stderr)  # noqa: T201
        return 3
    if options.command:
        with server:
            return _run(options.command, server.base_url)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with server:
        print(f"export OPENAI_BASE_URL={server.base_url} OPENAI_API_KEY={KEY}", flush=True)  # noqa: T201
        stop.wait()
    return 0


def _run(command: list[str], base_url: str) -> int:
    """Run a command that finds the server in its environment, and return its exit code."""
    environment = {**os.environ, "OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": KEY}
    try:
        process = subprocess.Popen(command, env=environment)  # noqa: S603 - the user's own command
    except OSError as error:
        print(f"batchfiles.testing: can't run {command[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 3
    # Ctrl-C reaches the command by itself; whoever ends only this process means both.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    code = process.wait()
    return code if code >= 0 else 128 - code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m batchfiles.testing",
        description="A local server of the Files and Batches API. It answers with made-up words, costs nothing, and forgets "
        "everything when it ends (Ctrl-C).",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=_port, help="0 for any that is free (default: 8000; with a COMMAND, 0)")
    parser.add_argument(
        "--stage-seconds",
        type=_seconds,
        metavar="SECONDS",
        help="how long a batch is validating, in progress and finalizing each (default: 1; with a COMMAND, 0)",
    )
    parser.add_argument(
        "--faults-by-chance",
        type=int,
        metavar="SEED",
        help="let a third of the first calls go wrong in passing ways; the same seed makes the same ones",
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="what to run against the server")
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65_535:
        raise argparse.ArgumentTypeError(f"{port} is no port: they go from 0 to 65535")
    return port


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 86400 seconds")
    return seconds


def _reason(error: Exception, options: argparse.Namespace) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"port {options.port} of {options.host} is taken: choose another one with --port, or 0 for any that is free"
    if isinstance(error, OSError):
        return f"can't listen on port {options.port} of {options.host}: {error.strerror or error}"
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
