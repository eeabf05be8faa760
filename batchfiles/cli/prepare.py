"""`batchfiles prepare`: makes a request from each row of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from batchfiles.cli.limits import limits_options
from batchfiles.cli.options import (
    Command,
    check_targets,
    counts_option,
    csv_null_option,
    overwrite_option,
    refuse_two_on_stdout,
    report_json,
    temp_dir_option,
)
from batchfiles.cli.progress import print_notes, screen
from batchfiles.io.arrow import import_pyarrow
from batchfiles.io.target import Target
from batchfiles.summary import COMMAND_LINE, text_of

if TYPE_CHECKING:
    from batchfiles.jobs.template import NullPolicy
    from batchfiles.limits import Limits


@click.command(cls=Command)
@click.argument("tables", nargs=-1, required=True, metavar="TABLE...")
@click.option("-o", "--output", required=True, metavar="FILE", help="The request file; - for standard output.")
@click.option(
    "--template",
    required=True,
    metavar="FILE",
    help="The request as JSON: a line without custom_id, or only the body. {{question}} in a string is a column.",
)
@click.option(
    "--id", "custom_id", required=True, metavar="TEXT", help="The custom_id of a row, as a template: {{doc}}-{{chunk}}."
)
@click.option("--url", metavar="URL", help="The endpoint if the template has none, such as /v1/responses.")
@click.option(
    "--null",
    type=click.Choice(["error", "null", "drop"]),
    default="error",
    show_default=True,
    help="A null in a column: stop with an error, write null (an empty string in a longer text), or leave out the key.",
)
@csv_null_option
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Use only the first N rows, to try a template.")
@limits_options
@overwrite_option
@temp_dir_option("The folder for temporary files.")
@counts_option
def prepare(
    tables: tuple[str, ...],
    *,
    output: str,
    template: str,
    custom_id: str,
    url: str | None,
    null: NullPolicy,
    csv_nulls: tuple[str, ...],
    sample: int | None,
    limits: Limits,
    overwrite: bool,
    temp_dir: str | None,
    as_json: bool,
) -> None:
    """Make a request from each row of a table.

    TABLE is a Parquet, Arrow, CSV or JSONL file, a folder or a glob of such files, or - for CSV, JSONL or an Arrow stream on
    standard input.

    The template is a JSON request with {{placeholders}} in its strings. A string that is only a placeholder gets the value with
    its type; in a longer string, values are inserted as text. {{author.name}} is a field of a column, and {{{{ means two braces:

    \b
        {"url": "/v1/chat/completions", "body": {
            "model": "gpt-4o-mini", "max_tokens": "{{budget}}",
            "messages": [{"role": "user", "content": "Summarize in {{language}}: {{text}}"}]}}

    The file is written completely or not at all. A missing column, a null, and two rows with the same id are errors that name the
    row. For more requests than a batch may have, use --limits none, then 'batchfiles split'.

    \b
    Examples:
        batchfiles prepare questions.parquet -o requests.jsonl --template template.json --id '{{doc}}-{{chunk}}'
        batchfiles prepare questions.csv -o - --template body.json --url /v1/responses --id '{{id}}' --sample 3
        batchfiles prepare parts/ -o requests.jsonl --template template.json --id '{{id}}' --limits together --null drop

    \b
    Exit codes:
        0   the request file was written
        2   wrong usage: an invalid template or id, a missing column, an output that exists
        3   failed: an invalid row, a file that can't be read, a limit that is exceeded
    """
    refuse_two_on_stdout(output, as_json=as_json)
    import_pyarrow()
    from batchfiles.io.sources import Source
    from batchfiles.jobs.prepare import prepare as prepare_requests
    from batchfiles.jobs.prepare import prepare_blocks
    from batchfiles.table.read import table_sources

    sources = table_sources(tables)
    target = Target.at(output, folder=False)
    check_targets([("-o", target)], [*sources, Source.named(template)], overwrite=overwrite)
    report = prepare_requests(
        sources,
        target,
        template=template,
        id_template=custom_id,
        url=url,
        null=null,
        csv_nulls=csv_nulls or None,
        sample=sample,
        limits=limits,
        overwrite=overwrite,
        temp_dir=temp_dir,
    )
    if as_json:
        click.echo(report_json(report))
    print_notes(text_of(prepare_blocks(report, COMMAND_LINE, output=output), screen(err=True)))
