"""`batchfiles split`: cut request files into parts that a service takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import click

from batchfiles.cli.limits import limits_options
from batchfiles.cli.options import files_argument, temp_dir_option
from batchfiles.cli.outputs import check_targets, report_json, words_of_lines
from batchfiles.cli.progress import Progress
from batchfiles.cli.text import plural, size, text_table, visible
from batchfiles.cli.validate import not_read_lines
from batchfiles.io.target import PathTarget
from batchfiles.workers.worker import import_pyarrow, import_pyarrow_for

if TYPE_CHECKING:
    from batchfiles.campaign.manifest import Part
    from batchfiles.jobs.split import SplitReport
    from batchfiles.limits import Limits

__all__ = ["split"]

LISTED = 20
"""Parts that the summary lists; the manifest has them all."""


def _counter(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    from batchfiles.jobs.tokens import token_counter

    try:
        token_counter(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return value


@click.command(short_help="Cut request files into parts that a service takes.")
@files_argument
@click.option("-o", "--output", "folder", required=True, metavar="FOLDER", help="The campaign folder to make.")
@limits_options
@click.option("--max-tokens", type=click.IntRange(min=1), metavar="N", help="Tokens that the models read for one part.")
@click.option(
    "--tokens",
    metavar="COUNTER",
    default="estimate",
    show_default=True,
    callback=_counter,
    help="How to count them: 'estimate', the UTF-8 bytes of the texts by four; 'tiktoken', by the encoding of each request's "
    "model; or 'tiktoken:o200k_base', by that encoding. tiktoken and the encoding must be on the machine.",
)
@click.option(
    "--by",
    type=click.Choice(["model", "url"]),
    multiple=True,
    help="Put requests that differ in it into different parts: a service takes one model and one url in a file. Repeatable.",
)
@click.option("--compress", type=click.Choice(["gz", "bz2", "zst"]), help="Compress the parts; limits count uncompressed bytes.")
@click.option(
    "--force",
    "overwrite",
    is_flag=True,
    help="Replace a folder that is there already, if it holds nothing but a manifest and its parts: no results, nothing sent.",
)
@temp_dir_option("Where a remote folder waits until it is whole.")
@click.option("--json", "as_json", is_flag=True, help="Print the report, with the manifest, as one JSON object.")
def split(
    files: tuple[str, ...],
    *,
    folder: str,
    limits: Limits,
    max_tokens: int | None,
    tokens: str,
    by: tuple[Literal["model", "url"], ...],
    compress: Literal["gz", "bz2", "zst"] | None,
    overwrite: bool,
    temp_dir: str | None,
    as_json: bool,
) -> None:
    """Cut request files into parts that a service takes, and write them into a folder: a campaign.

    FILE is a JSONL file of requests, a folder or a glob of such files, or - for standard input; gzip, bz2 and zstd are read too.

    A part is full when the next line would exceed one of the limits: requests, bytes, texts to embed, --max-tokens. Lines are
    copied byte for byte. A part holds lines of one FILE only, and 'manifest.json' says which. 'batchfiles merge FOLDER' gives the
    file back, and 'batchfiles join FOLDER' joins what comes back to its own part.

    \b
    Examples:
        batchfiles split requests.jsonl -o campaign/
        batchfiles split requests.jsonl -o campaign/ --by model --max-tokens 2000000
        batchfiles split requests.jsonl.gz -o campaign/ --limits azure --max-bytes 100MB
        batchfiles split requests.jsonl -o s3://my-bucket/campaign
        zcat requests.jsonl.gz | batchfiles split - -o campaign/ --json | jq .manifest.parts

    \b
    Exit codes:
        0   the folder is there
        2   wrong usage, a file that holds no requests, or a folder that exists
        3   it could not be done: a line too large for any part, a file that can't be read, a full disk
    """  # noqa: D301 - click wants its \b
    if compress:
        import_pyarrow()
    import_pyarrow_for(files)
    from batchfiles.campaign.folder import request_sources
    from batchfiles.campaign.manifest import made_by_split
    from batchfiles.jobs.split import split as split_files

    sources = request_sources(files)
    target = PathTarget.at(folder, folder=True)
    check_targets([("-o", target)], sources, overwrite=overwrite, ours=made_by_split(target.place))
    with Progress("split", quiet=as_json) as progress:
        report = split_files(
            *sources,
            output=target,
            limits=limits,
            max_tokens=max_tokens,
            tokens=tokens,
            by=by,
            compress=compress,
            overwrite=overwrite,
            temp_dir=temp_dir,
            progress=progress.update,
        )
    if as_json:
        click.echo(report_json(report))
    for line in summary(report, by):
        click.echo(line, err=True)


def summary(report: SplitReport, by: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines of the summary: the first parts, what was left out, and how much there is."""
    parts = report.parts
    yield from text_table(("part", "requests", "size", *by), [_row(part, by) for part in parts[:LISTED]], texts=("part", *by))
    if len(parts) > LISTED:
        yield f"… and {plural(len(parts) - LISTED, 'part')} more: manifest.json lists them"
    yield from words_of_lines(report.blank_lines, report.findings)
    yield from not_read_lines(report.not_read, report.examples)
    if report.unreadable:
        lines = "1 line is no JSON: it was" if report.unreadable == 1 else f"{report.unreadable:,} lines are no JSON: they were"
        yield f"{lines} copied, and count nothing but bytes"
    limits = report.manifest.limits
    made = f"{plural(len(parts), 'part')} with {plural(report.requests, 'request')}, {size(report.bytes)} (limits: {limits})"
    yield f"{visible(report.folder)}: {made}"


def _row(part: Part, by: tuple[str, ...]) -> tuple[str, ...]:
    return (visible(part.file), f"{part.requests:,}", size(part.bytes), *(visible(part.by.get(name) or "-") for name in by))
