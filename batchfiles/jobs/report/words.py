"""The sentences of a report: the verdict, the accounting, and what else was counted."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final, NamedTuple

from batchfiles.findings import counts_of, plural, sentence_of, share
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

MOST_WORDS: Final = 6
"""Files and options that the command to retry lists."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a report says first.

    Attributes:
        mood: `good`, `work` where something can be sent again or changed, or `bad` where something needs a decision.
        headline: How many requests there are, and that each is accounted for.
        succeeded: How many succeeded.
        retry: How many may succeed if they are sent again; empty if there is none.
        command: The command that writes them.
        others: What else there is to do.
    """

    mood: str
    headline: str
    succeeded: str = ""
    retry: str = ""
    command: str = ""
    others: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join(filter(None, (self.headline, self.succeeded, *self.others, self.retry, self.command)))


def noun_of(facts: Facts, report: TableReport | None) -> str:
    """Return what the rows are: requests, or results of which the requests are not known."""
    return "request" if isinstance(report, JoinReport) or (report is None and facts.attempts) else "result"


def verdict(facts: Facts, report: TableReport | None, command: str) -> Verdict:
    """Return the verdict on a batch."""
    outcomes, retryable = facts.outcomes, facts.retryable_by
    total, again = outcomes.total(), retryable.total()
    counted = plural(total, noun_of(facts, report))
    if not total:
        return Verdict("bad", f"There is nothing to report: {counted}.")
    is_wrong = isinstance(report, JoinReport) and not is_balanced(facts, report)
    if isinstance(report, JoinReport):
        headline = f"{counted}, {'but the counts do not add up' if is_wrong else 'each accounted for'}."
    else:
        headline = f"{counted} in the table." if report is None else f"{counted}."
    succeeded = outcomes[SUCCEEDED]
    lost = {name: outcomes[name] - retryable[name] for name in OUTCOMES if name != SUCCEEDED and outcomes[name] > retryable[name]}
    others = []
    if lost:
        listed = ", ".join(f"{count:,} {name}" for name, count in lost.items())
        others.append(f"{sum(lost.values()):,} would not succeed unchanged: {listed}.")
    if problems := list(_problems(report)):
        others.append(f"Check also: {'; '.join(problems)}.")
    return Verdict(
        "bad" if problems or is_wrong else "work" if lost or again else "good",
        headline,
        "All succeeded." if succeeded == total else f"{succeeded:,} succeeded ({share(succeeded, total)}).",
        f"{again:,} may succeed if sent again{':' if command else '.'}" if again else "",
        command if again else "",
        tuple(others),
    )


def _problems(report: TableReport | None) -> Iterator[str]:
    """Yield the findings that need a decision."""
    if isinstance(report, JoinReport):
        if report.unknown:
            yield f"{plural(report.unknown, 'result')} without a request"
        if report.conflicting:
            yield f"{plural(report.conflicting, 'result')} with a different answer than the one in the table"
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


def _counted(*counts: tuple[int, str, str]) -> Iterator[str]:
    """Yield a sentence for each count that is not 0."""
    for count, noun, words in counts:
        if count:
            yield f"{plural(count, noun)} {words}"


def notes(report: TableReport | None) -> Iterator[str]:
    """Yield a sentence for each further count."""
    if report is None:
        return
    if isinstance(report, JoinReport):
        yield from _counted(
            (report.conflicting, "superseded result", "with a different answer than the one in the table"),
            (report.duplicate_inputs, "request", "with the custom_id of an earlier one: all of them got the same result"),
            (report.malformed_inputs, "request line", "that can't be read; each has a row"),
            (report.malformed_results, "result line", "that can't be read"),
        )
    for name in counts_of("join"):
        if number := getattr(report, name):
            yield f"{sentence_of(name, number)}{_examples(report, name)}"
    yield from _counted(
        (report.parse_errors, "answer", "that did not fit the JSON Schema"),
        (report.conversion_errors, "value", "that did not fit the column"),
        (report.repaired_lines, "line", "in JSON that is not strict, read anyway"),
        (report.blank_lines, "blank line", "skipped"),
    )
    yield from map(str, report.findings[:10])
    others = len(report.findings[10:]) + report.findings_not_listed
    if others:
        yield plural(others, "more finding")


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
    """Return the command that writes the requests to send again, as it is typed into a shell.

    Several request files may have the same ids, so each gets its own file in their folder.

    Args:
        names: The files and options that the report was made with.
        parts: The request files of the rows, which the command needs next to a table.
        is_table: Whether the names are those of a table.
        is_folder: Whether the name is that of a folder of requests and results.
    """
    if is_table:
        names = [*filter(None, parts), *names]
    if not names:
        return ""
    folders = {str(PurePath(part).parent) for part in filter(None, parts)}
    is_common = len(parts) > 1 and len(folders) == 1
    output = names[0] if is_folder and len(names) == 1 else folders.pop() if is_common else "retry.jsonl"
    if len(names) > MOST_WORDS:
        return f"batchfiles retry FILE... -o {output}"
    return shlex.join(["batchfiles", "retry", *names, "-o", output])
