"""Charts as static SVG: Vega-Lite specifications, which vl-convert draws without a browser, reduced to shapes and labels.

The size of everything is fixed, so that no chart depends on the fonts of the machine that draws it. Colours and patterns are
those of the page, by the names of `PATTERNS`, so that one style sheet has the light and the dark ones.

The counts of values that the charts show take bounded memory: lengths have percentiles and bars, and times have steps that grow
with their span.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from json import dumps
from typing import Any, Final, NamedTuple
from xml.etree import ElementTree as ET

from batchfiles.errors import missing_extra
from batchfiles.jobs.report.samples import printable
from batchfiles.jobs.stats.report import Lengths

PATTERNS: Final[dict[str, str]] = {
    "succeeded": "",
    "incomplete": "M0,8L8,0",
    "failed": "M0,8L8,0M0,0L8,8",
    "expired": "M2,2h2v2h-2ZM6,6h2v2h-2Z",
    "cancelled": "M0,4h8",
    "no_response": "M4,0v8",
    "malformed": "M0,4h8M4,0v8",
    "missing": "M0,0L8,8",
    "first": "",
    "second": "M0,8L8,0",
    "third": "M0,4h8M4,0v8",
}
"""The fills of a chart, each with the lines in a tile of 8 by 8; the first three series have those at the end."""

WIDTH: Final = 440
LEFT: Final = 148
RIGHT: Final = 66
"""Pixels of a chart, of the names on its left, and of the numbers on its right."""

BAR: Final = 24
HEIGHT: Final = 150
AXIS: Final = 34
"""Pixels of a horizontal bar with its gap, of a chart with vertical bars, and of an axis with its title."""

NAME: Final = 24
"""Characters of a name on an axis."""

SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v5.20.json"
VERSION: Final = "5.20"
"""The version of Vega-Lite that draws; the first is the mark of a specification, and not an address that is asked."""

CONFIG: Final[dict[str, Any]] = {
    "view": {"stroke": None},
    "axis": {"labelOverlap": False, "titleFontWeight": "normal", "labelFontSize": 11, "titleFontSize": 11},
    "bar": {"binSpacing": 1},
}

SHORT: Final = ".3~s"
"""The format of numbers on an axis: 4.1k."""

COUNTS: Final = {"title": None, "tickCount": 3, "format": SHORT}
"""The axis of a chart with vertical bars."""

THINNEST: Final = 0.005
"""The part of an axis that the bar of a small number takes, so that it is seen."""

SVG: Final = "{http://www.w3.org/2000/svg}"


def require() -> None:
    """Make sure that the packages of the extra `report` are installed.

    Raises:
        MissingDependencyError: One is not.
    """
    try:
        import jinja2  # noqa: F401
        import vl_convert  # noqa: F401
    except ImportError:
        raise missing_extra("report", "vl-convert-python and jinja2", "report") from None


def shortened(name: str, width: int = NAME) -> str:
    """Return a name with `…` in its middle if it is too long: the ends of file names differ."""
    shown = " ".join(printable(name).split())
    if len(shown) <= width:
        return shown
    tail = (width - 1) * 2 // 3
    return f"{shown[: width - 1 - tail]}…{shown[-tail:]}"


def bars(rows: Sequence[tuple[str, int, str]], *, words: str) -> str:
    """Draw a horizontal bar for each name, with its number; the third value of a row is the pattern."""
    most = max((value for _, value, _ in rows), default=1)
    values = [
        {
            "order": order,
            "name": shortened(name),
            "value": max(value, most * THINNEST) if value else 0,
            "kind": kind,
            "label": f"{value:,}",
        }
        for order, (name, value, kind) in enumerate(rows)
    ]
    y = _names(values)
    x = {"field": "value", "type": "quantitative", "axis": None, "scale": {"domain": [0, most or 1], "nice": False}}
    layers = [
        {"mark": {"type": "bar", "height": {"band": 0.7}}, "encoding": {"x": x, "y": y, "fill": _fill(row[2] for row in rows)}},
        {
            "mark": {"type": "text", "align": "left", "dx": 5, "fontSize": 11},
            "encoding": {"x": x, "y": y, "text": {"field": "label"}},
        },
    ]
    spec = {"data": {"values": values}, "layer": layers}
    return _drawn(spec, len(rows) * BAR, words=words, left=LEFT, right=RIGHT, bottom=4)


def stacked(rows: Sequence[tuple[str, Mapping[str, int]]], kinds: Sequence[str], *, words: str, share: bool) -> str:
    """Draw a horizontal bar for each name, divided into the kinds, which are patterns.

    Args:
        rows: The names, each with its numbers by kind.
        kinds: The kinds in their order.
        words: What the chart shows, for those who can't see it.
        share: Whether all bars are as long as the axis, from 0 to 100 %.
    """
    values = [
        {"order": order, "name": shortened(name), "kind": kind, "place": place, "value": counts[kind]}
        for order, (name, counts) in enumerate(rows)
        for place, kind in enumerate(kinds)
        if counts.get(kind)
    ]
    axis = {"title": None, "tickCount": 4, "grid": True, "format": ".0%" if share else SHORT}
    encoding = {
        "x": {"field": "value", "type": "quantitative", "stack": "normalize" if share else "zero", "axis": axis},
        "y": _names([{"order": order, "name": shortened(name)} for order, (name, _) in enumerate(rows)]),
        "fill": _fill(kinds),
        "order": {"field": "place"},
    }
    mark = {"type": "bar", "height": {"band": 0.7}}
    spec = {"data": {"values": values}, "mark": mark, "encoding": encoding}
    return _drawn(spec, len(rows) * BAR, words=words, left=LEFT, right=18, bottom=22)


def histogram(found: Sequence[Bar], *, is_wide: bool, title: str, words: str) -> str:
    """Draw the distribution of a length; a wide one has a logarithmic axis."""
    # A logarithmic axis has no 0: its bar is as wide as the one of 1 and ends there.
    values = [
        {"low": max(bar.low, 0.5) if is_wide else bar.low, "high": bar.high, "value": bar.rows, "kind": "first"} for bar in found
    ]
    scale = {"type": "log", "base": 2, "nice": False} if is_wide else {"type": "linear", "nice": False, "zero": False}
    low, high = max(found[0].low, 0.5) if is_wide else found[0].low, found[-1].high
    ticks = _doubling_ticks(low, high) if is_wide else None
    axis: dict[str, Any] = {"title": title, "grid": False, "format": SHORT, "tickCount": 6, "values": ticks}
    encoding = {
        "x": {"field": "low", "type": "quantitative", "scale": {**scale, "domain": [low, high]}, "axis": axis},
        "x2": {"field": "high"},
        "y": {"field": "value", "type": "quantitative", "axis": COUNTS},
        "y2": {"datum": 0},
        "fill": _fill(["first"]),
    }
    spec = {"data": {"values": values}, "mark": {"type": "rect"}, "encoding": encoding}
    return _drawn(spec, HEIGHT, words=words, left=40, right=18, bottom=AXIS)


def _doubling_ticks(low: float, high: float) -> list[int]:
    powers = [1 << power for power in range(64) if low <= 1 << power <= high]
    step = -(-len(powers) // 8)
    return powers[::step]


def time_columns(step: int, rows: Sequence[tuple[int, str, int]], kinds: Mapping[str, str], *, words: str) -> str:
    """Draw a column for each step of time, divided into kinds.

    Args:
        step: Minutes of a step.
        rows: The first minute of a step since 1970, the kind, and the number.
        kinds: The kinds in their order, each with its pattern.
        words: As for `stacked`.
    """
    minute = 60_000
    counts = {(first, kind): count for first, kind, count in rows}
    values = []
    for first in dict.fromkeys(first for first, _, _ in rows):
        below = 0
        for kind, pattern in kinds.items():
            above = below + counts.get((first, kind), 0)
            if above > below:
                frame = {"from": first * minute, "to": (first + step) * minute}
                values.append({**frame, "kind": pattern, "below": below, "above": above})
            below = above
    span = (rows[-1][0] - rows[0][0] + step) / 1440
    shown = "%H:%M" if span <= 1.5 else "%d %b %H:%M" if span < 6 else "%d %b" if span < 300 else "%b %Y"
    axis = {"title": "UTC", "grid": False, "format": shown, "tickCount": 4}
    encoding = {
        "x": {"field": "from", "type": "temporal", "scale": {"type": "utc", "nice": False}, "axis": axis},
        "x2": {"field": "to"},
        "y": {"field": "above", "type": "quantitative", "axis": COUNTS},
        "y2": {"field": "below"},
        "fill": _fill(kinds.values()),
    }
    spec = {"data": {"values": values}, "mark": {"type": "rect"}, "encoding": encoding}
    return _drawn(spec, HEIGHT, words=words, left=40, right=30, bottom=AXIS)


def _names(values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the axis of names, in their order. Names that are equal when shortened are still different rows."""
    labels = [each["name"] for each in values]
    axis = {
        "title": None,
        "ticks": False,
        "domain": False,
        "labelLimit": 0,
        "labelPadding": 7,
        "labelExpr": f"{dumps(labels)}[datum.value]",  # JSON in ASCII is an expression
    }
    return {"field": "order", "type": "ordinal", "sort": None, "scale": {"domain": list(range(len(labels)))}, "axis": axis}


def _fill(kinds: Iterable[str]) -> dict[str, Any]:
    names = list(dict.fromkeys(kinds))
    return {
        "field": "kind",
        "type": "nominal",
        "legend": None,
        "scale": {"domain": names, "range": [f"url(#p-{name})" for name in names]},
    }


def _drawn(spec: dict[str, Any], height: int, *, words: str, left: int, right: int, bottom: int) -> str:
    """Draw a specification, and return what of its SVG is seen."""
    import vl_convert

    width = WIDTH - left - right
    padding = {"left": left, "right": right, "top": 6, "bottom": bottom}
    frame = {"$schema": SCHEMA, "width": width, "height": height, "padding": padding, "autosize": "none", "config": CONFIG}
    found: str = vl_convert.vegalite_to_svg({**frame, **spec}, VERSION)
    inside = "".join(_seen(ET.fromstring(found)))  # noqa: S314 - drawn here, of escaped texts
    size = f'viewBox="0 0 {WIDTH} {height + 6 + bottom}" width="{WIDTH}" height="{height + 6 + bottom}"'
    return f'<svg class="chart" role="img" aria-label="{escape(words)}" {size}>{inside}</svg>'


NUMBER: Final = re.compile(r"-?\d+\.\d{2,}")


def _seen(element: ET.Element) -> Iterator[str]:
    """Yield the shapes with a pattern, the lines and the texts of a drawing, and the groups that move them.

    Only these elements and attributes are written, so nothing else can come into the page.
    """
    kind = element.tag.removeprefix(SVG)
    if element.get("display") == "none":
        return
    if kind == "path" and element.get("fill", "").startswith("url(#p-"):
        yield f"<path{_kept(element, 'd', 'transform', 'fill')}/>"
    elif kind == "line":
        yield f"<line{_kept(element, 'transform', 'x2', 'y2')}/>"
    elif kind == "text" and element.text:
        yield f"<text{_kept(element, 'transform', 'text-anchor', 'font-size')}>{escape(element.text)}</text>"
    elif kind in ("svg", "g"):
        inside = "".join(part for child in element for part in _seen(child))
        moved = element.get("transform", "translate(0,0)")
        if inside:
            yield inside if moved == "translate(0,0)" else f'<g transform="{escape(moved)}">{inside}</g>'


def _kept(element: ET.Element, *names: str) -> str:
    found = ((name, element.get(name)) for name in names)
    return "".join(f' {name}="{escape(_rounded(value))}"' for name, value in found if value)


def _rounded(value: str) -> str:
    return NUMBER.sub(lambda match: f"{float(match[0]):.1f}", value)


KEPT_BITS: Final = 8
"""The leading bits by which lengths are counted, as in `stats`: 128 buckets for each power of two, 0.8 % wide."""

BARS: Final = 24
"""About as many bars as a chart of lengths has."""

WIDE: Final = 20
"""A distribution whose maximum is more than this many times its minimum has bars that double in width."""


class Bar(NamedTuple):
    """The values from `low` up to, and without, `high`."""

    low: int
    high: int
    rows: int


class Histogram:
    """Counts lengths in buckets that grow with the length."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self._total = 0
        self._minimum = 0
        self._maximum = 0

    def add(self, counts: Iterable[tuple[int, int]]) -> None:
        """Add values with their counts; values below 0 are ignored."""
        for value, count in counts:
            if value < 0:
                continue
            self._minimum = min(value, self._minimum) if self._buckets else value
            self._maximum = max(value, self._maximum)
            self._total += value * count
            shift = value.bit_length() - KEPT_BITS
            # The greatest value of its bucket.
            self._buckets[value if shift <= 0 else (((value >> shift) + 1) << shift) - 1] += count

    def lengths(self) -> Lengths | None:
        """Return the distribution as `stats` does; None if nothing was counted."""
        if not self._buckets:
            return None
        count = self._buckets.total()
        ranks = [-(-count * share // 100) for share in (50, 90, 99)]
        found: list[int] = []
        seen = 0
        for value in sorted(self._buckets):
            seen += self._buckets[value]
            while len(found) < len(ranks) and seen >= ranks[len(found)]:
                found.append(min(value, self._maximum))
        p50, p90, p99 = found
        return Lengths(count, self._total, self._minimum, p50, p90, p99, self._maximum)

    def is_wide(self) -> bool:
        """Return whether the bars double in width, so that the chart needs a logarithmic axis."""
        return self._maximum > WIDE * max(self._minimum, 1)

    def bars(self) -> list[Bar]:
        """Return the bars of a chart, the empty ones included."""
        if not self._buckets:
            return []
        edges = _doubling(max(self._minimum, 1), self._maximum) if self.is_wide() else _even(self._minimum, self._maximum)
        if self.is_wide() and self._minimum == 0:
            edges.insert(0, 0)
        counts = [0] * len(edges)
        place = 0
        for value in sorted(self._buckets):
            while place + 2 < len(edges) and value >= edges[place + 1]:
                place += 1
            counts[place] += self._buckets[value]
        return [Bar(low, high, count) for low, high, count in zip(edges, edges[1:], counts, strict=False)]


def _even(minimum: int, maximum: int) -> list[int]:
    """Return edges at multiples of 1, 2 or 5 times a power of ten."""
    step = next(
        size * 10**power
        for power in range(len(str(maximum)) + 1)
        for size in (1, 2, 5)
        if (maximum - minimum) // (size * 10**power) < BARS
    )
    first = minimum // step * step
    return list(range(first, maximum + step + 1, step))


def _doubling(minimum: int, maximum: int) -> list[int]:
    """Return edges at powers of two, and half-way between them where there are few."""
    low, high = minimum.bit_length() - 1, maximum.bit_length()
    powers = [1 << power for power in range(low, high + 1)]
    if len(powers) > BARS // 2:
        return powers
    # 3/2 of a power is near the geometric middle, and a whole number from 2 on.
    return sorted({*powers, *(power * 3 // 2 for power in powers[:-1])})


STEPS: Final = (1, 5, 15, 60, 360, 1440, 10080, 43200, 525600)
"""Minutes of a step of time: from a minute to a year."""

MOST_STEPS: Final = 4000
"""Steps that are kept while counting; more make the step longer."""

COLUMNS: Final = 48
"""Steps that a chart has at most."""


class TimeSteps:
    """Counts by time and a class, in steps that become longer as the span grows."""

    def __init__(self) -> None:
        self._step = 0
        self._counts: Counter[tuple[int, str]] = Counter()

    def add(self, minutes: int, kind: str, count: int) -> None:
        """Count so many answers in a minute, numbered from 1970 on."""
        self._counts[minutes // STEPS[self._step], kind] += count
        while len(self._counts) > MOST_STEPS and self._step < len(STEPS) - 1:
            self._widen()

    def _widen(self) -> None:
        factor = STEPS[self._step + 1] // STEPS[self._step]
        self._step += 1
        wider: Counter[tuple[int, str]] = Counter()
        for (number, kind), count in self._counts.items():
            wider[number // factor, kind] += count
        self._counts = wider

    def columns(self) -> tuple[int, list[tuple[int, str, int]]]:
        """Return the minutes of a step, and the first minute, class and count of each column, by time."""
        numbers = [number for number, _ in self._counts]
        while numbers and max(numbers) - min(numbers) >= COLUMNS and self._step < len(STEPS) - 1:
            self._widen()
            numbers = [number for number, _ in self._counts]
        step = STEPS[self._step]
        return step, [(number * step, kind, count) for (number, kind), count in sorted(self._counts.items())]
