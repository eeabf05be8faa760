"""`batchfiles get`: a request and its results, by custom_id."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from batchfiles.cli.options import FilesOrPairs, files_or_pairs_argument, pairs_option
from batchfiles.cli.progress import Progress, print_error, print_lines, print_note
from batchfiles.cli.row_layout import ascii_json, pretty_json, repaired_json
from batchfiles.findings import EXAMPLES, not_read_lines, plural
from batchfiles.layout import visible

if TYPE_CHECKING:
    from batchfiles.findings import Finding
    from batchfiles.jobs.get import Occurrence


@click.command(cls=FilesOrPairs)
@files_or_pairs_argument
@pairs_option
@click.option("--id", "custom_id", required=True, metavar="CUSTOM_ID", help="The custom_id to look for.")
@click.option("--raw", is_flag=True, help="Print only the lines, byte for byte.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each line found, with its position and role.")
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
    """Find a request and its results by custom_id.

    FILE is a request file, output file or error file (detected from the lines), a folder or a glob of such files, or - for
    standard input; gzip, bz2 and zstd are decompressed. Or FILE is a table that join or export wrote; 'batchfiles show TABLE --id
    ID' shows a row as request and answer. The id is compared exactly, as decoded text.

    Each line is printed as indented JSON, below its file and line number. Numbers keep all digits; control characters are
    escaped. With --json, NaN and infinities become null, and half a surrogate pair becomes U+FFFD, because JSON has neither.

    \b
    Examples:
        batchfiles get --id ticket-0003 campaign/
        batchfiles get --id ticket-0003 requests.jsonl --raw > one_request.jsonl
        batchfiles get --id ticket-0003 campaign/ --json | jq .line.response.body.usage

    \b
    Exit codes:
        0   found
        1   no line has this custom_id
        2   wrong usage, or a file in another format
        3   a file can't be read
    """
    from batchfiles.jobs.get import find

    if raw and as_json:
        raise click.UsageError("--raw and --json can't be used together.")
    count = 0
    not_read: list[str] = []
    findings: list[Finding] = []
    questions: set[bytes] = set()
    without_request = 0
    with Progress("get", quiet=raw or as_json) as progress:
        found = find(
            custom_id, *files, pairs=pairs, progress=progress.update, on_not_read=not_read.extend, notice=findings.append
        )
        for occurrence in found:
            progress.close()  # the bar would be in the same line
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
            print_note(str(finding))
    for line in not_read_lines(len(not_read), {"not_read": not_read[:EXAMPLES]}):
        print_note(line)
    if len(questions) > 1 and without_request:
        print_note(
            f"{plural(without_request, 'result')}: it is unknown which of the {len(questions)} different requests is answered; "
            "use --pair REQUESTS=RESULTS"
        )
    if not count:
        print_error(f"batchfiles: no line has the custom_id {custom_id!r}")
        context.exit(1)


def _print(occurrence: Occurrence, *, blank_line: bool) -> None:
    """Print a line as indented JSON, below its position."""
    value, words = _described(occurrence)
    if blank_line:
        click.echo()
    print_lines([visible(f"{occurrence.path}:{occurrence.line_number}: {words}")])
    text = occurrence.data.decode(errors="backslashreplace")
    for line in pretty_json(text) if value is not None else [visible(text)]:
        click.echo(line)


def _described(occurrence: Occurrence) -> tuple[object, str]:
    """Decode a line and describe it; the value is None if it can't be read."""
    from batchfiles.codec import loads
    from batchfiles.errors import InvalidLineError
    from batchfiles.outcome import read_result

    if occurrence.role == "row":
        row = loads(occurrence.data)
        return row, f"row, {row.get('outcome')}"
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
    """Return a found line as one JSON object; its numbers keep all digits."""
    from batchfiles.codec import Repaired

    record = occurrence.to_dict()
    value = record.pop("line")
    line = "null"
    if value is not None:
        text = occurrence.data.decode().strip()
        line = ascii_json(repaired_json(text) if isinstance(value, Repaired) else text)
    return f'{json.dumps(record)[:-1]}, "line": {line}}}'
