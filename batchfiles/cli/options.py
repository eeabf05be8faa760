"""Options that several commands share, `--set` and its relatives in their order, and `--fail-on`.

Also the checks of output files, before any work, and reports as JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click
from click.shell_completion import CompletionItem

from batchfiles.cli.completion import with_completion, words_beginning
from batchfiles.cli.progress import COLOR, log_on_stderr
from batchfiles.findings import COUNTS, instead_of, plural
from batchfiles.io.atomic import IsOwnFile, no_file
from batchfiles.io.remote_path import Place, is_within
from batchfiles.io.target import STDOUT, Target
from batchfiles.jsontext.edits import Edit
from batchfiles.limits import LINE_CAP
from batchfiles.limits.profile import bytes_of

if TYPE_CHECKING:
    from batchfiles.io.sources import Source

__all__ = [
    "STDOUT",
    "Command",
    "Condition",
    "EditingCommand",
    "FilesOrPairs",
    "Size",
    "check_targets",
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
    "refuse_two_on_stdout",
    "report_json",
    "temp_dir_option",
    "with_options",
    "workers_option",
]

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

files_argument = click.argument("files", nargs=-1, required=True, metavar="FILE...")

inputs_option = click.option(
    "-i", "--input", "inputs", multiple=True, metavar="INPUT", help="A request file; then FILEs must be results. Repeatable."
)

csv_null_option = click.option(
    "--csv-null",
    "csv_nulls",
    multiple=True,
    metavar="TEXT",
    help="A CSV cell that means null, as written in the file: NA, '' for an empty cell, '\"\"' for two quotes. Repeatable. "
    "[default: '' and '\"\"']",
)


def _pair(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Split each pair at the `=` after the name of an existing file; names may contain other `=`."""
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
    help="RESULTS (a file, folder or glob) belong to this request file. Needed if request files share ids and it is ambiguous. "
    "Repeatable.",
)


QUIET, VERBOSE, COLOR_OPTION = "quiet", "verbose", "color"


def common_options() -> list[click.Option]:
    """Return the options of all commands."""
    return [
        click.Option(["-q", "--quiet"], is_flag=True, help="Print only errors on standard error: no summary and no progress."),
        click.Option(["-v", "--verbose"], is_flag=True, help="Print each step on standard error."),
        click.Option(
            ["--color"],
            type=click.Choice(COLOR),
            default="auto",
            show_default=True,
            metavar="WHEN",
            help="auto, always or never use colors; auto means on a terminal. NO_COLOR and FORCE_COLOR are respected.",
        ),
    ]


class Command(click.Command):
    """A command with the options that all commands have: `-q`, `-v` and `--color`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - those of click
        super().__init__(*arguments, **options)
        with_completion(self.params)
        self.params += common_options()

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run the command with its log and its colors."""
        quiet, verbose, color = (ctx.params.pop(name) for name in (QUIET, VERBOSE, COLOR_OPTION))
        if quiet and verbose:
            raise click.UsageError("-q and -v exclude each other: use one of them.", ctx)
        with log_on_stderr(quiet=quiet, verbose=verbose, color=color):
            return super().invoke(ctx)


class FilesOrPairs(Command):
    """A command that needs FILEs or --pair."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, and refuse a call with neither."""
        rest = super().parse_args(ctx, args)
        argument = next(each for each in self.params if each.name in ("files", "results"))
        if not ctx.params.get(str(argument.name)) and not ctx.params.get("pairs") and not ctx.resilient_parsing:
            raise click.MissingParameter(ctx=ctx, param=argument)
        return rest


files_or_pairs_argument = click.argument("files", nargs=-1, metavar="FILE...")

overwrite_option = click.option("--force", "overwrite", is_flag=True, help="Replace an existing file.")

counts_option = click.option("--json", "as_json", is_flag=True, help="Print the counts as one JSON object.")

workers_option = click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Worker processes, at most 8 for each core.  [default: auto]"
)


if TYPE_CHECKING:
    SizeBase = click.ParamType[int]
else:  # not generic in old releases of click
    SizeBase = click.ParamType


class Size(SizeBase):
    """A number of bytes above 0, with or without a unit."""

    name = "size"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number of bytes."""
        if isinstance(value, int):
            return value
        try:
            return bytes_of(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def temp_dir_option(words: str) -> Callable[[Decorated], Decorated]:
    """Return `--temp-dir`, with its help."""
    return click.option("--temp-dir", type=click.Path(exists=True, file_okay=False), metavar="FOLDER", help=words)


def line_cap_option(words: str, *, default: int = LINE_CAP) -> Callable[[Decorated], Decorated]:
    """Return `--max-line-bytes`, with its help and its default in bytes."""
    shown = f"{default // 1024**2} MiB"
    return click.option("--max-line-bytes", type=Size(), default=default, show_default=shown, metavar="SIZE", help=words)


def with_options(command: Decorated, options: Sequence[Callable[[Any], Any]]) -> Decorated:
    """Add options to a command; its help lists them in this order."""
    for option in reversed(options):
        command = option(command)
    return command


NAMES = ("set_", "set_string", "unset")
ORDER = "batchfiles.jsontext.edits.order"
"""The key in a context for the names of these options in their order: click groups the values by option."""


class EditingCommand(Command):
    """A command that keeps the order of `--set`, `--set-string` and `--unset`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the order, and parse the arguments."""
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        ctx.meta[ORDER] = [parameter.name for parameter in order if parameter.name in NAMES]
        return super().parse_args(ctx, args)


def edit_options(command: Decorated) -> Decorated:
    """Add `--set`, `--set-string` and `--unset` to a command, which must be an `EditingCommand`."""
    options = (
        click.option(
            "--set",
            "set_",
            multiple=True,
            metavar="PATH=VALUE",
            help="Set a value, such as body.max_tokens=4000: JSON, or a string if it is not valid JSON. Repeatable.",
        ),
        click.option(
            "--set-string",
            multiple=True,
            metavar="PATH=VALUE",
            help="Set a string, even if it is valid JSON, such as body.user=42. Repeatable.",
        ),
        click.option("--unset", multiple=True, metavar="PATH", help="Remove a value if it exists. Repeatable."),
    )
    return with_options(command, options)


def edits_of(context: click.Context, values: dict[str, tuple[str, ...]]) -> list[Edit]:
    """Return the edits in the order of the command line.

    Args:
        context: The context of the command.
        values: The values of the three options, by parameter name.

    Raises:
        click.UsageError: A path or a value is invalid.
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


OTHER_NOUNS = ("path", "result", "text", "vector")
"""What is counted besides requests: 3 of 16 requests would be wrong for 3 paths."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of `--fail-on`: a count above a limit.

    Attributes:
        text: The condition as written.
        name: The name of the count.
        limit: The highest allowed count; a fraction, so that 0.1% of 1,000 is exactly 1.
        percent: Whether the limit is a percentage of the total.
    """

    text: str
    name: str
    limit: Fraction = Fraction(0)
    percent: bool = False

    def holds(self, count: int, total: int) -> bool:
        """Return whether the count is above the limit."""
        return count * 100 > self.limit * total if self.percent else count > self.limit


if TYPE_CHECKING:
    Base = click.ParamType[tuple[Condition, ...]]
else:  # not generic in old releases of click
    Base = click.ParamType


class FailOn(Base):
    """A list of conditions: `missing,unknown,'failed>1%'`, on these names."""

    name = "conditions"

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def convert(
        self, value: str | tuple[Condition, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Condition, ...]:
        """Return the conditions."""
        if not isinstance(value, str):
            return value
        return tuple(self._condition(part, param, ctx) for part in value.split(","))

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Return the counts that complete the last condition."""
        return words_beginning(self._names, incomplete)

    def _condition(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> Condition:
        match = CONDITION.fullmatch(text)
        if match is None:
            self.fail(f"{text.strip()!r} is not a condition: use NAME, 'NAME>COUNT' or 'NAME>PERCENT%'.", param, ctx)
        if match["name"] not in self._names:
            self.fail(f"{match['name']!r} is not a count of this command{instead_of(match['name'], self._names)}", param, ctx)
        return Condition(text.strip(), match["name"], Fraction(match["limit"] or 0), match["percent"] is not None)


def fail_on_option(counted: Sequence[str]) -> Callable[[Any], Any]:
    """Return `--fail-on` for these counts; it is repeatable, so its value is a tuple of lists."""
    return click.option(
        "--fail-on",
        type=FailOn(counted),
        multiple=True,
        metavar="LIST",
        help="Exit with 1 if a count is above 0 or above a limit: malformed, 'failed>10', 'failed>1%', separated by commas. "
        f"Counts: {', '.join(counted)}.",
    )


def failures(lists: Iterable[Iterable[Condition]], counts: Mapping[str, int], total: int, noun: str) -> list[str]:
    """Return a line for each condition that is true; `total` counts the noun, requests or results."""
    true = [condition for some in lists for condition in some if condition.holds(counts[condition.name], total)]
    return [f"{condition.text}: {_counted(condition, counts[condition.name], total, noun)}" for condition in true]


def _counted(condition: Condition, count: int, total: int, noun: str) -> str:
    """Return a count as a part of the total, or with its own noun if it counts something else."""
    own = COUNTS[condition.name].noun if condition.name in COUNTS else None
    if own in OTHER_NOUNS and f"{own}s" != noun and not condition.percent:
        return plural(count, own)
    return f"{count:,} of {total:,} {noun}"


def check_targets(
    targets: Iterable[tuple[str, Target | None]],
    sources: Sequence[Source],
    *,
    overwrite: bool,
    ours: IsOwnFile = no_file,
    resumed: Target | None = None,
) -> None:
    """Check that all outputs can be written.

    Args:
        targets: Each option with its target; None if not given.
        sources: The input files.
        overwrite: Whether existing files may be replaced.
        ours: Which files in a folder may be deleted with it; by default none.
        resumed: The target that is continued.

    Raises:
        click.UsageError: Two targets are the same, or a target is an input file.
        OutputExistsError: A target exists and `overwrite` is not set.
        FileError: The parent folder doesn't exist, a folder has the name of the file, or it contains other files.
    """
    from batchfiles.inputs.file_mistakes import is_found_table

    read = {source.key: source for source in sources}
    folders = {source.key.parent for source in sources if source.found and source.key is not None}
    taken: dict[Place, str] = {}
    for option, target in targets:
        if target is None or (key := target.key) is None:
            continue
        if key in taken:
            raise click.UsageError(f"{taken[key]} and {option} name the same file, {target.place}.")
        if key in read and not is_found_table(read[key]):
            raise click.UsageError(f"{option} names an input file, {target.place}: choose another name.")
        if option == "--rejects" and key.parent in folders:
            raise click.UsageError(f"{option} is in a folder that is read, where its lines count again: choose another folder.")
        taken[key] = option
        inside = (source for source in sources if target.is_folder and source.key is not None and is_within(source.key, key))
        if (source := next(inside, None)) is not None:
            raise click.UsageError(f"{option} names the folder of an input file, {source.name}: choose another one.")
        target.check(overwrite=overwrite or target is resumed, ours=ours)


def refuse_two_on_stdout(output: str, *, as_json: bool) -> None:
    """Refuse `-o -` together with `--json`."""
    if output == STDOUT and as_json:
        raise click.UsageError("-o - and --json both write to standard output.")


class Report(Protocol):
    """The report of a job."""

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""


def report_json(report: Report) -> str:
    """Return a report as one JSON object, in ASCII: file names may not be valid UTF-8 or may contain control characters."""
    return json.dumps(report.to_dict(), indent=2)
