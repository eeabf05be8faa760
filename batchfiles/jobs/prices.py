"""What tokens cost: prices per million that the user owns, because prices that stand in a program are soon wrong."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import reduce
from typing import Final

__all__ = ["Price", "Prices", "alias_of", "total"]

MILLION: Final = Decimal(10) ** 6

EXACT: Final = Context(prec=200, traps=[Inexact, InvalidOperation])
"""Room for the product of any count, any price and any discount that a file can hold; were it too little, it would raise."""

SNAPSHOT: Final = re.compile(r"(?P<alias>.+?)-(?:\d{4}-\d{2}-\d{2}|20\d{6})", re.DOTALL)
"""`gpt-4o-mini-2024-07-18`; others write the date as 20250219."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs per million tokens, before the batch discount.

    Attributes:
        input: Tokens of prompts. None is "not known", never 0, as with the two others.
        output: Tokens of answers, those of reasoning included.
        cached_input: Tokens of prompts that came from a cache; None takes the price of the others.
    """

    input: Decimal | None = None
    output: Decimal | None = None
    cached_input: Decimal | None = None

    def cost(self, input_tokens: int, cached_tokens: int, output_tokens: int, discount: Decimal = Decimal(0)) -> Decimal | None:
        """Return the exact cost of so many tokens; None if there are tokens for which there is no price.

        Args:
            input_tokens: Tokens of prompts, cached ones included.
            cached_tokens: How many of them came from a cache.
            output_tokens: Tokens of answers.
            discount: The share that is taken off, such as 0.5.
        """
        cached_tokens = min(cached_tokens, input_tokens)
        cached_price = self.input if self.cached_input is None else self.cached_input
        total = Decimal(0)
        for count, price in (
            (input_tokens - cached_tokens, self.input),
            (cached_tokens, cached_price),
            (output_tokens, self.output),
        ):
            if count:
                if price is None:
                    return None
                total = EXACT.add(total, EXACT.multiply(Decimal(count), price))
        if not total:
            return Decimal(0)
        return EXACT.divide(EXACT.multiply(total, EXACT.subtract(Decimal(1), discount)), MILLION)


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices of some models.

    Attributes:
        models: Prices by the name of the model.
        currency: What the prices are in; a word of the user's, not looked at.
        batch_discount: The share that the service takes off for a batch: 0.5 for half the price.
    """

    models: Mapping[str, Price] = field(default_factory=dict)
    currency: str | None = None
    batch_discount: Decimal = Decimal(0)

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, filesystem: object = None) -> Prices:
        """Read a file of prices: TOML, as docs/stats.md has it. Numbers keep their decimal digits.

        Args:
            path: A path or a URL.
            filesystem: The filesystem in which it is a path, of `pyarrow.fs` or of fsspec; None takes the local one.

        Raises:
            FileError: The file is not there or can't be read.
            ValueError: It is no TOML, or says something that is no price.
        """
        from batchfiles.jobs.price_file import read_prices

        return read_prices(path, filesystem=filesystem)

    def price(self, model: str) -> Price | None:
        """Return the price of a model: its own, or that of its alias if it is a dated snapshot. None if there is neither."""
        found = self.models.get(model)
        return self.models.get(alias_of(model)) if found is None else found

    def cost(self, model: str | None, input_tokens: int, cached_tokens: int, output_tokens: int) -> Decimal | None:
        """Return the exact cost of a model's tokens, discount taken off; None if there are tokens without a price."""
        price = (self.price(model) if model is not None else None) or Price()
        return price.cost(input_tokens, cached_tokens, output_tokens, self.batch_discount)


def alias_of(model: str) -> str:
    """Return the name of a model without the date of its snapshot."""
    match = SNAPSHOT.fullmatch(model)
    return match["alias"] if match else model


def total(costs: Iterable[Decimal | None]) -> Decimal | None:
    """Return the exact sum of the costs that are known; None if none of several is, and 0 for no costs at all."""
    found = list(costs)
    known = [cost for cost in found if cost is not None]
    return reduce(EXACT.add, known, Decimal(0)) if known or not found else None
