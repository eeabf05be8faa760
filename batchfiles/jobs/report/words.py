"""The sentences of a report: the verdict, the accounting, and what else was counted."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

from batchfiles.findings import counts_of, sentence_of
from batchfiles.jobs.join.report import JoinReport, TableReport
from batchfiles.jobs.report.facts import Facts, Usage
from batchfiles.jobs.stats.prices import Prices
from batchfiles.outcome import (
    CANCELLED,
    EXPIRED,
    FAILED,
    INCOMPLETE,
    MALFORMED,
    MISSING,
    NO_RESPONSE,
    OUTCOMES,
    SUCCEEDED,
)

__all__ = [
    "MEANINGS",
    "Line",
    "Verdict",
    "money",
    "notes",
    "noun_of",
    "plural",
    "price_notes",
    "result_lines",
    "retry_command",
    "share",
    "verdict",
]

MEANINGS: Final[dict[str, str]] = {
    SUCCEEDED: "an answer",
    INCOMPLETE: "an answer that stopped early",
    FAILED: "an error",
    EXPIRED: "not processed before the batch expired",
    CANCELLED: "not processed before the batch was cancelled",
    NO_RESPONSE: "a result without an answer and without an error",
    MALFORMED: "a line that can't be read",
    MISSING: "a request without a result",
}

NAMES: Final = 3
"""Names that a sentence lists."""

SMALLEST: Final = Decimal("0.000001")


def plural(count: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def share(count: int, total: int) -> str:
    """Return a percentage; 0% and 100% only for none and all."""
    if 0 < count * 1000 < total:
        return "<0.1%"
    if total > count > total * 0.999:
        return ">99.9%"
    return f"{count / total:.1%}" if total else "0.0%"


def money(cost: Decimal | None) -> str:
    """Return a rounded amount."""
    if cost is None:
        return "no price"
    if cost >= 10 or cost == 0:
        return f"{cost:,.2f}" if cost else "0"
    return f"{cost:.4g}" if cost >= SMALLEST else f"<{SMALLEST:f}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a report says first.

    Attributes:
        mood: `good`, `work` where something can be sent again, or `bad` where something needs a decision.
        sentences: The sentences; the first is the headline.
        command: The command that sends requests again; empty if there is none to send.
    """

    mood: str
    sentences: tuple[str, ...]
    command: str = ""

    def __str__(self) -> str:
        return " ".join(self.sentences) + (f" {self.command}" if self.command else "")


def noun_of(facts: Facts, report: TableReport | None) -> str:
    """Return what the rows are: requests, or results of which the requests are not known."""
    return "request" if isinstance(report, JoinReport) or (report is None and facts.attempts) else "result"


def verdict(facts: Facts, report: TableReport | None, command: str) -> Verdict:
    """Return the verdict on a batch."""
    outcomes = facts.outcomes
    total, succeeded, retryable = outcomes.total(), outcomes[SUCCEEDED], facts.retryable
    noun = noun_of(facts, report)
    if not total:
        return Verdict("bad", (f"There are no {noun}s.",))
    if isinstance(report, JoinReport):
        accounted = ", each accounted for." if total > 1 else ", accounted for."
        headline = f"{plural(total, noun)}{accounted if is_balanced(facts, report) else ': the counts do not add up.'}"
    else:
        headline = f"{plural(total, noun)} in the table." if report is None else f"{plural(total, noun)}."
    if succeeded == total:
        sentences = [headline, "All of them succeeded." if total > 1 else "It succeeded."]
    else:
        sentences = [headline, f"{succeeded:,} succeeded ({share(succeeded, total)})."]
    lost = {name: outcomes[name] - facts.retryable_by[name] for name in OUTCOMES if name != SUCCEEDED}
    lost = {name: count for name, count in lost.items() if count}
    if lost:
        listed = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in lost.items())
        sentences.append(f"{sum(lost.values()):,} would not succeed unchanged: {listed}.")
    odd = list(_odd(report))
    if odd:
        sentences.append(f"Check also: {'; '.join(odd)}.")
    if retryable:
        sentences.append(f"{retryable:,} may succeed if sent again{':' if command else '.'}")
    is_bad = bool(odd) or "do not add up" in headline
    return Verdict("bad" if is_bad else "work" if lost or retryable else "good", tuple(sentences), command if retryable else "")


def _odd(report: TableReport | None) -> Iterator[str]:
    """Yield the findings that need a decision."""
    if isinstance(report, JoinReport):
        if report.unknown:
            yield f"{plural(report.unknown, 'result')} without a request"
        if report.conflicting:
            yield f"{report.conflicting:,} successes with a different answer than the one in the table"
        if report.malformed_unmatched:
            yield f"{plural(report.malformed_unmatched, 'result line')} that can't be read"
        if report.duplicate_inputs:
            yield f"{plural(report.duplicate_inputs, 'request')} with the custom_id of another"
    if report is not None and report.not_read:
        yield f"{plural(report.not_read, 'file')} not read"


def is_balanced(facts: Facts, report: JoinReport) -> bool:
    """Return whether every request and every result line is in exactly one count."""
    sums = report.used + report.superseded + report.unknown + report.malformed_unmatched
    return report.inputs == facts.outcomes.total() == sum(report.outcomes.values()) and report.result_lines == sums


class Line(NamedTuple):
    """A line of an account: a sign, a count and words; None for a count that is not known."""

    sign: str
    number: int | None
    words: str


def result_lines(facts: Facts, report: TableReport | None) -> tuple[Line, ...]:
    """Return the account of the result lines, whose sum is the last line."""
    if isinstance(report, JoinReport):
        return (
            Line("", report.used, "in the table: the best result of a request"),
            Line("+", report.superseded, "superseded: there was a better or later one"),
            Line("+", report.unknown, "unknown: no request has this custom_id"),
            Line("+", report.malformed_unmatched, "can't be read, and belong to no request"),
            Line("=", report.result_lines, "result lines"),
        )
    if report is not None:
        return (Line("", report.result_lines, "result lines, each with a row"),)
    attempts = sum(number * count for number, count in facts.attempts.items() if number)
    if not attempts:
        return (Line("", facts.used, "result lines, each with a row"),)
    return (
        Line("", facts.used, "in the table: the best result of a request"),
        Line("+", attempts - facts.used, "superseded: there was a better or later one"),
        Line("+", None, "unknown, or can't be read: not part of a table; report the files instead to count them"),
        Line("=", None, "result lines"),
    )


def notes(report: TableReport | None) -> Iterator[str]:
    """Yield a sentence for each further count."""
    if report is None:
        return
    if isinstance(report, JoinReport):
        for count, words in (
            (report.conflicting, "superseded results succeeded with a different answer"),
            (report.duplicate_inputs, "requests have the custom_id of an earlier one: all of them got the same result"),
            (report.malformed_inputs, "request lines can't be read; each has a row"),
            (report.malformed_results, "result lines can't be read"),
        ):
            if count:
                yield f"{count:,} {words}"
    for name in counts_of("join"):
        if number := getattr(report, name):
            yield f"{sentence_of(name, number)}{_examples(report, name)}"
    for count, words in (
        (report.parse_errors, "answers did not fit the JSON Schema"),
        (report.conversion_errors, "values did not fit their column"),
        (report.repaired_lines, "lines are not strict JSON, and were read anyway"),
        (report.blank_lines, "blank lines were skipped"),
    ):
        if count:
            yield f"{count:,} {words}"
    yield from map(str, report.findings[:10])
    others = len(report.findings[10:]) + report.findings_not_listed
    if others:
        yield f"{others:,} more findings"


def _examples(report: TableReport, name: str) -> str:
    found = report.examples.get(name, ())
    return f": {', '.join(found[:NAMES])}{', …' if len(found) > NAMES else ''}" if found else ""


def price_notes(usage: Sequence[Usage], prices: Prices, report: TableReport | None) -> Iterator[str]:
    """Yield a sentence for each fact needed to understand the costs."""
    found = {each.model: prices.find(each.model) for each in usage if each.model is not None}
    without = [each.model or "(no model named)" for each in usage if each.cost is None]
    if without:
        yield f"No price for {', '.join(dict.fromkeys(without))}: their cost is not in the sum."
    standard = [model for model, price in found.items() if price is not None and price.is_standard]
    if standard:
        yield f"Standard price, because no batch price is known: {', '.join(standard)}."
    sources = list(dict.fromkeys(price.source for price in found.values() if price is not None))
    if sources:
        yield f"Prices from {', '.join(sources)}; batch discount {prices.batch_discount.normalize():%}."
    if isinstance(report, JoinReport) and report.superseded + report.unknown:
        yield (
            f"{plural(report.superseded + report.unknown, 'result')} that are superseded or unknown are billed too, and not in "
            "this table: batchfiles stats counts all result lines."
        )


def retry_command(names: Sequence[str], parts: Mapping[str, Any], *, is_table: bool, is_folder: bool) -> str:
    """Return the command that writes the requests to send again, as it is typed into a shell."""
    if is_table:
        requests = [name for name in parts if name]
        names = [*(requests if len(requests) <= NAMES else ["REQUESTS"]), *names]
    if not names:
        return ""
    target = names[0] if is_folder and len(names) == 1 else "retry.jsonl"
    return shlex.join(["batchfiles", "retry", *names, "-o", target])
