"""`batchfiles get`: one request and all its results."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from batchfiles.cli.options import FilesOrPairs, files_or_pairs_argument, pairs_option
from batchfiles.cli.progress import Progress
from batchfiles.cli.text import ascii_json, plural, pretty_json, repaired_json, visible
from batchfiles.cli.validate import not_read_lines
from batchfiles.counts import EXAMPLES

if TYPE_CHECKING:
    from batchfiles.findings import Finding
    from batchfiles.jobs.get import Occurrence

__all__ = ["get"]


@click.command(cls=FilesOrPairs, short_help="Find one request and all its results.")
@files_or_pairs_argument
@pairs_option
@click.option("--id", "custom_id", required=True, metavar="CUSTOM_ID", help="The custom_id to look for.")
@click.option("--raw", is_flag=True, help="Print the lines as they stand in the files, byte for byte, and nothing else.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object a line: where it was found, what it is, and the line."
)
@click.pass_context
def get(
    context: click.Context,
    files: tuple[str, ...],
    *,
    pairs: tuple[tuple[str, str], ...],
    custom_id: str,
    raw: bool,
    as_json: bool,
) -> None:
    """Find one request and all its results.

    FILE is a request file, an output file or an error file, in any mix, sorted by what the lines say; or a folder or a glob of
    them, or - for standard input. gzip, bz2 and zstd are read too. The id is compared exactly, as decoded text.

    Lines are printed as indented JSON with a heading that says where each stands. Numbers keep their digits; control characters
    are written out. With --json a NaN or an infinity becomes null, and half a surrogate pair U+FFFD, as JSON has neither.

    \b
    Examples:
        batchfiles get --id ticket-0003 campaign/
        batchfiles get --id ticket-0003 requests.jsonl --raw > one_request.jsonl
        batchfiles get --id ticket-0003 campaign/ --json | jq .line.response.body.usage

    \b
    Exit codes:
        0   found
        1   no line has this custom_id
        2   wrong usage, or a file of another format
        3   a file can't be read
    """  # noqa: D301 - click wants its \b
    from batchfiles.io.sources import expand
    from batchfiles.jobs.get import find

    if raw and as_json:
        raise click.UsageError("--raw and --json can't be had together.")
    sources = expand(files)
    count = 0
    not_read: list[str] = []
    findings: list[Finding] = []
    questions: set[bytes] = set()
    without_request = 0
    with Progress("get", quiet=raw or as_json) as progress:
        found = find(
            custom_id, *sources, pairs=pairs, progress=progress.update, on_not_read=not_read.extend, notice=findings.append
        )
        for occurrence in found:
            progress.close()  # the bar would stand in the same line
            if raw:
                sys.stdout.buffer.write(occurrence.data + b"\n")
            elif as_json:
                click.echo(_record(occurrence))
            else:
                _print(occurrence, blank_line=count > 0)
            count += 1
            if occurrence.role == "request" and occurrence.repeats is None:
                questions.add(occurrence.data.strip())
            without_request += occurrence.role == "result" and occurrence.requests is None
    for finding in findings:
        if finding.code == "line_too_long":
            click.echo(visible(str(finding)), err=True)
    for line in not_read_lines(len(not_read), {"not_read": not_read[:EXAMPLES]}):
        click.echo(line, err=True)
    if len(questions) > 1 and without_request:
        click.echo(
            f"{plural(without_request, 'result')}: nothing shows which of the {len(questions)} different requests is answered; "
            "use --pair REQUESTS=RESULTS",
            err=True,
        )
    if not count:
        click.echo(visible(f"batchfiles: no line has the custom_id {custom_id!r}"), err=True)
        context.exit(1)


def _print(occurrence: Occurrence, *, blank_line: bool) -> None:
    """Print a line for people, below a heading."""
    value, words = _described(occurrence)
    if blank_line:
        click.echo()
    click.echo(visible(f"{occurrence.path}:{occurrence.line_number}: {words}"))
    text = occurrence.data.decode(errors="backslashreplace")
    for line in pretty_json(text) if value is not None else [visible(text)]:
        click.echo(line)


def _described(occurrence: Occurrence) -> tuple[object, str]:
    """Decode a line and say what it is; None for one that can't be read."""
    from batchfiles.codec import loads
    from batchfiles.errors import InvalidLineError
    from batchfiles.result_lines import read_result

    if occurrence.role == "result":
        value, result = read_result(occurrence.data)
        of = f" of {occurrence.requests}" if occurrence.requests is not None else ""
        return value, f"result{of}, {result.outcome}" + (f": {result.error_message}" if value is None else "")
    again = f", the same as {occurrence.repeats}" if occurrence.repeats is not None else ""
    try:
        return loads(occurrence.data), f"request{again}"
    except InvalidLineError as error:
        return None, f"request, malformed: {error.reason}"


def _record(occurrence: Occurrence) -> str:
    """Return what was found as one JSON object; the line in it keeps its digits."""
    from batchfiles.codec import Repaired

    record = occurrence.to_dict()
    value = record.pop("line")
    line = "null"
    if value is not None:
        text = occurrence.data.decode().strip()
        line = ascii_json(repaired_json(text) if isinstance(value, Repaired) else text)
    return f'{json.dumps(record)[:-1]}, "line": {line}}}'
