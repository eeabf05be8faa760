"""`batchfiles prepare`: one request for each row of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from batchfiles.cli.limits import limits_options
from batchfiles.cli.options import counts_option, csv_null_option, overwrite_option, temp_dir_option
from batchfiles.cli.outputs import STDOUT, check_targets, first_findings, refuse_two_on_stdout, report_json
from batchfiles.cli.text import plural, size, visible
from batchfiles.io.target import Target
from batchfiles.workers.worker import import_pyarrow

if TYPE_CHECKING:
    from batchfiles.jobs.template import NullPolicy
    from batchfiles.limits import Limits

__all__ = ["prepare"]


@click.command(short_help="Make a request of each row of a table.")
@click.argument("tables", nargs=-1, required=True, metavar="TABLE...")
@click.option("-o", "--output", required=True, metavar="FILE", help="The request file; - for standard output.")
@click.option(
    "--template",
    required=True,
    metavar="FILE",
    help="The request, as JSON: a whole line without its custom_id, or a body alone. Strings name columns: {{question}}.",
)
@click.option("--id", "custom_id", required=True, metavar="TEXT", help="What makes the custom_id of a row: {{doc}}-{{chunk}}.")
@click.option("--url", metavar="URL", help="The endpoint, where the template has none, such as /v1/chat/completions.")
@click.option(
    "--null",
    type=click.Choice(["error", "null", "drop"]),
    default="error",
    show_default=True,
    help="What a null becomes: the end of the job, a null (nothing within a longer text), or no key at all.",
)
@csv_null_option
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Take the first N rows only, to try a template.")
@limits_options
@overwrite_option
@temp_dir_option("Where temporary files go.")
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
    """Make a request of each row of a table.

    TABLE is a Parquet, Arrow, CSV or JSONL file, a folder or a glob of such files, or - for CSV, JSONL or an Arrow stream on
    standard input.

    The template is a JSON request whose strings name columns. A string that is one placeholder keeps the value's type; within a
    longer string values are put in as text. {{author.name}} is a field of a column, and {{{{ stands for two braces:

    \b
        {"url": "/v1/chat/completions", "body": {
            "model": "gpt-4o-mini", "max_tokens": "{{budget}}",
            "messages": [{"role": "user", "content": "Summarize in {{language}}: {{text}}"}]}}

    The file appears whole or not at all. A column that isn't there, a null, and two rows with the same id are errors that name
    the row. A table for more requests than the service takes is written with --limits none, and split.

    \b
    Examples:
        batchfiles prepare questions.parquet -o requests.jsonl --template template.json --id '{{doc}}-{{chunk}}'
        batchfiles prepare questions.csv -o - --template body.json --url /v1/responses --id '{{id}}' --sample 3
        batchfiles prepare parts/ -o requests.jsonl --template template.json --id '{{id}}' --limits together --null drop

    \b
    Exit codes:
        0   the request file is there
        2   wrong usage: a template or an id that can't be, a column that isn't there, a file that exists
        3   it could not be done: a row can't become a request, a file can't be read, the limits are reached
    """  # noqa: D301 - click wants its \b
    refuse_two_on_stdout(output, as_json=as_json)
    import_pyarrow()
    from batchfiles.io.sources import Source
    from batchfiles.jobs.prepare import prepare as prepare_requests
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
    nulls = f", {plural(report.nulls, 'null')}" if report.nulls else ""
    where = "standard output" if output == STDOUT else visible(report.path)
    words = f"{where}: {plural(report.requests, 'request')}, {size(report.bytes)}{nulls}, in {report.seconds:,.1f} s"
    click.echo("\n".join((*first_findings(report.findings), words)), err=True)
