"""`batchfiles stats` and `batchfiles errors`: count requests, outcomes, tokens, costs and errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from batchfiles.cli.options import (
    Condition,
    FilesOrPairs,
    check_targets,
    fail_on_option,
    failures,
    files_or_pairs_argument,
    pairs_option,
    report_json,
)
from batchfiles.cli.progress import Progress, print_lines, print_note, print_notes, screen
from batchfiles.findings import counts_of, nearest
from batchfiles.io.target import STDOUT, Target
from batchfiles.layout import visible
from batchfiles.outcome import MISSING, OUTCOMES
from batchfiles.summary import COMMAND_LINE, WIDTH, text_of

if TYPE_CHECKING:
    from batchfiles.jobs.stats.price import Price
    from batchfiles.jobs.stats.prices import Prices
    from batchfiles.jobs.stats.report import Stats


DIGITS = re.compile(r"\d")

COUNTED = (*(outcome for outcome in OUTCOMES if outcome != MISSING), "token_conversion_errors", *counts_of("stats"))
"""The counts for `--fail-on`."""

IDS_SHOWN = 5
"""The custom_ids of an error that `errors` prints."""


def _price(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, Price]:
    from batchfiles.jobs.stats.price import price_of

    try:
        return dict(map(price_of, values))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _discount(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Decimal | None:
    from batchfiles.jobs.stats.price import discount_of

    try:
        return None if value is None else discount_of(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command(cls=FilesOrPairs)
@files_or_pairs_argument
@pairs_option
@click.option(
    "--prices",
    "sources",
    multiple=True,
    metavar="FILE",
    help="A TOML file with prices per million tokens; or 'genai' for the package genai-prices, 'genai:azure' for one provider in "
    "it. Repeatable: a file takes precedence.",
)
@click.option(
    "--price",
    "prices",
    multiple=True,
    metavar="MODEL=IN/OUT",
    callback=_price,
    help="A price per million tokens, such as gpt-4o-mini=0.15/0.60; takes precedence over files. Repeatable.",
)
@click.option(
    "--batch-discount",
    metavar="SHARE",
    callback=_discount,
    help="The discount of batches: 0.5 for half the price.  [default: from --prices, else 0]",
)
@click.option(
    "--write-prices",
    metavar="FILE",
    help="Write a file for --prices with the models found, to fill in; - for standard output instead of the tables.",
)
@click.option("--force", "overwrite", is_flag=True, help="Replace the file of --write-prices if it exists.")
@fail_on_option(COUNTED)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead, with exact amounts of money.")
@click.pass_context
def stats(
    context: click.Context,
    files: tuple[str, ...],
    *,
    pairs: tuple[tuple[str, str], ...],
    sources: tuple[str, ...],
    prices: dict[str, Price],
    batch_discount: Decimal | None,
    write_prices: str | None,
    overwrite: bool,
    fail_on: tuple[tuple[Condition, ...], ...],
    as_json: bool,
) -> None:
    """Count requests, outcomes, tokens and costs.

    FILE is a request file, output file or error file (detected from the lines), a folder or a glob of such files, or - for
    standard input; gzip, bz2 and zstd are decompressed. Or FILE is a table that join or export wrote: a joined table has only the
    results that it uses.

    Tokens of results are as counted by the service. All result lines count, also superseded and unknown ones, because all are
    billed. Without results, the tokens of requests are estimated: one for each 4 bytes of text.

    No prices are built in, because they would soon be outdated. --write-prices writes a file with the models found, for you to
    fill in; --prices genai uses the package genai-prices (the extra 'prices').

    \b
    Examples:
        batchfiles stats requests.jsonl
        batchfiles stats joined.parquet
        batchfiles stats campaign/ --write-prices prices.toml
        batchfiles stats campaign/ --prices prices.toml
        batchfiles stats campaign/ --prices prices.toml --prices genai
        batchfiles stats 'downloads/*_output.jsonl' --price gpt-4o-mini=0.15/0.60 --batch-discount 0.5
        batchfiles stats campaign/ --prices prices.toml --json | jq -r .cost
        batchfiles stats campaign/ --prices prices.toml --fail-on no_token_counts,token_sum

    \b
    Exit codes:
        0   done
        1   done, and a condition of --fail-on is true
        2   wrong usage, an invalid price file, or an output that exists
        3   a file can't be read
    """
    from batchfiles.io.sources import Source
    from batchfiles.jobs.retry.joined_table import joined_tables
    from batchfiles.jobs.stats.stats import stats as count
    from batchfiles.jobs.stats.summary import stats_notes, stats_tables

    if write_prices == STDOUT and as_json:
        raise click.UsageError("--json and --write-prices - both write to standard output.")
    joined, inputs = joined_tables(files)
    parts = [part for table in joined for part in table.parts if isinstance(part, Source)]
    target = None if write_prices is None else Target.at(write_prices, folder=False)
    check_targets([("--write-prices", target)], [*inputs, *parts], overwrite=overwrite)
    known = _known_prices(sources, prices, batch_discount)
    with Progress("stats", quiet=as_json) as progress:
        found = count(*joined, *inputs, pairs=pairs, prices=known, progress=progress.update)
    if known is not None:
        refuse_misspelt(known.models, [model for model in found.without_price if model is not None])
    if target is not None:
        _write_prices(target, known, found, overwrite=overwrite)
    if as_json:
        click.echo(report_json(found))
    elif write_prices != STDOUT:
        print_lines(text_of(stats_tables(found, priced=known is not None), screen()))
    if not as_json:
        print_notes(map(visible, stats_notes(found, priced=known is not None)))
    total, noun = found.results.count, "results"
    if not total:
        total, noun = found.requests.count + found.requests.malformed, "requests"
    failed = failures(fail_on, _counted(found), total, noun)
    for condition in failed:
        click.echo(f"fail-on: {condition}", err=True)
    if failed:
        context.exit(1)


def _counted(found: Stats) -> dict[str, int]:
    """Return the counts for `--fail-on`."""
    results = found.results
    return {
        **{outcome: results.outcomes.get(outcome, 0) for outcome in OUTCOMES},
        "malformed": found.requests.malformed + results.outcomes.get("malformed", 0),
        "token_conversion_errors": results.token_conversion_errors,
        "no_token_counts": results.no_token_counts,
        "token_sum": results.token_sum,
        "not_read": found.not_read,
    }


def _known_prices(sources: tuple[str, ...], single: dict[str, Price], discount: Decimal | None) -> Prices | None:
    """Combine the options on prices; None if there are none."""
    if not sources and not single and discount is None:
        return None
    from batchfiles.jobs.stats.prices import prices_of

    known = prices_of(sources)
    source = known.source if known.models else ""
    return replace(
        known,
        models={**known.models, **single},
        batch_discount=known.batch_discount if discount is None else discount,
        source=" and ".join(filter(None, (source, "--price" if single else ""))),
    )


def refuse_misspelt(priced: Iterable[str], without_price: Sequence[str]) -> None:
    """Refuse a price for a model whose name is similar to a model in the files without a price.

    Names that differ in a digit or in a suffix are different models of one family, so they are accepted.
    """
    from batchfiles.jobs.stats.price import alias_of

    seen = {alias_of(model) for model in without_price}
    for name in priced:
        meant = nearest(name, seen, likeness=0.85)
        if meant is None or name.startswith(meant) or meant.startswith(name):
            continue
        if DIGITS.findall(name) == DIGITS.findall(meant):
            raise click.UsageError(
                f"there is a price for {name!r}, but no request or result of this model; did you mean {meant!r}?"
            )


def _write_prices(target: Target, known: Prices | None, found: Stats, *, overwrite: bool) -> None:
    """Write the known prices, and models to fill in."""
    from batchfiles.jobs.stats.price import to_toml
    from batchfiles.jobs.stats.prices import Prices

    text = to_toml(known or Prices(), found.models())
    if target.stream is not None:
        click.echo(text, nl=False)
        return
    with target.open(overwrite=overwrite) as file:
        file.write(text.encode())
    print_note(f"{target}: fill in the prices, then use it with --prices")


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
    print_notes(map(visible, error_notes(digest, most, COMMAND_LINE)))
