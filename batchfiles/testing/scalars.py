"""Texts and numbers for a JSON Schema: candidates, of which the first that fits is used."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, Final

from batchfiles.testing.schema_check import SchemaError, in_python

__all__ = ["numbers", "texts", "words"]

WORDS: Final = (
    *("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "harbor", "island", "juniper", "kestrel", "lagoon"),
    *("meadow", "nectar", "orchard", "prairie", "quartz", "river", "saddle", "timber", "upland", "valley", "willow", "yarrow"),
)

TRIES: Final = 60
"""Candidates of a pattern, and multiples that are tried, before a schema counts as one that no value fits."""

MOST_REPEATS: Final = 100_000
"""Letters of a text at most; a schema that wants more is refused."""


def words(chance: random.Random, count: int = 2) -> str:
    """Return some words."""
    return " ".join(chance.choice(WORDS) for _ in range(count))


def texts(schema: Mapping[str, Any], chance: random.Random) -> Iterator[str]:
    """Yield texts that may fit `format`, `pattern`, `minLength` and `maxLength`.

    Raises:
        SchemaError: The pattern can't be read, or the text would be too long.
    """
    least, most = schema.get("minLength", 0), schema.get("maxLength", math.inf)
    if least > MOST_REPEATS:
        raise SchemaError(f"a text of {least:,} characters is longer than this server writes")
    if (pattern := schema.get("pattern")) is not None:
        yield from _patterned(pattern, chance, least)
        return
    if (make := MAKERS.get(schema.get("format", ""))) is not None:
        yield make(chance)
        return
    text = words(chance)
    while len(text) < least:
        text += f" {words(chance, 1)}"
    if len(text) > most:
        text = text[: int(most)].strip().ljust(least, "a")
    yield text


def numbers(schema: Mapping[str, Any], chance: random.Random, *, whole: bool) -> Iterator[float]:
    """Yield numbers that may fit the bounds and `multipleOf`."""
    low = max((schema[key] for key in ("minimum", "exclusiveMinimum") if _is_bound(schema, key)), default=None)
    high = min((schema[key] for key in ("maximum", "exclusiveMaximum") if _is_bound(schema, key)), default=None)
    low, high = _range(low, high)
    step = schema.get("multipleOf", 1 if whole else None)
    if step is not None:
        first, last = math.ceil(low / step), math.floor(high / step)
        middle = first if last <= first else first + chance.randrange(min(last - first, 2**53) + 1)
        for number in (middle, *range(first, first + TRIES), *range(last, last - TRIES, -1)):
            yield _whole(number * step) if whole else round(number * step, 12)
        return
    between = low + (high - low) * (0.25 + chance.random() / 2)
    yield round(between, 2)
    yield between
    yield (low + high) / 2
    yield low
    yield high


def _range(low: float | None, high: float | None) -> tuple[float, float]:
    """Return both bounds; small numbers if one is missing."""
    if low is None and high is None:
        return 0, 100
    if low is None:
        assert high is not None  # noqa: S101 - one is there
        return min(0, high - 100), high
    return low, max(100, low + 100) if high is None else high


def _is_bound(schema: Mapping[str, Any], key: str) -> bool:
    """Tell a bound from the true and false of draft 4."""
    return key in schema and not isinstance(schema[key], bool)


def _whole(number: float) -> float:
    return int(number) if number == int(number) else number


def _patterned(pattern: str, chance: random.Random, least: int) -> Iterator[str]:
    """Yield texts of a regular expression, the shortest first, then longer ones."""
    try:
        tree = PARSER.parse(in_python(pattern))
    except (PARSER.error, TypeError, RecursionError, OverflowError):
        raise SchemaError(f"the pattern {str(pattern)[:80]!r} can't be read") from None
    shortest = _Pattern(chance, 0).text(tree)
    missing = max(least - len(shortest), 0)
    for stretch in (1, 0, missing, *range(2, TRIES)):
        made = _Pattern(chance, stretch).text(tree)
        yield made
        yield made.ljust(least, "a")
        yield made.rjust(least, "a")


class _Pattern:
    """Writes a text that a regular expression matches; lookaheads and lookbehinds are left to the check.

    Args:
        chance: Chooses.
        stretch: How many times more than it must something is repeated.
    """

    def __init__(self, chance: random.Random, stretch: int) -> None:
        self._chance = chance
        self._stretch = stretch
        self._groups: dict[int, str] = {}

    def text(self, tree: Any) -> str:  # noqa: ANN401 - of Python's own parser, which has no types
        return "".join(self._one(str(kind), argument) for kind, argument in tree)

    def _one(self, kind: str, argument: Any) -> str:  # noqa: ANN401 - the same
        if kind == "LITERAL":
            return chr(argument)
        if kind == "IN":
            return self._letter(argument)
        if kind in ("ANY", "NOT_LITERAL"):
            return next(letter for letter in LETTERS if kind == "ANY" or ord(letter) != argument)
        if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, most, inner = argument
            if least > MOST_REPEATS:
                raise SchemaError("the pattern wants a longer text than this server writes")
            return "".join(self.text(inner) for _ in range(min(int(most), least + self._stretch)))
        if kind == "SUBPATTERN":
            group, _, _, inner = argument
            self._groups[group] = made = self.text(inner)
            return made
        if kind == "BRANCH":
            return self.text(self._chance.choice(argument[1]))
        if kind == "ATOMIC_GROUP":
            return self.text(argument)
        return self._groups.get(argument, "") if kind == "GROUPREF" else ""

    def _letter(self, choices: list[tuple[Any, Any]]) -> str:
        """Return a sign of a class, such as `[a-z_]` or `[^,]`."""
        negated = str(choices[0][0]) == "NEGATE"
        fitting = [letter for letter in LETTERS if any(_is_in(letter, *choice) for choice in choices) != negated]
        if fitting:
            return self._chance.choice(fitting)
        kind, argument = choices[0]  # signs beyond ASCII
        return chr(argument[0] if str(kind) == "RANGE" else argument) if str(kind) in ("RANGE", "LITERAL") else ""


def _is_in(letter: str, kind: Any, argument: Any) -> bool:  # noqa: ANN401 - of Python's own parser
    if str(kind) == "LITERAL":
        return bool(ord(letter) == argument)
    if str(kind) == "RANGE":
        return bool(argument[0] <= ord(letter) <= argument[1])
    category = CATEGORIES.get(str(argument).removeprefix("CATEGORY_").removeprefix("NOT_"))
    return category is not None and category(letter) != ("NOT_" in str(argument))


PARSER: Final = import_module("re._parser")
"""Python's own parser of regular expressions."""

LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -_.,:;!?'\"#$%&()*+/<=>@[]^`{|}~\\\t\n"

CATEGORIES: Final[dict[str, Callable[[str], bool]]] = {
    "DIGIT": str.isdigit,
    "SPACE": str.isspace,
    "WORD": lambda letter: letter.isalnum() or letter == "_",
}


def _two(chance: random.Random, least: int, most: int) -> str:
    return f"{chance.randint(least, most):02}"


def _date(chance: random.Random) -> str:
    return f"{chance.randint(2000, 2029)}-{_two(chance, 1, 12)}-{_two(chance, 1, 28)}"


def _time(chance: random.Random) -> str:
    return f"{_two(chance, 0, 23)}:{_two(chance, 0, 59)}:{_two(chance, 0, 59)}Z"


def _uuid(chance: random.Random) -> str:
    digits = f"{chance.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _host(chance: random.Random) -> str:
    return f"{chance.choice(WORDS)}.example.com"


MAKERS: Final[dict[str, Callable[[random.Random], str]]] = {
    "date": _date,
    "date-time": lambda chance: f"{_date(chance)}T{_time(chance)}",
    "time": _time,
    "duration": lambda chance: f"P{chance.randint(1, 30)}DT{chance.randint(1, 23)}H",
    "email": lambda chance: f"{chance.choice(WORDS)}@{_host(chance)}",
    "idn-email": lambda chance: f"{chance.choice(WORDS)}@{_host(chance)}",
    "hostname": _host,
    "idn-hostname": _host,
    "ipv4": lambda chance: f"192.0.2.{chance.randint(1, 254)}",
    "ipv6": lambda chance: f"2001:db8::{chance.randint(1, 9999):x}",
    "uuid": _uuid,
    "uri": lambda chance: f"https://{_host(chance)}/{chance.choice(WORDS)}",
    "uri-reference": lambda chance: f"/{chance.choice(WORDS)}",
    "iri": lambda chance: f"https://{_host(chance)}/{chance.choice(WORDS)}",
    "iri-reference": lambda chance: f"/{chance.choice(WORDS)}",
    "json-pointer": lambda chance: f"/{chance.choice(WORDS)}",
    "regex": lambda chance: f"^{chance.choice(WORDS)}$",
}
"""A text of each format [JSON Schema, Validation, 7.3]; addresses are those kept for examples (RFC 2606, 5737, 3849)."""
