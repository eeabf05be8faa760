"""The key from a command: a password manager, a vault, the login of a cloud."""

from __future__ import annotations

import subprocess

import click

from batchfiles.api.key import Key

__all__ = ["CommandKey"]

PATIENCE = 300
"""Seconds for the command: it may ask for a fingerprint."""


class CommandKey(Key):
    """The output of a shell command. It is run when the key is needed first, and again after the service has refused the key.

    Args:
        command: For the shell. What it says on standard error, and asks, reaches the terminal.
    """

    __slots__ = ("_command", "_kept")

    def __init__(self, command: str) -> None:
        self._command = command
        self._kept: Key | None = None
        super().__init__(self._printed)

    def renew(self) -> None:
        """Forget what the command printed."""
        self._kept = None

    def reveal(self) -> str:
        """Return what the command printed, without the line end.

        Raises:
            ClickException: It failed, or took too long; what it printed is not shown.
            ValueError: It printed something that is no key.
        """
        if self._kept is None:
            self._kept = Key(self._printed())
        return self._kept.reveal()

    def _printed(self) -> str:
        problem, printed = _output_of(self._command)
        if problem is not None:
            raise click.ClickException(problem)
        return printed


def _output_of(command: str) -> tuple[str | None, str]:
    """Run a command; returns what went wrong and, if nothing did, its output.

    Nothing is raised here, where the output of a command that failed is at hand: a traceback shows the values of its frames.
    """
    try:
        # The command is the user's own, as in GIT_ASKPASS.
        done = subprocess.run(command, shell=True, stdout=subprocess.PIPE, timeout=PATIENCE, check=False)  # noqa: S602
    except subprocess.TimeoutExpired:
        return f"the key command took longer than {PATIENCE} seconds", ""
    except OSError as error:
        return f"the key command can't be run: {error.strerror}", ""
    if done.returncode != 0:
        return f"the key command ended with exit code {done.returncode}", ""
    return None, done.stdout.decode("utf-8", "replace").rstrip("\r\n")
