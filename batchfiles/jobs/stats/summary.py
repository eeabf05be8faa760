"""The summaries of `stats` and `errors`: tables, and a sentence for each fact needed to understand them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from batchfiles.findings import not_read_lines, plural, repaired_words, sentence_of, share
from batchfiles.jobs.stats.price import money
from batchfiles.layout import PLAIN, Screen, cut, cut_in_middle, size, visible, wrapped
from batchfiles.summary import PYTHON, WIDTH, Block, Interface, Sentences, Table, html_of, page_part

if TYPE_CHECKING:
    from batchfiles.jobs.stats.error_digest import ErrorDigest, ErrorGroup
    from batchfiles.jobs.stats.report import Lengths, ModelEstimate, Stats

NAME_WIDTH = 48
ENDPOINTS = 3
FILES = 10
"""Up to this many files are listed, else only counted."""

OPTIONAL = ("reasoning", "cached", "input cost", "results", "requests")

NO_MODEL = "(no model named)"


def stats_tables(found: Stats, *, priced: bool) -> Iterator[Block]:
    """Yield all tables that are not empty, with blank lines between them."""
    usage = _usage(found, priced=priced) if found.results.count else _estimates(found, priced=priced)
    parts: list[Block] = [_files(found), _totals(found), _outcomes(found), usage, _lengths(found)]
    shown = [part for part in parts if (part.rows if isinstance(part, Table) else part != Sentences([]))]
    for number, part in enumerate(shown):
        if number:
            yield Sentences([""])
        yield part


def stats_notes(found: Stats, *, priced: bool) -> Iterator[str]:
    """Yield a sentence for each fact needed to understand the tables."""
    malformed = found.requests.malformed + found.results.outcomes.get("malformed", 0)
    if malformed:
        more = ", …" if malformed > len(found.malformed) else ""
        yield f"{plural(malformed, 'line')} that can't be read: {', '.join(found.malformed)}{more}"
    if found.blank_lines:
        yield f"{plural(found.blank_lines, 'blank line')}, skipped"
    if found.repeated_inputs:
        yield f"{plural(found.repeated_inputs, 'request line')} repeated from another request file: counted once"
    if found.repaired_lines:
        yield repaired_words(found.repaired_lines)
    yield from _successes(found)
    yield from not_read_lines(found.not_read, found.examples)
    yield from absent_columns_notes(found.absent_columns)
    if found.results.token_conversion_errors:
        words = f"{plural(found.results.token_conversion_errors, 'token count')} below 0, over 64 bits or not an integer: "
        yield words + "not in the sums" + (", nor in the cost" if priced else "")
    if found.results.no_token_counts:
        words = f"{sentence_of('no_token_counts', found.results.no_token_counts)}: their tokens are not in the sums"
        yield words + (", nor in the cost" if priced else "")
    if found.results.token_sum:
        yield f"{sentence_of('token_sum', found.results.token_sum)}: summed as stated"
    if not found.results.count and found.requests.count:
        yield "input tokens are estimated: one for each 4 bytes of text; images, audio and files are not counted"
    if priced:
        yield from _price_notes(found)


def absent_columns_notes(columns: Sequence[str]) -> list[str]:
    """Return a line with the columns that a table doesn't have, if any."""
    return [f"not in the table, and not counted: {', '.join(columns)}"] if columns else []


def _successes(found: Stats) -> Iterator[str]:
    """Yield a sentence where the successes are not as many as the requests that `join` counts as succeeded."""
    results = found.results
    lines, requests = results.outcomes.get("succeeded", 0), results.succeeded_requests
    if requests is None or requests == lines:
        return
    repeated, unknown = results.repeated_successes or 0, results.unknown_successes or 0
    shared = requests + repeated + unknown - lines
    causes = (
        f"{plural(repeated, 'repeats', 'repeat')} another one" if repeated else "",
        f"{plural(unknown, 'has', 'have')} no request" if unknown else "",
        f"{plural(shared, 'request')} with the custom_id of an earlier one" if shared else "",
    )
    yield f"{plural(lines, 'success', 'successes')} for {plural(requests, 'request')}: {', '.join(filter(None, causes))}"


def _price_notes(found: Stats) -> Iterator[str]:
    """Yield a sentence for each fact needed to understand the costs."""
    if found.without_price:
        names = ", ".join(_without_price(name, found) for name in found.without_price)
        yield f"no price for {names}: their cost is not in the sum"
    models = found.results.models if found.results.count else found.requests.models
    for usage in models:
        if usage.model and usage.price_of not in (None, usage.model, f"openai/{usage.model}"):
            yield f"{_model(usage.model)}: at the price of {_model(usage.price_of)}"
    standard = [_model(usage.model) for usage in models if usage.is_standard_price]
    if standard:
        off = f", less {_percent(found.batch_discount)}" if found.batch_discount else ""
        yield f"standard price{off}, because no batch price is known: {', '.join(standard)}"
    for_batches = [_model(usage.model) for usage in models if usage.is_batch_price]
    if for_batches:
        off = ", without discount" if found.batch_discount else ""
        yield f"price for batches{off}: {', '.join(for_batches)}"
    for kind, tokens in found.tokens_without_own_price.items():
        words = f"{plural(tokens, kind.replace('_', ' ') + ' token')} without a separate price ({kind})"
        yield f"{words}: priced as other {'output' if kind.endswith('output') else 'input'} tokens"
    if found.above_tiers:
        yield f"{_above_tiers(found.above_tiers)}: prices often have a higher tier there"
    if models:
        parts = [f"prices from {', '.join(found.price_sources)}"] if found.price_sources else []
        if any(usage.price_of and not usage.is_batch_price for usage in models) or not for_batches:
            parts.append(f"batch discount {_percent(found.batch_discount)}")
        if found.results.count:
            parts.append("all result lines count, also superseded ones")
        yield f"cost: {'; '.join(parts)}"


def _without_price(model: str | None, found: Stats) -> str:
    near = found.similar_prices.get(model or "")
    return _model(model) if near is None else f"{_model(model)} (there is one for {_model(near)})"


def _above_tiers(counts: Mapping[str, int]) -> str:
    """Report how many requests exceed which sizes; a size is left out if all its requests exceed the next one too."""
    sizes = [(int(size), count) for size, count in counts.items()]
    kept = [each for each, following in zip(sizes, [*sizes[1:], (0, 0)], strict=True) if each[1] != following[1]]
    first = f"{plural(kept[0][1], 'request')} {'has' if kept[0][1] == 1 else 'have'} more than {kept[0][0]:,} input tokens"
    return first + "".join(f", {count:,} of them more than {size:,}" for size, count in kept[1:])


def _percent(part: Decimal | None) -> str:
    return f"{((part or Decimal(0)) * 100).normalize():f}%"


def _files(found: Stats) -> Table:
    return Table(
        ("file", "role", "lines", "size"),
        [
            (visible(file.name), _ROLES[file.role], f"{file.lines:,}", size(file.bytes))
            for file in found.files[: FILES if len(found.files) <= FILES else 0]
        ],
        texts=2,
        whole=("role",),
    )


_ROLES = {"table": "table", "inputs": "requests", "results": "results", "empty": "empty"}


def _totals(found: Stats) -> Sentences:
    lines = []
    for noun, role, part in (("requests", "inputs", found.requests), ("results", "results", found.results)):
        if part.count:
            files = sum(file.role in (role, "table") for file in found.files)
            words = f"{noun:8}  {part.count:,} in {plural(files, 'file')}" + (f", {size(part.bytes)}" if part.bytes else "")
            lines.append(words + _endpoints(part.endpoints, part.count))
    return Sentences(lines)


def _endpoints(endpoints: Mapping[str | None, int], total: int) -> str:
    """Return the endpoints, the most frequent first, with counts if there are several."""
    named = sorted(((name, count) for name, count in endpoints.items() if name), key=lambda item: -item[1])
    if not named:
        return ""
    words = [
        cut(visible(name), NAME_WIDTH) + (f" {count:,}" if len(named) > 1 else "") for name, count in named[:ENDPOINTS] if total
    ]
    return f", {', '.join(words)}{', …' if len(named) > ENDPOINTS else ''}"


def _outcomes(found: Stats) -> Table:
    total = found.results.count
    rows = [(outcome, f"{count:,}", share(count, total)) for outcome, count in found.results.outcomes.items()]
    return Table(("outcome", "results", "share"), rows)


def _usage(found: Stats, *, priced: bool) -> Table:
    """Return the tokens and costs of the results by model."""
    models = found.results.models
    counts: list[tuple[int, ...]] = [
        (usage.results, usage.input_tokens, usage.cached_tokens, usage.output_tokens, usage.reasoning_tokens) for usage in models
    ]
    names = [_model(usage.model) for usage in models]
    costs = [usage.cost for usage in models]
    if len(models) > 1:
        counts.append(tuple(map(sum, zip(*counts, strict=True))))
        names.append("all")
        costs.append(found.cost)
    headings = ["model", "results", "input", "cached", "output", "reasoning"]
    rows = [[name, *(f"{count:,}" for count in row)] for name, row in zip(names, counts, strict=True)]
    if priced:
        headings.append(_heading("cost", found))
        for row, cost in zip(rows, costs, strict=True):
            row.append(money(cost))
    return Table(headings, rows, optional=OPTIONAL, has_total=len(models) > 1)


def _estimates(found: Stats, *, priced: bool) -> Table:
    """Return the estimated tokens and costs of the requests by model."""
    models = found.requests.models
    rows = [
        [_model(estimate.model), f"{estimate.requests:,}", f"{estimate.input_tokens:,}", _at_most(estimate)]
        for estimate in models
    ]
    headings = ["model", "requests", "input", "output at most"]
    if priced:
        headings += [_heading("input cost", found), "cost at most"]
        for row, estimate in zip(rows, models, strict=True):
            row += [money(estimate.input_cost), "-" if estimate.without_limit else money(estimate.cost_at_most)]
    return Table(headings, rows, optional=OPTIONAL)


def _at_most(estimate: ModelEstimate) -> str:
    if estimate.without_limit:
        return "no limit" if estimate.without_limit == estimate.requests else f"{estimate.without_limit:,} without limit"
    return f"{estimate.output_tokens_at_most:,}"


def _heading(word: str, found: Stats) -> str:
    return f"{word} ({cut(visible(found.currency), 12)})" if found.currency else word


def _model(name: str | None) -> str:
    return NO_MODEL if name is None else cut(visible(name), NAME_WIDTH)


def _lengths(found: Stats) -> Table:
    """Return the lengths of lines and texts."""
    requests, results = found.requests, found.results
    rows: list[tuple[str, Lengths | None]] = [
        ("request line, bytes", requests.line_bytes),
        ("request text, characters", requests.text_characters),
        ("result line, bytes", results.line_bytes),
        ("answer text, characters", results.text_characters),
        ("input tokens", results.input_tokens),
        ("output tokens", results.output_tokens),
    ]
    cells = [
        (name, *(f"{value:,}" for value in (each.count, each.minimum, each.p50, each.p90, each.p99, each.maximum)))
        for name, each in rows
        if each is not None
    ]
    return Table(("length", "count", "min", "50%", "90%", "99%", "max"), cells, optional=("count", "99%", "90%"))


MOST = 20
"""How many errors are shown."""
NAMES = 3
MESSAGE_LINES = 4
PLACE_WIDTH = 28
INDENT = " " * 4
ID_WIDTH = 60


def error_lines(digest: ErrorDigest, most: int, screen: Screen = PLAIN) -> list[str]:
    """Return the text output: a total, and a few lines for each group of errors."""
    lines = [f"{plural(digest.results, 'result')}, {digest.errors:,} without success"]
    if digest.errors:
        lines[0] += f" ({share(digest.errors, digest.results)})"
    for group in digest.groups[:most]:
        lines += ["", *_group_lines(group, digest.results, screen)]
    return lines


def _group_lines(group: ErrorGroup, total: int, screen: Screen) -> list[str]:
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


def error_notes(digest: ErrorDigest, most: int, names: Interface) -> list[str]:
    """Return a sentence for each thing that is not listed."""
    lines = []
    hidden = len(digest.groups) - most
    if hidden > 0:
        lines.append(f"{plural(hidden, 'more error')}: {names.more_errors}")
    if digest.other:
        lines.append(
            f"{plural(digest.other, 'result')} with other errors: only the first {len(digest.groups):,} are distinguished"
        )
    if digest.skipped:
        skipped = ", ".join(digest.skipped[:NAMES]) + (", …" if len(digest.skipped) > NAMES else "")
        lines.append(f"{plural(len(digest.skipped), 'request file')} skipped: {skipped}")
    lines += not_read_lines(digest.not_read, digest.examples)
    lines += absent_columns_notes(digest.absent_columns)
    return lines


def error_page(digest: ErrorDigest) -> str:
    """Return the most frequent errors as HTML."""
    total, *_ = error_lines(digest, 0)
    notes = [visible(note) for note in error_notes(digest, MOST, PYTHON)]
    return page_part("ErrorDigest", html_of([Sentences([total]), _error_table(digest), Sentences(notes)]))


def _error_table(digest: ErrorDigest) -> Table:
    rows = [
        (
            f"{group.count:,}",
            share(group.count, digest.results),
            group.outcome,
            "" if group.status_code is None else str(group.status_code),
            cut(visible(group.code or ""), ID_WIDTH),
            "yes" if group.retryable else "no",
            cut(visible(group.message or ""), MESSAGE_LINES * WIDTH),
            f"{cut_in_middle(visible(group.path), PLACE_WIDTH)}:{group.line_number}",
        )
        for group in digest.groups[:MOST]
    ]
    headings = ("count", "share", "outcome", "status", "code", "retryable", "message", "first")
    return Table(headings, rows, texts=("outcome", "code", "retryable", "message", "first"), sentences=("message",))


def stats_blocks(found: Stats) -> Iterator[Block]:
    """Yield the whole summary of `stats`."""
    priced = found.batch_discount is not None
    yield from stats_tables(found, priced=priced)
    yield Sentences(["", *map(visible, stats_notes(found, priced=priced))])


def digest_blocks(digest: ErrorDigest, names: Interface = PYTHON) -> Iterator[Block]:
    """Yield the whole summary of `errors`."""
    yield Sentences(error_lines(digest, MOST, Screen(WIDTH)))
    yield Sentences([visible(note) for note in error_notes(digest, MOST, names)])
