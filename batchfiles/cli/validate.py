"""`batchfiles validate`: checks request files before they are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from batchfiles.cli.limits import limits_options
from batchfiles.cli.options import Command, files_argument, report_json, temp_dir_option
from batchfiles.cli.progress import Progress, print_notes, screen
from batchfiles.layout import visible
from batchfiles.summary import COMMAND_LINE, text_of

if TYPE_CHECKING:
    from batchfiles.limits import Limits


@click.command(cls=Command)
@files_argument
@limits_options
@click.option("--across", is_flag=True, help="Require a custom_id to be unique in all FILEs together, not only in one.")
@click.option(
    "--max-findings",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    metavar="N",
    help="Print the first N findings, grouped by code and path; all are counted.",
)
@click.option("--strict", is_flag=True, help="Treat warnings as errors; info does not change.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as one JSON object instead.")
@temp_dir_option("The folder for temporary files: ids, if they are too many for memory.")
@click.pass_context
def validate(
    context: click.Context,
    files: tuple[str, ...],
    *,
    limits: Limits,
    across: bool,
    max_findings: int,
    strict: bool,
    as_json: bool,
    temp_dir: str | None,
) -> None:
    """Check request files before they are sent.

    FILE is a request file, a folder or a glob of such files, or - for standard input; gzip, bz2 and zstd are decompressed. Each
    file counts as one batch. Result files in a folder are skipped and reported.

    Findings go to standard output, one a line, with the codes of the service. Findings with one code at one path are one line:

    \b
        requests.jsonl:17: error: Missing required parameter: 'method'. at $.method (missing_required_parameter)
        requests.jsonl: error: 300 lines (3, 7, …): Invalid 'body.n': 0 is below the minimum of 1. at $.body.n (invalid_body)

    A table of the files goes to standard error. Errors would be refused by the service, warnings should be checked, and info is
    harmless, such as a last line without a newline.

    \b
    Examples:
        batchfiles validate requests.jsonl
        batchfiles validate parts/ --across --limits azure
        batchfiles validate requests.jsonl --limits ours.toml --max-bytes 100MB
        zcat requests.jsonl.gz | batchfiles validate - --strict
        batchfiles validate requests.jsonl --json | jq .errors

    \b
    Exit codes:
        0   no errors, maybe warnings
        1   errors were found
        2   wrong usage, or only result files
        3   a file can't be read
    """
    from batchfiles.io.sources import expand
    from batchfiles.jobs.validate import validate as check
    from batchfiles.jobs.validate import validate_blocks

    sources = expand(files)
    with Progress("validate", quiet=as_json) as progress:
        report = check(
            *sources,
            limits=limits,
            across=across,
            max_findings=max_findings,
            strict=strict,
            progress=progress.update,
            temp_dir=temp_dir,
        )
    if as_json:
        click.echo(report_json(report))
    else:
        for group in report.groups:
            click.echo(visible(str(group)))
    listed = len(report.findings) if as_json else sum(group.count for group in report.groups)
    print_notes(text_of(validate_blocks(report, COMMAND_LINE, listed=listed), screen(err=True)))
    if not report.ok:
        context.exit(1)
