"""Files of prices: TOML that people fill in."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from batchfiles.jobs.prices import Price, Prices, alias_of
from batchfiles.streams.small_files import name_of, small_file

__all__ = ["discount_of", "price_of", "read_prices", "to_toml"]

LONGEST: Final = 30
"""Digits of a number, those that its exponent stands for included."""

FIELDS: Final = ("input", "cached_input", "output")
TOP: Final = ("currency", "batch_discount", "models")

HEAD: Final = """\
# Prices per million tokens. An empty one is not known: it is told, and never taken for 0.
# A dated snapshot such as gpt-4o-mini-2024-07-18 has the prices of gpt-4o-mini unless it is listed itself.
# cached_input may stay empty: then cached tokens cost what the others cost.
"""


def read_prices(path: str | os.PathLike[str], *, filesystem: object = None) -> Prices:
    """Read a file of prices. Numbers keep their decimal digits.

    Raises:
        FileError: The file is not there or can't be read.
        ValueError: It is no TOML, or says something that is no price.
    """
    name = name_of(path, filesystem=filesystem)
    try:
        text = small_file(path, filesystem=filesystem).decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise ValueError(f"{name}: it is not UTF-8, so it is no TOML file") from None
    try:
        table = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name}: it is no TOML: {error}") from None
    try:
        return _prices(table)
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
        lines += ["", f"[models.{_quoted(name)}]"]
        for key in FIELDS:
            value = getattr(price, key)
            lines.append(f'{key} = ""' if value is None else f"{key} = {value:f}")
    return HEAD + "\n".join(lines) + "\n"


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
    return model, Price(*(amount(part, f"{text!r}") for part in parts))


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
        raise ValueError(f'{where}: {str(value)[:40]!r} is no number from 0 on; "" stands for one that is not known')
    if len(number.as_tuple().digits) + abs(int(number.as_tuple().exponent)) > LONGEST:
        raise ValueError(f"{where}: the number has more than {LONGEST} digits")
    return number


def _prices(table: dict[str, Any]) -> Prices:
    _refuse_others(table, TOP, "the file")
    currency = table.get("currency", "")
    if not isinstance(currency, str):
        raise _wrong('currency: it is a text, such as "USD"')
    discount = discount_of(table.get("batch_discount", ""))
    models = table.get("models", {})
    if not isinstance(models, dict):
        raise _wrong('models: prices stand in tables such as [models."gpt-4o-mini"]')
    return Prices({model: _price(model, values) for model, values in models.items()}, currency or None, discount)


def _price(model: str, values: Any) -> Price:  # noqa: ANN401 - any TOML value
    where = f"models.{_quoted(model)}"
    if not isinstance(values, dict):
        raise _wrong(f"{where}: a model has a table with {', '.join(FIELDS)}")
    if any(isinstance(value, dict) for value in values.values()):
        raise ValueError(f'{where}: a name with a dot in it needs quotes, as in [models."gpt-4.1"]')
    _refuse_others(values, FIELDS, where)
    return Price(**{key: amount(value, f"{where}.{key}") for key, value in values.items()})


def _refuse_others(table: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            raise ValueError(f"{where}: there is no {key!r} here, but {', '.join(known)}")


def _wrong(words: str) -> ValueError:
    return ValueError(words)


def _quoted(text: str) -> str:
    """Write a TOML string."""
    return '"' + "".join(map(_written, text)) + '"'


def _written(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    return letter if letter.isprintable() else f"\\U{ord(letter):08X}"
