"""The text output of `stats`, `join` and `export`: tables, and a sentence for each further finding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING

from batchfiles.cli.outputs import absent_columns_notes, not_read_lines
from batchfiles.findings import counts_of, plural, sentence_of, share
from batchfiles.jobs.stats.report import money
from batchfiles.layout import PLAIN, Screen, cut, size, text_table, visible, width_of

if TYPE_CHECKING:
    from batchfiles.jobs.join.report import JoinReport, TableReport
    from batchfiles.jobs.stats.report import Lengths, ModelEstimate, Stats

__all__ = ["format_note", "money", "notes", "notes_of_join", "notes_of_table", "outcome_table", "share", "tables"]


EXAMPLES = 3
FINDINGS = 3
"""How many places and findings the summary names; the report has more."""

LABEL = 13
"""The width of the labels, below the outcomes."""

LONGEST = 600
"""The maximum width of a sentence, which may quote a file."""

Note = tuple[str, str]
"""A label and a sentence."""


def outcome_table(report: TableReport, noun: str, screen: Screen = PLAIN) -> list[str]:
    """Return a line for each outcome that occurs, with its count and share; the noun is the heading."""
    found = {outcome: count for outcome, count in report.outcomes.items() if count}
    total = sum(found.values())
    width = max(len(noun), len(f"{total:,}"))
    lines = [screen.faint(f"{'outcome':{LABEL}}{noun:>{width}}   share")]
    lines += [
        f"{screen.painted(f'{outcome:{LABEL}}')}{count:>{width},}  {share(count, total):>6}" for outcome, count in found.items()
    ]
    return [*lines, f"{'all':{LABEL}}{total:>{width},}"] if len(found) != 1 else lines


def notes_of_join(report: JoinReport) -> Iterator[Note]:
    """Yield the findings of a join."""
    if report.unknown:
        yield "unknown", f"{plural(report.unknown, 'result')} without a request{_places(report, 'unknown')}"
    if report.superseded:
        yield "superseded", f"{plural(report.superseded, 'result')} replaced by a better or later one"
    if report.conflicting:
        words = f"{report.conflicting:,} of them succeeded with a different answer"
        yield "conflicting", words + _places(report, "conflicting")
    if report.duplicate_inputs:
        words = (
            f"{plural(report.duplicate_inputs, 'request')} with the custom_id of an earlier one; all of them got the same result"
        )
        yield "duplicate", words + _places(report, "duplicate")
    if report.unmatched:
        yield "unmatched", f"{plural(report.unmatched, 'row')} without a row in the table of --with: its columns are null"
    if report.malformed_inputs:
        yield "malformed", f"{plural(report.malformed_inputs, 'request line')} that can't be read; each has a row"
    if report.malformed_results:
        words = f"{plural(report.malformed_results, 'result line')} that can't be read"
        if report.malformed_unmatched:
            words += f"; {report.malformed_unmatched:,} of them without a request"
        yield "malformed", words + _places(report, "malformed")


def notes_of_table(report: TableReport, *, csv_safe: bool) -> Iterator[Note]:
    """Yield the findings that joins and exports share."""
    if report.formula_cells:
        words = f"{plural(report.formula_cells, 'cell')} that a spreadsheet would run as formulas; "
        yield "formulas", words + ("prefixed with '" if csv_safe else "--csv-safe prefixes them with '")
    if report.embeddings_in_requests:
        words = f"{plural(report.embeddings_in_requests, 'answer')} with vectors, which are not in this table; "
        yield "embeddings", words + "--table embeddings writes a row for each vector; the bodies are kept unless --bodies none"
    if report.parse_errors:
        words = f"{plural(report.parse_errors, 'answer')} that did not fit the JSON Schema: "
        yield "parse_error", words + "parsed is null, and parse_error has the reason"
    for name in counts_of("join"):
        if number := getattr(report, name):
            yield name, f"{sentence_of(name, number)}{_places(report, name)}"
    if report.conversion_errors:
        words = f"{plural(report.conversion_errors, 'value')} that did not fit the column, null there; "
        yield "conversion_errors", words + "the response_body is kept unless --bodies none"
    if report.repaired_lines:
        yield (
            "repaired",
            f"{plural(report.repaired_lines, 'line')} that are not strict JSON (half a surrogate pair, NaN), read anyway",
        )
    if report.blank_lines:
        yield "blank", f"{plural(report.blank_lines, 'blank line')}, skipped"
    empty = [file["path"] for file in report.files if file["role"] == "empty"]
    if empty:
        yield "empty", f"{plural(len(empty), 'file')} without lines: {_some(empty)}"
    for finding in islice(report.findings, FINDINGS):
        yield "finding", str(finding)
    listed, others = len(report.findings), report.findings_not_listed
    if listed > FINDINGS:
        words = f"the first {listed:,}" if others else "all"
        yield "findings", f"{listed - FINDINGS + others:,} more: --report FILE writes {words}"


def _places(report: TableReport, kind: str) -> str:
    places = report.examples.get(kind, ())
    return f": {_some(places)}" if places else ""


def _some(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names[:EXAMPLES]) + (", …" if len(names) > EXAMPLES else "")


def format_note(note: Note, width: int) -> list[str]:
    """Wrap a note next to its label; words are not broken, so that paths can be copied."""
    label, sentence = note
    lines = [f"{label:{LABEL - 2}}  "]
    for word in cut(visible(sentence), LONGEST).split(" "):
        if width_of(lines[-1]) + width_of(word) > width and lines[-1].strip() != label and lines[-1].strip():
            lines.append(" " * LABEL)
        lines[-1] += f"{word} "
    return [line.rstrip() for line in lines]


NAME_WIDTH = 48
ENDPOINTS = 3
OPTIONAL = ("reasoning", "cached", "input cost", "results", "requests")
"""The columns that narrow terminals leave out, in this order."""

FILES = 10
"""Up to this many files are listed, else only counted."""

NO_MODEL = "(no model named)"


def tables(found: Stats, *, priced: bool, screen: Screen = PLAIN) -> list[str]:
    """Return the lines of all tables that are not empty, with blank lines between them."""
    parts = [
        _files(found, screen),
        _totals(found),
        _outcomes(found, screen),
        _usage(found, screen, priced=priced),
        _lengths(found, screen),
    ]
    if not found.results.count:
        parts[3] = _estimates(found, screen, priced=priced)
    lines: list[str] = []
    for part in filter(None, parts):
        lines += ["", *part] if lines else part
    return lines


def notes(found: Stats, *, priced: bool) -> Iterator[str]:
    """Yield a sentence for each fact needed to understand the tables."""
    malformed = found.requests.malformed + found.results.outcomes.get("malformed", 0)
    if malformed:
        more = ", …" if malformed > len(found.malformed) else ""
        yield f"{plural(malformed, 'line')} that can't be read: {', '.join(found.malformed)}{more}"
    if found.blank_lines:
        yield f"{plural(found.blank_lines, 'blank line')}, skipped"
    if found.repeated_inputs:
        yield f"{plural(found.repeated_inputs, 'request line')} repeated from another request file: counted once"
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


def _files(found: Stats, screen: Screen) -> list[str]:
    if len(found.files) > FILES:
        return []
    return text_table(
        ("file", "role", "lines", "size"),
        [(visible(file.name), _ROLES[file.role], f"{file.lines:,}", size(file.bytes)) for file in found.files],
        texts=2,
        whole=("role",),
        screen=screen,
    )


_ROLES = {"table": "table", "inputs": "requests", "results": "results", "empty": "empty"}


def _totals(found: Stats) -> list[str]:
    lines = []
    for noun, role, part in (("requests", "inputs", found.requests), ("results", "results", found.results)):
        if part.count:
            files = sum(file.role in (role, "table") for file in found.files)
            words = f"{noun:8}  {part.count:,} in {plural(files, 'file')}" + (f", {size(part.bytes)}" if part.bytes else "")
            lines.append(words + _endpoints(part.endpoints, part.count))
    return lines


def _endpoints(endpoints: Mapping[str | None, int], total: int) -> str:
    """Return the endpoints, the most frequent first, with counts if there are several."""
    named = sorted(((name, count) for name, count in endpoints.items() if name), key=lambda item: -item[1])
    if not named:
        return ""
    words = [
        cut(visible(name), NAME_WIDTH) + (f" {count:,}" if len(named) > 1 else "") for name, count in named[:ENDPOINTS] if total
    ]
    return f", {', '.join(words)}{', …' if len(named) > ENDPOINTS else ''}"


def _outcomes(found: Stats, screen: Screen) -> list[str]:
    total = found.results.count
    rows = [(outcome, f"{count:,}", share(count, total)) for outcome, count in found.results.outcomes.items()]
    return text_table(("outcome", "results", "share"), rows, screen=screen)


def _usage(found: Stats, screen: Screen, *, priced: bool) -> list[str]:
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
    return text_table(headings, rows, optional=OPTIONAL, screen=screen)


def _estimates(found: Stats, screen: Screen, *, priced: bool) -> list[str]:
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
    return text_table(headings, rows, optional=OPTIONAL, screen=screen)


def _at_most(estimate: ModelEstimate) -> str:
    if estimate.without_limit:
        return "no limit" if estimate.without_limit == estimate.requests else f"{estimate.without_limit:,} without limit"
    return f"{estimate.output_tokens_at_most:,}"


def _heading(word: str, found: Stats) -> str:
    return f"{word} ({cut(visible(found.currency), 12)})" if found.currency else word


def _model(name: str | None) -> str:
    return NO_MODEL if name is None else cut(visible(name), NAME_WIDTH)


def _lengths(found: Stats, screen: Screen) -> list[str]:
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
    return text_table(
        ("length", "count", "min", "50%", "90%", "99%", "max"), cells, optional=("count", "99%", "90%"), screen=screen
    )
