"""The facts of a report, counted in one pass over the rows of a joined table, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from batchfiles.jobs.report.charts import Histogram, TimeSteps
from batchfiles.jobs.report.samples import Errors, FailedRows, Groups, counts
from batchfiles.jobs.stats.prices import Prices, total
from batchfiles.jobs.stats.report import OTHER
from batchfiles.outcome import INCOMPLETE, MISSING, SUCCEEDED

ROWS: Final = 16_384
"""Rows that are counted together."""

MOST_NAMES: Final = 5000
"""Parts, batches, and models with their endpoints, that are counted by themselves; the rest is `OTHER`."""

TOKENS: Final = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cache_write_tokens")

COUNTED: Final = (*Errors.KEYS, *Errors.EXAMPLE, *TOKENS, "endpoint", "model", "created_at", "batch_id", "attempts")
"""Columns of which only counts are kept."""

COLUMNS: Final = tuple(dict.fromkeys((*COUNTED, *FailedRows.COLUMNS, "tool_calls", "embedding_index")))
"""Columns of a table that are read."""

MICROSECONDS: Final = 60_000_000
"""Those of a minute."""


@dataclass(slots=True)
class PartFacts:
    """The requests of one request file."""

    outcomes: Counter[str] = field(default_factory=Counter)
    retryable: Counter[str] = field(default_factory=Counter)

    @property
    def requests(self) -> int:
        """All requests."""
        return self.outcomes.total()

    @property
    def unsuccessful(self) -> float:
        """The share of requests that did not succeed."""
        return 1 - self.outcomes[SUCCEEDED] / self.requests


@dataclass(slots=True)
class BatchFacts:
    """The results of one batch, or of one result file whose name does not have the id of a batch."""

    results: int = 0
    succeeded: int = 0
    repeated: int = 0
    first: Any = None
    last: Any = None


class Usage(NamedTuple):
    """The tokens of a model at an endpoint.

    Attributes:
        endpoint: The endpoint; None if it is not known.
        model: The model; None if no answer names one.
        answers: Rows with this model.
        tokens: Sums, by the columns of the table.
        cost: What they cost; None without a price.
    """

    endpoint: str | None
    model: str | None
    answers: int
    tokens: Counter[str]
    cost: Decimal | None


class Facts:
    """Counts rows.

    Args:
        rows: How many failing rows to keep.
        texts: Whether texts are kept.
        prices: Prices of the models; None for no costs.

    Attributes:
        parts: The requests by their file.
        batches: The results by their batch.
        errors: The rows that did not succeed, in groups.
        failed: The first of them.
        finish_reasons: Answers by the reason why they ended.
        attempts: Requests by the number of their results; None where it is not known.
        input_tokens: How many tokens prompts have.
        output_tokens: How many tokens answers have.
        characters: How long the texts of answers are.
        times: Answers by time.
        used: Rows with a result.
    """

    def __init__(self, *, rows: int, texts: bool, prices: Prices | None) -> None:
        self.parts: dict[str, PartFacts] = {}
        self.batches: dict[str, BatchFacts] = {}
        self.errors = Errors()
        self.failed = FailedRows(rows, texts=texts)
        self.finish_reasons: Counter[str | None] = Counter()
        self.attempts: Counter[int | None] = Counter()
        self.input_tokens, self.output_tokens, self.characters = Histogram(), Histogram(), Histogram()
        self.times = TimeSteps()
        self.used = 0
        self.prices = prices
        self._usage: dict[tuple[str | None, str | None, int], Counter[str]] = {}
        self._waiting: list[pa.RecordBatch] = []
        self._rows_waiting = 0
        self._last_key: tuple[Any, ...] | None = None

    def add_all(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Count all rows of record batches with `COLUMNS`, as far as the table has them."""
        for batch in batches:
            self._add(self._first_of_requests(batch) if "embedding_index" in batch.schema.names else batch)
        self._count()

    @property
    def outcomes(self) -> Counter[str]:
        """The requests by their outcome."""
        return sum((part.outcomes for part in self.parts.values()), Counter())

    @property
    def retryable_by(self) -> Counter[str]:
        """The requests that may succeed if they are sent again, by their outcome."""
        return sum((part.retryable for part in self.parts.values()), Counter())

    @property
    def retryable(self) -> int:
        """The requests that may succeed if they are sent again."""
        return self.retryable_by.total()

    def usage(self) -> list[Usage]:
        """Return the tokens and costs of each model at each endpoint, the largest first."""
        found: dict[tuple[str | None, str | None], list[tuple[int, Counter[str]]]] = {}
        for (endpoint, model, above), tokens in self._usage.items():
            found.setdefault((endpoint, model), []).append((above, tokens))
        usage = []
        for (endpoint, model), tiers in found.items():
            sums = sum((tokens for _, tokens in tiers), Counter())
            usage.append(Usage(endpoint, model, sums.pop("answers", 0), sums, self._cost(model, tiers)))
        return sorted(usage, key=lambda each: (-each.tokens.total(), each.model or "", each.endpoint or ""))

    def _cost(self, model: str | None, tiers: list[tuple[int, Counter[str]]]) -> Decimal | None:
        if self.prices is None:
            return None
        costs = [
            self.prices.cost(
                model,
                tokens["input_tokens"],
                tokens["cached_tokens"],
                tokens["output_tokens"],
                parts={"cache_write": tokens["cache_write_tokens"]},
                request_tokens=above + 1 if above else 0,
            )
            for above, tokens in tiers
        ]
        return None if None in costs else total(costs)

    def _add(self, batch: pa.RecordBatch) -> None:
        """Look for rows to show, and keep what is counted later, with the lengths of texts instead of the texts."""
        self.failed.add(batch)
        names = [name for name in COUNTED if name in batch.schema.names]
        columns = [batch.column(name) for name in names]
        lengths = pc.utf8_length(batch.column("text"))
        self._waiting.append(pa.RecordBatch.from_arrays([*columns, lengths], names=[*names, "characters"]))
        self._rows_waiting += batch.num_rows
        if self._rows_waiting >= ROWS:
            self._count()

    def _first_of_requests(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the first row of each request of an embeddings table, whose further rows are further vectors of it."""
        names = ("custom_id", "input_source", "input_line_number", "result_source", "result_line_number")
        kept = []
        for number, key in enumerate(zip(*(batch.column(name).to_pylist() for name in names), strict=True)):
            if key != self._last_key:
                kept.append(number)
            self._last_key = key
        return batch.take(pa.array(kept, pa.int64()))

    def _count(self) -> None:
        if not self._rows_waiting:
            return
        (rows,) = pa.Table.from_batches(self._waiting).combine_chunks().to_batches()
        self._waiting, self._rows_waiting = [], 0
        self.errors.add(rows)
        self._count_parts(rows)
        self._count_batches(rows)
        self._count_usage(rows)
        for name, histogram in (
            ("input_tokens", self.input_tokens),
            ("output_tokens", self.output_tokens),
            ("characters", self.characters),
        ):
            histogram.add(counts(rows.column(name)))
        answered = pc.is_in(rows.column("outcome"), value_set=pa.array([SUCCEEDED, INCOMPLETE]))
        self.finish_reasons.update(dict(counts(rows.column("finish_reason").filter(answered))))
        self.attempts.update(dict(counts(rows.column("attempts"))))

    def _count_parts(self, rows: pa.RecordBatch) -> None:
        source = pc.fill_null(pc.coalesce(rows.column("input_source"), rows.column("result_source")), "")
        keyed = _batch(part=source, outcome=rows.column("outcome"), retryable=rows.column("retryable"))
        groups = Groups(keyed, keyed.schema.names)
        for (name, outcome, retryable), count in zip(groups.keys(), groups.counts, strict=True):
            part = self.parts.setdefault(self._name(name, self.parts), PartFacts())
            part.outcomes[outcome] += count
            part.retryable[outcome] += count if retryable else 0

    def _count_batches(self, rows: pa.RecordBatch) -> None:
        there = rows.filter(pc.and_(pc.is_valid(rows.column("result_source")), pc.not_equal(rows.column("outcome"), MISSING)))
        self.used += there.num_rows
        if not there.num_rows:
            return
        attempts = pc.fill_null(there.column("attempts"), 1)
        minutes = _minutes(there.column("created_at"))
        keyed = _batch(
            batch=pc.coalesce(there.column("batch_id"), there.column("result_source")),
            succeeded=pc.cast(pc.equal(there.column("outcome"), SUCCEEDED), pa.int64()),
            repeated=pc.cast(pc.greater(attempts, 1), pa.int64()),
            attempts=attempts,
            minutes=minutes,
        )
        groups = Groups(keyed, ["batch"])
        sums = zip(groups.sums("succeeded"), groups.sums("repeated"), groups.bounds("minutes"), strict=True)
        for (name,), count, (succeeded, repeated, times) in zip(groups.keys(), groups.counts, sums, strict=True):
            found = self.batches.setdefault(self._name(name, self.batches), BatchFacts())
            found.results += count
            found.succeeded += succeeded
            found.repeated += repeated
            known = [time for time in (*times, found.first, found.last) if time is not None]
            found.first, found.last = (min(known), max(known)) if known else (None, None)
        timed = Groups(keyed.filter(pc.is_valid(minutes)), ["minutes", "attempts"])
        for (minute, number), count in zip(timed.keys(), timed.counts, strict=True):
            self.times.add(minute, "1" if number <= 1 else "2" if number == 2 else "3 or more", count)

    def _count_usage(self, rows: pa.RecordBatch) -> None:
        tokens = pc.coalesce(rows.column("input_tokens"), rows.column("output_tokens"))
        named = rows.filter(pc.or_(pc.is_valid(rows.column("model")), pc.is_valid(tokens)))
        inputs = pc.fill_null(named.column("input_tokens"), 0)
        above = pc.multiply(inputs, 0)
        for step in self._steps(named.column("model")):
            above = pc.if_else(pc.greater(inputs, step), step, above)
        keyed = _batch(
            endpoint=named.column("endpoint"),
            model=named.column("model"),
            above=above,
            **{name: pc.max_element_wise(pc.fill_null(named.column(name), 0), 0) for name in TOKENS},
        )
        groups = Groups(keyed, ["endpoint", "model", "above"])
        sums = zip(*(groups.sums(name) for name in TOKENS), strict=True)
        for key, count, found in zip(groups.keys(), groups.counts, sums, strict=True):
            if key not in self._usage and len(self._usage) >= MOST_NAMES:
                key = (OTHER, OTHER, 0)  # noqa: PLW2901
            self._usage.setdefault(key, Counter()).update(dict(zip(TOKENS, found, strict=True)), answers=count)

    def _steps(self, models: pa.Array) -> list[int]:
        """Return the input tokens of a request above which a price of these models changes, in ascending order."""
        if self.prices is None:
            return []
        found = [self.prices.price(model) for model, _ in counts(models)]
        return sorted({tier.above for price in found if price is not None for tier in price.tiers})

    def _name(self, name: str, there: dict[str, Any]) -> str:
        return name if name in there or len(there) < MOST_NAMES else OTHER


def _batch(**columns: pa.Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _minutes(times: pa.Array) -> pa.Array:
    """Return times as minutes since 1970."""
    return pc.divide(pc.cast(times, pa.int64()), MICROSECONDS)
