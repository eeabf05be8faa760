"""Prices of the package genai-prices, from the snapshot that it ships: nothing is fetched."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from batchfiles.errors import MissingDependency
from batchfiles.jobs.prices import FoundPrice, Price, Tier
from batchfiles.nearest import instead_of

__all__ = ["GenaiPrices"]

BATCH: Final = {"processing": "batch"}
"""How the package calls the circumstances of a batch."""

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
"""Where a model is looked for that the package finds with no provider by its name alone, such as `text-embedding-3-small`."""


class GenaiPrices:
    """Today's prices. The package returns the full price if it has no batch price, so this is checked first.

    Args:
        provider: The provider to use, such as `"azure"`; None takes the one that a model's name shows.

    Raises:
        MissingDependency: The package is not installed.
        ValueError: It knows no such provider.
    """

    currency = "USD"

    def __init__(self, provider: str | None = None) -> None:
        try:
            import genai_prices
        except ImportError:
            raise MissingDependency("'genai' needs the package genai-prices: pip install 'batchfiles[prices]'") from None
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
