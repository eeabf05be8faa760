"""`batchfiles edit`: the same change to every line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from batchfiles.cli.options import (
    EditingCommand,
    counts_option,
    edit_options,
    edits_of,
    files_argument,
    line_cap_option,
    overwrite_option,
    temp_dir_option,
)
from batchfiles.cli.outputs import check_targets, first_findings, place_of, refuse_two_on_stdout, report_json, words_of_lines
from batchfiles.cli.progress import Progress
from batchfiles.cli.text import plural, size
from batchfiles.cli.validate import not_read_lines
from batchfiles.io.target import Target

if TYPE_CHECKING:
    from batchfiles.jobs.edit import EditReport

__all__ = ["edit"]


@click.command(cls=EditingCommand, short_help="Change the same value in every line, and no other byte.")
@files_argument
@click.option(
    "-o", "--output", required=True, metavar="FILE", help="The file to write, compressed if its name says so (.gz, .zst); or -."
)
@edit_options
@click.option("--full", metavar="URL", help="Make full lines of short ones: add method POST and this url where a line has none.")
@click.option("--short", is_flag=True, help="Make short lines of full ones: take method and url away.")
@click.option(
    "--bad-lines",
    type=click.Choice(["refuse", "copy", "drop"]),
    default="refuse",
    show_default=True,
    help="What to do with a line that can't be changed: write nothing at all, copy it as it is, or leave it out.",
)
@overwrite_option
@temp_dir_option("Where a remote output waits until it is whole.")
@counts_option
@line_cap_option("A longer line is refused.")
@click.pass_context
def edit(
    context: click.Context,
    files: tuple[str, ...],
    *,
    output: str,
    set_: tuple[str, ...],
    set_string: tuple[str, ...],
    unset: tuple[str, ...],
    full: str | None,
    short: bool,
    bad_lines: Literal["refuse", "copy", "drop"],
    overwrite: bool,
    temp_dir: str | None,
    as_json: bool,
    max_line_bytes: int,
) -> None:
    """Change the same value in every line, and no other byte.

    FILE is a request file; or a folder or a glob of them, or - for standard input. gzip, bz2 and zstd are read too. Several FILEs
    are written one behind the other, and ids are not compared: that is what merge does.

    PATH leads to a value: body.model, body.messages[0].content, or body["a key with . or = in it"]. A new key goes last in its
    object, objects on the way to it are made, and a key that comes twice is set twice. VALUE is JSON if it parses and is written
    as you typed it, such as 1E2 or 1e400; else it is a string. Changes are made in the order in which you name them.

    \b
    Examples:
        batchfiles edit requests.jsonl -o mini.jsonl --set body.model=gpt-4o-mini --unset body.seed
        batchfiles edit azure.jsonl -o openai.jsonl --set url=/v1/chat/completions
        batchfiles edit short.jsonl -o full.jsonl --full /v1/chat/completions --set body.model=gpt-4o-mini
        batchfiles edit requests.jsonl -o - --set-string body.user=42 | head -1

    \b
    Exit codes:
        0   the file is there
        1   the file is there, but lines that can't be changed were copied or left out (--bad-lines)
        2   wrong usage, a file of results, or a file to write that exists
        3   it could not be done: a line can't be changed, a file can't be read, the disk is full
    """  # noqa: D301 - click wants its \b
    from batchfiles.io.sources import expand
    from batchfiles.jobs.edit import edit as edit_files

    refuse_two_on_stdout(output, as_json=as_json)
    edits = edits_of(context, {"set_": set_, "set_string": set_string, "unset": unset})
    sources = expand(files)
    target = Target.at(output, folder=False)
    check_targets([("-o", target)], sources, overwrite=overwrite)
    with Progress("edit", quiet=as_json) as progress:
        report = edit_files(
            *sources,
            output=target,
            edits=edits,
            full=full,
            short=short,
            bad_lines=bad_lines,
            overwrite=overwrite,
            max_line_bytes=max_line_bytes,
            temp_dir=temp_dir,
            progress=progress.update,
        )
    if as_json:
        click.echo(report_json(report))
    click.echo("\n".join(summary(report, output)), err=True)
    if report.bad_lines:
        context.exit(1)


def summary(report: EditReport, output: str) -> list[str]:
    """Return the words about an edit."""
    lines = [*first_findings(report.findings), *words_of_lines(report.blank_lines)]
    lines += not_read_lines(report.not_read, report.examples)
    if report.bad_lines:
        what = "left out" if report.dropped else "copied as they are"
        lines.append(f"{plural(report.bad_lines, 'line')} that can't be changed, {what}")
    written = report.lines - report.dropped
    words = f"{report.changed:,} changed, {report.unchanged:,} copied as they were"
    lines.append(f"{place_of(output)}: {plural(written, 'line')}, {words}, {size(report.bytes)}")
    return lines
