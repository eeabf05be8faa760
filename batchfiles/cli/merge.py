"""`batchfiles merge`: the lines of several files in one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import click

from batchfiles.cli.options import files_argument, line_cap_option, overwrite_option, temp_dir_option
from batchfiles.cli.outputs import check_targets, refuse_two_on_stdout, report_json, words_of_lines
from batchfiles.cli.progress import Progress
from batchfiles.cli.text import plural, size, visible
from batchfiles.cli.validate import not_read_lines
from batchfiles.io.target import Target
from batchfiles.limits import RESULT_LINE_CAP
from batchfiles.workers.worker import import_pyarrow_for

if TYPE_CHECKING:
    from batchfiles.jobs.merge import MergeReport

__all__ = ["merge"]


@click.command(short_help="Put the lines of several files into one.")
@files_argument
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="The file to write, compressed if its name ends in .gz, .bz2 or .zst; - for standard output.",
)
@click.option(
    "--on-duplicate",
    type=click.Choice(["error", "first", "last", "keep"]),
    default="error",
    show_default=True,
    help="A custom_id that stands twice: stop and name both places, keep the first or the last line, or keep all and don't look.",
)
@overwrite_option
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@temp_dir_option("Where temporary files go: ids that are compared at the end, and copies of what can't be read twice.")
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
    """Put the lines of several files into one, byte for byte, in the order of the files.

    FILE is a file of requests, or else all are files of results; or a folder or a glob of such files, or - for standard input;
    gzip, bz2 and zstd are read too. A campaign folder means its parts: merging them gives back the file that was split.

    A custom_id may stand only once in a batch, so one that stands twice is refused, unless --on-duplicate says what to do.

    \b
    Examples:
        batchfiles merge monday.jsonl tuesday.jsonl -o both.jsonl
        batchfiles merge campaign/ -o requests.jsonl
        batchfiles merge 'downloads/*_output.jsonl' -o results.jsonl.zst --on-duplicate last
        batchfiles merge campaign/ -o - | wc -l

    \b
    Exit codes:
        0   the file is there
        2   wrong usage, requests and results together, or a file to write that exists
        3   it could not be done: a custom_id stands twice, a file can't be read, the disk is full
    """  # noqa: D301 - click wants its \b
    refuse_two_on_stdout(output, as_json=as_json)
    import_pyarrow_for((*files, output))
    from batchfiles.campaign.folder import request_sources
    from batchfiles.jobs.merge import merge as merge_files

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
    for line in summary(report):
        click.echo(line, err=True)


def summary(report: MergeReport) -> Iterator[str]:
    """Yield the lines of the summary: what was left out, and how much there is."""
    yield from words_of_lines(report.blank_lines, report.findings)
    if report.repeated_inputs:
        yield f"{plural(report.repeated_inputs, 'line')} left out: the same request, byte for byte, is in another file"
    elif report.dropped:
        yield f"{plural(report.dropped, 'line')} left out, whose custom_id is in another line too"
    if report.unreadable:
        yield f"{plural(report.unreadable, 'line')} without a custom_id that can be read: copied, and compared with nothing"
    yield from not_read_lines(report.not_read, report.examples)
    made = f"{plural(report.lines, 'line')} of {plural(len(report.files), 'file')}, {size(report.bytes)}"
    yield f"{visible(report.output)}: {made}"
