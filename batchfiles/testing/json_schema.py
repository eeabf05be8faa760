"""JSON Schemas of requests: rewritten as draft 2020-12, and checked with the package `jsonschema`.

Candidates of strings and numbers for a JSON Schema; the first valid one is used.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, Final

from batchfiles.errors import MismatchError
from batchfiles.table.parsed_types import resolved

MAPS: Final = ("properties", "$defs", "definitions", "dependentSchemas", "dependencies")
"""Keywords whose value has schemas by their names."""


class SchemaError(Exception):
    """A schema that can't be used, or that has no instance; the message states why."""


def modern(schema: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Rewrite a schema of an older draft as draft 2020-12, with patterns as Python writes them."""
    if isinstance(schema, list):
        return [modern(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {keyword: _modern_value(keyword, value) for keyword, value in schema.items()}
    for bound in ("Minimum", "Maximum"):
        if isinstance(made.get(f"exclusive{bound}"), bool) and made.pop(f"exclusive{bound}") and bound.lower() in made:
            made[f"exclusive{bound}"] = made.pop(bound.lower())
    if isinstance(made.get("items"), list):
        made["prefixItems"], made["items"] = made["items"], made.pop("additionalItems", True)
    for name, needed in made.pop("dependencies", {}).items():
        made.setdefault("dependentRequired" if isinstance(needed, list) else "dependentSchemas", {})[name] = needed
    if isinstance(made.get("required"), bool):  # draft 3
        del made["required"]
    return made


def _modern_value(keyword: str, value: Any) -> Any:  # noqa: ANN401 - any JSON values
    if keyword in ("const", "enum"):
        return value
    if keyword == "pattern" and isinstance(value, str):
        return _in_python(value)
    if keyword == "patternProperties" and isinstance(value, dict):
        return {_in_python(pattern): modern(child) for pattern, child in value.items()}
    if keyword in MAPS and isinstance(value, dict):
        return {name: modern(child) for name, child in value.items()}
    return modern(value)


def _in_python(pattern: str) -> str:
    """Write a named group of ECMA 262 as Python does: `(?P<name>…)`."""
    return re.sub(r"\(\?<(?![=!])", "(?P<", pattern)


def validity(root: Any) -> Callable[[Any, Any], bool]:  # noqa: ANN401 - any JSON value
    """Return a predicate: is a value valid against a schema within the root?

    The predicate raises `SchemaError` if the schema can't be used.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import UnknownType
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    # An empty registry, so that no reference is fetched from the network.
    validator = Draft202012Validator(root, registry=Registry(), format_checker=Draft202012Validator.FORMAT_CHECKER)

    def check(value: Any, schema: Any) -> bool:  # noqa: ANN401 - any JSON values
        try:
            return bool(validator.evolve(schema=schema).is_valid(value))
        except UnknownType as error:
            raise SchemaError(f"{error.type!r} is not a type of JSON Schema") from None
        except Unresolvable as error:
            raise SchemaError(f"it has the reference {error.ref[:80]!r}, which can't be followed") from None
        except re.error as error:
            raise SchemaError(f"the pattern {str(error.pattern)[:80]!r} can't be read") from None
        except RecursionError:
            raise SchemaError("it is nested too deeply, or refers to itself without an end") from None

    return check


def combined_schemas(keyword: str, argument: Any, root: Any) -> list[Any]:  # noqa: ANN401 - any JSON values
    """Return the schemas that a keyword such as `$ref` or `anyOf` applies to the same value.

    Raises:
        SchemaError: The reference can't be followed, or the value is not a list.
    """
    if keyword == "$ref":
        try:
            return [resolved(root, argument)]
        except MismatchError as error:
            raise SchemaError(error.reason.replace("the JSON Schema", "it", 1).partition(", and only")[0]) from None
    if not isinstance(argument, list) or not argument:
        raise SchemaError(f"{keyword!r} is not a list of schemas")
    return argument


WORDS: Final = (
    *("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "harbor", "island", "juniper", "kestrel", "lagoon"),
    *("meadow", "nectar", "orchard", "prairie", "quartz", "river", "saddle", "timber", "upland", "valley", "willow", "yarrow"),
)

TRIES: Final = 60
"""Candidates of a pattern, and multiples, that are tried before a schema counts as one without an instance."""

MOST_REPEATS: Final = 100_000
"""The greatest length of a string; a schema that requires more is refused."""


def words(chance: random.Random, count: int = 2) -> str:
    """Return random words."""
    return " ".join(chance.choice(WORDS) for _ in range(count))


def texts(schema: Mapping[str, Any], chance: random.Random) -> Iterator[str]:
    """Yield strings that may fit `format`, `pattern`, `minLength` and `maxLength`.

    Raises:
        SchemaError: The pattern can't be compiled, or the string would be too long.
    """
    least, most = schema.get("minLength", 0), schema.get("maxLength", math.inf)
    if least > MOST_REPEATS:
        raise SchemaError(f"a text of {least:,} characters is longer than this server writes")
    pattern, make = schema.get("pattern"), MAKERS.get(schema.get("format", ""))
    if make is not None:
        yield make(chance)
    if pattern is not None:
        yield from _patterned(pattern, chance, least)
    if make is not None or pattern is not None:
        return
    text = words(chance)
    while len(text) < least:
        text += f" {words(chance, 1)}"
    if len(text) > most:
        text = text[: int(most)].strip().ljust(least, "a")
    yield text


def numbers(schema: Mapping[str, Any], chance: random.Random, *, whole: bool) -> Iterator[float]:
    """Yield numbers that may fit the bounds and `multipleOf`."""
    low = max((schema[key] for key in ("minimum", "exclusiveMinimum") if key in schema), default=None)
    high = min((schema[key] for key in ("maximum", "exclusiveMaximum") if key in schema), default=None)
    low, high = _range(low, high)
    step = schema.get("multipleOf", 1 if whole else None)
    if step is not None:
        first, last = math.ceil(low / step), math.floor(high / step)
        middle = first if last <= first else first + chance.randrange(min(last - first, 2**53) + 1)
        for number in (middle, *range(first, first + TRIES), *range(last, last - TRIES, -1)):
            yield _whole(number * step) if whole else round(number * step, 12)
        return
    between = low + (high - low) * (0.25 + chance.random() / 2)
    yield from (round(between, 2), between, (low + high) / 2, low, high)


def _range(low: float | None, high: float | None) -> tuple[float, float]:
    """Return both bounds; a missing one is set near 0 or the other."""
    if low is None:
        low = 0 if high is None else min(0, high - 100)
    return low, max(100, low + 100) if high is None else high


def _whole(number: float) -> float:
    return int(number) if number == int(number) else number


def _patterned(pattern: str, chance: random.Random, least: int) -> Iterator[str]:
    """Yield strings that match a regular expression, the shortest first."""
    try:
        tree = PARSER.parse(pattern)
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
    """Makes a string that matches a regular expression, ignoring lookaheads and lookbehinds.

    Args:
        chance: The random choices.
        stretch: Repetitions above the minimum of each repeat.
    """

    def __init__(self, chance: random.Random, stretch: int) -> None:
        self._chance = chance
        self._stretch = stretch
        self._groups: dict[int, str] = {}

    def text(self, tree: Any) -> str:  # noqa: ANN401 - from `re._parser`, which has no types
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
                raise SchemaError("the pattern requires a longer string than this server writes")
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
        """Return a character of a class, such as `[a-z_]` or `[^,]`."""
        negated = str(choices[0][0]) == "NEGATE"
        fitting = [letter for letter in LETTERS if any(_is_in(letter, *choice) for choice in choices) != negated]
        if fitting:
            return self._chance.choice(fitting)
        kind, argument = choices[0]  # characters beyond ASCII
        return chr(argument[0] if str(kind) == "RANGE" else argument) if str(kind) in ("RANGE", "LITERAL") else ""


def _is_in(letter: str, kind: Any, argument: Any) -> bool:  # noqa: ANN401 - from `re._parser`
    if str(kind) == "LITERAL":
        return bool(ord(letter) == argument)
    if str(kind) == "RANGE":
        return bool(argument[0] <= ord(letter) <= argument[1])
    category = CATEGORIES.get(str(argument).removeprefix("CATEGORY_").removeprefix("NOT_"))
    return category is not None and category(letter) != ("NOT_" in str(argument))


PARSER: Final = import_module("re._parser")
"""The parser of regular expressions in the standard library."""

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
"""A string of each format [JSON Schema, Validation, 7.3]; addresses are reserved for examples (RFC 2606, 5737, 3849)."""
