"""Files of prices: TOML that people fill in.

Prices of the package genai-prices, from the snapshot that it ships: nothing is fetched.
"""

from __future__ import annotations

import datetime as dt
import os
import tomllib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any, Final

from batchfiles.errors import MissingDependencyError
from batchfiles.findings import instead_of
from batchfiles.io.spool import name_of, small_file
from batchfiles.jobs.stats.prices import PARTS, FoundPrice, Price, Prices, Tier, alias_of

__all__ = ["FIELDS", "GenaiPrices", "discount_of", "price_of", "read_prices", "to_toml"]

LONGEST: Final = 30
"""Digits of a number, those that its exponent stands for included."""

TO_FILL_IN: Final = ("input", "cached_input", "output")
FIELDS: Final = (*TO_FILL_IN, *PARTS)
"""The keys of a model that are amounts; a tier has the same."""

TIER: Final = "tier"
ABOVE: Final = "above"
TOP: Final = ("currency", "date", "batch_discount", "models")

HEAD: Final = """\
# Prices per million tokens. An empty one is unknown: it is reported, and never counted as 0.
# A dated snapshot such as gpt-4o-mini-2024-07-18 has the prices of gpt-4o-mini unless it is listed itself.
# cached_input may stay empty: then cached tokens cost what the others cost.
# Others, where they differ: cache_write, audio_input, image_input, audio_output, image_output, and a tier.
"""


def read_prices(path: str | os.PathLike[str], *, filesystem: object = None) -> Prices:
    """Read a file of prices. Numbers keep their decimal digits.

    Raises:
        FileError: The file is not there or can't be read.
        ValueError: It is not TOML, or has a value that is not a price.
    """
    name = name_of(path, filesystem=filesystem)
    try:
        text = small_file(path, filesystem=filesystem).decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise ValueError(f"{name}: not UTF-8, so not a TOML file") from None
    try:
        table = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name}: not valid TOML: {error}") from None
    try:
        return replace(_prices(table), source=_source(name, table.get("date", "")))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def to_toml(prices: Prices, models: Iterable[str] = ()) -> str:
    """Return the text of a file of prices, with empty places for each of the models that have none.

    A dated snapshot gets its place under the name of its alias.
    """
    names = {*prices.models, *(alias_of(model) for model in models if prices.price(model) is None)}
    lines = [
        f"currency = {_quoted(prices.currency or '')}",
        f"batch_discount = {prices.batch_discount:f}  # the share that the service takes off for a batch: 0.5 for half the price",
    ]
    for name in sorted(names):
        price = prices.models.get(name, Price())
        lines += ["", f"[models.{_quoted(name)}]", *_amounts(price, TO_FILL_IN)]
        for tier in price.tiers:
            lines += ["", f"[[models.{_quoted(name)}.{TIER}]]", f"{ABOVE} = {tier.above}", *_amounts(tier.price)]
    return HEAD + "\n".join(lines) + "\n"


def _amounts(price: Price, always: tuple[str, ...] = ()) -> list[str]:
    """Write the amounts that are known, and an empty place for those that are always there."""
    known = {key: getattr(price, key) for key in FIELDS}
    return [
        f'{key} = ""' if value is None else f"{key} = {value:f}"
        for key, value in known.items()
        if value is not None or key in always
    ]


def price_of(text: str) -> tuple[str, Price]:
    """Read `MODEL=INPUT/OUTPUT`, or `MODEL=INPUT` for a model that writes nothing.

    Returns:
        The model and its price.

    Raises:
        ValueError: It is none of the two.
    """
    model, equals, numbers = text.rpartition("=")
    parts = numbers.split("/")
    if not equals or not model or len(parts) > 2 or not all(part.strip() for part in parts):
        raise ValueError(f"{text!r} is not MODEL=INPUT/OUTPUT, such as gpt-4o-mini=0.15/0.60")
    first, *rest = [amount(part, f"{text!r}") for part in parts]
    return model, Price(first, rest[0] if rest else None)


def discount_of(value: Any) -> Decimal:  # noqa: ANN401 - any TOML value
    """Read a batch discount; empty quotes are none.

    Raises:
        ValueError: It is no number from 0 to 1.
    """
    discount = amount(value, "batch_discount") or Decimal(0)
    if discount > 1:
        raise ValueError("batch_discount: it is a share from 0 to 1, and 0.5 takes half the price off")
    return discount


def amount(value: Any, where: str) -> Decimal | None:  # noqa: ANN401 - any TOML value
    """Read a number from 0 on, or one in quotes; None for empty quotes.

    Raises:
        ValueError: It is none of these; the sentence begins with `where`.
    """
    if isinstance(value, str) and not value.strip():
        return None
    number = None
    if type(value) in (str, int, Decimal):
        try:
            number = Decimal(value)
        except (InvalidOperation, ValueError):  # more digits than an int may have
            number = None
    if number is None or not number.is_finite() or number < 0:
        raise ValueError(f'{where}: {str(value)[:40]!r} is not a number >= 0; use "" for one that is not known')
    if len(number.as_tuple().digits) + abs(int(number.as_tuple().exponent)) > LONGEST:
        raise ValueError(f"{where}: the number has more than {LONGEST} digits")
    return number


def _prices(table: dict[str, Any]) -> Prices:
    _refuse_others(table, TOP, "the file")
    currency = table.get("currency", "")
    if not isinstance(currency, str):
        raise _wrong('currency: it is a string, such as "USD"')
    discount = discount_of(table.get("batch_discount", ""))
    models = table.get("models", {})
    if not isinstance(models, dict):
        raise _wrong('models: prices are in tables such as [models."gpt-4o-mini"]')
    return Prices({model: _price(model, values) for model, values in models.items()}, currency or None, discount)


def _source(name: str, date: Any) -> str:  # noqa: ANN401 - any TOML value
    """Say whose prices these are, and of which date."""
    if not isinstance(date, str | dt.date):
        raise _wrong("date: it is a date, such as 2026-11-27")
    return f"{name} of {date}" if str(date).strip() else f"{name}, without a date"


def _price(model: str, values: Any) -> Price:  # noqa: ANN401 - any TOML value
    where = f"models.{_quoted(model)}"
    if not isinstance(values, dict):
        raise _wrong(f"{where}: a model has a table with {', '.join(TO_FILL_IN)}")
    tiers = values.get(TIER, [])
    amounts: dict[str, Any] = {key: value for key, value in values.items() if key != TIER}
    if any(isinstance(value, dict) for value in amounts.values()):
        raise ValueError(f'{where}: a name with a dot in it needs quotes, as in [models."gpt-4.1"]')
    _refuse_others(amounts, FIELDS, where, also=(TIER,))
    listed = tiers if isinstance(tiers, list) else [tiers]
    found = [_tier(tier, f"{where}.{TIER}") for tier in listed]
    amounts = {key: amount(value, f"{where}.{key}") for key, value in amounts.items()}
    return Price(**amounts, tiers=tuple(sorted(found, key=lambda tier: tier.above)))


def _tier(values: Any, where: str) -> Tier:  # noqa: ANN401 - any TOML value
    if not isinstance(values, dict) or ABOVE not in values:
        raise _wrong(
            f"{where}: a tier is a table with {ABOVE} = 272000, the input tokens that a request has more than, and prices"
        )
    above = values[ABOVE]
    if type(above) is not int or above < 1:
        raise _wrong(f"{where}.{ABOVE}: {str(above)[:40]!r} is not a whole number >= 1")
    amounts: dict[str, Any] = {key: value for key, value in values.items() if key != ABOVE}
    _refuse_others(amounts, FIELDS, where, also=(ABOVE,))
    amounts = {key: amount(value, f"{where}.{key}") for key, value in amounts.items()}
    return Tier(above, Price(**amounts))


def _refuse_others(table: dict[str, Any], known: tuple[str, ...], where: str, also: tuple[str, ...] = ()) -> None:
    for key in table:
        if key not in known:
            near = get_close_matches(key, (*known, *also), 1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"{where}: unknown key {key!r}; expected {', '.join((*known, *also))}{meant}")


def _wrong(words: str) -> ValueError:
    return ValueError(words)


def _quoted(text: str) -> str:
    """Write a TOML string."""
    return '"' + "".join(map(_written, text)) + '"'


def _written(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    return letter if letter.isprintable() else f"\\U{ord(letter):08X}"


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
        MissingDependencyError: The package is not installed.
        ValueError: It knows no such provider.
    """

    currency = "USD"

    def __init__(self, provider: str | None = None) -> None:
        try:
            import genai_prices
        except ImportError:
            raise MissingDependencyError("'genai' needs the package genai-prices: pip install 'batchfiles[prices]'") from None
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
