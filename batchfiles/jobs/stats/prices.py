"""The prices of many models: those of the user's file, and those of the package genai-prices, which ships a snapshot."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from difflib import get_close_matches
from functools import reduce
from typing import Any, Final, Protocol, TypeAlias

from batchfiles.errors import missing_extra
from batchfiles.findings import instead_of
from batchfiles.jobs.stats.price import EXACT, NO_PARTS, FoundPrice, Price, Tier, alias_of, price_of, read_prices

BATCH: Final = {"processing": "batch"}
"""The package's context for batches."""

KEYS: Final = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cached_input",
    "cache_write_mtok": "cache_write",
    "input_audio_mtok": "audio_input",
    "input_image_mtok": "image_input",
    "input_video_mtok": "video_input",
    "output_audio_mtok": "audio_output",
    "output_image_mtok": "image_output",
    "output_video_mtok": "video_output",
}
"""Its prices per million tokens, and our fields."""

FIRST_PROVIDER: Final = "openai"
"""The provider to try for models that the package does not find by name alone, such as `text-embedding-3-small`."""


class GenaiPrices:
    """Today's prices. The package returns the full price if it has no batch price, so this is checked first.

    Args:
        provider: The provider to use, such as `"azure"`; None takes the one that a model's name shows.

    Raises:
        MissingDependencyError: The package is not installed.
        ValueError: The provider is unknown.
    """

    currency = "USD"

    def __init__(self, provider: str | None = None) -> None:
        try:
            import genai_prices
        except ImportError:
            raise missing_extra("'genai'", "genai-prices", "prices") from None
        self._package: Any = genai_prices
        self._provider = provider
        self._now = datetime.now(UTC)
        self._source = f"genai-prices {genai_prices.__version__} for {self._now:%Y-%m-%d}"
        self._found: dict[str, FoundPrice | None] = {}
        if provider is not None:
            self._check(provider)

    def find(self, model: str) -> FoundPrice | None:
        """Return the price of a model: the batch price if known, otherwise the standard price, marked as such."""
        if model not in self._found:
            self._found[model] = self._find(model)
        return self._found[model]

    def _check(self, provider: str) -> None:
        try:
            self._ask("", provider)
        except LookupError as error:
            if "provider_id" in str(error):
                known = [each.id for each in self._package.data_snapshot.get_snapshot().providers]
                words = f"genai-prices knows no provider {provider!r}{instead_of(provider, known)}"
                raise ValueError(words) from None

    def _find(self, model: str) -> FoundPrice | None:
        for name, provider in self._places(model):
            try:
                standard = self._ask(name, provider)
            except LookupError:
                continue
            if self._has_batch_price(standard):
                price = _genai_price(self._ask(name, standard.provider.id, BATCH).model_price, is_batch_price=True)
            else:
                price = _genai_price(standard.model_price, is_batch_price=False)
            where = f"{standard.provider.id}/{standard.model.id}"
            return FoundPrice(price, where, self._source, is_standard=not price.is_batch_price)
        return None

    def _places(self, model: str) -> list[tuple[str, str | None]]:
        """Return the names and providers to try: that of the model's name, its prefix (`openai/gpt-5`), or OpenAI."""
        prefix, slash, rest = model.partition("/")
        if self._provider is not None:
            return [(model, self._provider), (rest or model, self._provider)]
        return [(model, None), *([(rest, prefix)] if slash and prefix else []), (model, FIRST_PROVIDER)]

    def _ask(self, model: str, provider: str | None, context: dict[str, str] | None = None) -> Any:  # noqa: ANN401 - its values
        return self._package.calc_price(
            self._package.Usage(input_tokens=0),
            model,
            provider_id=provider,
            genai_request_timestamp=self._now,
            price_context=context,
        )

    def _has_batch_price(self, found: Any) -> bool:  # noqa: ANN401 - its values
        """Return whether this provider has a batch price today; a model that it borrows from another provider has none."""
        return any(found.model is model for model in found.provider.models) and any(
            variant.when == BATCH and (variant.constraint is None or variant.constraint.active(self._now))
            for variant in found.model.price_variants or ()
        )


def _genai_price(found: Any, *, is_batch_price: bool) -> Price:  # noqa: ANN401 - its values
    """Convert its prices to ours; tiered prices have a base and other prices from a threshold on."""
    base: dict[str, Any] = {}
    tiers: dict[int, dict[str, Any]] = {}
    for key, name in KEYS.items():
        value = getattr(found, key, None)
        if value is None:
            continue
        if isinstance(value, Decimal):
            base[name] = value
            continue
        base[name] = value.base
        for tier in value.tiers:
            tiers.setdefault(tier.start, {})[name] = tier.price
    return Price(
        **base,
        tiers=tuple(Tier(start, Price(**prices)) for start, prices in sorted(tiers.items())),
        is_batch_price=is_batch_price,
    )


GENAI: Final = "genai"
"""The name for the prices of the package genai-prices."""


class PriceSource(Protocol):
    """Another source of prices."""

    currency: str

    def find(self, model: str) -> FoundPrice | None:
        """Return the price of a model; None if it is not known there."""


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices of some models.

    Attributes:
        models: Prices by the name of the model.
        currency: The currency of the prices; any word, not checked.
        batch_discount: The discount of the service for a batch: 0.5 for half the price.
        source: Whose prices these are, and of which date.
        others: Other sources for models that are not in `models`.
    """

    models: Mapping[str, Price] = field(default_factory=dict)
    currency: str | None = None
    batch_discount: Decimal = Decimal(0)
    source: str = field(default="your prices", compare=False)
    others: tuple[PriceSource, ...] = field(default=(), compare=False)

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, filesystem: object = None) -> Prices:
        """Read a file of prices: TOML, as in docs/stats.md. Numbers keep their decimal digits.

        Args:
            path: A path or a URL.
            filesystem: The filesystem of the path, from `pyarrow.fs` or fsspec; None for the local one.

        Raises:
            FileError: The file does not exist or can't be read.
            ValueError: It is not TOML, or has a value that is not a price.
        """
        return cls(*read_prices(path, filesystem=filesystem))

    def with_others(self, *others: PriceSource) -> Prices:
        """Return these prices with other sources for models that they lack.

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


PricesLike: TypeAlias = "Prices | Mapping[str, Price | str] | str | os.PathLike[str]"
"""Prices, also as a dict such as `{"gpt-4o-mini": "0.15/0.60"}` per million tokens, the file that has them, or `"genai"`."""


def prices_of(given: PricesLike | Iterable[PricesLike], *, filesystem: object = None) -> Prices:
    """Combine prices; the first source that knows a model decides.

    Args:
        given: Prices, a dict of them, a file, `"genai"` for the prices of the package genai-prices, `"genai:PROVIDER"` for those
            of one provider there; or several of them, of which at most one is a file, a dict or an object.
        filesystem: The filesystem in which a file is a path.

    Raises:
        FileError: A file does not exist or can't be read.
        MissingDependencyError: genai-prices is not installed.
        ValueError: There are two files, or one has a value that is not a price.
        TypeError: A dict has a value of another type.
    """
    several = [given] if isinstance(given, str | os.PathLike | Prices | Mapping) else list(given)
    own: list[Prices] = []
    others: list[PriceSource] = []
    for each in several:
        if isinstance(each, Prices):
            own.append(each)
        elif isinstance(each, Mapping):
            own.append(Prices({model: _price_in_dict(model, price) for model, price in each.items()}))
        elif isinstance(each, str) and each.partition(":")[0] == GENAI:
            others.append(GenaiPrices(each.partition(":")[2] or None))
        else:
            own.append(Prices.read(each, filesystem=filesystem))
    if len(own) > 1:
        raise ValueError(f"prices: one file, and {GENAI!r} for the models that it lacks; not two files")
    return (own[0] if own else Prices()).with_others(*others)


def _price_in_dict(model: str, price: Price | str) -> Price:
    """Return a price as it is given in a dict.

    Raises:
        ValueError: It is a text of another form.
        TypeError: It is neither a price nor a text.
    """
    if isinstance(price, Price):
        return price
    if isinstance(price, str):
        return price_of(f"{model}={price}")[1]
    form = "'INPUT/OUTPUT' per million tokens, such as '0.15/0.60', or a Price"
    raise TypeError(f"the price of {model!r} is {form}: not {price!r}")


def total(costs: Iterable[Decimal | None]) -> Decimal | None:
    """Return the exact sum of the costs that are known; None if none of several is, and 0 for no costs at all."""
    found = list(costs)
    known = [cost for cost in found if cost is not None]
    return reduce(EXACT.add, known, Decimal(0)) if known or not found else None
