"""`batchfiles edit`: changes values in every line."""

from __future__ import annotations

from typing import Literal

import click

from batchfiles.cli.options import (
    EditingCommand,
    check_targets,
    counts_option,
    edit_options,
    edits_of,
    files_argument,
    line_cap_option,
    overwrite_option,
    refuse_two_on_stdout,
    report_json,
    temp_dir_option,
)
from batchfiles.cli.progress import Progress, print_notes, screen
from batchfiles.io.target import Target
from batchfiles.summary import COMMAND_LINE, text_of


@click.command(cls=EditingCommand)
@files_argument
@click.option("-o", "--output", required=True, metavar="FILE", help="The output file, compressed for .gz and .zst; or -.")
@edit_options
@click.option("--full", metavar="URL", help="Convert short lines to full ones: add method POST and this url if missing.")
@click.option("--short", is_flag=True, help="Convert full lines to short ones: remove method and url.")
@click.option(
    "--bad-lines",
    type=click.Choice(["refuse", "copy", "drop"]),
    default="refuse",
    show_default=True,
    help="Lines that can't be changed: write no file, copy them unchanged, or leave them out.",
)
@overwrite_option
@temp_dir_option("The folder for temporary files, such as a remote output until it is complete.")
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
    """Change values in every line, and no other byte.

    FILE is a request file, a folder or a glob of such files, or - for standard input; gzip, bz2 and zstd are decompressed.
    Several FILEs are concatenated, and ids are not compared; use merge for that.

    PATH is the path of a value: body.model, body.messages[0].content, or body["a key with . or = in it"]. A new key is added at
    the end of its object, missing objects in the path are created, and a repeated key is set at each place. VALUE is JSON if it
    is valid JSON, written exactly as typed (1E2, 1e400), else a string. Changes are made in the order of the options.

    \b
    Examples:
        batchfiles edit requests.jsonl -o mini.jsonl --set body.model=gpt-4o-mini --unset body.seed
        batchfiles edit azure.jsonl -o openai.jsonl --set url=/v1/chat/completions
        batchfiles edit short.jsonl -o full.jsonl --full /v1/chat/completions --set body.model=gpt-4o-mini
        batchfiles edit requests.jsonl -o - --set-string body.user=42 | head -1

    \b
    Exit codes:
        0   the file was written
        1   the file was written, but lines that can't be changed were copied or left out (--bad-lines)
        2   wrong usage, a result file, or an output that exists
        3   failed: a line can't be changed, a file can't be read, the disk is full
    """
    from batchfiles.io.sources import expand
    from batchfiles.jobs.edit import edit as edit_files
    from batchfiles.jobs.edit import edit_blocks

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
    print_notes(text_of(edit_blocks(report, COMMAND_LINE, output=output), screen(err=True)))
    if report.bad_lines:
        context.exit(1)
