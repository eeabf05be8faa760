"""`batchfiles report`: one HTML file about a batch, for people."""

from __future__ import annotations

import click

from batchfiles.cli.options import (
    FilesOrPairs,
    files_or_pairs_argument,
    inputs_option,
    line_cap_option,
    overwrite_option,
    pairs_option,
    temp_dir_option,
    workers_option,
)
from batchfiles.cli.progress import Progress
from batchfiles.io.arrow import import_pyarrow
from batchfiles.io.target import STDOUT, output_name
from batchfiles.layout import size, visible
from batchfiles.limits import RESULT_LINE_CAP


@click.command(cls=FilesOrPairs)
@files_or_pairs_argument
@inputs_option
@pairs_option
@click.option("-o", "--output", required=True, metavar="FILE", help="The HTML file; - for standard output.")
@click.option(
    "--prices",
    multiple=True,
    metavar="FILE",
    help="A TOML file with prices per million tokens, as for stats; or 'genai' for the package genai-prices. Repeatable: a file "
    "takes precedence.",
)
@click.option("--title", metavar="TEXT", help="The title of the page.  [default: the names of the files]")
@click.option(
    "-n",
    "--rows",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    metavar="N",
    help="How many failing rows to show, as far as they fit into 300 kB.",
)
@click.option(
    "--no-texts",
    is_flag=True,
    help="Leave out what users, models and services wrote: ids, error messages, requests and answers.",
)
@overwrite_option
@temp_dir_option("The folder for temporary files.")
@workers_option
@line_cap_option("Longer lines count as malformed.", default=RESULT_LINE_CAP)
def report(
    files: tuple[str, ...],
    *,
    inputs: tuple[str, ...],
    pairs: tuple[tuple[str, str], ...],
    output: str,
    prices: tuple[str, ...],
    title: str | None,
    rows: int,
    no_texts: bool,
    overwrite: bool,
    temp_dir: str | None,
    workers: int | None,
    max_line_bytes: int,
) -> None:
    """Write one HTML file that shows a batch: outcomes, errors, tokens, costs and failing rows.

    FILE is a request file, output file or error file, a folder or a glob of such files, a campaign folder, or a table that join
    wrote (.parquet, .arrow, .csv, .jsonl, or a folder of parts). Only the files show which results belong to no request.

    The page begins with a verdict in words. It has no script and loads nothing, so it can be sent by mail and opened offline.
    The same input gives the same bytes.

    Needs vl-convert-python and jinja2 (the extra 'report').

    \b
    Examples:
        batchfiles report campaign/ -o report.html
        batchfiles report requests.jsonl batch_output.jsonl batch_error.jsonl -o report.html --prices prices.toml
        batchfiles report results.parquet -o report.html --no-texts

    \b
    Exit codes:
        0   the page was written; failed requests don't change the exit code
        2   wrong usage, files that don't belong together, or an output that exists
        3   failed: a file can't be read, a package is not installed, the disk is full
    """
    import_pyarrow()
    from batchfiles.jobs.report.report import report as write_report

    with Progress("report") as progress:
        found = write_report(
            *files,
            output=output,
            inputs=inputs,
            pairs=pairs,
            prices=list(prices) or None,
            texts=not no_texts,
            rows=rows,
            title=title,
            overwrite=overwrite,
            max_line_bytes=max_line_bytes,
            temp_dir=temp_dir,
            workers=workers,
            progress=progress.update,
        )
    to_stderr = output == STDOUT
    click.echo(visible(found.verdict), err=to_stderr)
    click.echo(f"{output_name(output)}: {size(found.bytes)}", err=to_stderr)
