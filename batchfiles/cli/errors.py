"""`batchfiles errors`: the errors in results, grouped and counted."""

from __future__ import annotations

import click

from batchfiles.cli.options import FilesOrPairs, pairs_option, report_json
from batchfiles.cli.progress import Progress, print_lines, say_lines, screen
from batchfiles.layout import visible
from batchfiles.summary import COMMAND_LINE, WIDTH

IDS_SHOWN = 5


@click.command(cls=FilesOrPairs)
@click.argument("results", nargs=-1, metavar="RESULT...")
@pairs_option
@click.option(
    "-n",
    "--most",
    "most",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    metavar="N",
    help="How many errors to print.",
)
@click.option("--ids", "with_ids", is_flag=True, help="List the custom_ids: the first few, or all with --json.")
@click.option("--json", "as_json", is_flag=True, help="Print all errors as one JSON object instead.")
def errors(results: tuple[str, ...], *, pairs: tuple[tuple[str, str], ...], most: int, with_ids: bool, as_json: bool) -> None:
    """Group the errors in results and count them, the most frequent first.

    RESULT is an output file or an error file, a folder or a glob of such files, or - for standard input; gzip, bz2 and zstd are
    decompressed. Request files in a folder are skipped. 'batchfiles join' reports missing results. Or RESULT is a table that join
    or export wrote.

    All lines that did not succeed count: failed, incomplete, expired, cancelled, no_response and malformed. Errors are in one
    group if their outcome, status and code are equal, and their messages too except for ids, numbers and quotations, which are
    shown as <id>, <n> and '…'. 'retryable' errors may succeed if the same lines are sent again.

    \b
    Examples:
        batchfiles errors batch_error.jsonl
        batchfiles errors joined.parquet
        batchfiles errors campaign/ --ids -n 3
        batchfiles errors campaign/ --json | jq -r '.groups[] | select(.retryable) | [.count, .code] | @tsv'
        batchfiles errors campaign/ --ids --json | jq -r '.groups[0].custom_ids[]'

    \b
    Exit codes:
        0   done; errors in the files don't change the exit code
        2   wrong usage, or no file has results
        3   a file can't be read
    """
    from batchfiles.jobs.stats.error_digest import error_digest
    from batchfiles.jobs.stats.summary import error_lines, error_notes

    with Progress("errors", quiet=as_json) as progress:
        kept = (None if as_json else IDS_SHOWN) if with_ids else 0
        digest = error_digest(*results, pairs=pairs, ids=kept, progress=progress.update)
    if as_json:
        click.echo(report_json(digest))
        return
    print_lines(error_lines(digest, most, screen(fallback=WIDTH)))
    say_lines(map(visible, error_notes(digest, most, COMMAND_LINE)))
