"""`batchfiles stats`: how much there is, what it took, what it costs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from batchfiles.cli.options import Condition, FilesOrPairs, fail_on_option, failures, files_or_pairs_argument, pairs_option
from batchfiles.cli.outputs import STDOUT, check_targets, report_json
from batchfiles.cli.progress import Progress
from batchfiles.cli.stats_tables import notes, tables
from batchfiles.cli.text import visible
from batchfiles.counts import counts_of
from batchfiles.findings import nearest
from batchfiles.io.target import Target
from batchfiles.outcome import MISSING, OUTCOMES

if TYPE_CHECKING:
    from batchfiles.jobs.stats.price import Price
    from batchfiles.jobs.stats.prices import Prices
    from batchfiles.jobs.stats.report import Stats

__all__ = ["stats"]

DIGITS = re.compile(r"\d")

COUNTED = (*(outcome for outcome in OUTCOMES if outcome != MISSING), "token_conversion_errors", *counts_of("stats"))
"""What `--fail-on` can speak of."""


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


@click.command(cls=FilesOrPairs, short_help="Count requests, outcomes, tokens and costs.")
@files_or_pairs_argument
@pairs_option
@click.option(
    "--prices",
    "sources",
    multiple=True,
    metavar="FILE",
    help="A TOML file with your prices per million tokens; 'genai' for those of the package genai-prices, or 'genai:azure' for "
    "one provider there. Repeatable: a file goes before the package.",
)
@click.option(
    "--price",
    "prices",
    multiple=True,
    metavar="MODEL=IN/OUT",
    callback=_price,
    help="A price per million tokens, such as gpt-4o-mini=0.15/0.60; goes before that of the file. Repeatable.",
)
@click.option(
    "--batch-discount",
    metavar="SHARE",
    callback=_discount,
    help="The share that the service takes off for a batch: 0.5 for half the price.  [default: as --prices says, else 0]",
)
@click.option(
    "--write-prices",
    metavar="FILE",
    help="Write a file for --prices with the models that were seen, to be filled in; - for standard output, without the tables.",
)
@click.option("--force", "overwrite", is_flag=True, help="Replace the file of --write-prices if it is there already.")
@fail_on_option(COUNTED)
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object instead; amounts of money are exact.")
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
    """Count requests, outcomes, tokens and what they cost.

    FILE is a request file, an output file or an error file, in any mix, sorted by what the lines say; or a folder or a glob of
    them, or - for standard input. gzip, bz2 and zstd are read too.

    Tokens of results are those that the service counted. All result lines count, also those that a join would call superseded or
    unknown, because all are billed. Where there are only requests, their tokens are estimated: one for each 4 bytes of text.

    No prices are built in: they would soon be outdated. --write-prices makes a file for the models seen, and you fill it in; or
    --prices genai takes those of the package genai-prices (pip install 'batchfiles[prices]').

    \b
    Examples:
        batchfiles stats requests.jsonl
        batchfiles stats campaign/ --write-prices prices.toml
        batchfiles stats campaign/ --prices prices.toml
        batchfiles stats campaign/ --prices prices.toml --prices genai
        batchfiles stats 'downloads/*_output.jsonl' --price gpt-4o-mini=0.15/0.60 --batch-discount 0.5
        batchfiles stats campaign/ --prices prices.toml --json | jq -r .cost
        batchfiles stats campaign/ --prices prices.toml --fail-on no_token_counts,token_sum

    \b
    Exit codes:
        0   done
        1   done, and something is true that --fail-on names
        2   wrong usage, not a file of prices, or a file to write that exists
        3   a file can't be read
    """  # noqa: D301 - click wants its \b
    from batchfiles.io.sources import expand
    from batchfiles.jobs.stats.stats import stats as count

    if write_prices == STDOUT and as_json:
        raise click.UsageError("--json and --write-prices - can't both have standard output.")
    inputs = expand(files)
    target = None if write_prices is None else Target.at(write_prices, folder=False)
    check_targets([("--write-prices", target)], inputs, overwrite=overwrite)
    known = _known_prices(sources, prices, batch_discount)
    with Progress("stats", quiet=as_json) as progress:
        found = count(*inputs, pairs=pairs, prices=known, progress=progress.update)
    if known is not None:
        refuse_misspelt(known.models, [model for model in found.without_price if model is not None])
    if target is not None:
        _write_prices(target, known, found, overwrite=overwrite)
    if as_json:
        click.echo(report_json(found))
    elif write_prices != STDOUT:
        for line in tables(found, priced=known is not None):
            click.echo(line)
    if not as_json:
        for note in notes(found, priced=known is not None):
            click.echo(visible(note), err=True)
    total, noun = found.results.count, "results"
    if not total:
        total, noun = found.requests.count + found.requests.malformed, "requests"
    failed = failures(fail_on, _counted(found), total, noun)
    for words in failed:
        click.echo(f"fail-on: {words}", err=True)
    if failed:
        context.exit(1)


def _counted(found: Stats) -> dict[str, int]:
    """Return what `--fail-on` can speak of."""
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
    """Put together what the options say; None if they say nothing of prices."""
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
    """Refuse a price whose model is almost one that was seen and has none.

    Models of one family have names that differ by a digit or by an ending, so those count as two models.

    Raises:
        click.UsageError: There is one.
    """
    from batchfiles.jobs.stats.price import alias_of

    seen = {alias_of(model) for model in without_price}
    for name in priced:
        meant = nearest(name, seen, likeness=0.85)
        if meant is None or name.startswith(meant) or meant.startswith(name):
            continue
        if DIGITS.findall(name) == DIGITS.findall(meant):
            raise click.UsageError(f"there is a price for {name!r}, and nothing here is of this model; did you mean {meant!r}?")


def _write_prices(target: Target, known: Prices | None, found: Stats, *, overwrite: bool) -> None:
    """Write the prices that are known, and places for those that are not."""
    from batchfiles.jobs.stats.price import to_toml
    from batchfiles.jobs.stats.prices import Prices

    text = to_toml(known or Prices(), found.models())
    if target.stream is not None:
        click.echo(text, nl=False)
        return
    with target.open(overwrite=overwrite) as file:
        file.write(text.encode())
    click.echo(visible(f"{target}: fill in the prices, then give it to --prices"), err=True)
