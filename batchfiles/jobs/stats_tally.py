"""The running totals of `stats`, request by request and result by result, in bounded memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from batchfiles import bodies
from batchfiles.bodies.tally import Tally
from batchfiles.bodies.usage import read as read_usage
from batchfiles.errors import InvalidLine
from batchfiles.jobs.candidates import read_result
from batchfiles.jobs.length_histogram import LengthHistogram
from batchfiles.jobs.prices import Prices
from batchfiles.jobs.request_lines import RequestLines
from batchfiles.jobs.request_measure import measure
from batchfiles.jobs.stats_report import OTHER, ModelEstimate, ModelUsage, RequestStats, ResultStats
from batchfiles.outcome import MALFORMED, OUTCOMES

__all__ = ["RequestTally", "ResultTally"]

MOST_NAMES: Final = 1000
"""Different models, and endpoints, that are counted one by one; all behind them are counted as `OTHER`."""

LONGEST_NAME: Final = 200
"""Characters of a name that are kept."""

_Sums = TypeVar("_Sums")


class _ByName(Generic[_Sums]):
    """Totals by a name that stands in the data, so that it may be anything."""

    def __init__(self, new: type[_Sums]) -> None:
        self._new = new
        self.found: dict[str | None, _Sums] = {}

    def of(self, name: object) -> _Sums:
        """Return the totals of a name; anything but a string is no name."""
        key = name[:LONGEST_NAME] if isinstance(name, str) else None
        if key not in self.found:
            if len(self.found) >= MOST_NAMES:
                key = OTHER
            self.found.setdefault(key, self._new())
        return self.found[key]

    def sorted(self) -> list[tuple[str | None, _Sums]]:
        """Return the totals in the order of the names, None last."""
        return sorted(self.found.items(), key=lambda item: (item[0] is None, item[0] or ""))


@dataclass(slots=True)
class _Count:
    count: int = 0


@dataclass(slots=True)
class _Estimated:
    requests: int = 0
    input_tokens: int = 0
    output_tokens_at_most: int = 0
    without_limit: int = 0


@dataclass(slots=True)
class _Used:
    results: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    def add(self, other: _Used) -> None:
        """Add the totals of another name."""
        self.results += other.results
        self.input_tokens += other.input_tokens
        self.cached_tokens += other.cached_tokens
        self.output_tokens += other.output_tokens
        self.reasoning_tokens += other.reasoning_tokens


class RequestTally:
    """Counts requests.

    Attributes:
        malformed: Lines that can't be read.
    """

    def __init__(self) -> None:
        self.malformed = 0
        self._lines = RequestLines(cut_bodies=False)
        self._count = 0
        self._endpoints = _ByName(_Count)
        self._models = _ByName(_Estimated)
        self._line_bytes = LengthHistogram()
        self._characters = LengthHistogram()

    def add(self, line: bytes) -> bool:
        """Count a line; returns False for one that is no request."""
        self._line_bytes.add(len(line))
        try:
            _, url, body, _ = self._lines.take(line)
        except InvalidLine:
            self.malformed += 1
            return False
        measured = measure(body)
        self._count += 1
        self._endpoints.of(url).count += 1
        self._characters.add(measured.characters)
        sums = self._models.of(body.get("model") if isinstance(body, dict) else None)
        sums.requests += 1
        sums.input_tokens += measured.input_tokens
        sums.output_tokens_at_most += measured.output_tokens_at_most or 0
        sums.without_limit += measured.output_tokens_at_most is None
        return True

    def report(self, size: int, prices: Prices | None) -> RequestStats:
        """Return what was counted in so many bytes."""
        return RequestStats(
            count=self._count,
            malformed=self.malformed,
            bytes=size,
            endpoints={name: sums.count for name, sums in self._endpoints.sorted()},
            models=tuple(_estimate(name, sums, prices) for name, sums in self._models.sorted()),
            line_bytes=self._line_bytes.lengths(),
            text_characters=self._characters.lengths(),
        )

    def model(self) -> str | None:
        """Return the model that all requests name; None if there are several, or none."""
        return next(iter(self._models.found)) if len(self._models.found) == 1 else None


def _estimate(model: str | None, sums: _Estimated, prices: Prices | None) -> ModelEstimate:
    input_cost = at_most = None
    if prices is not None:
        input_cost = prices.cost(model, sums.input_tokens, 0, 0)
        if not sums.without_limit:
            at_most = prices.cost(model, sums.input_tokens, 0, sums.output_tokens_at_most)
    return ModelEstimate(
        model=model,
        requests=sums.requests,
        input_tokens=sums.input_tokens,
        output_tokens_at_most=sums.output_tokens_at_most,
        without_limit=sums.without_limit,
        input_cost=input_cost,
        cost_at_most=at_most,
    )


class ResultTally:
    """Counts results.

    Attributes:
        malformed: Lines that can't be read, those above the cap included.
    """

    def __init__(self) -> None:
        self.malformed = 0
        self._count = 0
        self._outcomes: Counter[str] = Counter()
        self._endpoints = _ByName(_Count)
        self._models = _ByName(_Used)
        self._line_bytes = LengthHistogram()
        self._characters = LengthHistogram()
        self._input_tokens = LengthHistogram()
        self._output_tokens = LengthHistogram()
        self._token_misfits = 0

    def add(self, line: bytes) -> bool:
        """Count a line; returns False for one that is no result."""
        self._line_bytes.add(len(line))
        self._count += 1
        _, result = read_result(line)
        self._outcomes[result.outcome] += 1
        answer = result.answer
        self._endpoints.of(bodies.endpoint_of(result.body) if result.body else None).count += 1
        if answer.text is not None:
            self._characters.add(len(answer.text))
        sums = self._models.of(answer.model)
        sums.results += 1
        if (inputs := self._counted(answer.input_tokens)) is not None:
            sums.input_tokens += inputs
            self._input_tokens.add(inputs)
        if (outputs := self._counted(answer.output_tokens)) is not None:
            sums.output_tokens += outputs
            self._output_tokens.add(outputs)
        sums.cached_tokens += self._counted(answer.cached_tokens) or 0
        sums.reasoning_tokens += self._counted(answer.reasoning_tokens) or 0
        if answer.misfits and result.body:
            self._token_misfits += _misfits_of(result.body.get("usage"))
        if result.outcome != MALFORMED:
            return True
        self.malformed += 1
        return False

    def _counted(self, tokens: int | None) -> int | None:
        """Return a count; one below 0 is none: it stands in the table as it came, but nothing is paid back for it."""
        if tokens is None or tokens >= 0:
            return tokens
        self._token_misfits += 1
        return None

    def add_overlong(self, count: int) -> None:
        """Count lines above the cap, which were not read."""
        self._count += count
        self._outcomes[MALFORMED] += count
        self.malformed += count
        if count:
            self._endpoints.of(None).count += count
            self._models.of(None).results += count

    def report(self, size: int, prices: Prices | None, model: str | None) -> ResultStats:
        """Return what was counted in so many bytes; results that name no model, as most failures do, are put to `model`."""
        if model is not None and None in self._models.found:
            self._models.of(model).add(self._models.found.pop(None))
        return ResultStats(
            count=self._count,
            bytes=size,
            outcomes={outcome: self._outcomes[outcome] for outcome in OUTCOMES if self._outcomes[outcome]},
            endpoints={name: sums.count for name, sums in self._endpoints.sorted()},
            models=tuple(_usage(name, sums, prices) for name, sums in self._models.sorted()),
            line_bytes=self._line_bytes.lengths(),
            text_characters=self._characters.lengths(),
            input_tokens=self._input_tokens.lengths(),
            output_tokens=self._output_tokens.lengths(),
            token_misfits=self._token_misfits,
        )


def _misfits_of(usage: object) -> int:
    """Count the token counts that could not be read; the total is not among them, for it is not summed."""
    tally = Tally()
    read_usage(usage | {"total_tokens": None} if isinstance(usage, dict) else usage, tally)
    return tally.misfits


def _usage(name: str | None, sums: _Used, prices: Prices | None) -> ModelUsage:
    cost = None
    if prices is not None:
        cost = prices.cost(name, sums.input_tokens, sums.cached_tokens, sums.output_tokens)
    return ModelUsage(
        model=name,
        results=sums.results,
        input_tokens=sums.input_tokens,
        cached_tokens=sums.cached_tokens,
        output_tokens=sums.output_tokens,
        reasoning_tokens=sums.reasoning_tokens,
        cost=cost,
    )
