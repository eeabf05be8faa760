"""What tokens cost: prices per million that the user owns, because prices that stand in a program are soon wrong."""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal, Inexact, InvalidOperation
from difflib import get_close_matches
from functools import reduce
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol, TypeAlias

__all__ = [
    "GENAI",
    "PARTS",
    "FoundPrice",
    "Price",
    "PriceSource",
    "Prices",
    "PricesLike",
    "Tier",
    "alias_of",
    "prices_of",
    "total",
]

MILLION: Final = Decimal(10) ** 6

EXACT: Final = Context(prec=200, traps=[Inexact, InvalidOperation])
"""Room for the product of any count, any price and any discount that a file can hold; were it too little, it would raise."""

DATE: Final = (
    r"\d{4}-\d{2}-\d{2}"  # gpt-4o-mini-2024-07-18
    r"|20\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"  # claude-sonnet-4-20250514
    r"|(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"  # gpt-4-0613, kimi-k2-0905
    r"|2\d(?:0[1-9]|1[0-2])"  # mistral-large-2411
)
SNAPSHOT: Final = re.compile(rf"(?P<alias>.+?)[-@](?:{DATE})(?:-v\d+(?::\d+)?)?", re.DOTALL)
"""A name with the date of its snapshot: after a hyphen, or after an @ (Vertex); Bedrock puts a version after it (`-v1:0`)."""

INPUT_PARTS: Final = ("cache_write", "audio_input", "image_input", "video_input")
OUTPUT_PARTS: Final = ("audio_output", "image_output", "video_output")
PARTS: Final = (*INPUT_PARTS, *OUTPUT_PARTS)
"""Tokens that may have their own price. Without it, they cost the same as the other input or output tokens."""

NO_PARTS: Final[Mapping[str, int]] = MappingProxyType({})

GENAI: Final = "genai"
"""The name for the prices of the package genai-prices."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs per million tokens, before the batch discount.

    Attributes:
        input: Tokens of prompts. None is "not known", never 0, as with all others.
        output: Tokens of answers, those of reasoning included.
        cached_input: Tokens of prompts that came from a cache; None takes the price of the others.
        cache_write: Tokens of prompts that were written to a cache. None takes the price of `input`, as with the next three.
        audio_input: Tokens of sound in prompts.
        image_input: Tokens of pictures in prompts.
        video_input: Tokens of videos in prompts.
        audio_output: Audio tokens in answers. None takes the price of `output`, as with the next two.
        image_output: Tokens of pictures in answers.
        video_output: Tokens of videos in answers.
        tiers: Other prices for requests with many input tokens, in ascending order.
        is_batch_price: Whether the batch discount is in these prices already.
    """

    input: Decimal | None = None
    output: Decimal | None = None
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None
    audio_input: Decimal | None = None
    image_input: Decimal | None = None
    video_input: Decimal | None = None
    audio_output: Decimal | None = None
    image_output: Decimal | None = None
    video_output: Decimal | None = None
    tiers: tuple[Tier, ...] = ()
    is_batch_price: bool = False

    def at(self, input_tokens: int) -> Price:
        """Return the price of a request with this many input tokens: that of its tier, completed by the lower tiers."""
        found = self
        for tier in self.tiers:
            if input_tokens > tier.above:
                own = {name: value for name in AMOUNTS if (value := getattr(tier.price, name)) is not None}
                found = replace(found, **own)
        return found

    def cost(
        self,
        input_tokens: int,
        cached_tokens: int,
        output_tokens: int,
        discount: Decimal = Decimal(0),
        *,
        parts: Mapping[str, int] = NO_PARTS,
    ) -> Decimal | None:
        """Return the exact cost of so many tokens; None if there are tokens for which there is no price.

        Tiers are not looked at: ask `at` for the price of a tier.

        Args:
            input_tokens: Tokens of prompts, all parts included.
            cached_tokens: How many of them came from a cache.
            output_tokens: Tokens of answers, all parts included.
            discount: The share that is taken off, such as 0.5.
            parts: How many of them may have a price of their own, by the names of the fields: `{"cache_write": 1024}`.
        """
        total = Decimal(0)
        for count, price in self._priced(input_tokens, cached_tokens, output_tokens, parts):
            if count:
                if price is None:
                    return None
                total = EXACT.add(total, EXACT.multiply(Decimal(count), price))
        if not total:
            return Decimal(0)
        off = Decimal(0) if self.is_batch_price else discount
        return EXACT.divide(EXACT.multiply(total, EXACT.subtract(Decimal(1), off)), MILLION)

    def _priced(self, inputs: int, cached: int, outputs: int, parts: Mapping[str, int]) -> Iterator[tuple[int, Decimal | None]]:
        """Yield counts with their prices; overlapping parts never exceed their total."""
        for all_tokens, whole, named in (
            (inputs, self.input, (("cached_input", cached), *((name, parts.get(name, 0)) for name in INPUT_PARTS))),
            (outputs, self.output, tuple((name, parts.get(name, 0)) for name in OUTPUT_PARTS)),
        ):
            rest = all_tokens
            for name, wanted in named:
                count = min(wanted, rest)
                own: Decimal | None = getattr(self, name)
                yield count, whole if own is None else own
                rest -= count
            yield rest, whole


AMOUNTS: Final = ("input", "output", "cached_input", *PARTS)
"""The fields of a price that are amounts."""


@dataclass(frozen=True, slots=True)
class Tier:
    """Other prices for requests with many input tokens.

    Attributes:
        above: A request with more input tokens than these costs `price`, all its tokens.
        price: A price that is None is that of the tier below.
    """

    above: int
    price: Price


class FoundPrice(NamedTuple):
    """The price of a model, and where it is from.

    Attributes:
        price: The price.
        name: What the model is called there: the model itself, or its alias.
        source: Whose price it is, and of which date.
        is_standard: Whether it is the standard price, because no batch price is known.
    """

    price: Price
    name: str
    source: str
    is_standard: bool = False


class PriceSource(Protocol):
    """Somewhere else to look for prices."""

    currency: str

    def find(self, model: str) -> FoundPrice | None:
        """Return the price of a model; None if it is not known there."""


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices of some models.

    Attributes:
        models: Prices by the name of the model.
        currency: What the prices are in; a word of the user's, not looked at.
        batch_discount: The share that the service takes off for a batch: 0.5 for half the price.
        source: Whose prices these are, and of which date.
        others: Where else to look for models that are not in `models`.
    """

    models: Mapping[str, Price] = field(default_factory=dict)
    currency: str | None = None
    batch_discount: Decimal = Decimal(0)
    source: str = field(default="your prices", compare=False)
    others: tuple[PriceSource, ...] = field(default=(), compare=False)

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, filesystem: object = None) -> Prices:
        """Read a file of prices: TOML, as docs/stats.md has it. Numbers keep their decimal digits.

        Args:
            path: A path or a URL.
            filesystem: The filesystem in which it is a path, of `pyarrow.fs` or of fsspec; None takes the local one.

        Raises:
            FileError: The file is not there or can't be read.
            ValueError: It is not TOML, or has a value that is not a price.
        """
        from batchfiles.jobs.stats.price_file import read_prices

        return read_prices(path, filesystem=filesystem)

    def with_others(self, *others: PriceSource) -> Prices:
        """Return these prices with other places to look for models that they lack.

        Raises:
            ValueError: The others are in another currency.
        """
        for other in others:
            if self.currency is not None and self.models and self.currency.upper() != other.currency:
                raise ValueError(f"currency: {self.currency!r} and {other.currency!r} can't be summed: use prices in one of them")
        currency = others[0].currency if others and not self.models else self.currency or (others[0].currency if others else None)
        return replace(self, currency=currency, others=(*self.others, *others))

    def find(self, model: str) -> FoundPrice | None:
        """Return the price of a model and its source: its own, that of its alias, or that of another source."""
        for name in dict.fromkeys((model, alias_of(model))):
            if (price := self.models.get(name)) is not None:
                return FoundPrice(price, name, self.source)
        return next((found for other in self.others if (found := other.find(model)) is not None), None)

    def price(self, model: str) -> Price | None:
        """Return the price of a model: its own, or that of its alias if it is a dated snapshot. None if there is neither."""
        found = self.find(model)
        return None if found is None else found.price

    def similar(self, model: str) -> str | None:
        """Return the name with a price that is most like the name of a model without one; None if none is similar."""
        near = get_close_matches(model, self.models, 1, 0.8) or get_close_matches(alias_of(model), self.models, 1, 0.8)
        return near[0] if near else None

    def cost(
        self,
        model: str | None,
        input_tokens: int,
        cached_tokens: int,
        output_tokens: int,
        *,
        parts: Mapping[str, int] = NO_PARTS,
        request_tokens: int = 0,
    ) -> Decimal | None:
        """Return the exact cost of a model's tokens, less the discount; None if there are tokens without a price.

        Args:
            model: The model.
            input_tokens: As for `Price.cost`, like the next three.
            cached_tokens: As there.
            output_tokens: As there.
            parts: As there.
            request_tokens: How many input tokens each of the requests has, which decides the tier.
        """
        price = (self.price(model) if model is not None else None) or Price()
        counts = (input_tokens, cached_tokens, output_tokens)
        return price.at(request_tokens).cost(*counts, self.batch_discount, parts=parts)


PricesLike: TypeAlias = "Prices | str | os.PathLike[str]"
"""Prices, the file that has them, or `"genai"`."""


def prices_of(given: PricesLike | Iterable[PricesLike], *, filesystem: object = None) -> Prices:
    """Put prices together; the first that know a model decide.

    Args:
        given: Prices, a file, `"genai"` for the prices of the package genai-prices, `"genai:PROVIDER"` for those of one provider
            there; or several of them, of which at most one is a file or an object.
        filesystem: The filesystem in which a file is a path.

    Raises:
        FileError: A file is not there or can't be read.
        MissingDependencyError: genai-prices is not installed.
        ValueError: There are two files, or one has a value that is not a price.
    """
    several = [given] if isinstance(given, str | os.PathLike | Prices) else list(given)
    own: list[Prices] = []
    others: list[PriceSource] = []
    for each in several:
        if isinstance(each, Prices):
            own.append(each)
        elif isinstance(each, str) and each.partition(":")[0] == GENAI:
            from batchfiles.jobs.stats.price_file import GenaiPrices

            others.append(GenaiPrices(each.partition(":")[2] or None))
        else:
            own.append(Prices.read(each, filesystem=filesystem))
    if len(own) > 1:
        raise ValueError(f"prices: one file, and {GENAI!r} for the models that it lacks; not two files")
    return (own[0] if own else Prices()).with_others(*others)


def alias_of(model: str) -> str:
    """Return the name of a model without the date of its snapshot; a fine-tuned model has its own prices."""
    match = SNAPSHOT.fullmatch(model)
    return match["alias"] if match else model


def tier_below(steps: tuple[int, ...], input_tokens: int) -> int:
    """Return the largest step that a request exceeds; 0 if it exceeds none."""
    place = bisect_left(steps, input_tokens)
    return steps[place - 1] if place else 0


def total(costs: Iterable[Decimal | None]) -> Decimal | None:
    """Return the exact sum of the costs that are known; None if none of several is, and 0 for no costs at all."""
    found = list(costs)
    known = [cost for cost in found if cost is not None]
    return reduce(EXACT.add, known, Decimal(0)) if known or not found else None
