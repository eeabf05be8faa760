"""The page of a report: its sections as values and charts, and the template that writes them as HTML."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from typing import Any, Final

from batchfiles.findings import plural, share
from batchfiles.jobs.join.report import JoinReport, TableReport
from batchfiles.jobs.report import charts
from batchfiles.jobs.report.facts import Facts
from batchfiles.jobs.report.samples import MESSAGE_BYTES, ErrorExample, ErrorKey, cut_bytes, printable
from batchfiles.jobs.report.words import (
    MEANINGS,
    Verdict,
    is_balanced,
    notes,
    noun_of,
    price_notes,
    result_lines,
)
from batchfiles.jobs.stats.price import money
from batchfiles.jobs.stats.prices import total
from batchfiles.outcome import MISSING, OUTCOMES, SUCCEEDED

MOST_BYTES: Final = 300_000
"""Bytes of a page: where it is longer, it shows fewer errors and rows."""

ERRORS: Final = 40
PARTS: Final = 50
MODELS: Final = 40
BATCHES: Final = 40
"""Rows of each table that are listed; the others are counted."""

PARTS_DRAWN: Final = 12
MODELS_DRAWN: Final = 8
REASONS_DRAWN: Final = 10
"""Bars of each chart."""

NAME_BYTES: Final = 160
"""Bytes of HTML of a name."""

ATTEMPTS: Final = {"1": "first", "2": "second", "3 or more": "third"}
"""The numbers of results of a request, with the patterns of the chart."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a page is about.

    Attributes:
        title: The title.
        verdict: What it says first.
        facts: What was counted.
        report: The report of the join; None for a table.
        texts: Whether texts are shown.
    """

    title: str
    verdict: Verdict
    facts: Facts
    report: TableReport | None
    texts: bool


def page(contents: Contents) -> bytes:
    """Return the page as HTML in UTF-8: the same bytes for the same contents."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("batchfiles.jobs", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.filters.update(count=_count, share=share, money=money, name=_name, message=_message, plural=plural)
    style = files("batchfiles.jobs.report").joinpath("page.css").read_text("utf-8")
    digest = b64encode(sha256(style.encode()).digest()).decode()
    sections = {name: _marked(values, Markup) for name, values in _sections(contents).items()}
    template = environment.get_template("page.html.jinja")
    errors, rows = ERRORS, len(contents.facts.failed.rows)
    while True:
        found = template.render(
            title=contents.title,
            verdict=contents.verdict,
            texts=contents.texts,
            noun=noun_of(contents.facts, contents.report),
            style=Markup(style),  # noqa: S704 - a file of the package
            digest=digest,
            patterns=charts.PATTERNS,
            version=version("batchfiles"),
            most_errors=errors,
            most_rows=rows,
            **sections,
        ).encode()
        if len(found) <= MOST_BYTES or errors + rows == 0:
            return found
        errors, rows = errors * 3 // 4, rows * 3 // 4


def _marked(values: Mapping[str, Any], markup: Any) -> dict[str, Any]:  # noqa: ANN401 - the class of jinja2
    """Mark the charts as HTML: `charts` escapes their texts."""
    return {name: markup(value) if name.startswith("chart") else value for name, value in values.items()}


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _name(name: str | None) -> str:
    return cut_bytes(name or "", NAME_BYTES)


def _message(text: str | None) -> str:
    return cut_bytes(text or "", MESSAGE_BYTES)


def _sections(contents: Contents) -> dict[str, dict[str, Any]]:
    facts, report = contents.facts, contents.report
    return {
        "outcomes": _outcomes(facts),
        "account": _account(facts, report),
        "parts": _parts(facts),
        "errors": _errors(facts, texts=contents.texts),
        "usage": _usage(facts, report),
        "lengths": _lengths(facts),
        "reasons": _reasons(facts),
        "batches": _batches(facts),
        "failed": {"rows": facts.failed.rows, "count": facts.outcomes.total() - facts.outcomes[SUCCEEDED]},
    }


def _outcomes(facts: Facts) -> dict[str, Any]:
    counts, retryable = facts.outcomes, facts.retryable_by
    rows = [(name, MEANINGS[name], counts[name], retryable[name]) for name in OUTCOMES if counts[name]]
    chart = charts.bars([(name, count, name) for name, _, count, _ in rows], words="Requests by outcome")
    return {"rows": rows, "total": counts.total(), "retryable": facts.retryable, "chart": chart if rows else ""}


def _account(facts: Facts, report: TableReport | None) -> dict[str, Any]:
    listed = [] if report is None else list(report.files)
    return {
        "lines": result_lines(facts, report),
        "balanced": is_balanced(facts, report) if isinstance(report, JoinReport) else None,
        "notes": [cut_bytes(note, MESSAGE_BYTES) for note in notes(report)],
        "files": listed[:PARTS],
        "more_files": len(listed[PARTS:]),
    }


def _parts(facts: Facts) -> dict[str, Any]:
    worst = sorted(facts.parts.items(), key=lambda item: (-item[1].unsuccessful, -item[1].requests, item[0]))
    kinds = [name for name in OUTCOMES if facts.outcomes[name]]
    chart = ""
    if len(worst) > 1:
        drawn = [(name or "(no file)", part.outcomes) for name, part in worst[:PARTS_DRAWN]]
        chart = charts.stacked(drawn, kinds, words="Outcomes of the parts, the worst first", share=True)
    return {"rows": worst[:PARTS], "count": len(worst), "kinds": kinds, "chart": chart, "drawn": min(len(worst), PARTS_DRAWN)}


def _errors(facts: Facts, *, texts: bool) -> dict[str, Any]:
    groups = facts.errors.sorted()
    rows: list[tuple[ErrorKey, int, str, str | None, str | None]] = []
    if texts:
        rows = [(key, each.count, each.place, each.custom_id, each.message) for key, each in groups]
    else:  # messages quote requests: without them, errors may be equal
        same: dict[ErrorKey, list[ErrorExample]] = {}
        for key, each in groups:
            same.setdefault(key._replace(message=None), []).append(each)
        rows = [(key, sum(each.count for each in found), found[0].place, None, None) for key, found in same.items()]
        rows.sort(key=lambda row: -row[1])
    return {"rows": rows[:ERRORS], "count": len(rows), "other": facts.errors.other}


def _usage(facts: Facts, report: TableReport | None) -> dict[str, Any]:
    rows = facts.usage()
    prices = facts.prices
    costs = [each.cost for each in rows]
    counted = [each for each in rows if each.tokens.total()]
    chart = ""
    if counted:
        drawn = [
            (each.model or "(no model)", {"first": each.tokens["input_tokens"], "second": each.tokens["output_tokens"]})
            for each in counted[:MODELS_DRAWN]
        ]
        chart = charts.stacked(drawn, ["first", "second"], words="Input and output tokens by model and endpoint", share=False)
    return {
        "rows": rows[:MODELS],
        "count": len(rows),
        "answers": sum(each.answers for each in rows),
        "tokens": {name: sum(each.tokens[name] for each in rows) for name in TOKEN_COLUMNS},
        "priced": prices is not None,
        "currency": printable((prices.currency if prices else None) or "")[:12],
        "cost": total(cost for cost in costs if cost is not None) if any(cost is not None for cost in costs) else None,
        "notes": [] if prices is None else [cut_bytes(note, MESSAGE_BYTES) for note in price_notes(rows, prices, report)],
        "chart": chart,
    }


TOKEN_COLUMNS: Final = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")


def _lengths(facts: Facts) -> dict[str, Any]:
    rows = []
    drawn: dict[str, str] = {}
    for name, title, found in (
        ("input", "input tokens", facts.input_tokens),
        ("output", "output tokens", facts.output_tokens),
        ("characters", "answer text, characters", facts.characters),
    ):
        lengths = found.lengths()
        if lengths is None:
            continue
        rows.append((title, lengths))
        words = f"Requests by {title}"
        drawn[f"chart_{name}"] = charts.histogram(found.bars(), is_wide=found.is_wide(), title=title, words=words)
    return {"rows": rows, "names": list(drawn), **drawn}


def _reasons(facts: Facts) -> dict[str, Any]:
    rows = sorted(facts.finish_reasons.items(), key=lambda item: (-item[1], item[0] or ""))
    drawn = [(name or "", count, "first") for name, count in rows[:REASONS_DRAWN]]
    chart = charts.bars(drawn, words="Answers by finish reason") if rows else ""
    return {"rows": rows[:MODELS], "count": len(rows), "total": sum(count for _, count in rows), "chart": chart}


def _batches(facts: Facts) -> dict[str, Any]:
    far = 1 << 62
    found = sorted(facts.batches.items(), key=lambda item: (far if item[1].first is None else item[1].first, item[0]))
    step, columns = facts.times.columns()
    chart = ""
    if columns:
        chart = charts.time_columns(step, columns, ATTEMPTS, words="Answers by time and number of results")
    attempts = sorted((number, count) for number, count in facts.attempts.items() if number is not None)
    return {
        "rows": [(name, batch, _time(batch.first), _time(batch.last)) for name, batch in found[:BATCHES]],
        "count": len(found),
        "attempts": [(str(number), count) for number, count in attempts[:MODELS_DRAWN]],
        "more_attempts": sum(count for _, count in attempts[MODELS_DRAWN:]),
        "requests": sum(count for _, count in attempts),
        "missing": facts.outcomes[MISSING],
        "legend": [(kind, pattern) for kind, pattern in ATTEMPTS.items() if any(each == kind for _, each, _ in columns)],
        "step": _duration(step),
        "chart": chart,
    }


def _duration(minutes: int) -> str:
    for unit, size in (("year", 525600), ("day", 1440), ("hour", 60)):
        if minutes % size == 0:
            return unit if minutes == size else f"{minutes // size} {unit}s"
    return "minute" if minutes == 1 else f"{minutes} minutes"


def _time(minutes: int | None) -> str:
    """Return a time in UTC; nothing for one that no calendar has."""
    if minutes is None:
        return ""
    try:
        return datetime.fromtimestamp(minutes * 60, UTC).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError, OSError):
        return ""
