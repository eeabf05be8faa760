"""The options that several commands have; where their help differs, the command says it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from batchfiles.limits import LINE_CAP
from batchfiles.limits.size import bytes_of

__all__ = [
    "FilesOrPairs",
    "Size",
    "counts_option",
    "csv_null_option",
    "files_argument",
    "files_or_pairs_argument",
    "force_option",
    "inputs_option",
    "line_cap_option",
    "pairs_option",
    "temp_dir_option",
    "with_options",
    "workers_option",
]

Command = TypeVar("Command", bound=Callable[..., Any])

files_argument = click.argument("files", nargs=-1, required=True, metavar="FILE...")

inputs_option = click.option(
    "-i", "--input", "inputs", multiple=True, metavar="INPUT", help="A file of requests; then FILEs must be results. Repeatable."
)

csv_null_option = click.option(
    "--csv-null",
    "csv_nulls",
    multiple=True,
    metavar="TEXT",
    help="What null is in CSV, as written in the file: a word such as NA, '' for nothing, '\"\"' for two quotes. Repeatable. "
    "[default: '' and '\"\"']",
)


def _pair(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Split pairs of names at the `=` that follows a file name; names may contain other `=`."""
    found = []
    for value in values:
        parts = value.split("=")
        cuts = [("=".join(parts[:count]), "=".join(parts[count:])) for count in range(1, len(parts))]
        if not cuts or not all(cuts[0]):
            raise click.BadParameter(f"{value!r} is not REQUESTS=RESULTS.")
        found.append(next((cut for cut in cuts if Path(cut[0]).exists()), cuts[0]))
    return tuple(found)


pairs_option = click.option(
    "--pair",
    "pairs",
    multiple=True,
    metavar="REQUESTS=RESULTS",
    callback=_pair,
    help="RESULTS, a file, a folder or a glob, belong to this file of REQUESTS. Needed where ids are in several files and "
    "nothing else says it. Repeatable.",
)


class FilesOrPairs(click.Command):
    """A command that needs FILEs, or pairs of them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments.

        Raises:
            click.MissingParameter: There is neither a file nor a pair.
        """
        rest = super().parse_args(ctx, args)
        argument = next(each for each in self.params if each.name in ("files", "results"))
        if not ctx.params.get(str(argument.name)) and not ctx.params.get("pairs") and not ctx.resilient_parsing:
            raise click.MissingParameter(ctx=ctx, param=argument)
        return rest


files_or_pairs_argument = click.argument("files", nargs=-1, metavar="FILE...")

force_option = click.option("--force", is_flag=True, help="Replace a file that is there already.")

counts_option = click.option("--json", "as_json", is_flag=True, help="Print the counts, as one JSON object, on standard output.")

workers_option = click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="How many processes decode.  [default: auto]"
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


def line_cap_option(words: str, *, default: int = LINE_CAP) -> Callable[[Command], Command]:
    """Return `--max-line-bytes`, the longest line that is read.

    Args:
        words: What becomes of a longer one, for its help.
        default: The default cap in bytes.
    """
    return click.option(
        "--max-line-bytes",
        type=Size(),
        default=default,
        show_default=f"{default // 1024**2} MiB",
        metavar="SIZE",
        help=words,
    )


def with_options(command: Command, options: Sequence[Callable[[Any], Any]]) -> Command:
    """Give a command options; its help lists them in their order."""
    for option in reversed(options):
        command = option(command)
    return command
