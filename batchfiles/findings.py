"""Findings about a file: places, codes and messages, never the line itself. And the messages about an unknown word.

Counts in addition to the outcomes. Each has the same name in reports, in `--json`, in the summary and for `--fail-on`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from batchfiles.errors import DataError, InvalidLineError
from batchfiles.layout import visible
from batchfiles.summary import Displayed, Interface, html_table, page_part

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Finding(Displayed):
    """One problem or note about one place in one file.

    Attributes:
        code: OpenAI's own code where it has one (`duplicate_custom_id`, `invalid_json_line`, …), ours elsewhere.
        message: What is wrong and, where that is not obvious, what to do.
        severity: `"error"`: the service would refuse it, or a result would be lost; `"warning"`: it works but may be a mistake;
            `"info"`: for information.
        path: The file's display name, without credentials.
        line_number: Counted from 1, including blank lines.
        byte_offset: Where the line begins, in bytes of the uncompressed file.
        json_path: The place in the line, such as `$.body.model`.
        custom_id: The id of the request, if known; cut after 128 characters.
        first_path: For a repetition: the file of the first occurrence.
        first_line_number: For a repetition: the line of the first occurrence.
        service_code: Another service's code for the same, such as Azure's `url_mismatch`.
    """

    code: str
    message: str
    severity: Severity = "error"
    path: str | None = None
    line_number: int | None = None
    byte_offset: int | None = None
    json_path: str | None = None
    custom_id: str | None = None
    first_path: str | None = None
    first_line_number: int | None = None
    service_code: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain values, for JSON."""
        return asdict(self)

    @classmethod
    def of(cls, error: DataError, *, path: str | None, line_number: int | None, byte_offset: int | None) -> Finding:
        """Convert an exception about one line to a finding at its place."""
        json_path = error.json_path if isinstance(error, InvalidLineError) else None
        return cls(
            code=error.code,
            message=error.reason,
            path=path,
            line_number=line_number,
            byte_offset=byte_offset,
            json_path=json_path,
        )

    @classmethod
    def revived(cls, finding: Finding | dict[str, Any]) -> Finding:
        """Return a finding that another process may have sent as a dict."""
        return finding if isinstance(finding, Finding) else cls(**finding)

    def _repr_html_(self) -> str:
        """Return the finding as an HTML table, for notebooks."""
        return Findings([self])._repr_html_()

    def as_error(self) -> Finding:
        """Return the finding with a warning's severity raised to `"error"`, as for `strict`."""
        return replace(self, severity="error") if self.severity == "warning" else self

    def exception(self) -> InvalidLineError:
        """Return the finding as an exception, for callers without `on_error`."""
        return InvalidLineError(
            self.message,
            code=self.code,
            json_path=self.json_path,
            path=self.path,
            line_number=self.line_number,
            byte_offset=self.byte_offset,
        )

    def __str__(self) -> str:
        """Return `path:line: severity: message at json_path (code)`."""
        place = ":".join(str(part) for part in (self.path, self.line_number) if part is not None)
        where = f" at {self.json_path}" if self.json_path else ""
        words = f"{self.severity}: {self.message}{where} ({self.code})"
        return f"{place}: {words}" if place else words


class Findings(tuple[Finding, ...]):
    """Findings in a report: a tuple that prints one a line, and is a table in a notebook."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    def _repr_html_(self) -> str:
        """Return the first findings as an HTML table, for notebooks."""
        rows = [
            (each.severity, each.path or "", str(each.line_number or ""), each.message, each.json_path or "", each.code)
            for each in self[:FINDINGS_SHOWN]
        ]
        more = f"<p>{len(self) - FINDINGS_SHOWN:,} more</p>" if len(self) > FINDINGS_SHOWN else ""
        headings = ("severity", "file", "line", "message", "place", "code")
        cells = [[visible(cell) for cell in row] for row in rows]
        return page_part(plural(len(self), "finding"), html_table(headings, cells, numbers={2}), more)


FINDINGS_SHOWN: Final = 50
"""Findings that a notebook shows."""

OnError: TypeAlias = Callable[[Finding], None] | None
"""`None` raises the first error; a callable gets every finding, and reading continues."""

LONGEST_LIST = 60
"""The number of words that a message lists."""


FINDINGS_IN_SUMMARY: Final = 3
"""How many findings a summary shows."""

FINDING_WORDS = {
    "byte_order_mark": "a byte order mark was left out",
    "missing_newline": "a newline was added after the last line",
}


def changed_lines_notes(blank_lines: int, findings: Iterable[Finding] = ()) -> Iterator[str]:
    """Yield a line for each change to the copied lines: blank lines left out, a newline added."""
    if blank_lines:
        yield f"{plural(blank_lines, 'blank line')} left out"
    for finding in findings:
        place = finding.path if finding.line_number is None else f"{finding.path}:{finding.line_number}"
        doubt = ", which may be truncated" if finding.code == "missing_newline" and finding.severity != "info" else ""
        yield visible(f"{place}: {FINDING_WORDS.get(finding.code, finding.message)}{doubt}")


def first_findings(findings: Sequence[Finding], names: Interface) -> Iterator[str]:
    """Yield the first findings, and the number of the others."""
    for finding in findings[:FINDINGS_IN_SUMMARY]:
        yield visible(str(finding))
    if len(findings) > FINDINGS_IN_SUMMARY:
        yield f"{plural(len(findings) - FINDINGS_IN_SUMMARY, 'more finding')}: {names.all_of_them}"


def not_read_lines(count: int, examples: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a line with the skipped files of folders, if any."""
    names = list(examples.get("not_read", ()))
    more = f" and {count - len(names):,} more" if count > len(names) else ""
    return [visible(f"not read: {', '.join(names)}{more}")] if count else []


def nearest(word: str, words: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """Return the most similar known word, ignoring case; None if none is similar.

    Args:
        word: The unknown word.
        words: The known words.
        likeness: The minimum similarity, from 0 to 1.
    """
    from difflib import get_close_matches

    by_case = {each.lower(): each for each in words}
    near = get_close_matches(word.lower(), by_case, n=1, cutoff=likeness)
    return by_case[near[0]] if near else None


def instead_of(word: str, words: Iterable[str]) -> str:
    """Return the end of a message about an unknown word: `; did you mean 'expired'?` or `; expected failed, expired`."""
    known = list(words)
    near = nearest(word, known)
    if near is not None:
        return f"; did you mean {near!r}?"
    more = ", …" if len(known) > LONGEST_LIST else ""
    return f"; expected {', '.join(known[:LONGEST_LIST])}{more}"


EXAMPLES: Final = 5
"""The number of different examples of each count in a report."""


class Count(NamedTuple):
    """One count, and its text in the summary.

    Attributes:
        noun: What is counted, in the singular.
        words: The rest of the line in the summary, after the number and the noun.
        commands: The commands whose summaries and `--fail-on` have it.
    """

    noun: str
    words: str
    commands: tuple[str, ...]


TABLES: Final = ("join", "export")
JOIN: Final = ("join",)

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
    "no_token_counts": Count("answer", "without token counts", (*TABLES, "stats")),
    "token_sum": Count("answer", "with token counts that do not add up to their total", (*TABLES, "stats")),
    "repeated_inputs": Count(
        "request line", "repeating a line of another request file: one request, and its results are attempts", JOIN
    ),
    "not_read": Count("path", "not read, in the folders that were given", (*TABLES, "retry", "stats")),
    "no_results": Count("request", "without a result: no result file was found", JOIN),
    "not_in_table": Count(
        "request",
        "not in the table, and left out: name the results, or the whole table, to choose among all requests",
        ("retry",),
    ),
}
"""By name, which is also a field of the report. The report's `examples` may have the first words or places."""


def count_name(noted: str) -> str:
    """Return the count of an entry of `Answer.noted`: `unknown_finish_reason` for `"unknown_finish_reason:eos_token"`."""
    return noted.partition(":")[0]


def add_example(examples: dict[str, list[str]], name: str, *found: str) -> None:
    """Keep the first different examples of a count."""
    kept = examples.setdefault(name, [])
    kept += [each for each in dict.fromkeys(found) if each not in kept][: EXAMPLES - len(kept)]


def plural(count: int, noun: str, many: str | None = None) -> str:
    """Return a count with its noun: `1 error`, `2 errors`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {many or f'{noun}s'}"


def share(count: int, total: int) -> str:
    """Return a percentage; 0% and 100% only for none and all."""
    if 0 < count * 1000 < total:
        return "<0.1%"
    if total > count > total * 0.999:
        return ">99.9%"
    return f"{count / total:.1%}" if total else "0.0%"


def repaired_words(lines: int) -> str:
    """Return a sentence about lines that are not strictly JSON and were read."""
    words = "in JSON that is not strict, read anyway: half a surrogate pair, NaN, or a number too large for a float"
    return f"{plural(lines, 'line')} {words}"


def sentence_of(name: str, number: int) -> str:
    """Return the line of the summary for a count: `2 answers without token counts`."""
    count = COUNTS[name]
    return f"{plural(number, count.noun)} {count.words}"


def counts_of(command: str) -> Iterable[str]:
    """Return the names of a command's counts, without the outcomes."""
    return [name for name, count in COUNTS.items() if command in count.commands]
