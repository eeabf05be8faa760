"""`python -m batchfiles.testing`: run the local server until it is interrupted or a command ends."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

from batchfiles.errors import MissingDependencyError
from batchfiles.testing.options import faults_of, parser, quirks_of, variables_of

__all__ = ["main"]


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


if __name__ == "__main__":
    sys.exit(main())
