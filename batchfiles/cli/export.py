"""`batchfiles export`: a table of results alone."""

from __future__ import annotations

import sys
from typing import Unpack

import click

from batchfiles.cli.table_options import SharedOptions, table_options
from batchfiles.cli.table_order import TableOrder
from batchfiles.counts import counts_of
from batchfiles.jobs.lean_import import import_pyarrow
from batchfiles.outcome import MISSING, OUTCOMES

__all__ = ["export"]

EXPORT_COUNTED = (*(outcome for outcome in OUTCOMES if outcome != MISSING), "parse_error", *counts_of("export"))


@click.command(short_help="Turn result files into a table, without their requests.")
@click.argument("results", nargs=-1, required=True, metavar="RESULT...")
@table_options(EXPORT_COUNTED)
@click.pass_context
def export(context: click.Context, results: tuple[str, ...], **options: Unpack[SharedOptions]) -> None:
    """Turn result files into a table, for results whose requests are not at hand.

    RESULT is an output file or an error file, a folder or a glob of them, or - for standard input; gzip, bz2 and zstd are read
    too. Each line has a row, in the order of the files. The columns are those of 'batchfiles join'; what only requests can tell
    is null. Whether a result is missing, nobody can know here: that takes a join.

    \b
    Examples:
        batchfiles export batch_output.jsonl batch_error.jsonl -o results.parquet
        batchfiles export downloads/ -o results.csv --csv-safe --bodies none
        batchfiles export downloads/ -o results.parquet --parsed --schema answer.schema.json
        zcat batch_output.jsonl.gz | batchfiles export - -o - --format jsonl | jq .text

    \b
    Exit codes:
        0   the table is there; requests that failed are no failure of the export
        1   the table is there, and something is true that --fail-on names
        2   wrong usage, a file of requests, or a file to write that exists
        3   it could not be done: a file can't be read, the disk is full
    """  # noqa: D301 - click wants its \b
    import_pyarrow()  # before anything else does
    # This process decodes too: threads that write and that read from workers would wait 5 ms for each turn (4.2 s for 3.7 s).
    sys.setswitchinterval(0.0005)
    from batchfiles.jobs.export import export as export_results
    from batchfiles.streams.sources import expand

    sources = expand(results)
    with TableOrder("export", sources, options) as order:
        report = order.write(export_results(*order.without_targets(sources), **order.keywords()))
    counts = {name: getattr(report, name) for name in counts_of("export")}
    order.finish(context, report, "results", iter(()), {**report.outcomes, "parse_error": report.parse_errors, **counts})
