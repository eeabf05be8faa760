"""The report of `stats`, and what it counts in bounded memory: percentiles of lengths, and the requests that were answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from decimal import Decimal
from typing import Any, Final

from batchfiles.summary import Block, Displayed

MOST_IDS: Final = 1_000_000
"""Ids that are kept at a time, those of one part of a campaign; about 100 MB."""

KEPT_BITS: Final = 8
"""The leading bits by which lengths are counted: 128 buckets for each power of two, 0.8 % wide."""


@dataclass(frozen=True, slots=True, repr=False)
class Lengths(Displayed):
    """The distribution of lengths.

    Attributes:
        count: How many were measured.
        total: The sum of their lengths, exact like the count, the minimum and the maximum.
        minimum: The shortest.
        p50: Half of them are no longer. Up to 255 this is exact, above it may be up to 0.8 % too high, like the next two.
        p90: Nine tenths of them are no longer.
        p99: Of a hundred, 99 are no longer.
        maximum: The longest.
    """

    count: int
    total: int
    minimum: int
    p50: int
    p90: int
    p99: int
    maximum: int


class LengthHistogram:
    """Counts lengths in buckets that grow with the length, at most 7,000."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self._total = 0
        self._minimum = 0
        self._maximum = 0

    def add(self, length: int) -> None:
        """Count one length, which is not negative."""
        if not self._buckets or length < self._minimum:
            self._minimum = length
        if length > self._maximum:
            self._maximum = length
        self._total += length
        shift = length.bit_length() - KEPT_BITS
        # The greatest length of its bucket.
        self._buckets[length if shift <= 0 else (((length >> shift) + 1) << shift) - 1] += 1

    def add_counted(self, buckets: Mapping[int, int], total: int, minimum: int | None, maximum: int) -> None:
        """Add lengths that were counted in the same buckets; without any, the minimum is None."""
        if minimum is not None:
            self._minimum = min(minimum, self._minimum) if self._buckets else minimum
            self._maximum = max(maximum, self._maximum)
            self._total += total
            self._buckets.update(buckets)

    def lengths(self) -> Lengths | None:
        """Return what was counted; None if nothing was."""
        if not self._buckets:
            return None
        p50, p90, p99 = (self._percentile(share) for share in (50, 90, 99))
        return Lengths(self._buckets.total(), self._total, self._minimum, p50, p90, p99, self._maximum)

    def _percentile(self, share: int) -> int:
        """Return the smallest length that so many percent don't exceed."""
        rank = -(-self._buckets.total() * share // 100)
        seen = 0
        for length in sorted(self._buckets):
            seen += self._buckets[length]
            if seen >= rank:
                return min(length, self._maximum)
        return self._maximum


OTHER: Final = "(other)"
"""The name for all models, and endpoints, after the first thousand."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class FileStats(Displayed):
    """One file.

    Attributes:
        name: Its display name.
        role: `"inputs"`, `"results"`, `"empty"`, or `"table"` for one that `join` or `export` wrote.
        lines: Its lines, without blank ones; of a table, its rows.
        bytes: Its size, uncompressed.
    """

    name: str
    role: str
    lines: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ModelEstimate(Displayed):
    """The estimated use of the requests for one model, by the rule of thumb of `jobs/tokens.py`.

    Attributes:
        model: As the requests name it; None for requests that name none.
        requests: How many name it.
        input_tokens: An estimate.
        output_tokens_at_most: The sum of the limits that requests set themselves.
        without_limit: How many requests set no limit; their answers are not in that sum.
        input_cost: The cost of `input_tokens`; None without a price.
        cost_at_most: The cost with `output_tokens_at_most`; None without a price, and where any request sets no limit.
        price_of: As in `ModelUsage`, like the next three.
        price_source: As there.
        is_standard_price: As there.
        is_batch_price: As there.
    """

    model: str | None
    requests: int
    input_tokens: int
    output_tokens_at_most: int
    without_limit: int
    input_cost: Decimal | None
    cost_at_most: Decimal | None
    price_of: str | None = None
    price_source: str | None = None
    is_standard_price: bool = False
    is_batch_price: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ModelUsage(Displayed):
    """What the results of one model took: the sums of what the service counted, and bills.

    Attributes:
        model: As the results name it; None where they name none, as most failures do.
        results: How many there are.
        input_tokens: Tokens of prompts, cached ones included.
        cached_tokens: How many of them came from a cache.
        output_tokens: Tokens of answers, those of reasoning included.
        reasoning_tokens: How many of them went into reasoning.
        cost: None where there are tokens without a price.
        cache_write_tokens: How many input tokens were written to a cache.
        other_tokens: How many of the tokens are not text, by kind: `audio_input`, `image_input`, `audio_output` and so on.
        price_of: What the model is called where its price is from; None without a price.
        price_source: Whose price it is, and of which date; None without a price.
        is_standard_price: Whether it is the standard price, because no batch price is known.
        is_batch_price: Whether it is a price for batches, from which no batch discount is subtracted.
    """

    model: str | None
    results: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost: Decimal | None
    cache_write_tokens: int = 0
    other_tokens: Mapping[str, int] = field(default_factory=dict)
    price_of: str | None = None
    price_source: str | None = None
    is_standard_price: bool = False
    is_batch_price: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RequestStats(Displayed):
    """The request files together.

    Attributes:
        count: Requests, without lines that can't be read.
        malformed: Lines that can't be read.
        bytes: The bytes of all lines.
        endpoints: How many requests there are for each `url`; None counts those without one.
        models: What they may take, by model.
        line_bytes: How long the lines are, in bytes; None if there are none.
        text_characters: How long the texts of a request are together, in characters.
    """

    count: int
    malformed: int
    bytes: int
    endpoints: Mapping[str | None, int]
    models: tuple[ModelEstimate, ...]
    line_bytes: Lengths | None
    text_characters: Lengths | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ResultStats(Displayed):
    """The result files together: every line counts, also superseded ones and those without a request, because all are billed.

    Attributes:
        count: Result lines, with those that can't be read.
        bytes: The bytes of all lines.
        outcomes: How many lines there are of each outcome; `missing` is not among them, because only a join can know.
        endpoints: How many answers come from each endpoint; None counts failures, and answers of endpoints that are not known.
        models: What they took, by model.
        line_bytes: How long the lines are, in bytes; None if there are none.
        text_characters: How long the texts of answers are, in characters; None if none has a text.
        input_tokens: How many tokens the prompts have.
        output_tokens: How many tokens the answers have.
        token_conversion_errors: How many token counts are not integers ≥ 0 of 64 bits: they are in no sum and no cost.
        no_token_counts: How many answers state neither input nor output tokens: their tokens are in no sum and no cost.
        token_sum: How many answers state input and output tokens that are not their total, with nothing that explains it.
        succeeded_requests: How many requests these successes answer, which is what `join` counts as `succeeded`. None without
            requests, if two request files share an id, unless they are parts of one campaign, and above a million ids in
            a part.
        repeated_successes: How many successes are for a request that has another one; None as before.
        unknown_successes: How many successes are for no request among the files; None as before.
    """

    count: int
    bytes: int
    outcomes: Mapping[str, int]
    endpoints: Mapping[str | None, int]
    models: tuple[ModelUsage, ...]
    line_bytes: Lengths | None
    text_characters: Lengths | None
    input_tokens: Lengths | None
    output_tokens: Lengths | None
    token_conversion_errors: int
    no_token_counts: int = 0
    token_sum: int = 0
    succeeded_requests: int | None = None
    repeated_successes: int | None = None
    unknown_successes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Stats(Displayed):
    """The report of `stats`.

    Attributes:
        files: Each file, in the order of reading.
        requests: The request files together.
        results: The result files together.
        currency: The currency of the prices.
        batch_discount: The share that was subtracted; None without prices.
        cost: What the results cost, as far as there are prices; None if there is none for any tokens.
        without_price: Models of results with tokens that have no price: they are not in `cost`.
        malformed: The first places of lines that can't be read.
        blank_lines: How many lines were skipped because they are blank.
        price_sources: The sources and dates of the prices.
        similar_prices: For models of `without_price`, a model with a price and a similar name.
        tokens_without_own_price: Tokens that cost the same as the other input or output tokens, because they have no price of
            their own, by kind: `cache_write`, `audio_input` and so on.
        above_tiers: How many requests have more input tokens than `"128000"` and other sizes above which prices often differ, of
            models whose prices have no tier.
        not_read: Files and folders in the given folders that were skipped.
        examples: The first names of these, under `not_read`.
        repeated_inputs: Request lines that repeat a line of another request file: lines of `files`, and not of `requests`.
        repaired_lines: Lines that are not strict JSON and were read anyway: a token count such as 1e400 is null there, so it is
            in no sum.
        absent_columns: Columns that one of the tables doesn't have: what they hold is not counted.
    """

    files: tuple[FileStats, ...]
    requests: RequestStats
    results: ResultStats
    currency: str | None
    batch_discount: Decimal | None
    cost: Decimal | None
    without_price: tuple[str | None, ...]
    malformed: tuple[str, ...]
    blank_lines: int
    price_sources: tuple[str, ...] = ()
    similar_prices: Mapping[str, str] = field(default_factory=dict)
    tokens_without_own_price: Mapping[str, int] = field(default_factory=dict)
    above_tiers: Mapping[str, int] = field(default_factory=dict)
    not_read: int = 0
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    repeated_inputs: int = 0
    repaired_lines: int = 0
    absent_columns: tuple[str, ...] = ()

    def models(self) -> list[str]:
        """Name the models of requests and results that files of prices need."""
        parts: tuple[ModelEstimate | ModelUsage, ...] = (*self.requests.models, *self.results.models)
        return sorted({part.model for part in parts if part.model is not None and part.model != OTHER})

    def _blocks(self) -> Iterator[Block]:
        from batchfiles.jobs.stats.summary import stats_blocks

        return stats_blocks(self)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold: amounts of money as strings, every digit of them; `""` for None as a key."""
        plain: dict[str, Any] = _plain(self)
        return plain


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of a field
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {"" if key is None else key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


class AnsweredRequests:
    """Counts the requests that the successes in results answer, part by part: the number that `join` counts as `succeeded`.

    `stats` counts lines, because every line is billed. A success may repeat another one, or belong to no request.
    """

    def __init__(self) -> None:
        self._is_known = True
        self._has_requests = False
        self._answered = self._repeated = self._unknown = 0
        self._start()

    def _start(self) -> None:
        self._files: dict[str, int] = {}
        self._requests: Counter[str] = Counter()
        self._successes: Counter[str | None] = Counter()

    def add_request(self, custom_id: object, file: int) -> None:
        """Add the id of a request in a file."""
        self._has_requests = True
        if not self._is_known or not isinstance(custom_id, str):
            return
        self._requests[custom_id] += 1
        # An id in two files is two requests: names and batch objects show which results are whose, and only `join` reads them.
        if self._files.setdefault(custom_id, file) != file or self._is_full():
            self._give_up()

    def add_success(self, custom_id: object) -> None:
        """Add the id of a result that is a success."""
        if self._is_known:
            self._successes[custom_id if isinstance(custom_id, str) else None] += 1
            if self._is_full():
                self._give_up()

    def add_successes(self, custom_ids: list[str]) -> None:
        """Add the ids of several results that are successes."""
        if self._is_known:
            self._successes.update(custom_ids)
            if self._is_full():
                self._give_up()

    def _is_full(self) -> bool:
        return len(self._files) + len(self._successes) > MOST_IDS

    def _give_up(self) -> None:
        self._is_known = False
        self._start()

    def end_part(self) -> None:
        """Count what was added since the last part; ids may restart in the next one."""
        for custom_id, lines in self._successes.items():
            requests = 0 if custom_id is None else self._requests[custom_id]
            self._answered += requests
            if requests:
                self._repeated += lines - 1
            else:
                self._unknown += lines
        self._start()

    def fields(self) -> dict[str, Any]:
        """Return the fields of `ResultStats`; they are None without requests, and where they are not known."""
        counts = (self._answered, self._repeated, self._unknown) if self._is_known and self._has_requests else (None,) * 3
        return dict(zip(("succeeded_requests", "repeated_successes", "unknown_successes"), counts, strict=True))
