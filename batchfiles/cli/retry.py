"""`batchfiles retry`: writes the requests that are worth sending again."""

from __future__ import annotations

import click

from batchfiles.cli.completion import WordList
from batchfiles.cli.options import (
    Condition,
    EditingCommand,
    FilesOrPairs,
    counts_option,
    edit_options,
    edits_of,
    fail_on_option,
    failures,
    files_or_pairs_argument,
    inputs_option,
    line_cap_option,
    pairs_option,
    refuse_two_on_stdout,
    report_json,
    temp_dir_option,
    workers_option,
)
from batchfiles.cli.progress import Progress, print_notes, screen
from batchfiles.findings import counts_of
from batchfiles.io.arrow import import_pyarrow
from batchfiles.io.compression import import_pyarrow_for
from batchfiles.limits import RESULT_LINE_CAP
from batchfiles.outcome import OUTCOMES
from batchfiles.summary import COMMAND_LINE, text_of

COUNTED = (*OUTCOMES, "written", "unknown_results", "unknown_ids", *counts_of("retry"))


SELECTED = (*(outcome for outcome in OUTCOMES if outcome != "succeeded"), "5xx", "429", "parse_error")
"""The words of `--only` that a shell completes."""


class RetryCommand(FilesOrPairs, EditingCommand):
    """A command that needs FILEs or --pair, and keeps the order of edits."""


@click.command(cls=RetryCommand)
@files_or_pairs_argument
@inputs_option
@pairs_option
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="The output file, compressed for .gz and .zst; - for standard output; or the folder of the request files, for a retry "
    "file next to each. A name without a suffix means a folder.",
)
@click.option(
    "--only",
    type=WordList(SELECTED),
    multiple=True,
    metavar="LIST",
    help="Select these instead of the retryable ones: outcomes, statuses (429, 5xx), error codes, parse_error; with commas.",
)
@click.option(
    "--except",
    "except_",
    type=WordList(SELECTED),
    multiple=True,
    metavar="LIST",
    help="Leave these out; values as for --only.",
)
@click.option("--all", "everything", is_flag=True, help="Select every request that did not succeed.")
@click.option("--ids", metavar="FILE", help="Select the requests with these custom_ids, one a line, with any outcome; or -.")
@edit_options
@click.option(
    "--force", "overwrite", is_flag=True, help="Replace existing files; also retry parts that may be in an unfinished batch."
)
@fail_on_option(COUNTED)
@counts_option
@temp_dir_option("The folder for temporary files.")
@workers_option
@line_cap_option("Longer lines count as malformed.", default=RESULT_LINE_CAP)
@click.pass_context
def retry(
    context: click.Context,
    files: tuple[str, ...],
    *,
    inputs: tuple[str, ...],
    pairs: tuple[tuple[str, str], ...],
    output: str,
    only: tuple[str, ...],
    except_: tuple[str, ...],
    everything: bool,
    ids: str | None,
    set_: tuple[str, ...],
    set_string: tuple[str, ...],
    unset: tuple[str, ...],
    overwrite: bool,
    fail_on: tuple[tuple[Condition, ...], ...],
    as_json: bool,
    temp_dir: str | None,
    workers: int | None,
    max_line_bytes: int,
) -> None:
    """Write the requests that are worth sending again, byte for byte, in their order.

    FILE is a request file, output file or error file (detected from the lines), a folder or a glob of such files, or - for
    standard input. A table that join wrote (.parquet, .arrow, .csv, .jsonl) replaces the results: then FILEs are the table and
    the requests. The table may be filtered: requests without a row in it are left out and counted.

    By default these are requests that expired, were cancelled, have no response or no result, or failed with 408, 409, 429 or
    5xx. --only, --all and --ids select others. --set changes a value in every written line, like edit.

    \b
    Examples:
        batchfiles retry requests.jsonl batch_output.jsonl batch_error.jsonl -o retry.jsonl
        batchfiles retry campaign/ -o campaign/
        batchfiles retry requests.jsonl results.parquet -o longer.jsonl --only incomplete --set body.max_tokens=4000
        batchfiles retry requests.jsonl out.jsonl -o again.jsonl --only expired,5xx --except server_error
        cut -f 1 wanted.tsv | batchfiles retry requests.jsonl -o some.jsonl --ids -
        batchfiles retry requests.jsonl results.parquet -o retry.jsonl --fail-on not_in_table

    \b
    Exit codes:
        0   done; the file is empty if there is nothing to retry
        1   done, and a condition of --fail-on is true
        2   wrong usage, results without any of these requests, or an output that exists
        3   failed: an ambiguous id, a file that can't be read, a full disk
    """
    if ids is None:
        import_pyarrow()  # before any other import of it
    else:
        import_pyarrow_for((*files, *inputs, output, ids))  # a list of ids rarely needs it
    from batchfiles.jobs.retry.report import retry_blocks
    from batchfiles.jobs.retry.retry import retry as retry_files

    refuse_two_on_stdout(output, as_json=as_json)
    edits = edits_of(context, {"set_": set_, "set_string": set_string, "unset": unset})
    progress: Progress | None = None

    def show(done: int, total: int | None) -> None:
        nonlocal progress
        progress = progress or Progress("retry", quiet=as_json)
        progress.update(done, total)

    try:
        report = retry_files(
            *files,
            inputs=inputs,
            pairs=pairs,
            output=output,
            only=only or None,
            excluded=except_,
            ids=ids,
            every=everything,
            edits=edits,
            overwrite=overwrite,
            max_line_bytes=max_line_bytes,
            temp_dir=temp_dir,
            workers=workers,
            progress=show,
        )
    finally:
        if progress is not None:
            progress.close()
    if as_json:
        click.echo(report_json(report))
    counts = {name: getattr(report, name) for name in COUNTED if name not in OUTCOMES} | report.outcomes
    failed = [f"fail-on: {words}" for words in failures(fail_on, counts, report.inputs, "requests")]
    print_notes(text_of(retry_blocks(report, COMMAND_LINE), screen(err=True)))
    for line in failed:
        click.echo(line, err=True)
    if failed:
        context.exit(1)
