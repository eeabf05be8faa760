"""The options that several commands have; where their help differs, the command says it.

The options that say what to change in every line, in whatever order they come.

`--fail-on`: what must not have happened, if the exit code is to be 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from batchfiles.findings import instead_of
from batchfiles.jsontext.edits import Edit
from batchfiles.limits import LINE_CAP
from batchfiles.limits.profile import bytes_of

__all__ = [
    "Condition",
    "EditingCommand",
    "FailOn",
    "FilesOrPairs",
    "Size",
    "counts_option",
    "csv_null_option",
    "edit_options",
    "edits_of",
    "fail_on_option",
    "failures",
    "files_argument",
    "files_or_pairs_argument",
    "inputs_option",
    "line_cap_option",
    "overwrite_option",
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

overwrite_option = click.option("--force", "overwrite", is_flag=True, help="Replace a file that is there already.")

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


Function = TypeVar("Function", bound=Callable[..., Any])

NAMES = ("set_", "set_string", "unset")
ORDER = "batchfiles.jsontext.edits.order"
"""Where a context keeps the names of these options as they came: click sorts the values by option."""


class EditingCommand(click.Command):
    """A command that knows in which order `--set`, `--set-string` and `--unset` came."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Note the order, and parse as always."""
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        ctx.meta[ORDER] = [parameter.name for parameter in order if parameter.name in NAMES]
        return super().parse_args(ctx, args)


def edit_options(command: Function) -> Function:
    """Give a command the options; it must be an `EditingCommand`."""
    options = (
        click.option(
            "--set",
            "set_",
            multiple=True,
            metavar="PATH=VALUE",
            help="Set a value, such as body.max_tokens=4000: JSON, or a string if it is none. Repeatable.",
        ),
        click.option(
            "--set-string",
            multiple=True,
            metavar="PATH=VALUE",
            help="Set a string, whatever it looks like, such as body.user=42. Repeatable.",
        ),
        click.option("--unset", multiple=True, metavar="PATH", help="Take a value away, where there is one. Repeatable."),
    )
    return with_options(command, options)


def edits_of(context: click.Context, values: dict[str, tuple[str, ...]]) -> list[Edit]:
    """Return the edits in the order of the command line.

    Args:
        context: Of the command.
        values: What was given to each of the three options, by their names in Python.

    Raises:
        click.UsageError: A path or a value is none.
    """
    waiting = {name: iter(given) for name, given in values.items()}
    found = []
    for name in context.meta[ORDER]:
        text = next(waiting[name])
        try:
            found.append(Edit.unset(text) if name == "unset" else Edit.parse(text, as_string=name == "set_string"))
        except ValueError as error:
            raise click.UsageError(f"--{name.strip('_').replace('_', '-')}: {error}.") from None
    return found


CONDITION = re.compile(r"\s*(?P<name>\w+)\s*(?:>\s*(?P<limit>\d+(?:\.\d+)?)\s*(?P<percent>%)?\s*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that must not have happened, or not so often.

    Attributes:
        text: As it was written.
        name: What is counted.
        limit: How many are still fine; a fraction, so that 0.1% of 1,000 is 1 and not a little more.
        percent: Whether the limit is a share of all.
    """

    text: str
    name: str
    limit: Fraction = Fraction(0)
    percent: bool = False

    def holds(self, count: int, total: int) -> bool:
        """Return whether there are more than the limit, of so many in all."""
        return count * 100 > self.limit * total if self.percent else count > self.limit


if TYPE_CHECKING:
    Base = click.ParamType[tuple[Condition, ...]]
else:  # old releases of click have no brackets here
    Base = click.ParamType


class FailOn(Base):
    """A list of conditions: `missing,unknown,'failed>1%'`.

    Args:
        names: What can be counted.
    """

    name = "conditions"

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def convert(
        self, value: str | tuple[Condition, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Condition, ...]:
        """Read the list, or say what is wrong with it."""
        if not isinstance(value, str):
            return value
        return tuple(self._condition(part, param, ctx) for part in value.split(","))

    def _condition(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> Condition:
        match = CONDITION.fullmatch(text)
        if match is None:
            self.fail(f"{text.strip()!r} is no condition: write NAME, 'NAME>COUNT' or 'NAME>PERCENT%'.", param, ctx)
        if match["name"] not in self._names:
            self.fail(f"{match['name']!r} is not counted here{instead_of(match['name'], self._names)}", param, ctx)
        return Condition(text.strip(), match["name"], Fraction(match["limit"] or 0), match["percent"] is not None)


def fail_on_option(counted: Sequence[str]) -> Callable[[Any], Any]:
    """Return the option; it may be repeated, so that its value is a tuple of lists.

    Args:
        counted: The names of what the command counts.
    """
    return click.option(
        "--fail-on",
        type=FailOn(counted),
        multiple=True,
        metavar="LIST",
        help="Exit with 1 if there are any, or more than that: malformed, 'failed>10', 'failed>1%', with commas between. The "
        f"names: {', '.join(counted)}.",
    )


def failures(lists: Iterable[Iterable[Condition]], counts: Mapping[str, int], total: int, noun: str) -> list[str]:
    """Say which conditions came true.

    Args:
        lists: The value of the option.
        counts: What was counted, by name.
        total: What a percentage is a part of.
        noun: What that is: requests, or results.
    """
    held = [condition for some in lists for condition in some if condition.holds(counts[condition.name], total)]
    return [f"{condition.text}: {counts[condition.name]:,} of {total:,} {noun}" for condition in held]
