"""Prices per million tokens: a file that the user owns, because prices that stand in a program are soon wrong."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal, Inexact, InvalidOperation
from pathlib import Path
from typing import Any, Final

from batchfiles.errors import FileError, InvalidLine

__all__ = ["Price", "Prices", "alias_of", "price_of"]

MILLION: Final = Decimal(10) ** 6

EXACT: Final = Context(prec=200, traps=[Inexact, InvalidOperation])
"""Room for the product of any count, any price and any discount that are let in; were it too little, it would raise."""

LONGEST: Final = 30
"""Digits of a price, before or behind the point."""

SNAPSHOT: Final = re.compile(r"(?P<alias>.+?)-(?:\d{4}-\d{2}-\d{2}|20\d{6})", re.DOTALL)
"""`gpt-4o-mini-2024-07-18`; others write the date as 20250219."""

FIELDS: Final = ("input", "cached_input", "output")
TOP: Final = ("currency", "batch_discount", "models")


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
    def read(cls, path: str | os.PathLike[str]) -> Prices:
        """Read a file of prices: TOML, as docs/stats.md has it. Numbers keep their decimal digits.

        Raises:
            FileError: The file is not there or can't be read.
            InvalidLine: `invalid_prices`: it is no TOML, or says something that is no price; with the place in it.
        """
        name = os.fspath(path)
        try:
            text = Path(name).read_text(encoding="utf-8")
            return _prices(tomllib.loads(text, parse_float=Decimal))
        except OSError as error:
            raise FileError((error.strerror or str(error)).lower(), path=name, number=error.errno) from None
        except InvalidLine as error:
            raise InvalidLine(error.reason, code=error.code, json_path=error.json_path, path=name) from None
        except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError among them
            raise InvalidLine(f"not a TOML file: {error}", code="invalid_prices", path=name) from None

    def price(self, model: str) -> Price | None:
        """Return the price of a model: its own, or that of its alias if it is a dated snapshot. None if there is neither."""
        found = self.models.get(model)
        return self.models.get(alias_of(model)) if found is None else found

    def to_toml(self, models: Iterable[str] = ()) -> str:
        """Return the text of a file of these prices, with an empty place for each of the models that have none yet.

        A dated snapshot gets a place under the name of its alias.
        """
        names = {*self.models, *(alias_of(model) for model in models if self.price(model) is None)}
        lines = [
            "# Prices per million tokens. An empty one is not known: it is told, and never taken for 0.",
            "# A dated snapshot such as gpt-4o-mini-2024-07-18 has the prices of gpt-4o-mini unless it is listed itself.",
            "# cached_input may be left empty: then cached tokens cost what the others cost.",
            f"currency = {_quoted(self.currency or '')}",
            "# The share that the service takes off for a batch: 0.5 for half the price.",
            f"batch_discount = {self.batch_discount:f}",
        ]
        for name in sorted(names):
            price = self.models.get(name, Price())
            lines += ["", f"[models.{_quoted(name)}]"]
            for key in FIELDS:
                value = getattr(price, key)
                lines.append(f'{key} = ""' if value is None else f"{key} = {value:f}")
        return "\n".join(lines) + "\n"


def alias_of(model: str) -> str:
    """Return the name of a model without the date of its snapshot."""
    match = SNAPSHOT.fullmatch(model)
    return match["alias"] if match else model


def price_of(text: str) -> tuple[str, Price]:
    """Read `MODEL=INPUT/OUTPUT`, or `MODEL=INPUT` for a model that writes nothing.

    Returns:
        The model and its price.

    Raises:
        ValueError: It is none of the two.
    """
    model, equals, numbers = text.rpartition("=")
    parts = numbers.split("/")
    if not equals or not model or len(parts) > 2:
        raise ValueError(f"'{text}' is not MODEL=INPUT/OUTPUT, such as gpt-4o-mini=0.15/0.60")
    try:
        found = [_amount(part, "") for part in parts]
    except InvalidLine as error:
        raise ValueError(f"'{text}': {error.reason}") from None
    if None in found:
        raise ValueError(f"'{text}': a price is missing")
    return model, Price(*found)


def _prices(value: dict[str, Any]) -> Prices:
    _refuse_others(value, TOP, "$")
    currency = value.get("currency", "")
    if not isinstance(currency, str):
        raise _invalid('the currency must be a string, such as "USD"', "$.currency")
    discount = _amount(value.get("batch_discount", ""), "$.batch_discount") or Decimal(0)
    if discount > 1:
        raise _invalid("the batch discount is a share from 0 to 1: 0.5 takes half the price off", "$.batch_discount")
    models = value.get("models", {})
    if not isinstance(models, dict):
        raise _invalid('prices stand in tables such as [models."gpt-4o-mini"]', "$.models")
    return Prices({model: _price(model, table) for model, table in models.items()}, currency or None, discount)


def _price(model: str, table: Any) -> Price:  # noqa: ANN401 - any TOML value
    where = f"$.models.{_quoted(model)}"
    if not isinstance(table, dict):
        raise _invalid("a model has a table with input, cached_input and output", where)
    if not set(table).issubset(FIELDS) and any(isinstance(item, dict) for item in table.values()):
        raise _invalid('a name with a dot in it needs quotes, as in [models."gpt-4.1"]', where)
    _refuse_others(table, FIELDS, where)
    return Price(**{key: _amount(item, f"{where}.{key}") for key, item in table.items()})


def _refuse_others(table: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            raise _invalid(f"'{key}' is not known here: there are {', '.join(known)}", where)


def _amount(value: Any, where: str) -> Decimal | None:  # noqa: ANN401 - any TOML value
    """Read a number, or one in quotes; None for empty quotes."""
    if isinstance(value, str) and not value.strip():
        return None
    amount = None
    if type(value) in (str, int, Decimal):
        try:
            amount = Decimal(value)
        except (InvalidOperation, ValueError):
            amount = None
    if amount is None or not amount.is_finite() or amount < 0:
        raise _invalid(f'{str(value)[:40]!r} is no price: a number from 0 on, or "" for one that is not known', where)
    digits, exponent = len(amount.as_tuple().digits), int(amount.as_tuple().exponent)
    if digits + abs(exponent) > LONGEST:
        raise _invalid(f"a price has at most {LONGEST} digits", where)
    return amount


def _quoted(text: str) -> str:
    """Write a TOML string."""
    return '"' + "".join(_escaped(letter) for letter in text) + '"'


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    if "\ud800" <= letter <= "\udfff":
        return "\\uFFFD"
    return letter if letter.isprintable() else f"\\U{ord(letter):08X}"


def _invalid(reason: str, where: str) -> InvalidLine:
    return InvalidLine(reason, code="invalid_prices", json_path=where or None)
