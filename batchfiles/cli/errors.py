"""`batchfiles errors`: the errors in results, grouped and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from batchfiles.cli.options import FilesOrPairs, pairs_option
from batchfiles.cli.outputs import absent_columns_notes, not_read_lines, report_json
from batchfiles.cli.progress import Progress, print_lines, say_lines, screen
from batchfiles.findings import plural, share
from batchfiles.layout import Screen, cut, visible, wrapped

if TYPE_CHECKING:
    from batchfiles.jobs.stats.error_digest import ErrorDigest, ErrorGroup

__all__ = ["errors"]

IDS_SHOWN = 5
NAMES = 3
MESSAGE_LINES = 4
INDENT = " " * 4
ID_WIDTH = 60
WIDTH = 100
"""The width of files and pipes."""


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

    with Progress("errors", quiet=as_json) as progress:
        kept = (None if as_json else IDS_SHOWN) if with_ids else 0
        digest = error_digest(*results, pairs=pairs, ids=kept, progress=progress.update)
    if as_json:
        click.echo(report_json(digest))
        return
    print_lines(page(digest, most, screen(fallback=WIDTH)))
    say_lines(map(visible, notes(digest, most)))


def page(digest: ErrorDigest, most: int, screen: Screen) -> list[str]:
    """Return the text output: a total, and a few lines for each group of errors."""
    lines = [f"{plural(digest.results, 'result')}, {digest.errors:,} without success"]
    if digest.errors:
        lines[0] += f" ({share(digest.errors, digest.results)})"
    for group in digest.groups[:most]:
        lines += ["", *block(group, digest.results, screen)]
    return lines


def block(group: ErrorGroup, total: int, screen: Screen) -> list[str]:
    """Return the lines of one group."""
    status = [] if group.status_code is None else [str(group.status_code)]
    code = [] if group.code is None else [cut(visible(group.code), ID_WIDTH)]
    width = screen.width or WIDTH
    words = " ".join([screen.painted(group.outcome), *status, *code]) + (", retryable" if group.retryable else "")
    lines = [f"{group.count:,} ({share(group.count, total)})  {words}"]
    if group.message is not None:
        lines += _indented(group.message, width)
    first = f"first: {group.path}:{group.line_number}"
    if group.custom_id is not None:
        first += f"  {cut(visible(group.custom_id), ID_WIDTH)}"
    lines.append(INDENT + visible(first))
    if group.example is not None and group.example != group.message:
        lines += _indented(f"says: {group.example}", width)
    if group.custom_ids:
        more = ", …" if group.count > len(group.custom_ids) else ""
        names = ", ".join(cut(visible(custom_id), ID_WIDTH) for custom_id in group.custom_ids)
        lines.append(f"{INDENT}ids: {names}{more}")
    return lines


def _indented(text: str, width: int) -> list[str]:
    return [INDENT + line for line in wrapped(visible(text), max(width - len(INDENT), 20), MESSAGE_LINES)]


def notes(digest: ErrorDigest, most: int) -> list[str]:
    """Return a sentence for each thing that is not listed."""
    lines = []
    hidden = len(digest.groups) - most
    if hidden > 0:
        lines.append(f"{plural(hidden, 'more error')}: raise -n to see {'it' if hidden == 1 else 'them'}")
    if digest.other:
        lines.append(
            f"{plural(digest.other, 'result')} with other errors: only the first {len(digest.groups):,} are distinguished"
        )
    if digest.skipped:
        names = ", ".join(digest.skipped[:NAMES]) + (", …" if len(digest.skipped) > NAMES else "")
        lines.append(f"{plural(len(digest.skipped), 'request file')} skipped: {names}")
    lines += not_read_lines(digest.not_read, digest.examples)
    lines += absent_columns_notes(digest.absent_columns)
    return lines
