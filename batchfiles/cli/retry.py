"""`batchfiles retry`: the requests that are worth sending again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

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
    temp_dir_option,
    workers_option,
)
from batchfiles.cli.outputs import first_findings, place_of, refuse_two_on_stdout, report_json
from batchfiles.cli.progress import Progress
from batchfiles.cli.text import cut, plural, size, text_table, visible
from batchfiles.cli.validate import not_read_lines
from batchfiles.counts import counts_of, sentence_of
from batchfiles.limits import RESULT_LINE_CAP
from batchfiles.outcome import OUTCOMES
from batchfiles.workers.worker import import_pyarrow, import_pyarrow_for

if TYPE_CHECKING:
    from batchfiles.jobs.retry.report import RetryReport

__all__ = ["retry"]

GROUPS = 20
"""Groups that the table shows; `--json` has all."""
CODE_WIDTH = 32
HEADINGS = ("outcome", "status", "error", "requests", "")
TEXTS = ("outcome", "error", "")
COUNTED = (*OUTCOMES, "written", "unknown_results", "unknown_ids", *counts_of("retry"))


class RetryCommand(FilesOrPairs, EditingCommand):
    """A command that needs FILEs or pairs, and takes edits in their order."""


@click.command(cls=RetryCommand, short_help="Write the requests that may succeed if they are sent again.")
@files_or_pairs_argument
@inputs_option
@pairs_option
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="The file to write, compressed if its name says so (.gz, .zst); - for standard output; or the folder of the request "
    "files, for a retry file beside each. A name without a suffix means a folder.",
)
@click.option(
    "--only",
    multiple=True,
    metavar="LIST",
    help="Take these instead of what is retryable: outcomes, statuses (429, 5xx), error codes, parse_error; with commas between.",
)
@click.option("--except", "except_", multiple=True, metavar="LIST", help="Leave these out; the same words.")
@click.option("--all", "everything", is_flag=True, help="Take every request without a success.")
@click.option("--ids", metavar="FILE", help="Take the requests of these custom_ids, one a line, whatever became of them; or -.")
@edit_options
@click.option(
    "--force", "overwrite", is_flag=True, help="Replace files that are there already; send again what may be on its way."
)
@fail_on_option(COUNTED)
@counts_option
@temp_dir_option("Where temporary files go.")
@workers_option
@line_cap_option("A longer line counts as one that can't be read.", default=RESULT_LINE_CAP)
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
    """Write the requests that may succeed if they are sent again as they are, byte for byte, in their order.

    FILE is a request file, an output file or an error file, in any mix, sorted by what the lines say; or a folder or a glob of
    them, or - for standard input. A table that join made (.parquet, .arrow, .csv, .jsonl) replaces the results: then FILEs are
    the table and the requests. It may be filtered: a request without a row in the table is left out and counted.

    That is what expired, was cancelled, has no answer or no result, and what failed with 408, 409, 429 or 5xx. --only, --all and
    --ids take others. --set changes a value in every line that is written, as edit does.

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
        0   it is done, also where there was nothing to send again: then the file is empty
        1   it is done, and something is true that --fail-on names
        2   wrong usage, files that don't go together (no result belongs to a request), or a file to write that exists
        3   it could not be done: an id would be ambiguous, a file can't be read, the disk is full
    """  # noqa: D301 - click wants its \b
    if ids is None:
        import_pyarrow()  # before anything else does
    else:
        import_pyarrow_for((*files, *inputs, output, ids))  # a list of ids seldom needs it
    from batchfiles.jobs.retry.retry import retry as retry_files

    refuse_two_on_stdout(output, as_json=as_json)
    edits = edits_of(context, {"set_": set_, "set_string": set_string, "unset": unset})
    shown: Progress | None = None

    def show(done: int, total: int | None) -> None:
        nonlocal shown
        shown = shown or Progress("retry", quiet=as_json)
        shown.update(done, total)

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
        if shown is not None:
            shown.close()
    if as_json:
        click.echo(report_json(report))
    counts = {name: getattr(report, name) for name in COUNTED if name not in OUTCOMES} | report.outcomes
    failed = [f"fail-on: {words}" for words in failures(fail_on, counts, report.inputs, "requests")]
    click.echo("\n".join((*table(report), "", *notes(report), *failed, *last_words(report))), err=True)
    if failed:
        context.exit(1)


def table(report: RetryReport) -> list[str]:
    """Return a line for each group: what became of the requests, and why they were left out."""
    rows = []
    for group in report.groups[:GROUPS]:
        status = "" if group.status_code is None else str(group.status_code)
        code = cut(visible(group.error_code or ""), CODE_WIDTH)
        words = "written" if group.left_out is None else f"left out: {group.left_out}"
        rows.append((group.outcome or "-", status, code, f"{group.requests:,}", words))
    rows.append(("all", "", "", f"{report.inputs:,}", f"{report.written:,} written, {report.left_out:,} left out"))
    lines = text_table(HEADINGS, rows, texts=TEXTS)
    if len(report.groups) > GROUPS:
        lines.insert(-1, f"… {len(report.groups) - GROUPS:,} more: --json lists them")
    return lines


def notes(report: RetryReport) -> list[str]:
    """Return what else is worth knowing."""
    lines = [*first_findings(report.findings)]
    if report.unmatched:
        lines.append(f"no request has: {visible(', '.join(report.unmatched))}")
    lines += not_read_lines(report.not_read, report.examples)
    if report.not_in_table:
        lines.append(sentence_of("not_in_table", report.not_in_table))
    if report.unknown_results:
        lines.append(f"{plural(report.unknown_results, 'result')} that no request asked for")
    if report.unknown_ids:
        lines.append(f"{plural(report.unknown_ids, 'listed id')} that no request has")
    return lines


def last_words(report: RetryReport) -> list[str]:
    """Say where the lines are."""
    if not report.files:
        return ["nothing to send again, and no file was written"]
    changed = f", {report.changed:,} changed" if report.changed else ""
    lines = [f"{place_of(file.path)}: {plural(file.requests, 'request')}, {size(file.bytes)}" for file in report.files]
    lines[-1] += f"{changed}, in {report.seconds:,.1f} s"
    return lines
