"""`batchfiles split`: splits request files into parts within the limits of a service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from batchfiles.cli.limits import limits_options
from batchfiles.cli.options import Command, check_targets, files_argument, report_json, temp_dir_option
from batchfiles.cli.progress import Progress, print_notes, screen
from batchfiles.io.arrow import import_pyarrow
from batchfiles.io.compression import import_pyarrow_for
from batchfiles.io.target import PathTarget
from batchfiles.summary import text_of

if TYPE_CHECKING:
    from batchfiles.limits import Limits

LISTED = 20
"""How many parts the summary lists; the manifest has all."""


def _counter(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    from batchfiles.jobs.tokens import token_counter

    try:
        token_counter(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return value


@click.command(cls=Command)
@files_argument
@click.option("-o", "--output", "folder", required=True, metavar="FOLDER", help="The campaign folder to create.")
@limits_options
@click.option("--max-tokens", type=click.IntRange(min=1), metavar="N", help="Input tokens of one part.")
@click.option(
    "--tokens",
    metavar="COUNTER",
    default="estimate",
    show_default=True,
    callback=_counter,
    help="How to count tokens: 'estimate', UTF-8 bytes divided by 4; 'tiktoken', with the encoding of each model; or "
    "'tiktoken:o200k_base', with that encoding. tiktoken and the encoding must be installed.",
)
@click.option(
    "--by",
    type=click.Choice(["model", "url"]),
    multiple=True,
    help="Put different models or urls into different parts: a batch has only one of each. Repeatable.",
)
@click.option(
    "--compress", type=click.Choice(["gz", "bz2", "zst"]), help="Compress the parts; limits apply to uncompressed bytes."
)
@click.option(
    "--force",
    "overwrite",
    is_flag=True,
    help="Replace an existing folder if it has only a manifest and its parts: no results, nothing submitted.",
)
@temp_dir_option("The folder for temporary files, such as a remote output until it is complete.")
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
    """Split request files into parts within the limits of a service, in a new folder: a campaign.

    FILE is a request file, a folder or a glob of such files, or - for standard input; gzip, bz2 and zstd are decompressed.

    A part ends when the next line would exceed a limit: requests, bytes, texts to embed, --max-tokens. Lines are copied byte for
    byte. A part has lines of only one FILE, which is listed in 'manifest.json'. 'batchfiles merge FOLDER' restores the file, and
    'batchfiles join FOLDER' joins each part with its own results.

    \b
    Examples:
        batchfiles split requests.jsonl -o campaign/
        batchfiles split requests.jsonl -o campaign/ --by model --max-tokens 2000000
        batchfiles split requests.jsonl.gz -o campaign/ --limits azure --max-bytes 100MB
        batchfiles split requests.jsonl -o s3://my-bucket/campaign
        zcat requests.jsonl.gz | batchfiles split - -o campaign/ --json | jq .manifest.parts

    \b
    Exit codes:
        0   the folder was written
        2   wrong usage, a file without requests, or an output that exists
        3   failed: a line too large for any part, a file that can't be read, a full disk
    """
    if compress:
        import_pyarrow()
    import_pyarrow_for(files)
    from batchfiles.campaign import made_by_split, request_sources
    from batchfiles.jobs.split import split as split_files
    from batchfiles.jobs.split import split_blocks

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
    print_notes(text_of(split_blocks(report, by), screen(err=True)))
