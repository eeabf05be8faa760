"""The running totals of `stats`, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from typing import Any, Final, Generic, TypeVar

from batchfiles import bodies
from batchfiles.bodies.answer import without_token_counts
from batchfiles.bodies.fields import LIMIT, FieldReader, modalities, read_usage
from batchfiles.codec import Repaired, request_of
from batchfiles.errors import InvalidLineError
from batchfiles.findings import count_name
from batchfiles.jobs.stats.price import PARTS, Price, tier_below
from batchfiles.jobs.stats.prices import Prices, total
from batchfiles.jobs.stats.report import (
    KEPT_BITS,
    OTHER,
    AnsweredRequests,
    LengthHistogram,
    ModelEstimate,
    ModelUsage,
    RequestStats,
    ResultStats,
)
from batchfiles.jobs.tokens import measure
from batchfiles.native import NativeTotals, native_totals
from batchfiles.outcome import MALFORMED, OUTCOMES, SUCCEEDED, Result, read_result
from batchfiles.table.plain_rows import outcome_facts
from batchfiles.table.rows import ANSWERED

MOST_NAMES: Final = 1000
"""Models, and endpoints, with their own totals; all further ones are counted as `OTHER`."""

USUAL_TIERS: Final = (128_000, 200_000, 272_000)
"""Input tokens of a request above which prices often differ: Qwen and xAI; Gemini, Anthropic and xAI; OpenAI from gpt-5.4 on."""

LONGEST_NAME: Final = 200
"""Characters of a name that are kept."""

_Sums = TypeVar("_Sums")


class _ByName(Generic[_Sums]):
    """Totals by a name from the data."""

    def __init__(self, new: type[_Sums]) -> None:
        self._new = new
        self.found: dict[str | None, _Sums] = {}

    def of(self, name: object) -> _Sums:
        """Return the totals of a name; a value that is not a string counts as None."""
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
class _Tokens:
    """Sums over requests in the same tier."""

    requests: int = 0
    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0
    parts: Counter[str] = field(default_factory=Counter)

    def add(self, other: _Tokens) -> None:
        """Add other sums."""
        self.requests += other.requests
        self.input += other.input
        self.cached += other.cached
        self.output += other.output
        self.reasoning += other.reasoning
        self.parts.update(other.parts)


@dataclass(slots=True)
class _Model:
    """The sums of one model, separate for each tier: the key is the number of input tokens that its requests exceed."""

    tiers: dict[int, _Tokens] = field(default_factory=lambda: {0: _Tokens()})
    steps: tuple[int, ...] = ()
    without_limit: int = 0

    def of(self, input_tokens: int) -> _Tokens:
        """Return the sums of requests of this size."""
        if not self.steps or input_tokens <= self.steps[0]:
            return self.tiers[0]
        return self.tiers.setdefault(tier_below(self.steps, input_tokens), _Tokens())

    def add(self, other: _Model) -> None:
        """Add the sums of another name."""
        for above, tokens in other.tiers.items():
            self.tiers.setdefault(above, _Tokens()).add(tokens)

    def total(self) -> _Tokens:
        """Return the sums over all tiers."""
        found = _Tokens()
        for tokens in self.tiers.values():
            found.add(tokens)
        return found

    def cost(self, model: str | None, prices: Prices) -> Decimal | None:
        """Return the cost of all tokens, each in its tier; None if any has no price."""
        costs = [
            prices.cost(model, each.input, each.cached, each.output, parts=each.parts, request_tokens=above + 1 if above else 0)
            for above, each in self.tiers.items()
        ]
        return None if None in costs else total(costs)


class _Models(_ByName[_Model]):
    """Sums by model, with the input tokens above which its prices change, or often do."""

    def __init__(self, prices: Prices | None) -> None:
        super().__init__(_Model)
        self._prices = prices

    def of(self, name: object) -> _Model:
        """Return the sums of a model."""
        sums = super().of(name)
        if not sums.steps and self._prices is not None:
            prices = self._prices
            own = [prices.price(name)] if isinstance(name, str) else prices.models.values()
            sums.steps = tuple(sorted({*USUAL_TIERS, *(tier.above for price in own if price for tier in price.tiers)}))
        return sums

    def above_tiers(self) -> Counter[str]:
        """Count requests above the usual tiers, of models whose prices have no tier."""
        found: Counter[str] = Counter()
        for price, sums in self._priced():
            for usual in USUAL_TIERS if not price.tiers else ():
                found[str(usual)] += sum(tokens.requests for above, tokens in sums.tiers.items() if above >= usual)
        return +found

    def without_own_price(self) -> Counter[str]:
        """Count tokens that may have their own price, and have none."""
        found: Counter[str] = Counter()
        for price, sums in self._priced():
            for above, tokens in sums.tiers.items():
                found.update({part: n for part, n in tokens.parts.items() if getattr(price.at(above + 1), part) is None})
        return Counter({part: found[part] for part in PARTS if found[part]})

    def _priced(self) -> Iterator[tuple[Price, _Model]]:
        """Yield the sums of the models that have a price."""
        for name, sums in self.found.items():
            price = self._prices.price(name) if self._prices is not None and name is not None else None
            if price is not None:
                yield price, sums


class RequestTotals:
    """Counts requests.

    Args:
        prices: The prices; None to count tokens only.
        answered: Gets the id of each request.

    Attributes:
        malformed: Lines that can't be read.
        repaired: Lines that are not strict JSON and were read.
    """

    def __init__(self, prices: Prices | None, answered: AnsweredRequests) -> None:
        self.malformed = self.repaired = 0
        self._prices = prices
        self._answered = answered
        self._count = 0
        self._endpoints = _ByName(_Count)
        self.models = _Models(prices)
        self._line_bytes, self._characters = LengthHistogram(), LengthHistogram()

    def add(self, line: bytes, file: int) -> bool:
        """Count a line of a file; returns False if it is not a request."""
        self._line_bytes.add(len(line))
        try:
            request = request_of(line)
        except InvalidLineError:
            self.malformed += 1
            return False
        self.repaired += type(request) is Repaired
        self.add_request(request.get("custom_id"), request.get("url"), request["body"], file)
        return True

    def add_request(self, custom_id: object, url: object, body: dict[str, Any], file: int) -> None:
        """Count a request of a file."""
        measured = measure(body)
        self._answered.add_request(custom_id, file)
        self._count += 1
        self._endpoints.of(url).count += 1
        self._characters.add(measured.characters)
        sums = self.models.of(body.get("model"))
        tokens = sums.of(measured.input_tokens)
        tokens.requests += 1
        tokens.input += measured.input_tokens
        tokens.output += measured.output_tokens_at_most or 0
        sums.without_limit += measured.output_tokens_at_most is None

    def report(self, size: int) -> RequestStats:
        """Return the report for this many bytes."""
        return RequestStats(
            count=self._count,
            malformed=self.malformed,
            bytes=size,
            endpoints={name: sums.count for name, sums in self._endpoints.sorted()},
            models=tuple(_estimate(name, sums, self._prices) for name, sums in self.models.sorted()),
            line_bytes=self._line_bytes.lengths(),
            text_characters=self._characters.lengths(),
        )

    def model(self) -> str | None:
        """Return the model that all requests name; None if there are several, or none."""
        return next(iter(self.models.found)) if len(self.models.found) == 1 else None


def _estimate(model: str | None, sums: _Model, prices: Prices | None) -> ModelEstimate:
    input_cost = at_most = None
    if prices is not None:
        read_only = _Model({above: replace(tokens, output=0) for above, tokens in sums.tiers.items()})
        input_cost = read_only.cost(model, prices)
        if not sums.without_limit:
            at_most = sums.cost(model, prices)
    tokens = sums.total()
    return ModelEstimate(
        model=model,
        requests=tokens.requests,
        input_tokens=tokens.input,
        output_tokens_at_most=tokens.output,
        without_limit=sums.without_limit,
        input_cost=input_cost,
        cost_at_most=at_most,
        **_price_fields(model, prices),
    )


def _price_fields(model: str | None, prices: Prices | None) -> dict[str, Any]:
    """Return the fields of a report with the source of a model's price."""
    found = prices.find(model) if prices is not None and model is not None else None
    if found is None:
        return {}
    return {
        "price_of": found.name,
        "price_source": found.source,
        "is_standard_price": found.is_standard,
        "is_batch_price": found.price.is_batch_price,
    }


class ResultCounts:
    """Counts results.

    Args:
        prices: The prices; None to count tokens only.
        answered: Gets the id of each success.

    Attributes:
        malformed: Lines that can't be read, with those longer than `max_line_bytes`.
        repaired: Lines that are not strict JSON and were read.
    """

    def __init__(self, prices: Prices | None, answered: AnsweredRequests) -> None:
        self.malformed = self.repaired = 0
        self._prices = prices
        self._answered = answered
        self._count = 0
        self._noted: Counter[str] = Counter()
        self._outcomes: Counter[str] = Counter()
        self._endpoints = _ByName(_Count)
        self.models = _Models(prices)
        self._line_bytes, self._characters = LengthHistogram(), LengthHistogram()
        self._input_tokens, self._output_tokens = LengthHistogram(), LengthHistogram()
        self._token_conversion_errors = 0

    @cached_property
    def _plain(self) -> NativeTotals | None:
        return native_totals(outcome_facts, KEPT_BITS)

    def add_plain(self, lines: list[bytes]) -> Sequence[int]:
        """Count lines by compiled code, and return the numbers of the others, which are to be added one by one."""
        found = None if self._plain is None else self._plain.add(lines, self._steps_of)
        if found is None:
            return range(len(lines))
        others, successes = found
        self._answered.add_successes(successes)
        return others

    def _steps_of(self, models: list[str | None], others: int) -> list[tuple[int, ...]] | None:
        """Return the steps of new models; None if they may be more than have their own totals, which are then the first ones."""
        if len(self.models.found) + len(models) + others > MOST_NAMES:
            return None
        steps = [self.models.of(model).steps for model in models]
        return steps if all(type(step) is int and 0 <= step < LIMIT for each in steps for step in each) else None

    def _add_counted(self) -> None:
        """Add what compiled code has counted."""
        if self._plain is None:
            return
        outcomes, endpoints, models, lengths = self._plain.take()
        for outcome, count in outcomes:
            self._outcomes[str(outcome)] += count
            self._count += count
        for endpoint, count in endpoints:
            self._endpoints.of(endpoint).count += count
        for model, above, (results, inputs, outputs, cached, reasoning, written) in models:
            parts = Counter({"cache_write": written} if written else {})
            tokens = _Tokens(results, inputs, cached, outputs, reasoning, parts)
            self.models.of(model).tiers.setdefault(above, _Tokens()).add(tokens)
        histograms = (self._line_bytes, self._characters, self._input_tokens, self._output_tokens)
        for histogram, counted in zip(histograms, lengths, strict=True):
            histogram.add_counted(*counted)

    def add(self, line: bytes, _file: int) -> bool:
        """Count a line; returns False if it is not a result."""
        self._line_bytes.add(len(line))
        value, result = read_result(line)
        self.repaired += type(value) is Repaired
        endpoint = bodies.endpoint_of(result.body) if result.body else None
        return self.add_result(result, None if value is None else value.get("custom_id"), endpoint)

    def add_result(self, result: Result, custom_id: object, endpoint: str | None) -> bool:
        """Count a result; returns False if it is malformed."""
        self._count += 1
        self._outcomes[result.outcome] += 1
        if result.outcome == SUCCEEDED:
            self._answered.add_success(custom_id)
        answer = result.answer
        self._endpoints.of(endpoint).count += 1
        if answer.text is not None:
            self._characters.add(len(answer.text))
        if result.outcome in ANSWERED:
            self._noted.update(map(count_name, answer.noted))
            self._noted["no_token_counts"] += without_token_counts(answer)
        inputs, outputs = self._counted(answer.input_tokens), self._counted(answer.output_tokens)
        tokens = self.models.of(answer.model).of(inputs or 0)
        tokens.requests += 1
        if inputs is not None:
            tokens.input += inputs
            self._input_tokens.add(inputs)
        if outputs is not None:
            tokens.output += outputs
            self._output_tokens.add(outputs)
        tokens.cached += self._counted(answer.cached_tokens) or 0
        tokens.reasoning += self._counted(answer.reasoning_tokens) or 0
        if written := self._counted(answer.cache_write_tokens):
            tokens.parts["cache_write"] += written
        if result.body and (others := modalities(result.body.get("usage"))):
            tokens.parts.update(others)
        if answer.conversion_errors and result.body:
            self._token_conversion_errors += _conversion_errors_of(result.body.get("usage"))
        is_malformed = result.outcome == MALFORMED
        self.malformed += is_malformed
        return not is_malformed

    def _counted(self, tokens: int | None) -> int | None:
        """Return a count; one below 0 is ignored: it is in the table unchanged, but it is not a refund."""
        if tokens is None or tokens >= 0:
            return tokens
        self._token_conversion_errors += 1
        return None

    def add_overlong(self, count: int) -> None:
        """Count lines longer than `max_line_bytes`, which were not read."""
        self._count += count
        self._outcomes[MALFORMED] += count
        self.malformed += count
        if count:
            self._endpoints.of(None).count += count
            self.models.of(None).of(0).requests += count

    def report(self, size: int, model: str | None) -> ResultStats:
        """Return the report for this many bytes; results without a model, as most failures, are counted for `model`."""
        self._add_counted()
        if model is not None and None in self.models.found:
            self.models.of(model).add(self.models.found.pop(None))
        return ResultStats(
            count=self._count,
            bytes=size,
            outcomes={outcome: self._outcomes[outcome] for outcome in OUTCOMES if self._outcomes[outcome]},
            endpoints={name: sums.count for name, sums in self._endpoints.sorted()},
            models=tuple(_usage(name, sums, self._prices) for name, sums in self.models.sorted()),
            line_bytes=self._line_bytes.lengths(),
            text_characters=self._characters.lengths(),
            input_tokens=self._input_tokens.lengths(),
            output_tokens=self._output_tokens.lengths(),
            token_conversion_errors=self._token_conversion_errors,
            no_token_counts=self._noted["no_token_counts"],
            token_sum=self._noted["token_sum"],
            **self._answered.fields(),
        )


def _conversion_errors_of(usage: object) -> int:
    """Count the token counts that could not be read, except the total, which is not summed."""
    reader = FieldReader()
    read_usage(usage | {"total_tokens": None} if isinstance(usage, dict) else usage, reader)
    return reader.conversion_errors


def _usage(name: str | None, sums: _Model, prices: Prices | None) -> ModelUsage:
    tokens = sums.total()
    return ModelUsage(
        model=name,
        results=tokens.requests,
        input_tokens=tokens.input,
        cached_tokens=tokens.cached,
        output_tokens=tokens.output,
        reasoning_tokens=tokens.reasoning,
        cost=None if prices is None else sums.cost(name, prices),
        cache_write_tokens=tokens.parts["cache_write"],
        other_tokens={part: tokens.parts[part] for part in PARTS if part != "cache_write" and tokens.parts[part]},
        **_price_fields(name, prices),
    )
