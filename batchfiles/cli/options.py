"""The options that several commands have; where their help differs, the command says it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from batchfiles.limits import LINE_CAP

__all__ = [
    "counts_option",
    "files_argument",
    "force_option",
    "inputs_option",
    "line_cap_option",
    "temp_dir_option",
    "with_options",
    "workers_option",
]

Command = TypeVar("Command", bound=Callable[..., Any])

files_argument = click.argument("files", nargs=-1, required=True, metavar="FILE...")

inputs_option = click.option(
    "-i", "--input", "inputs", multiple=True, metavar="INPUT", help="A file of requests; FILEs must be results then. Repeatable."
)

force_option = click.option("--force", is_flag=True, help="Replace a file that is there already.")

counts_option = click.option("--json", "as_json", is_flag=True, help="Print the counts, as one JSON object, on standard output.")

workers_option = click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="How many processes decode.  [default: as many as pay]"
)


def temp_dir_option(words: str) -> Callable[[Command], Command]:
    """Return `--temp-dir`.

    Args:
        words: What goes into the folder, for its help.
    """
    return click.option("--temp-dir", type=click.Path(exists=True, file_okay=False), metavar="FOLDER", help=words)


def line_cap_option(words: str, *, default: int = LINE_CAP) -> Callable[[Command], Command]:
    """Return `--max-line-bytes`, the longest line that is read.

    Args:
        words: What becomes of a longer one, for its help.
        default: The cap where nothing is said, in bytes.
    """
    return click.option(
        "--max-line-bytes",
        type=click.IntRange(min=1),
        default=default,
        show_default=f"{default // 1024**2} MiB",
        metavar="N",
        help=words,
    )


def with_options(command: Command, options: Sequence[Callable[[Any], Any]]) -> Command:
    """Give a command options; its help lists them in their order."""
    for option in reversed(options):
        command = option(command)
    return command
