"""The options that `join` and `export` share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypedDict, TypeVar

import click

from batchfiles.cli.fail_on import Condition, fail_on_option
from batchfiles.cli.options import counts_option, line_cap_option, temp_dir_option, with_options, workers_option
from batchfiles.limits import RESULT_LINE_CAP

__all__ = ["FORMATS", "SharedOptions", "format_option", "table_options"]

FORMATS = ("parquet", "arrow", "arrows", "jsonl", "csv")

format_option = click.option(
    "--format",
    "format_name",
    type=click.Choice(FORMATS),
    help="The format, where the name doesn't say it, as for standard output.",
)

Command = TypeVar("Command", bound=Callable[..., Any])


class SharedOptions(TypedDict):
    """The options that both commands have."""

    output: str
    format_name: str | None
    force: bool
    csv_safe: bool
    table: str | None
    dimensions: int | None
    bodies: str
    parsed: bool
    schema: str | None
    parse_dates: bool
    fail_on: tuple[tuple[Condition, ...], ...]
    report_file: str | None
    as_json: bool
    temp_dir: str | None
    workers: int | None
    max_line_bytes: int


def table_options(counted: Sequence[str]) -> Callable[[Command], Command]:
    """Give a command the shared options.

    Args:
        counted: What its `--fail-on` can speak of.
    """
    options = (
        click.option(
            "-o",
            "--output",
            required=True,
            metavar="FILE",
            help="Where the table goes: .parquet, .arrow, .arrows, .jsonl or .csv (these two also .gz or .zst); a folder, or a "
            "name without a suffix, for Parquet parts; - for standard output.",
        ),
        format_option,
        click.option(
            "--force",
            is_flag=True,
            help="Replace files that are there already; a folder only if it holds nothing but Parquet parts.",
        ),
        click.option("--csv-safe", is_flag=True, help="Put ' before CSV cells that a spreadsheet would run as formulas."),
        click.option(
            "--table",
            type=click.Choice(["requests", "embeddings"]),
            help="A row for each request, or for each vector.  [default: what the files ask for]",
        ),
        click.option(
            "--dimensions",
            type=click.IntRange(min=1),
            metavar="N",
            help="The length of every vector: another one is an error, and Arrow gets a fixed-size list.",
        ),
        click.option(
            "--bodies",
            type=click.Choice(["auto", "all", "none"]),
            default="auto",
            show_default=True,
            help="The response bodies to keep: auto keeps those with something that no column has.",
        ),
        click.option(
            "--parsed",
            is_flag=True,
            help="Add the columns parsed, the answer typed by its JSON Schema, and parse_error, why it does not fit.",
        ),
        click.option(
            "--schema",
            metavar="FILE",
            help="The JSON Schema for --parsed: a file, or module:Class for a pydantic model.  [default: the first one that "
            "a request asks for]",
        ),
        click.option(
            "--parse-dates",
            is_flag=True,
            help="With --parsed: make dates and times of texts whose format is date or date-time.",
        ),
        fail_on_option(counted),
        click.option("--report", "report_file", metavar="FILE", help="Write the counts, as one JSON object, to a file."),
        counts_option,
        temp_dir_option("Where temporary files go: copies of compressed files and of standard input, and an index of the ids."),
        workers_option,
        line_cap_option("A longer line counts as one that can't be read.", default=RESULT_LINE_CAP),
    )

    def decorate(command: Command) -> Command:
        return with_options(command, options)

    return decorate
