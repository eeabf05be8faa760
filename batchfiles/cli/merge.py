"""`batchfiles merge`: merges the lines of several files into one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from batchfiles.cli.options import (
    Command,
    check_targets,
    files_argument,
    line_cap_option,
    overwrite_option,
    refuse_two_on_stdout,
    report_json,
    temp_dir_option,
)
from batchfiles.cli.progress import Progress, print_notes, screen
from batchfiles.io.compression import import_pyarrow_for
from batchfiles.io.target import Target
from batchfiles.limits import RESULT_LINE_CAP
from batchfiles.summary import text_of

if TYPE_CHECKING:
    pass


@click.command(cls=Command)
@files_argument
@click.option("-o", "--output", required=True, metavar="FILE", help="The output file, compressed for .gz, .bz2 and .zst; or -.")
@click.option(
    "--on-duplicate",
    type=click.Choice(["error", "first", "last", "keep"]),
    default="error",
    show_default=True,
    help="A repeated custom_id: stop with an error, keep the first or the last line, or keep all without checking.",
)
@overwrite_option
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@temp_dir_option("The folder for temporary files: ids to compare, and copies of streams.")
@line_cap_option("The longest line that is copied; a longer one is an error.", default=RESULT_LINE_CAP)
def merge(
    files: tuple[str, ...],
    *,
    output: str,
    on_duplicate: Literal["error", "first", "last", "keep"],
    overwrite: bool,
    as_json: bool,
    temp_dir: str | None,
    max_line_bytes: int,
) -> None:
    """Merge the lines of several files into one file, byte for byte, in the order of the files.

    The FILEs are either all request files or all result files. Folders, globs, and - for standard input are accepted; gzip, bz2
    and zstd are decompressed. A campaign folder means its parts: merging them restores the file that was split.

    A custom_id may be used only once in a batch, so a repeated one is an error by default: see --on-duplicate.

    \b
    Examples:
        batchfiles merge monday.jsonl tuesday.jsonl -o both.jsonl
        batchfiles merge campaign/ -o requests.jsonl
        batchfiles merge 'downloads/*_output.jsonl' -o results.jsonl.zst --on-duplicate last
        batchfiles merge campaign/ -o - | wc -l

    \b
    Exit codes:
        0   the file was written
        2   wrong usage, requests and results together, or an output that exists
        3   failed: a repeated custom_id, a file that can't be read, a full disk
    """
    refuse_two_on_stdout(output, as_json=as_json)
    import_pyarrow_for((*files, output))
    from batchfiles.campaign import request_sources
    from batchfiles.jobs.merge import merge as merge_files
    from batchfiles.jobs.merge import merge_blocks

    sources = request_sources(files)
    target = Target.at(output, folder=False)
    check_targets([("-o", target)], sources, overwrite=overwrite)
    with Progress("merge", quiet=as_json) as progress:
        report = merge_files(
            *sources,
            output=target,
            on_duplicate=on_duplicate,
            overwrite=overwrite,
            max_line_bytes=max_line_bytes,
            temp_dir=temp_dir,
            progress=progress.update,
        )
    if as_json:
        click.echo(report_json(report))
    print_notes(text_of(merge_blocks(report), screen(err=True)))
