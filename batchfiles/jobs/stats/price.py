"""The price of a model per million tokens, and the files of prices: TOML that people fill in."""

from __future__ import annotations

import datetime as dt
import os
import re
import tomllib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Context, Decimal, Inexact, InvalidOperation
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from batchfiles.io.texts import name_of, small_file

if TYPE_CHECKING:
    from batchfiles.jobs.stats.prices import Prices

MILLION: Final = Decimal(10) ** 6

EXACT: Final = Context(prec=200, traps=[Inexact, InvalidOperation])
"""Precision for the exact product of any count, price and discount in a file; an inexact result raises."""

INPUT_PARTS: Final = ("cache_write", "audio_input", "image_input", "video_input")
OUTPUT_PARTS: Final = ("audio_output", "image_output", "video_output")
PARTS: Final = (*INPUT_PARTS, *OUTPUT_PARTS)
"""Tokens that may have their own price. Without it, they cost the same as the other input or output tokens."""

NO_PARTS: Final[Mapping[str, int]] = MappingProxyType({})


AMOUNTS: Final = ("input", "output", "cached_input", *PARTS)
"""The fields of a price that are amounts."""


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
        is_batch_price: Whether these prices already include the batch discount.
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

        Tiers are ignored: `at` returns the price of a tier.

        Args:
            input_tokens: Tokens of prompts, all parts included.
            cached_tokens: How many of them came from a cache.
            output_tokens: Tokens of answers, all parts included.
            discount: The discount, such as 0.5 for half the price.
            parts: How many of them may have their own price, by the names of the fields: `{"cache_write": 1024}`.
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


DATE: Final = (
    r"\d{4}-\d{2}-\d{2}"  # gpt-4o-mini-2024-07-18
    r"|20\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"  # claude-sonnet-4-20250514
    r"|(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"  # gpt-4-0613, kimi-k2-0905
    r"|2\d(?:0[1-9]|1[0-2])"  # mistral-large-2411
)
SNAPSHOT: Final = re.compile(rf"(?P<alias>.+?)[-@](?:{DATE})(?:-v\d+(?::\d+)?)?", re.DOTALL)
"""A name with the date of its snapshot: after a hyphen, or after an @ (Vertex); Bedrock puts a version after it (`-v1:0`)."""


def alias_of(model: str) -> str:
    """Return the name of a model without the date of its snapshot; a fine-tuned model has its own prices."""
    match = SNAPSHOT.fullmatch(model)
    return match["alias"] if match else model


def tier_below(steps: tuple[int, ...], input_tokens: int) -> int:
    """Return the largest step that a request exceeds; 0 if it exceeds none."""
    place = bisect_left(steps, input_tokens)
    return steps[place - 1] if place else 0


LONGEST: Final = 30
"""Digits of a number, with the zeros of its exponent."""

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


def read_prices(path: str | os.PathLike[str], *, filesystem: object = None) -> tuple[dict[str, Price], str | None, Decimal, str]:
    """Read a file of prices. Numbers keep their decimal digits.

    Returns:
        The prices by model, the currency, the batch discount, and the name and date of the file.

    Raises:
        FileError: The file does not exist or can't be read.
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
        return *_prices(table), _source(name, table.get("date", ""))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def to_toml(prices: Prices, models: Iterable[str] = ()) -> str:
    """Return the text of a price file, with empty values for each of the models without a price.

    A dated snapshot is added under the name of its alias.
    """
    names = {*prices.models, *(alias_of(model) for model in models if prices.price(model) is None)}
    lines = [
        f"currency = {_quoted(prices.currency or '')}",
        f"batch_discount = {prices.batch_discount:f}  # the discount of the service for a batch: 0.5 for half the price",
    ]
    for name in sorted(names):
        price = prices.models.get(name, Price())
        lines += ["", f"[models.{_quoted(name)}]", *_amounts(price, TO_FILL_IN)]
        for tier in price.tiers:
            lines += ["", f"[[models.{_quoted(name)}.{TIER}]]", f"{ABOVE} = {tier.above}", *_amounts(tier.price)]
    return HEAD + "\n".join(lines) + "\n"


def _amounts(price: Price, always: tuple[str, ...] = ()) -> list[str]:
    """Write the known amounts, and empty values for the others that are always listed."""
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
        ValueError: It has neither form.
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
        ValueError: It is not a number from 0 to 1.
    """
    discount = amount(value, "batch_discount") or Decimal(0)
    if discount > 1:
        raise ValueError("batch_discount: it is a number from 0 to 1, such as 0.5 for half the price")
    return discount


def amount(value: Any, where: str) -> Decimal | None:  # noqa: ANN401 - any TOML value
    """Read a number ≥ 0, or one in quotes; None for empty quotes.

    Raises:
        ValueError: It is none of these; the message begins with `where`.
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


def _prices(table: dict[str, Any]) -> tuple[dict[str, Price], str | None, Decimal]:
    _refuse_others(table, TOP, "the file")
    currency = table.get("currency", "")
    if not isinstance(currency, str):
        raise _wrong('currency: it is a string, such as "USD"')
    discount = discount_of(table.get("batch_discount", ""))
    models = table.get("models", {})
    if not isinstance(models, dict):
        raise _wrong('models: prices are in tables such as [models."gpt-4o-mini"]')
    return {model: _price(model, values) for model, values in models.items()}, currency or None, discount


def _source(name: str, date: Any) -> str:  # noqa: ANN401 - any TOML value
    """Return the name and the date of the prices."""
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


SMALLEST: Final = Decimal("0.000001")
"""Smaller amounts are shown as below this one."""


def money(cost: Decimal | None) -> str:
    """Return an amount, rounded, for people to read; `to_dict` has the exact one."""
    if cost is None:
        return "no price"
    if cost >= 10:
        return f"{cost:,.2f}"
    if cost == 0:
        return "0"
    return f"{cost:.4g}" if cost >= SMALLEST else f"<{SMALLEST:f}"
