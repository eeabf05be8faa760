"""The options that several commands have; where their help differs, the command says it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from batchfiles.limits import LINE_CAP
from batchfiles.limits.size import bytes_of

__all__ = [
    "Size",
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


if TYPE_CHECKING:
    SizeBase = click.ParamType[int]
else:  # old releases of click have no brackets here
    SizeBase = click.ParamType


class Size(SizeBase):
    """A number of bytes above 0, with a unit or without."""

    name = "size"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the number, or say what is wrong with it."""
        if isinstance(value, int):
            return value
        try:
            return bytes_of(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def temp_dir_option(words: str) -> Callable[[Command], Command]:
    """Return `--temp-dir`.

    Args:
        words: What goes into the folder, for its help.
    """
    return click.option("--temp-dir", type=click.Path(exists=True, file_okay=False), metavar="FOLDER", help=words)


def line_cap_option(words: str) -> Callable[[Command], Command]:
    """Return `--max-line-bytes`, the longest line that is read.

    Args:
        words: What becomes of a longer one, for its help.
    """
    return click.option(
        "--max-line-bytes",
        type=Size(),
        default=LINE_CAP,
        show_default="64 MiB",
        metavar="SIZE",
        help=words,
    )


def with_options(command: Command, options: Sequence[Callable[[Any], Any]]) -> Command:
    """Give a command options; its help lists them in their order."""
    for option in reversed(options):
        command = option(command)
    return command
