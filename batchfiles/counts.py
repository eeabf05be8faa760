"""Counts in addition to the outcomes. Each has one name: in reports, in `--json`, in the summary and for `--fail-on`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

__all__ = ["COUNTS", "EXAMPLES", "Count", "add_example", "count_name", "counts_of", "sentence_of"]

EXAMPLES: Final = 5
"""Different examples of each kind that a report names."""


class Count(NamedTuple):
    """One count, and its words in the summary.

    Attributes:
        noun: What is counted, in the singular.
        words: The words of the summary after the number and the noun.
        commands: The commands whose summaries and `--fail-on` have it.
    """

    noun: str
    words: str
    commands: tuple[str, ...]


TABLES: Final = ("join", "export")
JOIN: Final = ("join",)
TOKENS: Final = (*TABLES, "stats")

COUNTS: Final[dict[str, Count]] = {
    "empty_text": Count("answer", "with an empty text, and with no refusal and no tool call", TABLES),
    "unknown_finish_reason": Count("answer", "ended for a reason not known here", TABLES),
    "short": Count("text", "without a vector or a result, in answers that have fewer than their requests have texts", JOIN),
    "surplus": Count("vector", "or result of a moderation for a text that the request does not have", JOIN),
    "repeated_index": Count("vector", "with the index of another one of the same answer", TABLES),
    "wrong_dimensions": Count("vector", "of another length than the request asked for", JOIN),
    "fenced": Count("answer", "in a fenced block of Markdown: parsed has the JSON in it, and text the whole", TABLES),
    "no_schema": Count("answer", "to requests that ask for no JSON Schema: parsed and parse_error are null there", JOIN),
    "other_schema": Count("answer", "to requests that ask for another JSON Schema: parsed and parse_error are null there", JOIN),
    "no_token_counts": Count("answer", "without token counts", TOKENS),
    "token_sum": Count("answer", "with token counts that do not add up to their total", TOKENS),
    "repeated_inputs": Count(
        "request line", "that repeat a line of another request file: one request, and its results are attempts", ("join",)
    ),
    "not_read": Count("path", "not read, in the folders that were given", (*TABLES, "retry", "stats")),
    "no_results": Count("request", "and not one result: no result file was found", ("join",)),
    "not_in_table": Count(
        "request",
        "not in the table, and left out: name the results, or the whole table, to choose among all requests",
        ("retry",),
    ),
}
"""By name. The name is also a field of the report; `examples` of the report may name the first words or places."""


def count_name(noted: str) -> str:
    """Return the name of what an answer notes: `"unknown_finish_reason:eos_token"` is counted as `unknown_finish_reason`."""
    return noted.partition(":")[0]


def add_example(examples: dict[str, list[str]], name: str, *found: str) -> None:
    """Keep the first different examples of a name."""
    kept = examples.setdefault(name, [])
    kept += [each for each in dict.fromkeys(found) if each not in kept][: EXAMPLES - len(kept)]


def sentence_of(name: str, number: int) -> str:
    """Say in the summary how many there are of one count: `2 answers without token counts`."""
    count = COUNTS[name]
    return f"{number:,} {count.noun}{'' if number == 1 else 's'} {count.words}"


def counts_of(command: str) -> Iterable[str]:
    """Return the names of the counts of a command, without the outcomes."""
    return [name for name, count in COUNTS.items() if command in count.commands]
