"""The facts of a report, counted in one pass over the rows of a joined table, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from batchfiles.jobs.report.distributions import Histogram, TimeSteps
from batchfiles.jobs.report.samples import Errors, FailedRows
from batchfiles.jobs.stats.prices import Prices, total
from batchfiles.jobs.stats.report import OTHER
from batchfiles.outcome import MISSING, SUCCEEDED

__all__ = ["COLUMNS", "BatchFacts", "Facts", "PartFacts", "Usage"]

ROWS: Final = 32_768
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
        rows = pa.Table.from_batches(self._waiting).combine_chunks()
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
            histogram.add(_counts(rows[name]))
        answered = rows.filter(pc.is_in(rows["outcome"], value_set=pa.array([SUCCEEDED, "incomplete"])))
        self.finish_reasons.update(dict(_counts(answered["finish_reason"])))
        self.attempts.update(dict(_counts(rows["attempts"])))

    def _count_parts(self, rows: pa.Table) -> None:
        source = pc.fill_null(pc.coalesce(rows["input_source"], rows["result_source"]), "")
        keyed = rows.select(["outcome", "retryable"]).append_column("part", source)
        for name, outcome, retryable, count in _groups(keyed, ["part", "outcome", "retryable"]):
            part = self.parts.setdefault(self._name(name, self.parts), PartFacts())
            part.outcomes[outcome] += count
            part.retryable[outcome] += count if retryable else 0

    def _count_batches(self, rows: pa.Table) -> None:
        there = rows.filter(pc.and_(pc.is_valid(rows["result_source"]), pc.not_equal(rows["outcome"], MISSING)))
        self.used += there.num_rows
        repeated = pc.cast(pc.fill_null(pc.greater(there["attempts"], 1), fill_value=False), pa.int64())
        succeeded = pc.cast(pc.equal(there["outcome"], SUCCEEDED), pa.int64())
        batch = pc.coalesce(there["batch_id"], there["result_source"])
        times = there["created_at"]
        table = pa.table({"batch": batch, "succeeded": succeeded, "repeated": repeated, "time": times})
        sums = table.group_by("batch", use_threads=False).aggregate(
            [("succeeded", "count"), ("succeeded", "sum"), ("repeated", "sum"), ("time", "min"), ("time", "max")]
        )
        for row in sums.select(["batch", "succeeded_count", "succeeded_sum", "repeated_sum"]).to_pylist():
            found = self.batches.setdefault(self._name(row["batch"], self.batches), BatchFacts())
            found.results += row["succeeded_count"]
            found.succeeded += row["succeeded_sum"]
            found.repeated += row["repeated_sum"]
        for name, first, last in zip(
            sums["batch"].to_pylist(), _minutes(sums["time_min"]).to_pylist(), _minutes(sums["time_max"]).to_pylist(), strict=True
        ):
            if first is not None:
                found = self.batches[self._name(name, self.batches)]
                found.first = first if found.first is None else min(first, found.first)
                found.last = last if found.last is None else max(last, found.last)
        attempts = pc.fill_null(there["attempts"], 1)
        minutes = pa.table({"minute": _minutes(times), "attempts": attempts}).filter(pc.is_valid(times))
        for minute, number, count in _groups(minutes, ["minute", "attempts"]):
            self.times.add(minute, "1" if number <= 1 else "2" if number == 2 else "3 or more", count)

    def _count_usage(self, rows: pa.Table) -> None:
        named = rows.filter(pc.or_(pc.is_valid(rows["model"]), pc.is_valid(pc.coalesce(rows["input_tokens"], rows["output_tokens"]))))
        steps = self._steps(named["model"])
        inputs = pc.fill_null(named["input_tokens"], 0)
        above = pa.array([0] * named.num_rows, pa.int64())
        for step in steps:
            above = pc.if_else(pc.greater(inputs, step), step, above)
        columns = {"endpoint": named["endpoint"], "model": named["model"], "above": above}
        for name in TOKENS:
            columns[name] = pc.max_element_wise(pc.fill_null(named[name], 0), 0)
        keys = ["endpoint", "model", "above"]
        sums = pa.table(columns).group_by(keys, use_threads=False).aggregate(
            [("above", "count"), *((name, "sum") for name in TOKENS)]
        )
        for row in sums.to_pylist():
            key = (row["endpoint"], row["model"], row["above"])
            if key not in self._usage and len(self._usage) >= MOST_NAMES:
                key = (OTHER, OTHER, 0)
            tokens = self._usage.setdefault(key, Counter())
            tokens["answers"] += row["above_count"]
            tokens.update({name: row[f"{name}_sum"] for name in TOKENS})

    def _steps(self, models: pa.ChunkedArray) -> list[int]:
        """Return the input tokens of a request above which a price of these models changes, in ascending order."""
        if self.prices is None:
            return []
        found = [self.prices.price(model) for model in models.drop_null().unique().to_pylist()]
        return sorted({tier.above for price in found if price is not None for tier in price.tiers})

    def _name(self, name: str, there: dict[str, Any]) -> str:
        return name if name in there or len(there) < MOST_NAMES else OTHER


def _counts(column: pa.ChunkedArray) -> list[tuple[Any, int]]:
    """Return the different values of a column, without nulls, with their counts."""
    found = pc.value_counts(column.drop_null())
    return list(zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True))


def _groups(rows: pa.Table, keys: list[str]) -> list[tuple[Any, ...]]:
    """Return the different values of some columns, with the number of their rows at the end."""
    numbered = rows.append_column("n", pa.nulls(rows.num_rows, pa.int8()))
    found = numbered.group_by(keys, use_threads=False).aggregate([("n", "count", pc.CountOptions("all"))])
    return list(zip(*(found[name].to_pylist() for name in (*keys, "n_count")), strict=True))


def _minutes(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return times as minutes since 1970."""
    return pc.divide(pc.cast(pc.cast(times, pa.timestamp("us", tz="UTC")), pa.int64()), MICROSECONDS)
