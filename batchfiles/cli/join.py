"""`batchfiles join`: joins results to their requests. `batchfiles export`: a table of results alone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal, Unpack

import click

from batchfiles.cli.options import Command, FilesOrPairs, files_or_pairs_argument, inputs_option, pairs_option
from batchfiles.cli.table_command import (
    SharedOptions,
    TableCommand,
    check_user_table,
    rejects_option,
    request_bodies_option,
    table_options,
    user_table_options,
)
from batchfiles.findings import counts_of
from batchfiles.io.arrow import import_pyarrow
from batchfiles.outcome import MISSING, OUTCOMES

if TYPE_CHECKING:
    from batchfiles.jobs.join.report import JoinReport

COUNTED = (*OUTCOMES, "unknown", "superseded", "conflicting", "duplicate", "parse_error", "unmatched", *counts_of("join"))


@click.command(cls=FilesOrPairs)
@files_or_pairs_argument
@inputs_option
@pairs_option
@table_options(COUNTED)
@request_bodies_option
@click.option(
    "--on-duplicate",
    type=click.Choice(["best", "error"]),
    default="best",
    show_default=True,
    help="Several results for a request: take the best (succeeded, then incomplete, then the latest), or stop with an error.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="For a campaign and a folder as output: keep the parts that are there and whole, and write the others.",
)
@rejects_option
@user_table_options
@click.pass_context
def join(
    context: click.Context,
    files: tuple[str, ...],
    *,
    inputs: tuple[str, ...],
    pairs: tuple[tuple[str, str], ...],
    request_bodies: Literal["all", "none"],
    on_duplicate: Literal["best", "error"],
    resume: bool,
    rejects: str | None,
    with_tables: tuple[str, ...],
    custom_id: str | None,
    csv_nulls: tuple[str, ...],
    with_prefix: str,
    **options: Unpack[SharedOptions],
) -> None:
    """Join results to their requests: a table with a row for each request, in the order of the requests.

    FILE is a request file, output file or error file (detected from the lines), a folder or a glob of such files, or - for
    standard input; gzip, bz2 and zstd are decompressed.

    If request files have ids in common, each result is assigned to one of them by the manifest of a campaign, the batch object
    next to the results (BATCH.json), their name (monday_output.jsonl), or --pair. If this is ambiguous, nothing is written. A
    request line that is in two files, byte for byte, is one request.

    Every request has a row, with its outcome: succeeded, incomplete, failed, expired, cancelled, no_response, malformed or
    missing. Other findings, such as results without a request or several results for a request, are counted and reported on
    standard error.

    \b
    Examples:
        batchfiles join requests.jsonl batch_output.jsonl batch_error.jsonl -o results.parquet
        batchfiles join campaign/ -o results.parquet --rejects rejects.jsonl --report report.json
        batchfiles join 'downloads/*.jsonl.gz' -i requests.jsonl -o parts/ --fail-on missing,'failed>1%'
        batchfiles join --pair monday.jsonl=out-1.jsonl --pair tuesday.jsonl=out-2.jsonl -o week.parquet
        batchfiles join campaign/ -o parts/ --resume
        batchfiles join campaign/ -o results.parquet --parsed --fail-on parse_error
        batchfiles join campaign/ -o results.parquet --with questions.parquet --id '{{doc}}-{{chunk}}' --with-prefix my_
        batchfiles join campaign/ -o - --format jsonl | jq -r 'select(.outcome == "succeeded") | .text'

    \b
    Exit codes:
        0   the table was written; failed requests don't change the exit code
        1   the table was written, and a condition of --fail-on is true
        2   wrong usage, files that don't belong together, or an output that exists
        3   failed: a file can't be read, the disk is full
    """
    check_user_table(with_tables, custom_id, with_prefix, csv_nulls)
    import_pyarrow()  # before any other import of it
    from batchfiles.inputs.roles import paired_sources
    from batchfiles.io.sources import expand
    from batchfiles.jobs.join.join import join as join_files
    from batchfiles.jobs.join.summary import join_blocks

    sources, requests = expand(files), expand(inputs)
    own = []
    if with_tables:
        from batchfiles.table.read import table_sources  # with the readers of all formats, which nothing else needs here

        own = table_sources(with_tables)
    paired = paired_sources(pairs)
    of_pairs = [source for pair in paired for source in (pair.requests, *pair.results)]
    read = [*requests, *sources, *of_pairs, *own]
    with TableCommand("join", read, options, rejects=rejects, resumes=True, resume=resume) as command:
        job = join_files(
            *command.without_targets(sources),
            inputs=command.without_targets(requests),
            pairs=paired,
            request_bodies=request_bodies,
            on_duplicate=on_duplicate,
            with_table=own or None,
            id_template=custom_id,
            with_prefix=with_prefix,
            csv_nulls=csv_nulls or None,
            **command.keywords(),
        )
        report = command.write(job)
        if (target := command.files.get("--rejects")) is not None:
            job.write_rejects(target, overwrite=options["overwrite"])
    command.finish(context, report, "requests", join_blocks, counted(report))


def counted(report: JoinReport) -> dict[str, int]:
    """Return the counts for `--fail-on`."""
    return {
        **report.outcomes,
        "malformed": report.malformed_inputs + report.malformed_results,
        "unknown": report.unknown,
        "superseded": report.superseded,
        "conflicting": report.conflicting,
        "duplicate": report.duplicate_inputs,
        "parse_error": report.parse_errors,
        "unmatched": report.unmatched,
        **{name: getattr(report, name) for name in counts_of("join")},
    }


EXPORT_COUNTED = (*(outcome for outcome in OUTCOMES if outcome != MISSING), "parse_error", *counts_of("export"))


@click.command(cls=Command)
@click.argument("results", nargs=-1, required=True, metavar="RESULT...")
@table_options(EXPORT_COUNTED)
@click.pass_context
def export(context: click.Context, results: tuple[str, ...], **options: Unpack[SharedOptions]) -> None:
    """Convert result files to a table, without their requests.

    RESULT is an output file or an error file, a folder or a glob of such files, or - for standard input; gzip, bz2 and zstd are
    decompressed. Each line has a row, in the order of the files. The columns are those of 'batchfiles join'; the ones from the
    requests are null. Missing results are not detected: use join for that.

    \b
    Examples:
        batchfiles export batch_output.jsonl batch_error.jsonl -o results.parquet
        batchfiles export downloads/ -o results.csv --csv-safe --bodies none
        batchfiles export downloads/ -o results.parquet --parsed --schema answer.schema.json
        zcat batch_output.jsonl.gz | batchfiles export - -o - --format jsonl | jq .text

    \b
    Exit codes:
        0   the table was written; failed requests don't change the exit code
        1   the table was written, and a condition of --fail-on is true
        2   wrong usage, a request file, or an output that exists
        3   failed: a file can't be read, the disk is full
    """
    import_pyarrow()  # before any other import of it
    # This process decodes too, and its other threads would wait 5 ms for each turn (measured: 4.2 s instead of 3.7 s).
    sys.setswitchinterval(0.0005)
    from batchfiles.io.sources import expand
    from batchfiles.jobs.join.export import export as export_results
    from batchfiles.jobs.join.summary import export_blocks

    sources = expand(results)
    with TableCommand("export", sources, options) as command:
        report = command.write(export_results(*command.without_targets(sources), **command.keywords()))
    counts = {name: getattr(report, name) for name in counts_of("export")}
    command.finish(context, report, "results", export_blocks, {**report.outcomes, "parse_error": report.parse_errors, **counts})
